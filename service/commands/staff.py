"""``yimatong staff``: an institution's cashiers, what its counters take, and its shifts."""

import argparse
import json
from collections.abc import Sequence
from datetime import datetime, timedelta

from integrations.ports.money import yuan_text
from service.commands.console import answer, institution_of
from service.kernel.context import Context
from service.settings import Settings
from service.shift import actions, rules
from service.shift.model import Report, StaffState, Tender


def main(argv: Sequence[str], settings: Settings) -> int:
    """Run one verb. Exit status 2 when it is refused, with the reason on standard error."""
    arguments = _parser().parse_args(argv)

    async def job(ctx: Context) -> str:
        return await _run(ctx, await institution_of(ctx, arguments.institution), arguments)

    return answer("staff", settings, job)


async def _run(ctx: Context, place: int, arguments: argparse.Namespace) -> str:
    match arguments.verb:
        case "add":
            pin = await actions.add_staff(ctx, place, arguments.number)
            return f"{arguments.number} may sign in with the PIN {pin}; it is shown only here"
        case "new-pin":
            pin = await actions.new_pin(ctx, place, arguments.number)
            return f"{arguments.number} has the PIN {pin} now; it is shown only here"
        case "suspend" | "resume" as verb:
            state = StaffState.SUSPENDED if verb == "suspend" else StaffState.ACTIVE
            await actions.set_state(ctx, place, arguments.number, state)
            return f"{arguments.number} is {state.value}"
        case "tenders":
            return await _tenders(ctx, place, arguments.take)
        case "shifts":
            return await _shifts(ctx, place, arguments)
        case _:
            return await _list(ctx, place)


async def _tenders(ctx: Context, place: int, take: str | None) -> str:
    if take is not None:
        wanted = [one for one in take.split(",") if one not in ("", "none")]
        await actions.set_tenders(ctx, place, frozenset(Tender(one) for one in wanted))
    taken = await actions.list_tenders(ctx, place)
    return "its counters take " + (", ".join(one.value for one in taken) or "nothing by hand")


async def _list(ctx: Context, place: int) -> str:
    now = ctx.clock.now()
    lines = []
    for row in await actions.list_staff(ctx, place):
        locked = "  locked" if rules.is_locked(row, now) else ""
        lines.append(f"{row.staff_no:<20}  {row.state.value}{locked}")
    return "\n".join(lines) or "no cashiers"


async def _shifts(ctx: Context, place: int, arguments: argparse.Namespace) -> str:
    since = ctx.clock.now() - timedelta(days=arguments.days)
    reports = await actions.list_reports(ctx, place, since)
    lines = [_line(ctx, one) for one in reports]
    if arguments.json:
        return json.dumps(lines, ensure_ascii=False)
    return "\n".join(_words(one) for one in lines) or "no shifts"


def _line(ctx: Context, report: Report) -> dict[str, str | int | None]:
    row = report.shift
    cash, pos = (rules.sums_of(report.entries, one).net_fen for one in (Tender.CASH, Tender.POS))
    return {
        "shift_id": ctx.public_ids.text(row.institution_id, row.shift_id),
        "staff_no": report.staff.staff_no,
        "state": row.state.value,
        "opened_at": _at(row.opened_at),
        "closed_at": _at(row.closed_at),
        "float_fen": row.float_fen,
        "expected_cash_fen": row.float_fen + cash,
        "counted_cash_fen": row.counted_cash_fen,
        "expected_pos_fen": pos,
        "counted_pos_fen": row.counted_pos_fen,
        "explanation": row.explanation,
    }


def _at(at: datetime | None) -> str | None:
    return at.isoformat(timespec="seconds") if at is not None else None


def _words(line: dict[str, str | int | None]) -> str:
    def yuan(name: str) -> str:
        value = line[name]
        return yuan_text(value) if isinstance(value, int) else "-"

    return (
        f"{line['opened_at']}  {line['staff_no']}  {line['state']:<6}"
        f"  cash {yuan('expected_cash_fen')} counted {yuan('counted_cash_fen')}"
        f"  pos {yuan('expected_pos_fen')} counted {yuan('counted_pos_fen')}"
        f"  {line['explanation'] or ''}"
    ).rstrip()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="yimatong staff")
    verbs = parser.add_subparsers(required=True, metavar="VERB", dest="verb")
    texts = {
        "add": "enrol a cashier, with a PIN",
        "new-pin": "give a cashier another PIN; his sign-in ends",
        "suspend": "let a cashier not sign in any more",
        "resume": "let a suspended cashier sign in again",
        "list": "the cashiers",
        "tenders": "what the counters take by hand",
        "shifts": "shifts with what the books expect and what was counted",
    }
    made = {name: verbs.add_parser(name, help=text) for name, text in texts.items()}
    for one in made.values():
        one.add_argument("--institution", required=True, metavar="CODE")
    for name in ("add", "new-pin", "suspend", "resume"):
        made[name].add_argument("--number", required=True, help="1 to 20 letters and digits")
    made["tenders"].add_argument(
        "--take", default=None, metavar="cash,pos", help="these and no others; or: none"
    )
    made["shifts"].add_argument("--days", type=int, default=7, help="opened within (default 7)")
    made["shifts"].add_argument("--json", action="store_true", help="for programs; amounts in fen")
    return parser
