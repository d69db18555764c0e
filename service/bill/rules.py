"""Pure decisions about bills: exact line amounts, sums, bounds, who may hold one."""

from datetime import datetime, timedelta

from integrations.ports.insurance import ChargeLine
from integrations.ports.money import FEN_MAX
from service.bill.model import Bill, BillContent, BillRow
from service.bill.problems import (
    BillLocked,
    BillNotPayable,
    BillPartsDoNotSum,
    BillRefused,
    BillVersionStale,
)
from service.bill.states import HELD, OF_STAY, BillKind, BillState

LINES_MAX = 500
PAY_WITHIN_MAX = timedelta(days=30)
BEFORE_DIAGNOSIS = frozenset({BillKind.REGISTRATION, BillKind.DEPOSIT})
"""Kinds that a patient may be charged before anybody has examined him."""
OUTPATIENT_TYPES = frozenset({"11", "12", "13", "14", "19", "41", "51", "91", "93"})
"""National types of visit without a stay (medical-insurance dossier 2); areas have more of their
own, which the bureau judges."""
_FEN_PER_UNIT = 10**8
"""quantity x 10^4 times yuan x 10^6 is yuan x 10^10, which is fen x 10^8."""


def line_amount_fen(quantity_e4: int, unit_price_e6: int) -> int:
    """Quantity times unit price in fen, rounded half up; both non-negative scaled integers."""
    return (quantity_e4 * unit_price_e6 + _FEN_PER_UNIT // 2) // _FEN_PER_UNIT


def check_content(content: BillContent, now: datetime) -> None:
    """Raises ``BillPartsDoNotSum`` or ``BillRefused``; the detail names places, never values."""
    check_remaining(content)
    if not now < content.pay_until <= now + PAY_WITHIN_MAX:
        raise BillRefused("pay_until: must lie in the next 30 days")
    if (content.stay is not None) != (content.kind in OF_STAY):
        raise BillRefused("stay: named by deposits and discharges, by no other bill")
    if content.kind is BillKind.DISCHARGE and content.stay is not None and not content.stay.bed:
        raise BillRefused("stay.bed: named by a discharge")
    if content.kind is BillKind.DISCHARGE and content.visit.visit_type in OUTPATIENT_TYPES:
        raise BillRefused("visit.visit_type: one of a stay in hospital, as 21, for a discharge")
    _check_reliefs(content)
    if content.cover is not None and content.kind is BillKind.DEPOSIT:
        raise BillRefused("cover: a deposit is held, not spent")
    mains = sum(1 for diagnosis in content.visit.diagnoses if diagnosis.main)
    none_yet = not content.visit.diagnoses and content.kind in BEFORE_DIAGNOSIS
    if mains != 1 and not none_yet:
        raise BillRefused("visit.diagnoses: exactly one is the main diagnosis")


def _check_reliefs(content: BillContent) -> None:
    """Each programme once, and never more than the bill: more than the payer's part is not used."""
    if content.reliefs and content.kind is BillKind.DEPOSIT:
        raise BillRefused("reliefs: a deposit is held, not spent")
    if len({one.programme for one in content.reliefs}) < len(content.reliefs):
        raise BillRefused("reliefs: each programme once")
    if sum(one.amount_fen for one in content.reliefs) > content.total_fen:
        raise BillRefused("reliefs: more than the bill")


def check_remaining(content: BillContent) -> None:
    """The part of ``check_content`` that holds of a bill at any time."""
    _check_lines(content.lines)
    if sum(line.amount_fen for line in content.lines) != content.total_fen:
        raise BillPartsDoNotSum("total_fen: not the sum of the lines")
    if not 0 < content.total_fen <= FEN_MAX:
        raise BillRefused("total_fen: nothing to pay, or more than any bill")


def _check_lines(lines: list[ChargeLine]) -> None:
    if not 1 <= len(lines) <= LINES_MAX:
        raise BillRefused("lines: 1 to 500")
    seen: set[str] = set()
    for place, line in enumerate(lines):
        if line.line_no in seen:
            raise BillRefused(f"lines[{place}].line_no: used before in this bill")
        seen.add(line.line_no)
        if line.amount_fen != line_amount_fen(line.quantity_e4, line.unit_price_e6):
            raise BillPartsDoNotSum(f"lines[{place}].amount_fen: not quantity times unit price")


def check_same_kind(row: BillRow, content: BillContent) -> None:
    """An amendment is of the same kind and stay. Raises ``BillRefused``."""
    if (row.kind, row.stay_no) != (content.kind, content.stay_no):
        raise BillRefused("kind, stay: not those of the bill that is amended")


def may_insure(bill: Bill, *, registration_insured: bool) -> bool:
    """Whether the bureau is asked to pay a part. It pays for no deposit, and for a registration
    only where the institution has it so and the visit's diagnosis is named."""
    match bill.kind:
        case BillKind.DEPOSIT:
            return False
        case BillKind.REGISTRATION:
            return registration_insured and bool(bill.visit.diagnoses)
        case _:
            return True


def check_changeable(row: BillRow) -> None:
    """Whether the hospital may amend or withdraw. Raises ``BillLocked``, ``BillNotPayable``."""
    if row.state in HELD:
        raise BillLocked
    if row.state is BillState.WITHDRAWN:
        raise BillNotPayable("the bill was withdrawn")


def check_lockable(row: BillRow, expected_version: int, now: datetime) -> None:
    """Raises ``BillLocked``, ``BillNotPayable`` or ``BillVersionStale``."""
    if row.state is BillState.LOCKED:
        raise BillLocked
    if row.state is not BillState.OPEN or row.pay_until <= now:
        raise BillNotPayable
    if row.version != expected_version:
        raise BillVersionStale
