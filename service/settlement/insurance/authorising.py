"""The payer allows again what the payment centre no longer takes as allowed."""

from msgspec.structs import replace

from integrations.ports.insurance_mobile import PayerProof
from service.kernel.context import Context
from service.kernel.database import Connection
from service.kernel.masked import Masked
from service.kernel.problems import StateConflict
from service.settlement import door, rules
from service.settlement.model import Settlement
from service.settlement.states import SettlementState


async def renew(ctx: Context, key: door.Key, authorisation: Masked) -> Settlement:
    """Use this from now on to give back what was paid at the centre; it is tried at once.

    Raises ``StateConflict`` where nothing is being given back there, ``NotFound``.
    """

    async def decide(conn: Connection, row: Settlement) -> Settlement:
        progress = await door.progress_of(conn, ctx, row)
        order = progress.centre
        going_back = order is not None and order.paid and row.state is SettlementState.REVERSING
        if order is None or not going_back or rules.is_returned(order):
            raise StateConflict("nothing is being given back at the payment centre")
        proof = PayerProof(authorisation=authorisation.reveal())
        changed = replace(progress, centre=replace(order, proof=proof))
        return await door.keep(conn, ctx, replace(row, due_at=ctx.clock.now(), tries=0), changed)

    return await door.through(ctx, key, decide)
