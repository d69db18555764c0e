"""Fiscal e-invoices: asked for after the posting, found again after a lost answer, written off.

Each try is counted and committed before its call. Before anything is sent a second time the owner
is asked what became of the first. Nothing here holds a settlement or a receipt up.
"""

from datetime import datetime, timedelta

import msgspec

from integrations.ports.invoices import (
    Invoice,
    InvoiceGateway,
    InvoiceOrder,
    WriteOffOrder,
)
from integrations.ports.outcomes import Accepted, NotSent, Rejected
from integrations.ports.partners import PartnerUnknown
from service.audit.model import Decided
from service.bill.states import BillKind
from service.institution import actions as institution
from service.kernel.context import Context
from service.kernel.database import Connection, claiming, connection, transaction
from service.kernel.problems import InvariantBroken, StateConflict
from service.receipt import invoice_rows as rows
from service.receipt import orders, rules
from service.receipt import store_invoices as store
from service.receipt.model import (
    FiscalInvoice,
    InvoiceContent,
    InvoiceKey,
    InvoiceRow,
    PostedFacts,
)
from service.receipt.states import INVOICE, InvoiceEvent, InvoiceState

ABSENCE_AFTER = timedelta(minutes=2)
"""A request may still be on its way: an absence ends a withdrawal only so long after the last."""
_S, _E = InvoiceState, InvoiceEvent


async def ask(
    ctx: Context,
    record_id: int,
    settlement_id: int,
    facts: PostedFacts,
    settled: orders.Settled,
) -> None:
    """Have the invoice of a posted settlement issued; again changes nothing.

    Nothing happens where the institution has no line for invoices, or a refund came first; and not
    for a deposit, which is no charge: the discharge that counts it has the invoice.
    """
    if facts.kind is BillKind.DEPOSIT:
        return
    hospital = await institution.get_institution(ctx, facts.institution_id)
    if _gateway(ctx, hospital.code) is None:
        return
    async with connection(ctx.pool) as conn:
        if (
            await store.find_of_settlement(conn, record_id, settlement_id, facts.round_no)
            is not None
        ):
            return
    business_no = ctx.ids.trade_no()
    order = await orders.order_of(ctx, record_id, business_no, facts, settled)
    key = InvoiceKey(record_id, ctx.ids.new())
    async with connection(ctx.pool) as conn:
        content = InvoiceContent(order=order)
        row = await _new(conn, ctx, key, settlement_id, facts.institution_id, content)
        row = rows.signed(ctx, msgspec.structs.replace(row, round_no=facts.round_no))
        await store.insert_invoice(conn, row)


async def write_off(
    conn: Connection,
    ctx: Context,
    record_id: int,
    settlement_id: int,
    institution_id: int,
    reason: str,
    round_no: int = 0,
) -> FiscalInvoice:
    """The settlement is given back or corrected: write that round's invoice off, in the caller's
    transaction.

    ``reason`` stands on the red invoice. Again changes nothing. One that was never asked for is
    not asked for any more; one whose answer is not known yet is found first. The job does it;
    ``find`` tells how far it is.
    """
    standing = await store.find_of_settlement(conn, record_id, settlement_id, round_no)
    if standing is None:
        key = InvoiceKey(record_id, ctx.ids.new())
        row = await _new(conn, ctx, key, settlement_id, institution_id, InvoiceContent(order=None))
        row = msgspec.structs.replace(
            row, state=_S.WITHDRAWN, reason=reason, due_at=None, round_no=round_no
        )
        if await store.insert_invoice(conn, rows.signed(ctx, row)):
            return await rows.opened(conn, ctx, row)
        standing = await store.find_of_settlement(conn, record_id, settlement_id, round_no)
    row = await rows.lock(conn, ctx, rows.checked(ctx, standing).key)
    if INVOICE.allows(row.state, _E.ASK_WRITE_OFF):
        row = await rows.advance(conn, ctx, row, _E.ASK_WRITE_OFF, reason=reason)
    return await rows.opened(conn, ctx, row)


async def find(
    ctx: Context, record_id: int, settlement_id: int, round_no: int | None = None
) -> FiscalInvoice | None:
    """The invoice of a round (None: of the last), or None before it was asked for.

    Raises ``RowTampered``.
    """
    async with connection(ctx.pool) as conn:
        row = await store.find_of_settlement(conn, record_id, settlement_id, round_no)
        if row is None:
            return None
        return await rows.opened(conn, ctx, rows.checked(ctx, row))


