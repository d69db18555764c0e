"""Insurance calls that the hospital's own machine performs. Amounts are integer fen."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

import msgspec

from crypto.canonical import Value
from integrations.ports.insurance import ChargeLine, Settled, Split, Visit
from service.bill.model import Stay
from service.settlement.states import AskState


class AskKind(StrEnum):
    """What is asked of the hospital; all else it knows or need not know."""

    PRESETTLE = "presettle"
    WITHDRAW = "withdraw"
    """What was divided is given up: nothing of it may stand at the bureau."""
    SETTLE = "settle"
    REVERSE = "reverse"
    UNDO = "undo"
    """Another ask, whatever became of it, is undone and never done later."""
    FIND = "find"


class AskedPerson(msgspec.Struct, frozen=True, kw_only=True):
    """Whose insurance it is. What is not known here is empty: the hospital asks its bureau."""

    name: str
    id_no: str
    person_no: str
    insurance_type: str
    region: str


class AskContent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the hospital is told: sealed as a whole. Only a ``presettle`` names the person."""

    bill_no: str = ""
    bill_version: int = 0
    bill_kind: str = ""
    use_account: bool = False
    insured: AskedPerson | None = None
    visit: Visit | None = None
    stay: Stay | None = None
    lines: list[ChargeLine] = []
    promised: Split | None = None
    """What the payer was shown, and agreed to: of a ``settle``."""
    settlement_ref: str | None = None
    """The bureau's number of what is revoked: of a ``reverse``."""
    of_kind: str | None = None
    """``settle`` or ``reverse``: of an ``undo``."""


class Result(StrEnum):
    """What the hospital says became of it."""

    DONE = "done"
    REFUSED = "refused"
    """Surely not done, by the bureau or by itself."""
    UNKNOWN = "unknown"
    """It cannot tell: its own call got no answer."""


class Told(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The hospital's answer, compared as a whole with a repeat."""

    result: Result
    split: Split | None = None
    settled: Settled | None = None
    reversal_ref: str | None = None
    code: str = ""
    text: str = ""


class SignedReport(msgspec.Struct, frozen=True, kw_only=True):
    """A request as the hospital signed it: with its public key anybody can check it."""

    method: str
    host: str
    target: str
    authorization: str
    idempotency_key: str
    body: str


class InsuranceAsk(msgspec.Struct, frozen=True, kw_only=True):
    """A row. ``message_no`` is our number of the call; ``of_no`` that of the one it undoes."""

    institution_id: int
    message_no: str
    ask_id: int
    record_id: int
    settlement_id: int
    kind: AskKind
    of_no: str | None
    total_fen: int
    asked: bytes
    state: AskState
    asked_at: datetime
    taken_at: datetime | None
    taken_by: int | None
    """The hospital's application."""
    answered_at: datetime | None
    answered_by: int | None
    answer: bytes | None
    signed: bytes | None
    differing: bytes | None
    version: int
    row_mac: bytes

    def mac_parts(self) -> Sequence[Value]:
        """Every column that the row's MAC covers."""
        return [value for name, value in msgspec.structs.asdict(self).items() if name != "row_mac"]


class AskView(msgspec.Struct, frozen=True, kw_only=True):
    """An ask, opened. ``report`` is the request that answered it."""

    ask: InsuranceAsk
    content: AskContent
    report: SignedReport | None = None
