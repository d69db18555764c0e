"""``yimatong settlement``: how reviews end, and from which amount two people must agree."""

import argparse
from collections.abc import Sequence

from integrations.ports.money import FEN_MAX
from service.commands.console import answer, institution_of
from service.institution import actions as institution
from service.kernel.context import Context
from service.settings import Settings
from service.settlement import actions
from service.settlement.states import SettlementEvent

DECISIONS = {
    "settle": SettlementEvent.REVIEWED_SETTLE,
    "go-on": SettlementEvent.REVIEWED_GO_ON,
    "reverse": SettlementEvent.REVIEWED_REVERSE,
}


def main(argv: Sequence[str], settings: Settings) -> int:
    """Run one verb. Exit status 2 when it is refused, with the reason on standard error."""
    arguments = _parser().parse_args(argv)

    async def job(ctx: Context) -> str:
        if arguments.verb == "review":
            return await review(ctx, arguments.settlement, arguments.decision)
        return await _limit(ctx, arguments.institution, arguments.above_fen)

    return answer("settlement", settings, job)


async def review(ctx: Context, settlement: str, decision: str) -> str:
    """End the review of a settlement. Raises ``NotFound``, ``StateConflict``."""
    row = await actions.review(ctx, *ctx.public_ids.parse(settlement), DECISIONS[decision])
    return f"{settlement} is {row.state.value}; the worker goes on"


async def _limit(ctx: Context, code: str, above_fen: int | None) -> str:
    await institution.set_approval_limit(ctx, await institution_of(ctx, code), above_fen)
    if above_fen is None:
        return f"{code}: nothing that is given back needs a second person"
    return f"{code}: giving back more than {above_fen} fen needs a second person"


def _fen(text: str) -> int:
    fen = int(text)
    if not 0 <= fen <= FEN_MAX:
        raise ValueError
    return fen


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="yimatong settlement")
    verbs = parser.add_subparsers(required=True, metavar="VERB", dest="verb")
    deciding = verbs.add_parser("review", help="end a review (NEEDS_REVIEW)")
    deciding.add_argument("--settlement", required=True, metavar="ID")
    deciding.add_argument(
        "--decision",
        required=True,
        choices=sorted(DECISIONS),
        help="settle on, take a correction up again, or undo everything",
    )
    limiting = verbs.add_parser("approval-limit", help="from which amount two people must agree")
    limiting.add_argument("--institution", required=True, metavar="CODE")
    which = limiting.add_mutually_exclusive_group(required=True)
    which.add_argument("--above-fen", type=_fen, metavar="FEN", help="more than this needs two")
    which.add_argument("--none", action="store_true", help="nothing does")
    return parser
