"""What was asked and what an answer means for the settlement, as every judge gives it. Pure."""

from enum import StrEnum
from typing import Literal

import msgspec
from msgspec.structs import replace

from integrations.ports.insurance import Settled
from service.bill.states import BillKind
from service.settlement.model import InsuranceCall, Progress
from service.settlement.rules import same_parts, split_faults
from service.settlement.states import SettlementEvent, SettlementState

CONTRADICTS = "answer-contradicts"


class OwnPart(StrEnum):
    """What became of the own part of a bill that is paid at the payment centre."""

    PLACED = "placed"
    """The centre waits for the payer."""
    PAID = "paid"
    CLOSED = "closed"
    REFUSED = "refused"
    """Nothing was begun there."""
    RETURNED = "returned"


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """The question, how far the settlement was, and how its institution takes a change."""

    call: InsuranceCall
    progress: Progress
    state: SettlementState
    total_fen: int
    paid_fen: int
    """What the payer paid, without what was promised back."""
    undo_moved: bool
    correcting: bool = False
    """A correction runs: a refusal undoes nothing, it goes before a person."""

    @property
    def of_stay(self) -> bool:
        """Whether the settlement goes by the inpatient chain."""
        return self.progress.kind is BillKind.DISCHARGE


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What an outcome means. Without an event the state stays."""

    progress: Progress
    event: SettlementEvent | None = None
    reason: str | None = None
    again: Literal["now", "later", "wait"] = "now"
    """``later``: no progress was made; the same is tried again after a while. ``wait``: all is
    well, and somebody else acts; it is looked at again."""
    left_behind: str | None = None
    """The reason of a work item: something harmless stays at the bureau."""
    undid: bool = False
    """The doubtful call is undone for certain."""
    refund_fen: int = 0
    """The payer paid this much more than the bureau leaves to him."""
    own_part: OwnPart | None = None
    """What became of the own part at the payment centre."""
    own_ref: str | None = None
    """The centre's number of it."""


def contradicts(progress: Progress, reason: str) -> Verdict:
    return Verdict(progress=progress, event=SettlementEvent.CONTRADICTED, reason=reason)


def settled(asked: Asked, found: Settled) -> Verdict:
    """What the bureau's settlement means."""
    return weigh(asked, replace(asked.progress, settled=found, doubt=None))


def weigh(asked: Asked, known: Progress) -> Verdict:
    """What is settled, and what a commercial insurer said to it, beside what was promised and what
    the institution wishes."""
    found, promised, cover = known.settled, known.promised, known.cover
    if asked.state is not SettlementState.SETTLING:
        return Verdict(progress=known)
    if found is None or promised is None or split_faults(found.split, asked.total_fen):
        return contradicts(known, "settlement-contradicts")
    granted_less = cover is not None and cover.granted_fen != cover.offered_fen
    waits = cover is not None and cover.is_unconfirmed
    moved = not same_parts(found.split, promised) or (granted_less and not waits)
    if asked.undo_moved and moved:
        return Verdict(
            progress=known, event=SettlementEvent.AMOUNTS_REFUSED, reason="amounts-moved"
        )
    if waits:
        return Verdict(progress=known)
    own_fen = found.split.cash_fen - known.cover_fen
    if own_fen > asked.paid_fen:
        return Verdict(progress=known, event=SettlementEvent.CASH_ROSE, reason="amounts-moved")
    return Verdict(
        progress=known,
        event=SettlementEvent.SETTLED,
        refund_fen=asked.paid_fen - own_fen,
    )