async def send_again(ctx: Context, record_id: int, invoice_id: int, decided: Decided) -> None:
    """An operator's word that a refused invoice or write-off may go again. The owner is asked
    first. Raises ``StateConflict``, ``NotFound``."""
    async with transaction(ctx.pool) as conn:
        row = await rows.lock(conn, ctx, InvoiceKey(record_id, invoice_id))
        if not INVOICE.allows(row.state, _E.SEND_AGAIN):
            raise StateConflict(f"the invoice is {row.state.value}; nothing was refused")
        await rows.note(conn, ctx, row, "invoice.sent-again", decided)
        await rows.advance(conn, ctx, row, _E.SEND_AGAIN, tries=1)


async def pursue(ctx: Context, key: InvoiceKey) -> None:
    """One try to bring an invoice further; the job's unit of work."""
    row = await rows.read(ctx, key)
    async with connection(ctx.pool) as conn:
        order = (await rows.content_of(conn, ctx, row)).order
    hospital = await institution.get_institution(ctx, row.institution_id)
    gateway = _gateway(ctx, hospital.code)
    begun = await _begin(ctx, row)
    if begun is None:
        return
    if gateway is None or order is None:
        await rows.report_unresolved(ctx, begun)
        return
    match row.state:
        case _S.CREATED:
            await _issue(ctx, gateway, row, begun, order)
        case _S.WITHDRAWING:
            await _withdraw(ctx, gateway, begun, order)
        case _S.WRITING_OFF:
            await _write_off(ctx, gateway, row, begun)
        case _:
            pass


async def list_due(ctx: Context, now: datetime, limit: int) -> list[InvoiceKey]:
    """Invoices to pursue."""
    async with connection(ctx.pool) as conn:
        return await store.list_due(conn, now, limit)


async def claim(ctx: Context, key: InvoiceKey, now: datetime, until: datetime) -> bool:
    """Whether this caller holds the due invoice."""
    async with claiming(ctx.pool) as conn:
        return await store.claim(conn, key, now, until)


async def release(ctx: Context, key: InvoiceKey, until: datetime) -> None:
    """Let others take the invoice before the lease that ends then does."""
    async with claiming(ctx.pool) as conn:
        await store.release(conn, key, until)


def _gateway(ctx: Context, institution_code: str) -> InvoiceGateway | None:
    try:
        return ctx.partners.invoice(institution_code)
    except PartnerUnknown:
        return None


async def _new(
    conn: Connection,
    ctx: Context,
    key: InvoiceKey,
    settlement_id: int,
    institution_id: int,
    content: InvoiceContent,
) -> InvoiceRow:
    now = ctx.clock.now()
    row = InvoiceRow(
        record_id=key.record_id,
        invoice_id=key.invoice_id,
        settlement_id=settlement_id,
        institution_id=institution_id,
        business_no=content.order.business_no if content.order is not None else "",
        state=INVOICE.start,
        code=None,
        number=None,
        red_code=None,
        red_number=None,
        reason=None,
        sealed=await rows.seal(conn, ctx, key, content),
        sent_at=None,
        due_at=now,
        tries=0,
        created_at=now,
        version=1,
        row_mac=b"",
    )
    return rows.signed(ctx, row)


async def _begin(ctx: Context, row: InvoiceRow) -> InvoiceRow | None:
    """The intent of a try: counted, dated and due again. None when somebody was faster."""
    now = ctx.clock.now()
    async with connection(ctx.pool) as conn:
        return await rows.try_save(
            conn,
            ctx,
            row,
            tries=row.tries + 1,
            due_at=now + rules.back_off(row.tries, ctx.policy.retry_after),
            sent_at=now if row.state is _S.CREATED else row.sent_at,
        )


async def _issue(
    ctx: Context,
    gateway: InvoiceGateway,
    row: InvoiceRow,
    begun: InvoiceRow,
    order: InvoiceOrder,
) -> None:
    """Ask first, unless nothing was sent yet; then issue: the same order is answered alike."""
    if row.sent_at is not None:
        found = await gateway.find(order.business_no, order.at)
        rows.count_outcome(ctx, "find", found)
        if not isinstance(found, Accepted):
            await rows.report_unresolved(ctx, begun)
            return
        if found.value is not None:
            await _apply_issued(ctx, begun, found.value)
            return
    issued = await gateway.issue(order)
    rows.count_outcome(ctx, "issue", issued)
    match issued:
        case Accepted(value):
            await _apply_issued(ctx, begun, value)
        case Rejected(reason=reason, provider_code=code):
            await _refused(ctx, begun, "invoice-refused", code or reason)
        case NotSent() if row.sent_at is None:
            async with connection(ctx.pool) as conn:
                await rows.try_save(conn, ctx, begun, sent_at=None)
        case _:
            await rows.report_unresolved(ctx, begun)


