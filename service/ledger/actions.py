"""Post to the ledger and read its sums."""

import msgspec

from service.kernel.context import Context
from service.kernel.database import Connection, connection, is_hopeful
from service.kernel.problems import InvariantBroken
from service.ledger import rules, store
from service.ledger.feeding import POSTING_TABLE
from service.ledger.model import NewPosting, Posting


async def post(conn: Connection, ctx: Context, new: NewPosting) -> None:
    """Post inside the caller's transaction. The same cause again with equal content is nothing.

    Raises ``InvariantBroken`` when the cause stands with other content, ``RowTampered`` when the
    standing row was changed from outside. In a hopeful transaction ``Repeated`` for any standing.
    """
    rules.check_posting(new)
    now = ctx.clock.now()
    day, value_day = rules.book_on(now, new.moved_at)
    row = Posting(
        record_id=new.record_id,
        settlement_id=new.settlement_id,
        institution_id=new.institution_id,
        cause=new.cause,
        debit=new.debit,
        credit=new.credit,
        amount_fen=new.amount_fen,
        posting_id=ctx.ids.new(),
        day=day,
        value_day=value_day,
        posted_at=now,
        row_mac=b"",
    )
    row = msgspec.structs.replace(row, row_mac=ctx.sealer.row_mac(POSTING_TABLE, row.mac_parts()))
    if is_hopeful(conn):
        await store.write_posting(conn, row)
        return
    if await store.insert_posting(conn, row):
        return
    stored = await store.find_by_cause(conn, new.record_id, new.settlement_id, new.cause)
    if stored is None:
        raise InvariantBroken("a posting that stands cannot be read")
    ctx.sealer.check_mac(POSTING_TABLE, stored.mac_parts(), stored.row_mac)
    if not rules.is_same(new, stored):
        raise InvariantBroken("one cause posts one content")


async def list_postings(
    conn: Connection, ctx: Context, record_id: int, settlement_id: int
) -> list[Posting]:
    """Every posting of a settlement in order. Raises ``RowTampered``."""
    rows = await store.list_of_settlement(conn, record_id, settlement_id)
    for row in rows:
        ctx.sealer.check_mac(POSTING_TABLE, row.mac_parts(), row.row_mac)
    return rows


async def balances(ctx: Context, record_id: int, settlement_id: int) -> dict[str, int]:
    """Debits less credits in fen for each account that a settlement touched."""
    async with connection(ctx.pool) as conn:
        return rules.sum_accounts(await list_postings(conn, ctx, record_id, settlement_id))
