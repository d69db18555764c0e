"""``yimatong notice``: the operator's verbs about events out to hospitals."""

import argparse
from collections.abc import Sequence
from datetime import datetime

from service.commands.console import answer, institution_of
from service.kernel.context import Context
from service.notice import actions
from service.settings import Settings

SHOWN_MAX = 50
INSTANT = "a time with its zone is wanted, as 2026-03-02T08:00:00+08:00"


def main(argv: Sequence[str], settings: Settings) -> int:
    """Run one verb. Exit status 2 when it is refused, with the reason on standard error."""
    arguments = _parser().parse_args(argv)

    async def job(ctx: Context) -> str:
        institution_id = await institution_of(ctx, arguments.institution)
        if arguments.verb == "replay":
            return await _replay(ctx, institution_id, arguments)
        return await show(ctx, institution_id)

    return answer("notice", settings, job)


async def _replay(ctx: Context, institution_id: int, arguments: argparse.Namespace) -> str:
    count = await actions.replay(ctx, institution_id, event=arguments.event, since=arguments.since)
    return f"{count} events are due again, under their own ids"


async def show(ctx: Context, institution_id: int) -> str:
    """Where events go, how that goes, and what was given up. Raises ``NotFound``."""
    endpoint, health = await actions.get_endpoint(ctx, institution_id)
    rest = f", rests until {health.paused_until.isoformat()}" if health.paused_until else ""
    lines = [
        f"{endpoint.url}, since {endpoint.set_at.isoformat()}",
        f"{health.due} due, {health.stuck} given up, {health.failures} unanswered in a row{rest}",
    ]
    lines += [
        f"  given up: {ctx.public_ids.text(institution_id, one.event_id)}  {one.topic}"
        f"  of {one.occurred_at.isoformat()}, {one.tries} tries, {one.failure}"
        for one in await actions.list_given_up(ctx, institution_id, SHOWN_MAX)
    ]
    if health.stuck > SHOWN_MAX:
        lines.append(f"  and {health.stuck - SHOWN_MAX} more")
    return "\n".join(lines)


def _instant(text: str) -> datetime:
    """Raises ``ArgumentTypeError`` for anything but a time with its zone: a day of which zone, and
    from which hour, nobody should have to guess."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text}: {INSTANT}")
    return at


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="yimatong notice")
    verbs = parser.add_subparsers(required=True, metavar="VERB", dest="verb")
    showing = verbs.add_parser("show", help="where a hospital's events go, and how that goes")
    again = verbs.add_parser("replay", help="make events due again, under their own ids")
    for one in (showing, again):
        one.add_argument("--institution", required=True, metavar="CODE")
    which = again.add_mutually_exclusive_group(required=True)
    which.add_argument("--event", metavar="ID", help="this one")
    which.add_argument(
        "--since",
        type=_instant,
        metavar="TIME",
        help="all that happened since, as 2026-03-02T08:00:00+08:00",
    )
    return parser
