"""Which of a settlement's work items end with a change of its state, in the same transaction."""

from service.casework import actions as casework
from service.casework.model import ItemsOf
from service.kernel.context import Context
from service.kernel.database import Connection
from service.settlement.model import Settlement
from service.settlement.states import SettlementEvent, SettlementState

_S = SettlementState
_E = SettlementEvent

NOT_POSTED = "hospital-did-not-post"
TO_COLLECT = "correction-to-collect"
CONTRADICTED = "contradicted"
"""Of a review whose settlement names no other reason."""
_AT_CENTRE = ("centre-sides-differ", "refund-refused-at-centre", "refund-not-told")
_UNTIL_UNDONE = ("reversing-stuck", "refund-failed", *_AT_CENTRE)
_COLLECTED = frozenset({_E.PAID, _E.ENOUGH_PAID, _E.AMOUNTS_REFUSED, _E.CONTRADICTED})
_REVIEWED = frozenset({_E.REVIEWED_SETTLE, _E.REVIEWED_REVERSE, _E.REVIEWED_GO_ON})


async def close(
    conn: Connection, ctx: Context, before: Settlement, after: Settlement, event: SettlementEvent
) -> None:
    """Close what ``event`` ends; nothing is written where nothing can be open."""
    ended = reasons(before, event, tries_max=ctx.policy.tries_max)
    late = before.deadline_at is not None and before.deadline_at <= ctx.clock.now()
    if event is _E.HOSPITAL_POSTED and late:
        ended += (NOT_POSTED,)
    if not ended:
        return
    items = ItemsOf(
        record_id=after.record_id,
        kind="settlement",
        subject_id=after.settlement_id,
        reasons=ended,
    )
    await casework.close_items_of(conn, ctx, items, event.value)


def reasons(before: Settlement, event: SettlementEvent, *, tries_max: int) -> tuple[str, ...]:
    """The reasons that may be open before ``event`` and have no more cause after it. Leftovers at
    the bureau stay: only the hospital can clear them."""
    ended: tuple[str, ...] = ()
    if event in _REVIEWED:
        ended += (before.reason or CONTRADICTED,)
    if event is _E.UNDONE:
        ended += _UNTIL_UNDONE
    if event is _E.RECALLED:
        ended += _AT_CENTRE
    if event in _COLLECTED and before.correcting:
        ended += (TO_COLLECT,)
    if before.tries > tries_max:
        ended += (stuck(before.state),)
    return ended


def stuck(state: SettlementState) -> str:
    """The reason where many tries in a state brought nothing."""
    return f"{state.value.lower().replace('_', '-')}-stuck"
