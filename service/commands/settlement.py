"""``yimatong settlement``: reviews, an institution's settings, and the days of the books."""

import argparse
from collections.abc import Sequence
from datetime import date

import msgspec

from integrations.ports.money import FEN_MAX
from service.commands.console import add_decided, answer, institution_of
from service.institution import actions as institution
from service.institution.model import MovedAmounts
from service.kernel.context import Context
from service.ledger import books, closing, feeding
from service.ledger.schemas import DayAnswer
from service.settings import Settings
from service.settlement import reviewing
from service.settlement.states import SettlementEvent

_OF_DAYS = frozenset({"day", "close-day", "check-day"})
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
            return await review(
                ctx, arguments.settlement, arguments.decision, arguments.by, arguments.because
            )
        if arguments.verb in _OF_DAYS:
            return await _of_day(ctx, arguments)
        return await _set(ctx, arguments)

    return answer("settlement", settings, job)


async def _of_day(ctx: Context, arguments: argparse.Namespace) -> str:
    code, day = arguments.institution, arguments.day
    match arguments.verb:
        case "day":
            return await show_day(ctx, code, day, as_json=arguments.json)
        case "close-day":
            return await close_day(ctx, code, day, arguments.by)
        case _:
            return await check_day(ctx, code, day, again=arguments.again)


async def _set(ctx: Context, arguments: argparse.Namespace) -> str:
    code = arguments.institution
    match arguments.verb:
        case "registration":
            return await _registration(ctx, code, insured=arguments.insured)
        case "moved-amounts":
            return await _moved(ctx, code, MovedAmounts(arguments.wish))
        case _:
            return await _limit(ctx, code, arguments.above_fen)


async def review(ctx: Context, settlement: str, decision: str, by: str, because: str) -> str:
    """End the review of a settlement. Raises ``NotFound``, ``StateConflict``."""
    key = ctx.public_ids.parse(settlement)
    row = await reviewing.review(ctx, *key, DECISIONS[decision], by=by, because=because)
    return f"{settlement} is {row.state.value}; the worker goes on"


async def _limit(ctx: Context, code: str, above_fen: int | None) -> str:
    await institution.set_approval_limit(ctx, await institution_of(ctx, code), above_fen)
    if above_fen is None:
        return f"{code}: nothing that is given back needs a second person"
    return f"{code}: giving back more than {above_fen} fen needs a second person"


async def _moved(ctx: Context, code: str, wish: MovedAmounts) -> str:
    await institution.set_moved_amounts(ctx, await institution_of(ctx, code), wish)
    done = "the difference is collected or given back"
    if wish is MovedAmounts.UNDO:
        done = "everything is undone"
    return f"{code}: where the bureau settles other amounts than it promised, {done}"


async def _registration(ctx: Context, code: str, *, insured: bool) -> str:
    place = await institution_of(ctx, code)
    await institution.set_registration_insured(ctx, place, insured=insured)
    return f"{code}: registration fees are {'insured' if insured else 'own money'} from now on"


async def show_day(ctx: Context, code: str, day: date, *, as_json: bool) -> str:
    """The books of a day, in fen. Raises ``NotFound`` for one that has not begun."""
    read = DayAnswer.of(ctx, await books.read_day(ctx, await institution_of(ctx, code), day))
    if as_json:
        return msgspec.json.encode(read).decode()
    closed = "" if read.closed_at is None else f", {read.closed_at.isoformat()}"
    by = "" if read.asked_by is None else f", asked for by {read.asked_by}"
    lines = [f"{code} {day}: {read.state.value}{by}{closed}; {read.postings} postings"]
    titles = ("account", "opening", "received", "given", "closing")
    table = [
        (one.account, one.opening_fen, one.received_fen, one.given_fen, one.closing_fen)
        for one in read.accounts
    ]
    lines += [
        f"  {name:<24}" + "".join(f"{fen:>16}" for fen in fens) for name, *fens in (titles, *table)
    ]
    lines += [
        f"  late: {one.amount_fen} of {one.belongs_to}, settlement {one.settlement_id},"
        f" {one.given_by} to {one.received_by}"
        for one in read.late
    ]
    return "\n".join(lines)


async def close_day(ctx: Context, code: str, day: date, by: str) -> str:
    """Have a day closed by the worker. Raises ``LedgerDayNotOver``."""
    asked = await closing.ask(ctx, await institution_of(ctx, code), day, by)
    if not asked:
        return f"{code}: no day up to {day} is open"
    days = f"{asked[0].day} to {asked[-1].day}" if len(asked) > 1 else f"{day}"
    return f"{code}: the worker closes {days}, not before {asked[-1].due_at}"


async def check_day(ctx: Context, code: str, day: date, *, again: bool) -> str:
    """Add a closed day up anew; ``again`` feeds its postings to the books once more before."""
    institution_id = await institution_of(ctx, code)
    if again:
        await feeding.feed_again(ctx, institution_id, day)
    checked = await closing.check_day(ctx, institution_id, day)
    if checked is None:
        return f"{code} {day} is not closed"
    if checked.reason is None:
        return f"{code} {day}: {checked.postings} postings agree"
    return f"{code} {day}: {checked.reason}, {', '.join(checked.differing)}"


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
    add_decided(deciding)
    registering = verbs.add_parser("registration", help="who pays for registration fees")
    registering.add_argument("--institution", required=True, metavar="CODE")
    whose = registering.add_mutually_exclusive_group(required=True)
    whose.add_argument("--insured", action="store_true", help="the bureau pays its part")
    whose.add_argument("--own", dest="insured", action="store_false", help="own money alone")
    moving = verbs.add_parser("moved-amounts", help="when the bureau settles other amounts")
    moving.add_argument("--institution", required=True, metavar="CODE")
    moving.add_argument(
        "--wish",
        required=True,
        choices=[one.value for one in MovedAmounts],
        help="collect or give back the difference, or undo everything",
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