async def _withdraw(
    ctx: Context, gateway: InvoiceGateway, begun: InvoiceRow, order: InvoiceOrder
) -> None:
    """Find out whether an unwanted invoice was issued after all."""
    now = ctx.clock.now()
    if begun.sent_at is not None:
        found = await gateway.find(order.business_no, order.at)
        rows.count_outcome(ctx, "find", found)
        if isinstance(found, Accepted) and found.value is not None:
            await _apply_issued(ctx, begun, found.value)
            return
        is_early = begun.sent_at + ABSENCE_AFTER > now
        if not isinstance(found, Accepted) or is_early:
            await rows.report_unresolved(ctx, begun)
            return
    async with transaction(ctx.pool) as conn:
        locked = await rows.lock(conn, ctx, begun.key)
        if INVOICE.allows(locked.state, _E.ABSENT):
            await rows.advance(conn, ctx, locked, _E.ABSENT)


async def _write_off(
    ctx: Context, gateway: InvoiceGateway, row: InvoiceRow, begun: InvoiceRow
) -> None:
    """Ask first, unless nothing was sent yet; a refusal counts only while no red one exists."""
    if row.code is None or row.number is None:
        raise InvariantBroken("only an issued invoice is written off")
    if row.tries and not await _is_valid(ctx, gateway, begun, row.code, row.number):
        return
    order = WriteOffOrder(
        code=row.code, number=row.number, reason=row.reason or "", at=ctx.clock.now()
    )
    written = await gateway.write_off(order)
    rows.count_outcome(ctx, "write_off", written)
    match written:
        case Accepted(value):
            await _apply_red(ctx, begun, value)
        case Rejected(reason=reason, provider_code=code):
            if await _is_valid(ctx, gateway, begun, row.code, row.number):
                await _refused(ctx, begun, "invoice-write-off-refused", code or reason)
        case _:
            await rows.report_unresolved(ctx, begun)


async def _is_valid(
    ctx: Context, gateway: InvoiceGateway, begun: InvoiceRow, code: str, number: str
) -> bool:
    """Whether the owner says that the invoice stands; anything else is dealt with here."""
    told = await gateway.read_standing(code, number)
    rows.count_outcome(ctx, "read_standing", told)
    if not isinstance(told, Accepted):
        await rows.report_unresolved(ctx, begun)
        return False
    if told.value.red is not None:
        await _apply_red(ctx, begun, told.value.red)
        return False
    if not told.value.is_valid:
        await _refused(ctx, begun, "invoice-void-elsewhere", "")
        return False
    return True


async def _apply_issued(ctx: Context, begun: InvoiceRow, told: Invoice) -> None:
    """The one door for an issued invoice; a repeat changes nothing, another number is reported."""

    async def decide(conn: Connection, row: InvoiceRow) -> None:
        if INVOICE.allows(row.state, _E.ISSUE):
            sealed = await rows.keep(conn, ctx, row, issued=told)
            numbers = {"code": told.code, "number": told.number}
            await rows.advance(conn, ctx, row, _E.ISSUE, sealed=sealed, **numbers)
        elif (row.code, row.number) != (told.code, told.number):
            await rows.report(conn, ctx, row, "invoice-issued-twice", f"{told.code} {told.number}")

    await rows.through(ctx, begun, decide)


async def _apply_red(ctx: Context, begun: InvoiceRow, told: Invoice) -> None:
    """The one door for a red invoice."""

    async def decide(conn: Connection, row: InvoiceRow) -> None:
        if INVOICE.allows(row.state, _E.WRITE_OFF):
            sealed = await rows.keep(conn, ctx, row, red=told)
            numbers = {"red_code": told.code, "red_number": told.number}
            await rows.advance(conn, ctx, row, _E.WRITE_OFF, sealed=sealed, **numbers)

    await rows.through(ctx, begun, decide)


async def _refused(ctx: Context, begun: InvoiceRow, reason: str, told: str) -> None:
    """The owner refused for certain: a person must look."""

    async def decide(conn: Connection, row: InvoiceRow) -> None:
        if INVOICE.allows(row.state, _E.REFUSE):
            after = await rows.advance(conn, ctx, row, _E.REFUSE)
            await rows.report(conn, ctx, after, reason, told)

    await rows.through(ctx, begun, decide)
