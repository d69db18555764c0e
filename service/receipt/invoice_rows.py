"""Rows of fiscal e-invoices, checked when read and signed when written; and what a change tells."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from integrations.ports.invoices import Invoice
from integrations.ports.outcomes import Outcome, Unknown
from service.audit import actions as audit
from service.audit.model import AuditEntry, Decided
from service.casework import actions as casework
from service.casework.model import ItemsOf, NewItem
from service.kernel.context import Context
from service.kernel.database import Connection, connection, transaction
from service.kernel.logs import get_logger
from service.kernel.problems import InvariantBroken, NotFound
from service.receipt import store_invoices as store
from service.receipt.model import FiscalInvoice, InvoiceContent, InvoiceKey, InvoiceRow
from service.receipt.states import INVOICE, WORKING, InvoiceEvent

TABLE = "fiscal_invoice"
_PARTNER = "fiscal-invoice"
_NOTED = {
    InvoiceEvent.ISSUE: "invoice.issued",
    InvoiceEvent.WRITE_OFF: "invoice.written-off",
}

_log = get_logger("receipt")


class Changed(InvariantBroken):
    """The row is not at the version that was decided about; nothing was written."""


def checked(ctx: Context, row: InvoiceRow | None) -> InvoiceRow:
    """Raises ``NotFound``, ``RowTampered``."""
    if row is None:
        raise NotFound
    ctx.sealer.check_mac(TABLE, row.mac_parts(), row.row_mac)
    return row


def signed(ctx: Context, row: InvoiceRow) -> InvoiceRow:
    """The row with its MAC."""
    return msgspec.structs.replace(row, row_mac=ctx.sealer.row_mac(TABLE, row.mac_parts()))


async def read(ctx: Context, key: InvoiceKey) -> InvoiceRow:
    """Raises ``NotFound``, ``RowTampered``."""
    async with connection(ctx.pool) as conn:
        return checked(ctx, await store.find_invoice(conn, key))


async def lock(conn: Connection, ctx: Context, key: InvoiceKey) -> InvoiceRow:
    """As ``read``, held until the transaction ends."""
    return checked(ctx, await store.lock_invoice(conn, key))


async def seal(conn: Connection, ctx: Context, key: InvoiceKey, content: InvoiceContent) -> bytes:
    """The content, bound to its row."""
    record_key = await ctx.sealer.record_key(conn, key.record_id)
    text = msgspec.json.encode(content)
    return ctx.sealer.seal(record_key, TABLE, "sealed", key.invoice_id, text)


async def content_of(conn: Connection, ctx: Context, row: InvoiceRow) -> InvoiceContent:
    """Raises ``RowTampered``."""
    record_key = await ctx.sealer.record_key(conn, row.record_id)
    text = ctx.sealer.open(record_key, TABLE, "sealed", row.invoice_id, row.sealed)
    return msgspec.json.decode(text, type=InvoiceContent)


async def opened(conn: Connection, ctx: Context, row: InvoiceRow) -> FiscalInvoice:
    """The invoice as its payer may see it."""
    content = await content_of(conn, ctx, row)
    return FiscalInvoice(
        invoice_id=row.invoice_id, state=row.state, issued=content.issued, red=content.red
    )


async def try_save(
    conn: Connection, ctx: Context, before: InvoiceRow, **changes: Any
) -> InvoiceRow | None:
    """The next version of a row, or None when somebody was faster."""
    after = _next(ctx, before, changes)
    return after if await store.save_invoice(conn, after) else None


def _next(ctx: Context, before: InvoiceRow, changes: Mapping[str, Any]) -> InvoiceRow:
    return signed(ctx, msgspec.structs.replace(before, version=before.version + 1, **changes))


async def through(
    ctx: Context, known: InvoiceRow, decide: Callable[[Connection, InvoiceRow], Awaitable[None]]
) -> None:
    """Decide about a row as it is known, in one round trip; and once more with the row locked,
    where somebody changed it meanwhile. Raises ``RowTampered``."""
    try:
        async with transaction(ctx.pool) as conn:
            await decide(conn, known)
    except Changed:
        async with transaction(ctx.pool) as conn:
            await decide(conn, await lock(conn, ctx, known.key))


async def advance(
    conn: Connection, ctx: Context, before: InvoiceRow, event: InvoiceEvent, **changes: Any
) -> InvoiceRow:
    """One step of the machine, with all that belongs to it. Raises ``Changed`` by the end of the
    transaction when the row is not as ``before``; a locked one is."""
    state = INVOICE.advance(before.state, event)
    due_at = ctx.clock.now() if state in WORKING else None
    defaults = {"state": state, "due_at": due_at, "tries": 0}
    after = _next(ctx, before, defaults | changes)
    await store.keep_invoice(conn, after, otherwise=Changed("it was read or locked before"))
    ctx.metrics.transitions.labels("invoice", state.value).inc()
    if event in _NOTED:
        await note(conn, ctx, after, _NOTED[event], None)
    # Each event is a clear answer, or a person's word, to what was reported before it.
    items = ItemsOf(
        record_id=after.record_id,
        kind="invoice",
        subject_id=after.invoice_id,
        but_reason="invoice-issued-twice",
    )
    await casework.close_items_of(conn, ctx, items, event.value.lower().replace("_", "-"))
    return after


async def keep(conn: Connection, ctx: Context, row: InvoiceRow, **parts: Invoice) -> bytes:
    """The sealed content with another part of it filled in."""
    content = msgspec.structs.replace(await content_of(conn, ctx, row), **parts)
    return await seal(conn, ctx, row.key, content)


async def report(conn: Connection, ctx: Context, row: InvoiceRow, reason: str, told: str) -> None:
    """Open a work item about an invoice; ``told`` is the owner's code or number, never a name."""
    await casework.open_item(
        conn,
        ctx,
        NewItem(
            record_id=row.record_id,
            kind="invoice",
            subject_id=row.invoice_id,
            institution_id=row.institution_id,
            reason=reason,
            evidence={
                "settlement_id": ctx.public_ids.text(row.record_id, row.settlement_id),
                "business_no": row.business_no,
                "state": row.state.value,
                "code": row.code,
                "number": row.number,
                "told": told,
            },
        ),
    )


def count_outcome(ctx: Context, operation: str, outcome: Outcome[Any]) -> None:
    """One more call to the owner that ended so. An unclear answer says why in the log."""
    ctx.metrics.outcomes.labels(_PARTNER, operation, type(outcome).__name__).inc()
    if isinstance(outcome, Unknown):
        _log.warning("answer.unclear", partner=_PARTNER, operation=operation, why=outcome.why)


async def report_unresolved(ctx: Context, row: InvoiceRow) -> None:
    """After many tries without a clear answer a person must look; the tries go on."""
    if row.tries < ctx.policy.tries_max:
        return
    async with transaction(ctx.pool) as conn:
        await report(conn, ctx, row, "invoice-unresolved", "")


async def note(
    conn: Connection, ctx: Context, row: InvoiceRow, action: str, decided: Decided | None
) -> None:
    """An audit entry about an invoice, by an operator or by the system."""
    is_red = row.red_number is not None
    entry = AuditEntry(
        record_id=row.record_id,
        action=action,
        actor_kind="system" if decided is None else "operator",
        actor_id=0,
        institution_id=row.institution_id,
        facts={
            "settlement_id": row.settlement_id,
            "code": row.red_code if is_red else row.code,
            "number": row.red_number if is_red else row.number,
            "reason": row.reason,
            **({} if decided is None else decided.facts()),
        },
    )
    await audit.append(conn, ctx, entry)
