"""``yimatong person`` for stewards: who a record is, and what they rule about two of them."""

import argparse
import asyncio
from pathlib import Path
from typing import Any

import msgspec

from service.audit.model import Decided
from service.commands.console import add_decided, answer
from service.kernel.context import Context
from service.kernel.problems import StateConflict
from service.person import history, merging, special
from service.person.model import Registration, Source
from service.person.model_merging import Ruling
from service.person.special import Learnt
from service.settings import Settings

_RULINGS = {
    "say-same": "two records are one person's: their persons are merged",
    "keep-apart": "two records are two persons': where they are one's, he is parted",
    "withdraw": "a ruling about two records stands no more; nobody is moved",
}
_DEATH = {
    "died": "no code of the record's person resolves any more",
    "alive": "the report of a death was wrong; what was frozen before is so again",
}


class _Told(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file of ``register-again``."""

    source: Source
    name: str
    id_type: str
    id_no: str | None = None
    phone: str | None = None


def add_verbs(verbs: Any) -> None:
    """Beside the other verbs of ``yimatong person``."""
    text = "whose a record is, what was ruled about that person's records, and what moved them"
    showing = verbs.add_parser("show", help=text, description=text)
    showing.add_argument("--record", required=True, metavar="ID")
    showing.set_defaults(run=_show)
    for name, words in _RULINGS.items():
        ruling = verbs.add_parser(name, help=words, description=words)
        ruling.add_argument("--record", required=True, metavar="ID")
        ruling.add_argument("--other", required=True, metavar="ID", help="the other record")
        ruling.set_defaults(run=_rule, ruling=name)
        add_decided(ruling)
    for name, words in _DEATH.items():
        telling = verbs.add_parser(name, help=words, description=words)
        telling.add_argument("--record", required=True, metavar="ID")
        telling.set_defaults(run=_tell, told=name)
        add_decided(telling)
    text = "register what is known now of a record's person; the earlier record stays his"
    again = verbs.add_parser("register-again", help=text, description=text)
    again.add_argument("--record", required=True, metavar="ID", help="the earlier record")
    again.add_argument("--learnt", required=True, choices=[one.value for one in Learnt])
    text = "one JSON object: source, name, id_type, id_no, phone"
    again.add_argument("--input", required=True, type=Path, metavar="FILE", help=text)
    again.set_defaults(run=_again)
    add_decided(again)
    text = "take a merge or un-merge back, with what was ruled by it"
    undoing = verbs.add_parser("undo", help=text, description=text)
    undoing.add_argument("--change", required=True, metavar="ID", help="as `person show` names it")
    undoing.set_defaults(run=_undo)
    add_decided(undoing)


def _show(given: argparse.Namespace, settings: Settings) -> int:
    return answer("person", settings, lambda ctx: show(ctx, given.record))


def _rule(given: argparse.Namespace, settings: Settings) -> int:
    decided = Decided(given.by, given.because)
    return answer(
        "person", settings, lambda ctx: rule(ctx, given.ruling, given.record, given.other, decided)
    )


def _undo(given: argparse.Namespace, settings: Settings) -> int:
    decided = Decided(given.by, given.because)
    return answer("person", settings, lambda ctx: undo(ctx, given.change, decided))


def _tell(given: argparse.Namespace, settings: Settings) -> int:
    decided = Decided(given.by, given.because)
    return answer("person", settings, lambda ctx: tell(ctx, given.told, given.record, decided))


def _again(given: argparse.Namespace, settings: Settings) -> int:
    decided = Decided(given.by, given.because)
    learnt = Learnt(given.learnt)
    return answer(
        "person", settings, lambda ctx: again(ctx, given.record, given.input, learnt, decided)
    )


async def show(ctx: Context, record: str) -> str:
    """Numbers alone, nothing personal. Raises ``NotFound``, ``RowTampered``."""
    record_id, _ = ctx.public_ids.parse(record)
    found = await history.of_record(ctx, record_id)
    lines = [f"person {ctx.public_ids.text(found.person_id, found.person_id)}"]
    lines += [f"  record {ctx.public_ids.text(one, one)}" for one in found.records]
    lines += [f"  ruled  {_ruled(ctx, one)}" for one in found.rulings]
    for change in found.changes:
        number = ctx.public_ids.text(change.person_id, change.change_id)
        end = "" if change.undone_by is None else ", undone"
        at = change.changed_at.isoformat()
        lines.append(f"  {change.kind.value} {number} {at} by {change.actor}{end}: {change.reason}")
    return "\n".join(lines)


async def rule(ctx: Context, ruling: str, record: str, other: str, decided: Decided) -> str:
    """Rule, or withdraw. Raises ``NotFound``, ``StateConflict``, ``RowTampered``."""
    act = {
        "say-same": merging.say_same,
        "keep-apart": merging.keep_apart,
        "withdraw": merging.withdraw_ruling,
    }[ruling]
    one, _ = ctx.public_ids.parse(record)
    two, _ = ctx.public_ids.parse(other)
    row = await act(ctx, one, two, decided)
    return ("withdrawn: " if ruling == "withdraw" else "ruled: ") + _ruled(ctx, row)


async def undo(ctx: Context, change: str, decided: Decided) -> str:
    """Undo a change. Raises ``NotFound``, ``StateConflict``, ``RowTampered``."""
    done = await merging.undo(ctx, *ctx.public_ids.parse(change), decided)
    return f"undone by {done.kind.value} {ctx.public_ids.text(done.person_id, done.change_id)}"


async def tell(ctx: Context, told: str, record: str, decided: Decided) -> str:
    """Report a death, or that it was none. Raises ``NotFound``, ``StateConflict``."""
    act = special.report_death if told == "died" else special.report_alive
    record_id, _ = ctx.public_ids.parse(record)
    await act(ctx, record_id, decided)
    return f"{record}: {told}"


async def again(ctx: Context, record: str, path: Path, learnt: Learnt, decided: Decided) -> str:
    """Register again. Raises ``StateConflict`` for a file that holds no registration, and what
    ``special.register_again`` raises."""
    try:
        told = msgspec.json.decode(await asyncio.to_thread(path.read_bytes), type=_Told)
    except (OSError, msgspec.DecodeError):
        raise StateConflict("the file holds no registration") from None
    given = Registration(
        source=told.source,
        institution_id=None,
        name=told.name,
        id_type=told.id_type,
        id_no=told.id_no,
        phone=told.phone,
    )
    record_id, _ = ctx.public_ids.parse(record)
    done = await special.register_again(ctx, record_id, given, learnt, decided)
    return f"registered: {ctx.public_ids.text(done.record_id, done.record_id)}"


def _ruled(ctx: Context, row: Ruling) -> str:
    pair = (row.record_id, row.other_record_id)
    return f"{' and '.join(ctx.public_ids.text(one, one) for one in pair)}: {row.verdict.value}"
