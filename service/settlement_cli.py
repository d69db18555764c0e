"""``yimatong settlement``: reviews, the limit of one person, and the days of the books."""

import argparse
import asyncio
from collections.abc import Sequence
from datetime import date

import msgspec

from integrations.ports.money import FEN_MAX
from service.cli import complain, say
from service.institution import actions as institution
from service.institution.model import Institution
from service.kernel.context import Context
from service.kernel.logs import set_up_logs
from service.kernel.problems import NotFound, Problem, RowTampered
from service.ledger import books, closing, feeding
from service.ledger.schemas import DayAnswer
from service.settings import Settings
from service.settlement import actions
from service.settlement.states import SettlementEvent
from service.wiring import install_ciphers, open_without_partners

DECISIONS = {
    "settle": SettlementEvent.REVIEWED_SETTLE,
    "go-on": SettlementEvent.REVIEWED_GO_ON,
    "reverse": SettlementEvent.REVIEWED_REVERSE,
}


def main(argv: Sequence[str], settings: Settings) -> int:
    """Run one verb. Exit status 2 when it is refused, with the reason on standard error."""
    arguments = _parser().parse_args(argv)
    set_up_logs("settlement")
    install_ciphers(settings)
    try:
        text = asyncio.run(_in_context(arguments, settings))
    except OSError as fault:
        return _refused(str(fault))
    except Problem as problem:
        return _refused(f"{problem.code}: {problem}")
    except RowTampered as tampered:
        return _refused(
            f"a row of the table {tampered} was changed by something else than Yimatong"
        )
    say(text)
    return 0


def _refused(reason: str) -> int:
    complain(f"yimatong settlement: {reason}")
    return 2


async def _in_context(arguments: argparse.Namespace, settings: Settings) -> str:
    async with open_without_partners(settings, "settlement") as ctx:
        if arguments.verb == "review":
            return await review(ctx, arguments.settlement, arguments.decision)
        row = await _institution(ctx, arguments.institution)
        match arguments.verb:
            case "day":
                return await show_day(ctx, row, arguments.day, as_json=arguments.json)
            case "close-day":
                return await close_day(ctx, row, arguments.day, arguments.by)
            case "check-day":
                return await check_day(ctx, row, arguments.day, again=arguments.again)
        return await _limit(ctx, row, arguments.above_fen)


async def review(ctx: Context, settlement: str, decision: str) -> str:
    """End the review of a settlement. Raises ``NotFound``, ``StateConflict``."""
    row = await actions.review(ctx, *ctx.public_ids.parse(settlement), DECISIONS[decision])
    return f"{settlement} is {row.state.value}; the worker goes on"


async def _institution(ctx: Context, code: str) -> Institution:
    for row in await institution.list_institutions(ctx):
        if row.code == code:
            return row
    raise NotFound(f"no institution has the code {code}")


async def _limit(ctx: Context, row: Institution, above_fen: int | None) -> str:
    await institution.set_approval_limit(ctx, row.institution_id, above_fen)
    if above_fen is None:
        return f"{row.code}: nothing that is given back needs a second person"
    return f"{row.code}: giving back more than {above_fen} fen needs a second person"


async def show_day(ctx: Context, row: Institution, day: date, *, as_json: bool) -> str:
    """The books of a day, in fen. Raises ``NotFound`` for one that has not begun."""
    answer = DayAnswer.of(ctx, await books.read_day(ctx, row.institution_id, day))
    if as_json:
        return msgspec.json.encode(answer).decode()
    closed = "" if answer.closed_at is None else f", {answer.closed_at.isoformat()}"
    by = "" if answer.asked_by is None else f", asked for by {answer.asked_by}"
    lines = [f"{row.code} {day}: {answer.state.value}{by}{closed}; {answer.postings} postings"]
    titles = ("account", "opening", "received", "given", "closing")
    table = [
        (one.account, one.opening_fen, one.received_fen, one.given_fen, one.closing_fen)
        for one in answer.accounts
    ]
    lines += [
        f"  {name:<24}" + "".join(f"{fen:>16}" for fen in fens) for name, *fens in (titles, *table)
    ]
    lines += [
        f"  late: {one.amount_fen} of {one.belongs_to}, settlement {one.settlement_id},"
        f" {one.given_by} to {one.received_by}"
        for one in answer.late
    ]
    return "\n".join(lines)


async def close_day(ctx: Context, row: Institution, day: date, by: str) -> str:
    """Have a day closed by the worker. Raises ``LedgerDayNotOver``."""
    asked = await closing.ask(ctx, row.institution_id, day, by)
    if not asked:
        return f"{row.code}: no day up to {day} is open"
    days = f"{asked[0].day} to {asked[-1].day}" if len(asked) > 1 else f"{day}"
    return f"{row.code}: the worker closes {days}, not before {asked[-1].due_at}"


async def check_day(ctx: Context, row: Institution, day: date, *, again: bool) -> str:
    """Add a closed day up anew; ``again`` feeds its postings to the books once more before."""
    if again:
        await feeding.feed_again(ctx, row.institution_id, day)
    checked = await closing.check_day(ctx, row.institution_id, day)
    if checked is None:
        return f"{row.code} {day} is not closed"
    if checked.reason is None:
        return f"{row.code} {day}: {checked.postings} postings agree"
    return f"{row.code} {day}: {checked.reason}, {', '.join(checked.differing)}"


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
    _add_day(verbs.add_parser("day", help="a day's sums by account")).add_argument(
        "--json", action="store_true", help="for programs; amounts in fen"
    )
    _add_day(
        verbs.add_parser("close-day", help="close a day and the open ones before")
    ).add_argument("--by", required=True, metavar="NAME", help="who answers for it")
    _add_day(verbs.add_parser("check-day", help="add a closed day up anew")).add_argument(
        "--again", action="store_true", help="feed its postings to the books once more before"
    )
    return parser


def _add_day(verb: argparse.ArgumentParser) -> argparse.ArgumentParser:
    verb.add_argument("--institution", required=True, metavar="CODE")
    verb.add_argument(
        "--day", required=True, type=date.fromisoformat, metavar="YYYY-MM-DD", help="in China"
    )
    return verb
