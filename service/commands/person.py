"""``yimatong person``: the master index by files, without a database; and stewards' verbs."""

import argparse
import csv
import gc
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import IO, Any

import msgspec

from service.commands import person_quality, stewards
from service.commands.console import attempt, say
from service.kernel.clock import SystemClock, business_day
from service.person.matching.batch import match
from service.person.matching.clustering import Partition
from service.person.matching.traits import Line, Traits, traits_of
from service.settings import Settings

LINE_BYTES_MAX = 64 * 1024
PROGRESS_EVERY_S = 0.5
ID_MAX = 200
REFUSED_SUFFIX = ".refused.csv"


class LineRefused(ValueError):
    """A line that is no registration; the text says why, without a value of it."""


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
    refused: list[tuple[int, str]] = []
    # Millions of objects that live to the end: looking for garbage among them only costs.
    gc.disable()
    everybody = list(read_registrations(given.input, today, refused, told))
    found = match(everybody, processes=given.processes, progress=told.progress)
    told.end()
    _write_clusters(given.output, everybody, found)
    if given.review is not None:
        _write_questions(given.review, found)
    beside = given.output.with_name(given.output.name + REFUSED_SUFFIX)
    _write_refused(beside, refused)
    say(
        f"{len(everybody)} registrations of {len(set(found.cluster_of))} people,"
        f" {len(found.questions)} to review, {len(refused)} lines refused"
        + (f" (see {beside})" if refused else "")
    )
    return 0


def read_registrations(
    path: Path, today: date, refused: list[tuple[int, str]], told: "Told"
) -> Iterator[Traits]:
    """Each typed registration of a file; what is none is noted with its line number."""
    decoder = msgspec.json.Decoder(Line)
    size, seen = max(1, path.stat().st_size), set[str]()
    with path.open("rb") as lines:
        for number, text in enumerate(_bounded(lines), start=1):
            if not number % 1000:
                told.progress("read", lines.tell() * 100 // size, 100)
            if not text.strip():
                continue
            try:
                line = _line(decoder, text, seen)
            except LineRefused as fault:
                refused.append((number, str(fault)))
                continue
            seen.add(line.id)
            yield traits_of(line, today)


def _line(decoder: msgspec.json.Decoder[Line], text: bytes, seen: set[str]) -> Line:
    if len(text) > LINE_BYTES_MAX:
        raise LineRefused("too long")
    try:
        line = decoder.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as fault:
        raise LineRefused(str(fault)[:200]) from None
    if not line.id or len(line.id) > ID_MAX or not line.id.isprintable():
        raise LineRefused(f"id: 1 to {ID_MAX} printable characters")
    if line.id in seen:
        raise LineRefused("id: used by an earlier line")
    return line


def _bounded(lines: IO[bytes]) -> Iterator[bytes]:
    """Lines; of one that is too long as much as shows that it is."""
    while text := lines.readline(LINE_BYTES_MAX + 1):
        rest = text
        while len(rest) > LINE_BYTES_MAX and not rest.endswith(b"\n"):
            rest = lines.readline(LINE_BYTES_MAX + 1)
        yield text


@contextmanager
def _whole(path: Path) -> Iterator[Any]:
    """A CSV writer whose file appears under its name once it is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("w", newline="", encoding="utf-8") as file:
            yield csv.writer(file, lineterminator="\n")
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _write_clusters(path: Path, everybody: list[Traits], found: Partition) -> None:
    with _whole(path) as out:
        out.writerow(("id", "cluster"))
        out.writerows(
            (one.key, cluster) for one, cluster in zip(everybody, found.cluster_of, strict=True)
        )


def _write_questions(path: Path, found: Partition) -> None:
    with _whole(path) as out:
        out.writerow(("id1", "id2", "reason"))
        out.writerows((one.one, one.other, one.reason) for one in found.questions)


def _write_refused(path: Path, refused: list[tuple[int, str]]) -> None:
    path.unlink(missing_ok=True)
    if refused:
        with _whole(path) as out:
            out.writerow(("line", "reason"))
            out.writerows(refused)


class Told:
    """One line on a terminal that says how far it is; silent elsewhere."""

    def __init__(self) -> None:
        self._is_seen = sys.stderr.isatty()
        self._at_s = 0.0

    def progress(self, what: str, done: int, of: int) -> None:
        """At most twice a second."""
        now_s = time.monotonic()
        if self._is_seen and (now_s - self._at_s > PROGRESS_EVERY_S or done == of):
            self._at_s = now_s
            bar = "#" * (30 * done // max(1, of))
            sys.stderr.write(f"\r{what:<12} [{bar:<30}] {100 * done // max(1, of):3d} %")
            sys.stderr.flush()

    def end(self) -> None:
        """Leave the line."""
        if self._is_seen:
            sys.stderr.write("\r" + " " * 60 + "\r")
