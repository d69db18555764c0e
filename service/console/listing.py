"""Lists and figures of work items, for the queue and for money."""

from collections.abc import Iterable
from datetime import datetime, time, timedelta

from service.audit import actions as audit
from service.casework import actions as casework
from service.casework.model import PageOf, WorkItem
from service.console.schemas_work import (
    ActAnswer,
    ActsAnswer,
    CountAnswer,
    DayAnswer,
    FiguresAnswer,
    ItemAnswer,
    ItemsAnswer,
)
from service.institution import actions as institution
from service.kernel.clock import CHINA, business_day
from service.kernel.context import Context
from service.kernel.problems import NotFound
from service.person import history

PAGE_MAX = 50


async def list_items(
    ctx: Context,
    kinds: tuple[str, ...],
    *,
    reason: str | None,
    is_open: bool,
    after: str | None,
) -> ItemsAnswer:
    """A page of at most 50. Raises ``NotFound`` where ``after`` is no item of these kinds."""
    last = None if after is None else await casework.read(ctx, *ctx.public_ids.parse(after))
    if last is not None and last.kind not in kinds:
        raise NotFound
    page = PageOf(kinds=kinds, reason=reason, is_open=is_open, after=last, limit=PAGE_MAX + 1)
    found = await casework.list_page(ctx, page)
    shown, more = found[:PAGE_MAX], len(found) > PAGE_MAX
    places = await institutions_of(ctx, (item.institution_id for item in shown))
    return ItemsAnswer(
        items=[ItemAnswer.of(ctx, item, places) for item in shown],
        next=_id(ctx, shown[-1]) if more else None,
        open_counts=await _counts(ctx, kinds),
    )


async def list_acts(ctx: Context, *, action: str | None, after: str | None) -> ActsAnswer:
    """What the staff did, at most 50. Raises ``NotFound`` where ``after`` is no act;
    ``RowTampered``."""
    last = None if after is None else ctx.public_ids.parse(after)
    page = await audit.list_acts(ctx, "operator", action=action, after=last, limit=PAGE_MAX)
    return ActsAnswer(
        items=[ActAnswer.of(ctx, kept) for kept in page.kept],
        next=None if page.next is None else ctx.public_ids.text(*page.next),
    )


async def figures(ctx: Context, kind: str, days: int) -> FiguresAnswer:
    """What became of the items of a kind, and of persons, in the last ``days`` days."""
    today = business_day(ctx.clock.now())
    listed = [today - timedelta(days=back) for back in range(days - 1, -1, -1)]
    began = [datetime.combine(day, time(), CHINA) for day in listed]
    spans = [(since, since + timedelta(days=1)) for since in began]
    items = await casework.count_by_day(ctx, kind, spans)
    changes = await history.count_by_day(ctx, spans)
    return FiguresAnswer(
        days=[
            DayAnswer(
                day=day,
                opened=item.opened,
                closed=item.closed,
                median_open_s=(
                    None if item.median_open is None else int(item.median_open.total_seconds())
                ),
                automatic_merges=change.automatic_merges,
                merges=change.merges,
                unmerges=change.unmerges,
            )
            for day, item, change in zip(listed, items, changes, strict=True)
        ],
        open_counts=await _counts(ctx, (kind,)),
    )


async def institutions_of(ctx: Context, numbers: Iterable[int | None]) -> dict[int, str]:
    """The names of institutions, by id."""
    wanted = {number for number in numbers if number is not None}
    return {one: (await institution.get_institution(ctx, one)).name for one in sorted(wanted)}


async def _counts(ctx: Context, kinds: tuple[str, ...]) -> list[CountAnswer]:
    return [CountAnswer.of(one) for one in await casework.count_open(ctx) if one.kind in kinds]


def _id(ctx: Context, item: WorkItem) -> str:
    return ctx.public_ids.text(item.record_id, item.item_id)
