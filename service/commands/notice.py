"""``yimatong notice``: the operator's verbs about events out to hospitals."""

import argparse
from collections.abc import Sequence
from datetime import datetime

from service.commands.console import answer, institution_of
from service.kernel.context import Context
from service.notice import actions
from service.settings import Settings


def main(argv: Sequence[str], settings: Settings) -> int:
    """Run one verb. Exit status 2 when it is refused, with the reason on standard error."""
    arguments = _parser().parse_args(argv)

    async def job(ctx: Context) -> str:
        institution_id = await institution_of(ctx, arguments.institution)
        if arguments.verb == "replay":
            return await _replay(ctx, institution_id, arguments)
        return await _show(ctx, institution_id)

    return answer("notice", settings, job)


async def _replay(ctx: Context, institution_id: int, arguments: argparse.Namespace) -> str:
    count = await actions.replay(ctx, institution_id, event=arguments.event, since=arguments.since)
    return f"{count} events are due again, under their own ids"


async def _show(ctx: Context, institution_id: int) -> str:
    endpoint, health = await actions.get_endpoint(ctx, institution_id)
    rest = f", rests until {health.paused_until.isoformat()}" if health.paused_until else ""
    return (
        f"{endpoint.url}, since {endpoint.set_at.isoformat()}\n"
        f"{health.due} due, {health.stuck} given up, {health.failures} unanswered in a row{rest}"
    )


def _instant(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError
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
