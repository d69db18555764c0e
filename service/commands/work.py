"""``yimatong work``: what waits for a person, why, and what ends it."""

import argparse
from collections.abc import Sequence
from datetime import timedelta

import msgspec

from service.audit.model import Decided
from service.casework import actions, reasons
from service.casework.model import Wanted, WorkItem
from service.commands.console import add_decided, answer, institution_of, say
from service.institution import actions as institution
from service.kernel.context import Context
from service.settings import Settings

LIST_MAX = 1000


def main(argv: Sequence[str], settings: Settings) -> int:
    """Run one verb. Exit status 2 when it is refused, with the reason on standard error."""
    arguments = _parser().parse_args(argv)
    if arguments.verb == "reasons":
        say(reasons.table())
        return 0

    async def job(ctx: Context) -> str:
        match arguments.verb:
            case "list":
                return await list_items(ctx, arguments)
            case "show":
                return await show(ctx, arguments.item)
            case _:
                decided = Decided(arguments.by, arguments.because)
                return await close(ctx, arguments.item, decided)

    return answer("work", settings, job)


async def list_items(ctx: Context, arguments: argparse.Namespace) -> str:
    """A line for each open item, oldest first. Raises ``NotFound`` for an unknown institution."""
    code = arguments.institution
    older = arguments.older_than_h
    wanted = Wanted(
        kind=arguments.kind,
        reason=arguments.reason,
        institution_id=None if code is None else await institution_of(ctx, code),
        opened_before=None if older is None else ctx.clock.now() - timedelta(hours=older),
    )
    found = await actions.list_wanted(ctx, wanted, arguments.limit)
    if arguments.json:
        return "\n".join(msgspec.json.encode(_line(ctx, one)).decode() for one in found)
    lines = [f"{_id(ctx, one)}  {_age(ctx, one):>6}  {one.kind:<12} {one.reason}" for one in found]
    if len(found) == arguments.limit:
        lines.append(f"the oldest {len(found)}; --limit shows more")
    return "\n".join(lines) or "nothing is open"


async def show(ctx: Context, item: str) -> str:
    """One item, with its evidence and what ends it. Raises ``NotFound``."""
    one = await actions.read(ctx, *ctx.public_ids.parse(item))
    row = reasons.find(one.kind, one.reason)
    lines = [
        f"{item}: {one.kind}, {one.reason}",
        f"  opened      {one.opened_at.isoformat()}, {_age(ctx, one)} ago",
        f"  about       {ctx.public_ids.text(one.record_id, one.subject_id)}",
    ]
    if one.institution_id is not None:
        place = await institution.get_institution(ctx, one.institution_id)
        lines.append(f"  institution {place.code}")
    lines += [f"  {name:<11} {value}" for name, value in one.evidence.items() if value is not None]
    if row is not None:
        lines += [f"  it means    {row.meaning}", f"  what ends it: {row.ending}"]
    if one.closed_at is not None:
        by = "" if one.owner is None else f" by {one.owner}"
        lines.append(f"  closed      {one.closed_at.isoformat()}{by}: {one.closing}")
    return "\n".join(lines)


async def close(ctx: Context, item: str, decided: Decided) -> str:
    """Close one by hand. Raises ``NotFound``, ``StateConflict``."""
    await actions.close_by_hand(ctx, *ctx.public_ids.parse(item), decided)
    return f"{item} is closed"


def _id(ctx: Context, item: WorkItem) -> str:
    return ctx.public_ids.text(item.record_id, item.item_id)


def _line(ctx: Context, item: WorkItem) -> dict[str, object]:
    return {
        "item": _id(ctx, item),
        "kind": item.kind,
        "reason": item.reason,
        "about": ctx.public_ids.text(item.record_id, item.subject_id),
        "opened_at": item.opened_at.isoformat(),
        "evidence": item.evidence,
    }


def _age(ctx: Context, item: WorkItem) -> str:
    minutes = int((ctx.clock.now() - item.opened_at).total_seconds()) // 60
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="yimatong work")
    verbs = parser.add_subparsers(required=True, metavar="VERB", dest="verb")
    listing = verbs.add_parser("list", help="what is open, oldest first")
    listing.add_argument("--kind", metavar="WORD", help="settlement, payment, refund, …")
    listing.add_argument("--reason", metavar="WORD", help="one of `yimatong work reasons`")
    listing.add_argument("--institution", metavar="CODE")
    listing.add_argument("--older-than-h", type=_hours, metavar="H", help="opened before, in hours")
    words = "at most so many lines"
    listing.add_argument("--limit", type=_limit, default=100, metavar="N", help=words)
    listing.add_argument("--json", action="store_true", help="one JSON object a line")
    showing = verbs.add_parser("show", help="one with its evidence, and what ends it")
    closing = verbs.add_parser("close", help="close by hand what nothing else ends")
    for one in (showing, closing):
        one.add_argument("item", metavar="ITEM")
    add_decided(closing)
    verbs.add_parser("reasons", help="every reason, what it means and what ends it")
    return parser


def _hours(text: str) -> int:
    return _whole(text, 0, 100_000)


def _limit(text: str) -> int:
    return _whole(text, 1, LIST_MAX)


def _whole(text: str, low: int, high: int) -> int:
    if not text.isascii() or not text.isdecimal() or not low <= int(text) <= high:
        raise argparse.ArgumentTypeError(f"a whole number from {low} to {high}")
    return int(text)
