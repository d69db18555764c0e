"""How a person ends the review of a settlement: settle on, go on with a correction, or undo."""

from service.audit import actions as audit
from service.audit.model import AuditEntry
from service.kernel.context import Context
from service.kernel.database import Connection
from service.kernel.problems import StateConflict
from service.ledger.model import COUNTED
from service.payment import actions as payment
from service.settlement import door, tender
from service.settlement.corrections import rows
from service.settlement.model import Settlement
from service.settlement.states import SettlementEvent, SettlementState

_S = SettlementState
_E = SettlementEvent


async def review(
    ctx: Context,
    record_id: int,
    settlement_id: int,
    decision: SettlementEvent,
    *,
    by: str = "operator",
    because: str = "",
) -> Settlement:
    """A person's decision on a settlement in review: settle on, take a correction up again, or undo
    everything. ``by`` and ``because`` go into the audit log, without personal data.

    Raises ``StateConflict`` for any other event or state.
    """
    if decision not in (_E.REVIEWED_SETTLE, _E.REVIEWED_REVERSE, _E.REVIEWED_GO_ON):
        raise StateConflict("a review ends in settling, in going on or in reversing")

    async def decide(conn: Connection, row: Settlement) -> Settlement:
        if decision is _E.REVIEWED_GO_ON and not await _may_go_on(conn, ctx, row):
            raise StateConflict("only a correction whose money nobody gave back goes on")
        if decision is _E.REVIEWED_SETTLE and not await _may_settle(conn, ctx, row):
            raise StateConflict("only a settlement whose money is complete can be settled")
        saved = await door.advance(conn, ctx, row, decision, None)
        await audit.append(
            conn,
            ctx,
            AuditEntry(
                record_id=row.record_id,
                action="settlement.reviewed",
                actor_kind="operator",
                actor_id=0,
                institution_id=row.institution_id,
                facts={
                    "settlement_id": row.settlement_id,
                    "decision": decision.value,
                    "reason": row.reason,
                    "by": by,
                    "because": because,
                },
            ),
        )
        return saved

    return await door.through(ctx, (record_id, settlement_id), decide)


async def _may_go_on(conn: Connection, ctx: Context, row: Settlement) -> bool:
    """Lines are given back, no order is under review, and undoing everything has not begun."""
    running = await rows.find_running(conn, ctx, row)
    if running is None or running.is_return:
        return False
    refunds = await payment.list_refunds(conn, ctx, row.record_id, row.settlement_id)
    undoing = any(one.cause.partition(":")[0] == tender.REVERSAL for one in refunds)
    return not undoing and not (await tender.tender_of(conn, ctx, row)).in_review


async def _may_settle(conn: Connection, ctx: Context, row: Settlement) -> bool:
    """Money taken as promised, nothing refunded, and the bureau not known to have settled. In a
    correction all is begun anew instead."""
    progress = await door.progress_of(conn, ctx, row)
    paid = await tender.tender_of(conn, ctx, row)
    return (
        row.cash_fen is not None
        and await rows.find_running(conn, ctx, row) is None
        and progress.settled is None
        and paid.live is None
        and not paid.in_review
        and paid.refunded_fen == 0
        and all(one.refunding_fen == 0 for one in paid.paid)
        and (paid.paid_fen == row.cash_fen or _counted_parts_cover(row, paid))
    )


def _counted_parts_cover(row: Settlement, paid: tender.Tender) -> bool:
    """Deposits may be more than the own part: what is too much goes back once it is settled."""
    only_counted = all(one.provider in COUNTED for one in paid.paid)
    return only_counted and paid.paid_fen > (row.cash_fen or 0)
