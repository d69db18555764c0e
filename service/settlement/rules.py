"""Pure decisions of the saga: amounts, waits, and which call to the bureau comes next.

What a call's outcome means is in ``judging``.
"""

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from integrations.ports.insurance import Split
from service.settlement.model import (
    CallKind,
    CentreOrder,
    Doubt,
    DoubtPhase,
    Place,
    Progress,
    Settlement,
)
from service.settlement.problems import SettlementTakenOver

LINES_MAX = 100
"""Charge lines in one message (dossier 1.7)."""
VISIT_NO_MAX = 30
WAIT_MAX = timedelta(minutes=10)
ORDERS_MAX = 6
"""New orders of one settlement in ``ORDERS_WITHIN``: each is placed and closed at a provider."""
ORDERS_WITHIN = timedelta(minutes=1)
ASK_EVERY = timedelta(seconds=30)
"""Between two questions about an order at the payment centre for whose payer is waited."""


class Leg(StrEnum):
    """One thing that is undone when a settlement is reversed."""

    COVER = "cover"
    MONEY = "money"
    SETTLEMENT = "settlement"
    CHARGES = "charges"
    DISCHARGE = "discharge"
    VISIT = "visit"
    TOLD = "told"
    """The provider of a mixed order knows that insurance went back."""


COMPENSATION: tuple[Leg, ...] = (
    Leg.COVER,
    Leg.MONEY,
    Leg.SETTLEMENT,
    Leg.CHARGES,
    Leg.DISCHARGE,
    Leg.VISIT,
)
"""The order of undoing (payments dossier 9.8, insurance dossier 10.6): commercial cover, resting on
the insurance, then the payer's money, then the insurance, so that nobody is left without both;
there 2208, 2205, 2202, of a stay 2305, 2302, 2405, 2404 (insurance dossier 1.8). Each leg is
definite before the next begins."""
MIXED_COMPENSATION: tuple[Leg, ...] = (
    Leg.SETTLEMENT,
    Leg.MONEY,
    Leg.TOLD,
    Leg.CHARGES,
    Leg.DISCHARGE,
    Leg.VISIT,
)
"""Of a mixed order: insurance at the bureau, then the own part by the provider's ordinary refund,
then the provider is told of the first under the number of the second (payments dossier 4.7)."""
RECALL: tuple[Leg, ...] = (Leg.COVER, Leg.SETTLEMENT, Leg.CHARGES)
"""What a correction revokes before what remains is divided anew."""


def compensation(progress: Progress) -> tuple[Leg, ...]:
    """The order in which this settlement is undone."""
    is_mixed = progress.centre is not None and progress.centre.mixed
    return MIXED_COMPENSATION if is_mixed else COMPENSATION


def next_order_s(made_at: Sequence[datetime], now: datetime) -> int:
    """In how many whole seconds another order may be made; 0 now. ``made_at``: of those before."""
    recent = sorted(at for at in made_at if at > now - ORDERS_WITHIN)
    if len(recent) < ORDERS_MAX:
        return 0
    return max(1, math.ceil((recent[-ORDERS_MAX] + ORDERS_WITHIN - now).total_seconds()))


def back_off(tries: int, first: timedelta) -> timedelta:
    """Doubled with each try without progress, at most ten minutes. ``tries`` counts from 1."""
    doubled: timedelta = first * (1 << min(max(tries - 1, 0), 16))
    return min(doubled, WAIT_MAX)


def check_place(row: Settlement, place: Place | None) -> None:
    """What was taken over is dealt with there alone. None: the system itself.

    Raises ``SettlementTakenOver``.
    """
    if place is not None and row.taken_over_at is not None and not row.is_held_at(place):
        raise SettlementTakenOver


def own_split(total_fen: int) -> Split:
    """The division of a bill that the payer pays alone."""
    return Split(
        total_fen=total_fen,
        fund_fen=0,
        account_fen=0,
        cash_fen=total_fen,
        hospital_fen=0,
        mutual_aid_fen=0,
        full_own_fen=total_fen,
        over_limit_fen=0,
        first_pay_fen=0,
        in_scope_fen=0,
        funds={},
        balance_after_fen=0,
    )


def split_faults(split: Split, total_fen: int) -> list[str]:
    """Which identities (dossier 3) a division breaks; empty when all hold."""
    parts = (split.fund_fen, split.account_fen, split.cash_fen, split.hospital_fen)
    checks = {
        "other-total": split.total_fen == total_fen,
        "negative-part": min(parts) >= 0,
        "parts": sum(parts) == split.total_fen,
        "scope-parts": split.full_own_fen
        + split.over_limit_fen
        + split.first_pay_fen
        + split.in_scope_fen
        == split.total_fen,
        "funds": sum(split.funds.values()) == split.fund_fen,
        "mutual-aid": 0 <= split.mutual_aid_fen <= split.account_fen,
    }
    return [name for name, holds in checks.items() if not holds]


def same_parts(one: Split, other: Split) -> bool:
    """Whether everybody pays the same in both."""
    return (one.fund_fen, one.account_fen, one.cash_fen, one.hospital_fen) == (
        other.fund_fen,
        other.account_fen,
        other.cash_fen,
        other.hospital_fen,
    )


def next_presettle_call(progress: Progress, lines: int) -> CallKind:
    """The first thing that the bureau has not been told yet, doubts first."""
    if progress.doubt is not None:
        return next_doubt_call(progress.doubt)
    if progress.visit_ref is None:
        return CallKind.REGISTER
    if not progress.diagnosed:
        return CallKind.REOPEN if progress.discharge_in_doubt else CallKind.DIAGNOSES
    if progress.charges_in_doubt:
        return CallKind.WITHDRAW
    if progress.lines_sent < lines:
        return CallKind.CHARGES
    return CallKind.ADJUDICATE if asks_cover(progress) else CallKind.PRESETTLE


