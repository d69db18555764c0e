"""``yimatong person load``: the first registrations of a province, from a file into the index."""

import argparse
import gc
import os
from datetime import date, datetime, time
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from service.commands.console import answer
from service.commands.registration_files import (
    REFUSED_SUFFIX,
    Refused,
    Told,
    numbered,
    write_refused,
)
from service.kernel.clock import CHINA, business_day
from service.kernel.context import Context
from service.kernel.problems import Problem
from service.person import loading
from service.person.facts import facts_of
from service.person.loading import Everybody, Given
from service.person.matching.batch import match
from service.person.matching.households import live_together
from service.person.matching.traits import Line, Traits, date_of, traits_of
from service.person.matching.weighing import Rarity, Scale, shipped
from service.person.model import Registration, Source
from service.settings import Settings

FROM_FILES = {one.value: one for one in Source if one is not Source.RESIDENT}
"""A resident enrols himself, and is proved."""


class NoRegistration(ValueError):
    """A line that the index cannot hold; the text says why, without a value of it."""


def add_verb(verbs: Any) -> None:
    """Beside the other verbs of ``yimatong person``."""
    text = "the first registrations of an empty index, from a file; goes on where it was killed"
    loading_ = verbs.add_parser("load", help=text, description=text)
    loading_.add_argument("--input", required=True, type=Path, metavar="REGISTRATIONS.JSONL")
    most = "default: as many as there are cores"
    loading_.add_argument("--processes", type=int, default=os.cpu_count() or 1, help=most)
    loading_.set_defaults(run=_load)


def _load(given: argparse.Namespace, settings: Settings) -> int:
    return answer("person", settings, lambda ctx: load_file(ctx, given.input, given.processes))


async def load_file(ctx: Context, path: Path, processes: int) -> str:
    """Read, match, store; what it did, for a person. Raises ``OSError``, ``StateConflict``."""
    # Millions of objects that live to the end: looking for garbage among them only costs.
    gc.disable()
    told, refused = Told(), Refused()
    everybody = read(path, ctx.clock.now(), processes, refused, told)
    beside = path.with_name(path.name + REFUSED_SUFFIX)
    write_refused(beside, refused)
    done = await loading.load(ctx, everybody, told.progress)
    told.end()
    return (
        f"{done.registrations} registrations of {done.people} people, {done.questions} to review,"
        f" {len(refused)} lines refused"
        + (f" (see {beside})" if refused else "")
        + ("; an earlier run had begun it" if done.went_on else "")
    )


def read(path: Path, now: datetime, processes: int, refused: Refused, told: Told) -> Everybody:
    """The file, typed and matched. Raises ``OSError``."""
    traits: list[Traits] = []
    texts: list[bytes] = []
    for number, text, line in numbered(path, refused, told):
        try:
            given = given_of(line, now)
        except NoRegistration as fault:
            refused.append((number, str(fault)))
            continue
        traits.append(traits_of(line, business_day(given.received_at)))
        texts.append(text)
    scale = Scale(shipped(), Rarity(traits), households=live_together(traits))
    found = match(traits, scale=scale, processes=processes, progress=told.progress)
    decoder = msgspec.json.Decoder(Line)
    with path.open("rb") as file:
        digest = sha256()
        while piece := file.read(1 << 20):
            digest.update(piece)
    return Everybody(
        file_digest=digest.digest(),
        traits=traits,
        open=lambda place: given_of(decoder.decode(texts[place]), now),
        found=found,
        scale=scale,
    )


def given_of(line: Line, now: datetime) -> Given:
    """The registration that a line says. One without a time was received now.

    Raises ``NoRegistration``.
    """
    source = FROM_FILES.get(line.source or Source.LEGACY.value)
    if source is None:
        raise NoRegistration(f"source: one of {', '.join(FROM_FILES)}")
    said = date_of(line.time or "")
    received_at = now if said is None else min(now, _noon_of(said))
    fields = {
        field: getattr(line, field)
        for field in Line.__struct_fields__
        if field in Registration.__struct_fields__
    }
    registration = Registration(
        **fields
        | {
            "source": source,
            "institution_id": None,
            "name": line.name or "",
            "id_type": line.id_type or "01",
        }
    )
    try:
        facts = facts_of(registration, business_day(received_at), frozenset())
    except Problem as problem:
        raise NoRegistration(f"{problem.code}: {problem.detail or problem.title}") from None
    return Given(registration=registration, facts=facts, received_at=received_at)


def _noon_of(day: date) -> datetime:
    return datetime.combine(day, time(12), CHINA)
