"""What receipts do about events."""

from collections.abc import Awaitable, Callable

import msgspec

from service.kernel.context import Context
from service.kernel.outbox import Event
from service.receipt import actions
from service.receipt.model import PostedFacts


async def on_posted(ctx: Context, event: Event) -> None:
    """The hospital acknowledged: the settlement gets its receipt."""
    facts = msgspec.convert(event.body, PostedFacts)
    await actions.issue(ctx, event.record_id, event.subject_id, facts)


HANDLERS: dict[str, Callable[[Context, Event], Awaitable[None]]] = {"settlement.posted": on_posted}