def asks_cover(progress: Progress) -> bool:
    """Whether the bill is divided, and an insurer is still to be asked about the own part."""
    promised, cover = progress.promised, progress.cover
    open_part = promised is not None and promised.cash_fen > 0
    return open_part and cover is not None and cover.is_unasked


def next_centre_call(progress: Progress, *, ending: bool) -> CallKind | None:
    """What is asked next for the order; None when nothing of it is open.

    ``ending``: the payer gave up, or his time is over.
    """
    centre = progress.centre
    if centre is None or centre.paid or centre.ended:
        return None
    if centre.order is None:
        if ending and not centre.upload_in_doubt:
            return None
        told = progress.lines_sent or progress.charges_in_doubt
        return CallKind.WITHDRAW if told else CallKind.UPLOAD
    if ending or centre.unwanted is not None:
        return CallKind.LOOK if centre.unclear else CallKind.REVOKE
    return CallKind.LOOK if centre.unclear or centre.divided else CallKind.PAY


def is_returned(centre: CentreOrder) -> bool:
    """Whether nothing of a paid order is left at the payment centre; of a mixed one the own part
    never was there."""
    return centre.insurance_returned and (centre.own_returned or centre.mixed)


def next_return(progress: Progress, *, own: bool) -> CallKind | None:
    """What gives back of a paid order: own money, then insurance. None when it went back."""
    centre = progress.centre
    if centre is None or not centre.paid:
        return None
    if own:
        if centre.own_returned or centre.mixed:
            return None
        return CallKind.LOOK if centre.unclear else CallKind.RETURN_OWN
    if centre.insurance_returned:
        return None
    return CallKind.LOOK if centre.unclear else CallKind.RETURN_INSURANCE


def next_doubt_call(doubt: Doubt) -> CallKind:
    """How a doubtful call is cleared up: look, undo, look again."""
    return CallKind.UNDO if doubt.phase is DoubtPhase.UNDO else CallKind.FIND


def next_settle_call(progress: Progress) -> CallKind:
    """Never a second settlement while the first is in doubt; the payment centre's is looked for,
    and a mixed order's before is asked about there. What is settled a commercial insurer confirms
    upon."""
    cover = progress.cover
    if progress.settled is not None and cover is not None and cover.is_unconfirmed:
        if cover.is_refused_late:
            return CallKind.COVER_WITHDRAW
        return CallKind.COVER_FIND if cover.in_doubt else CallKind.COVER_CONFIRM
    if progress.centre is not None and progress.centre.paid:
        return CallKind.CONFIRM
    if progress.centre is not None and progress.centre.mixed:
        return CallKind.LOOK
    return CallKind.SETTLE if progress.doubt is None else next_doubt_call(progress.doubt)


def undo_call(leg: Leg, progress: Progress) -> CallKind | None:
    """What is asked next for one leg; None when nothing of it stands there."""
    match leg:
        case Leg.COVER:
            kind = _withdraw_cover(progress)
        case Leg.SETTLEMENT:
            kind = _undo_settlement(progress)
        case Leg.TOLD:
            kind = _tell(progress)
        case Leg.CHARGES if progress.visit_ref is not None:
            told = progress.lines_sent or progress.charges_in_doubt
            kind = CallKind.WITHDRAW if told else None
        case Leg.DISCHARGE if is_discharged(progress):
            kind = CallKind.REOPEN
        case Leg.VISIT if progress.visit_ref is not None:
            given = progress.stay is not None and progress.stay.insurance_ref is not None
            kind = None if given else CallKind.CANCEL
        case _:
            kind = None
    return kind


def _withdraw_cover(progress: Progress) -> CallKind | None:
    stands = progress.cover is not None and progress.cover.may_stand
    return CallKind.COVER_WITHDRAW if stands else None


def is_discharged(progress: Progress) -> bool:
    """Whether the end of the stay stands at the bureau by our word, or may."""
    ours = progress.stay is not None and progress.stay.ended_at is not None
    return ours and (progress.diagnosed or progress.discharge_in_doubt)


def is_undone(progress: Progress) -> bool:
    """Whether nothing of the settlement stands at the bureau."""
    return all(undo_call(leg, progress) is None for leg in compensation(progress))


def _tell(progress: Progress) -> CallKind | None:
    centre = progress.centre
    open_still = centre is not None and centre.mixed and centre.paid and not centre.told
    return CallKind.TELL if open_still else None


def _undo_settlement(progress: Progress) -> CallKind | None:
    if progress.centre is not None and progress.centre.paid:
        return next_return(progress, own=False)
    if progress.doubt is not None:
        return next_doubt_call(progress.doubt)
    return CallKind.REVERSE if progress.settled is not None else None


def owed_fen(cash_fen: int | None, paid_fen: int) -> int:
    """What the payer still owes."""
    return max(0, (cash_fen or 0) - paid_fen)


def cash_part_fen(owed_fen: int, tendered_fen: int, wanted_fen: int | None) -> int:
    """What of the cash handed over is kept: the amount that was wanted, else as much as is owed."""
    return wanted_fen if wanted_fen is not None else min(owed_fen, tendered_fen)


def is_past(deadline: datetime | None, now: datetime) -> bool:
    """Whether there is a deadline and it has come."""
    return deadline is not None and now >= deadline
