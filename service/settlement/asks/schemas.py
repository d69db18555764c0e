"""What a hospital's own machine gets and reports about insurance calls. Amounts are integer fen."""

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from integrations.ports.insurance import ChargeLine, Settled, Split
from integrations.ports.money import FenField
from service.bill.model import Stay
from service.kernel.context import Context
from service.settlement.asks.answering import WAIT_S_MAX
from service.settlement.asks.model import AskedPerson, AskView, Result, SignedReport, Told
from service.settlement.schemas import Text

Word = Annotated[str, Meta(max_length=64)]
FundCode = Annotated[str, Meta(pattern=r"^[0-9A-Za-z_]{1,20}$(?!\n)")]
Moment = Annotated[datetime, Meta(tz=True)]


class TakeRequest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What the machine wants to have."""

    wait_s: Annotated[int, Meta(ge=0, le=WAIT_S_MAX)] = 0
    """While there is nothing, wait so long; a busy server answers sooner."""
    again: bool = False
    """Also what was taken before and is not answered."""


class SplitReport(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """How the bureau divides the bill: ``total = fund + account + cash + hospital``, and
    ``total = full_own + over_limit + first_pay + in_scope``. ``funds`` add up to ``fund``."""

    total_fen: FenField
    fund_fen: FenField
    account_fen: FenField
    cash_fen: FenField
    hospital_fen: FenField = 0
    mutual_aid_fen: FenField = 0
    """Contained in ``account_fen``."""
    full_own_fen: FenField
    over_limit_fen: FenField
    first_pay_fen: FenField
    in_scope_fen: FenField
    funds: Annotated[dict[FundCode, FenField], Meta(max_length=30)]
    balance_after_fen: FenField = 0

    def split(self) -> Split:
        """In our own words."""
        return msgspec.convert(msgspec.to_builtins(self), Split)


class SettledReport(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The bureau's settlement, by its own number."""

    settlement_ref: Text
    split: SplitReport
    settled_at: Moment
    clearing_type: Word = ""
    clearing_region: Word = ""

    def settled(self) -> Settled:
        """In our own words."""
        return Settled(
            settlement_ref=self.settlement_ref,
            split=self.split.split(),
            settled_at=self.settled_at,
            clearing_type=self.clearing_type,
            clearing_region=self.clearing_region,
        )


class AnswerRequest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What became of a call. ``done``: with ``split`` for a presettle, ``settled`` for a settle,
    ``reversal_ref`` for a reverse; ``settled`` for a find only where a settlement stands.
    ``refused``: surely nothing was done, with ``text``. ``unknown``: you cannot tell."""

    result: Result
    split: SplitReport | None = None
    settled: SettledReport | None = None
    reversal_ref: Text | None = None
    code: Word = ""
    text: Annotated[str, Meta(max_length=200)] = ""
    """Why it was refused; the payer reads it."""

    def told(self) -> Told:
        """In our own words."""
        return Told(
            result=self.result,
            split=None if self.split is None else self.split.split(),
            settled=None if self.settled is None else self.settled.settled(),
            reversal_ref=self.reversal_ref,
            code=self.code,
            text=self.text,
        )


class DiagnosisAnswer(msgspec.Struct, kw_only=True):
    """As the bill named it."""

    code: str
    name: str
    main: bool


class VisitAnswer(msgspec.Struct, kw_only=True):
    """The visit, as the bill named it."""

    visit_no: str
    began_at: datetime
    doctor_no: str
    doctor_name: str
    department_no: str
    department_name: str
    speciality: str
    visit_type: str
    diagnoses: list[DiagnosisAnswer]


class AskedLine(msgspec.Struct, kw_only=True):
    """A charge line, as the bill named it."""

    line_no: str
    catalogue_code: str
    local_code: str
    name: str
    quantity_e4: int
    unit_price_e6: int
    amount_fen: FenField
    charged_at: datetime

    @classmethod
    def of(cls, line: ChargeLine) -> "AskedLine":
        """The same."""
        return msgspec.convert(line, cls, from_attributes=True)


class PromisedAnswer(msgspec.Struct, kw_only=True):
    """What the payer agreed to."""

    fund_fen: FenField
    account_fen: FenField
    cash_fen: FenField
    hospital_fen: FenField


class AskAnswer(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One call to perform, under our number of it. Which members there are depends on ``ask``."""

    message_no: str
    ask: str
    settlement_id: str
    bill_no: str
    bill_version: int
    bill_kind: str
    total_fen: FenField
    asked_at: datetime
    use_account: bool = False
    insured: AskedPerson | None = None
    visit: VisitAnswer | None = None
    stay: Stay | None = None
    lines: list[AskedLine] = []
    promised: PromisedAnswer | None = None
    settlement_ref: str | None = None
    of_message_no: str | None = None
    of_ask: str | None = None

    @classmethod
    def of(cls, ctx: Context, view: AskView) -> "AskAnswer":
        """For its own institution."""
        row, content = view.ask, view.content
        return cls(
            message_no=row.message_no,
            ask=row.kind.value,
            settlement_id=ctx.public_ids.text(row.record_id, row.settlement_id),
            bill_no=content.bill_no,
            bill_version=content.bill_version,
            bill_kind=content.bill_kind,
            total_fen=row.total_fen,
            asked_at=row.asked_at,
            use_account=content.use_account,
            insured=content.insured,
            visit=None
            if content.visit is None
            else msgspec.convert(content.visit, VisitAnswer, from_attributes=True),
            stay=content.stay,
            lines=[AskedLine.of(line) for line in content.lines],
            promised=None
            if content.promised is None
            else msgspec.convert(content.promised, PromisedAnswer, from_attributes=True),
            settlement_ref=content.settlement_ref,
            of_message_no=row.of_no,
            of_ask=content.of_kind,
        )


class AskList(msgspec.Struct, kw_only=True):
    """Calls to perform, oldest first."""

    asks: list[AskAnswer]


class RecordedAnswer(msgspec.Struct, kw_only=True, omit_defaults=True):
    """How a call stands with us. ``report`` is your request that answered it, as you signed it."""

    message_no: str
    ask: str
    settlement_id: str
    state: str
    answered_at: datetime | None = None
    report: SignedReport | None = None

    @classmethod
    def of(cls, ctx: Context, view: AskView, *, with_report: bool) -> "RecordedAnswer":
        """For its own institution."""
        row = view.ask
        return cls(
            message_no=row.message_no,
            ask=row.kind.value,
            settlement_id=ctx.public_ids.text(row.record_id, row.settlement_id),
            state=row.state.value,
            answered_at=row.answered_at,
            report=view.report if with_report else None,
        )
