"""``yimatong person``: the master index by files, without a database; and stewards' verbs."""

import argparse
import gc
import os
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from service.commands import person_load, person_quality, stewards
from service.commands.console import attempt, say
from service.commands.registration_files import (
    REFUSED_SUFFIX,
    Refused,
    Told,
    numbered,
    whole,
    write_refused,
)
from service.kernel.clock import SystemClock, business_day
from service.person.matching.batch import match
from service.person.matching.clustering import Partition
from service.person.matching.traits import Traits, traits_of
from service.settings import Settings


def main(words: list[str], settings: Settings) -> int:
    """Run one verb; gives the exit status."""
    parser = argparse.ArgumentParser(prog="yimatong person", description="the master index")
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    text = "registrations in, whose each is out; lines that are none go to a file beside"
    matching = verbs.add_parser("match", help=text, description=text)
    matching.add_argument("--input", required=True, type=Path, metavar="REGISTRATIONS.JSONL")
    matching.add_argument("--output", required=True, type=Path, metavar="CLUSTERS.CSV")
    matching.add_argument("--review", type=Path, metavar="REVIEW.CSV", help="what a person decides")
    most = "default: as many as there are cores"
    matching.add_argument("--processes", type=int, default=os.cpu_count() or 1, help=most)
    matching.set_defaults(run=_match)
    person_load.add_verb(verbs)
    stewards.add_verbs(verbs)
    person_quality.add_verb(verbs)
    given = parser.parse_args(words)
    status: int = given.run(given, settings)
    return status


def _match(given: argparse.Namespace, settings: Settings) -> int:
    return attempt("person", settings, lambda: match_file(given))


def match_file(given: argparse.Namespace) -> int:
    """Read, match, write. Files appear whole under their names, or not at all.

    Raises ``OSError``.
    """
    told = Told()
    today = business_day(SystemClock().now())
    refused: Refused = []
    # Millions of objects that live to the end: looking for garbage among them only costs.
    gc.disable()
    everybody = list(read_registrations(given.input, today, refused, told))
    found = match(everybody, processes=given.processes, progress=told.progress)
    told.end()
    _write_clusters(given.output, everybody, found)
    if given.review is not None:
        _write_questions(given.review, found)
    beside = given.output.with_name(given.output.name + REFUSED_SUFFIX)
    write_refused(beside, refused)
    say(
        f"{len(everybody)} registrations of {len(set(found.cluster_of))} people,"
        f" {len(found.questions)} to review, {len(refused)} lines refused"
        + (f" (see {beside})" if refused else "")
    )
    return 0


def read_registrations(path: Path, today: date, refused: Refused, told: Told) -> Iterator[Traits]:
    """Each typed registration of a file; what is none is noted with its line number."""
    for _number, _text, line in numbered(path, refused, told):
        yield traits_of(line, today)


def _write_clusters(path: Path, everybody: list[Traits], found: Partition) -> None:
    with whole(path) as out:
        out.writerow(("id", "cluster"))
        out.writerows(
            (one.key, cluster) for one, cluster in zip(everybody, found.cluster_of, strict=True)
        )


def _write_questions(path: Path, found: Partition) -> None:
    with whole(path) as out:
        out.writerow(("id1", "id2", "reason"))
        out.writerows((one.one, one.other, one.reason) for one in found.questions)
