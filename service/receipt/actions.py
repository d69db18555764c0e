"""Issue and read receipts."""

import msgspec

from service.audit import actions as audit
from service.audit.model import AuditEntry
from service.institution import actions as institution
from service.kernel.clock import business_day
from service.kernel.context import Context
from service.kernel.database import Connection, connection, transaction
from service.kernel.problems import InvariantBroken, NotFound
from service.kernel.transactions import Repeated
from service.receipt import invoices, orders, rules, store
from service.receipt.model import PostedFacts, Receipt, ReceiptContent, ReceiptRow

_TABLE = "receipt"


async def issue(
    ctx: Context,
    record_id: int,
    settlement_id: int,
    facts: PostedFacts,
    settled: orders.Settled,
) -> Receipt:
    """Issue the receipt of a posted settlement; again gives the one that stands."""
    standing = await find(ctx, record_id, settlement_id, facts.round_no)
    if standing is not None:
        return standing
    _check(record_id, facts, settled.record_id, settled.content.total_fen)
    hospital = await institution.get_institution(ctx, facts.institution_id)
    content = ReceiptContent(
        institution_name=hospital.name,
        bill_no=settled.bill_no,
        lines=settled.content.lines,
        facts=facts,
    )
    now = ctx.clock.now()
    number = rules.receipt_no(hospital.code, business_day(now), ctx.ids.token())
    try:
        async with transaction(ctx.pool) as conn:
            row = await _row(conn, ctx, record_id, settlement_id, number, content)
            await store.insert_receipt(conn, row)
            await _note(conn, ctx, row)
    except Repeated:
        return await get(ctx, record_id, settlement_id)
    return _opened(row, content)


async def find(
    ctx: Context, record_id: int, settlement_id: int, round_no: int | None = None
) -> Receipt | None:
    """The receipt of a round (None: of the last) without its invoice, or None before it is issued.

    Raises ``RowTampered``.
    """
    async with connection(ctx.pool) as conn:
        row = await store.find_receipt(conn, record_id, settlement_id, round_no)
        if row is None:
            return None
        ctx.sealer.check_mac(_TABLE, row.mac_parts(), row.row_mac)
        key = await ctx.sealer.record_key(conn, record_id)
    text = ctx.sealer.open(key, _TABLE, "sealed", row.receipt_id, row.sealed)
    return _opened(row, msgspec.json.decode(text, type=ReceiptContent))


async def get(ctx: Context, record_id: int, settlement_id: int) -> Receipt:
    """The last receipt with its invoice. Raises ``NotFound`` before one is issued,
    ``RowTampered``."""
    found = await find(ctx, record_id, settlement_id)
    if found is None:
        raise NotFound
    invoice = await invoices.find(ctx, record_id, settlement_id, found.round_no)
    return msgspec.structs.replace(found, invoice=invoice)


def _check(record_id: int, facts: PostedFacts, bill_record_id: int, bill_fen: int) -> None:
    insured = facts.fund_fen + facts.account_fen + facts.hospital_fen + facts.cover_fen
    parts = insured + facts.cash_fen
    if bill_record_id != record_id or facts.total_fen != bill_fen or parts != bill_fen:
        raise InvariantBroken("a receipt says what its bill says")


async def _row(
    conn: Connection,
    ctx: Context,
    record_id: int,
    settlement_id: int,
    number: str,
    content: ReceiptContent,
) -> ReceiptRow:
    key = await ctx.sealer.record_key(conn, record_id)
    receipt_id = ctx.ids.new()
    row = ReceiptRow(
        record_id=record_id,
        receipt_id=receipt_id,
        settlement_id=settlement_id,
        institution_id=content.facts.institution_id,
        receipt_no=number,
        sealed=ctx.sealer.seal(key, _TABLE, "sealed", receipt_id, msgspec.json.encode(content)),
        issued_at=ctx.clock.now(),
        row_mac=b"",
        round_no=content.facts.round_no,
    )
    return msgspec.structs.replace(row, row_mac=ctx.sealer.row_mac(_TABLE, row.mac_parts()))


async def _note(conn: Connection, ctx: Context, row: ReceiptRow) -> None:
    entry = AuditEntry(
        record_id=row.record_id,
        action="receipt.issued",
        actor_kind="system",
        actor_id=0,
        institution_id=row.institution_id,
        facts={"settlement_id": row.settlement_id, "receipt_no": row.receipt_no},
    )
    await audit.append(conn, ctx, entry)


def _opened(row: ReceiptRow, content: ReceiptContent) -> Receipt:
    facts = content.facts
    return Receipt(
        record_id=row.record_id,
        receipt_id=row.receipt_id,
        settlement_id=row.settlement_id,
        institution_id=row.institution_id,
        receipt_no=row.receipt_no,
        issued_at=row.issued_at,
        institution_name=content.institution_name,
        bill_no=content.bill_no,
        lines=content.lines,
        total_fen=facts.total_fen,
        fund_fen=facts.fund_fen,
        account_fen=facts.account_fen,
        cash_fen=facts.cash_fen,
        hospital_fen=facts.hospital_fen,
        cover_fen=facts.cover_fen,
        paid_by=facts.paid_by,
        provider_ref=facts.provider_ref,
        insurance_ref=facts.insurance_ref,
        round_no=row.round_no,
    )
