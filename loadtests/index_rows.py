"""The master index by files: how well and how fast ``yimatong person match`` tells people apart.

One population of each mix of errors, of seeds that nothing was tuned on; and the public FEBRL sets.
"""

import tempfile
from pathlib import Path

import msgspec

from loadtests import febrl
from loadtests.matching_quality import measure
from loadtests.populations import MIXES, Population, write
from loadtests.rows import Row

HELD_OUT = 6401
PEOPLE, FULL_PEOPLE = 16_000, 335_000
"""About three registrations each."""


def index_rows(*, full: bool) -> list[Row]:
    """A row for each mix, in full the first of them with a million registrations; and for each
    public set."""
    rows = [_public(name) for name in febrl.SETS]
    for nth, (name, mix) in enumerate(MIXES.items()):
        people = FULL_PEOPLE if full and nth == 0 else 2 * PEOPLE if full else PEOPLE
        with tempfile.TemporaryDirectory(prefix="index") as folder:
            write(Path(folder), Population(HELD_OUT + nth, people, mix))
            found = measure(Path(folder))
        rows.append(
            Row(
                name=f"person match, errors of mix {name}: registrations",
                per_s=found.per_s,
                limited_by="typing on one core, then judging on all",
                facts={
                    "registrations": found.registrations,
                    "f1_all": found.every.f1,
                    "f1_reachable": found.reachable.f1,
                    "precision_reachable": found.reachable.precision,
                    "merged_or_reviewed": found.merged_or_reviewed,
                    "twins_merged": found.twins_merged,
                    "parents_merged": found.parents_merged,
                    "review_of_1000": found.review_of_1000,
                    "peak_mib": round(found.peak_mib),
                },
            )
        )
    return rows


def _public(name: str) -> Row:
    with tempfile.TemporaryDirectory(prefix="febrl") as folder:
        found = febrl.measure(name, Path(folder))
    return Row(
        name=f"person match, {name} without its number",
        per_s=found.per_s,
        limited_by="comparing words of addresses",
        facts=msgspec.to_builtins(found),
    )
