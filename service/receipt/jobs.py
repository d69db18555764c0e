"""What receipts do about events, and due work of fiscal e-invoices."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import msgspec

from service.kernel.claims import BRISK, ClaimSource, OldestDue, held_until
from service.kernel.context import Context
from service.kernel.outbox import Event
from service.receipt import actions, invoices, orders, store_invoices
from service.receipt.model import InvoiceKey, PostedFacts


async def on_posted(ctx: Context, event: Event) -> None:
    """The hospital acknowledged: the settlement gets its receipt, and its invoice is asked for."""
    facts = msgspec.convert(event.body, PostedFacts)
    settled = await orders.read_settled(ctx, facts)
    await actions.issue(ctx, event.record_id, event.subject_id, facts, settled)
    await invoices.ask(ctx, event.record_id, event.subject_id, facts, settled)


HANDLERS: dict[str, Callable[[Context, Event], Awaitable[None]]] = {"settlement.posted": on_posted}


def sources(ctx: Context) -> list[ClaimSource[Any]]:
    """Invoices to issue, to find or to write off."""

    async def list_due(now: datetime, limit: int) -> list[InvoiceKey]:
        return await invoices.list_due(ctx, now, limit)

    async def claim(key: InvoiceKey, now: datetime, until: datetime) -> bool:
        return await invoices.claim(ctx, key, now, until)

    async def work(key: InvoiceKey) -> None:
        try:
            await invoices.pursue(ctx, key)
        finally:
            await invoices.release(ctx, key, held_until.get())

    return [
        ClaimSource(
            "fiscal-invoices",
            list_due=list_due,
            claim=claim,
            work=work,
            lease=ctx.policy.lease,
            pace_s=BRISK,
        ).lagging_by(OldestDue(store_invoices.OLDEST_DUE_INVOICE))
    ]
