"""How well a partition of an invented population agrees with its truth, after closure.

    python -m loadtests.matching_quality FOLDER...

measures ``yimatong person match`` on each folder that ``loadtests.populations`` wrote. Pairs of one
person's registrations are counted in all, and among those that somebody could tell (``reachable``).
"""

import argparse
import csv
import resource
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import combinations
from pathlib import Path

import msgspec


class Quality(msgspec.Struct, frozen=True, kw_only=True):
    """Of the pairs that closure makes."""

    precision: float
    recall: float
    f1: float
    false_pairs: int
    missed_pairs: int


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """One run."""

    registrations: int
    every: Quality
    reachable: Quality
    merged_or_reviewed: float
    """Share of the reachable pairs."""
    twins_merged: int
    """Pairs of people born of one mother on one day who are in one cluster."""
    parents_merged: int
    """Pairs of parent and child who are."""
    review_of_1000: float
    per_s: float
    peak_mib: float


def measure(folder: Path) -> Report:
    """Run the verb on the folder's registrations, and compare."""
    found, review, took_s = match(folder)
    rows = list(_rows(folder / "truth.csv"))
    twins, parents = _relatives_merged(found, rows)
    truth = {row["id"]: (row["person"], row["reachable"] == "1") for row in rows}
    asked = [(found[row["id1"]], found[row["id2"]]) for row in _rows(review)]
    everybody = {key: person for key, (person, _) in truth.items()}
    reachable = {key: person for key, (person, is_so) in truth.items() if is_so}
    return Report(
        registrations=len(found),
        every=quality(found, everybody),
        reachable=quality(found, reachable),
        merged_or_reviewed=_merged_or_reviewed(found, reachable, asked),
        twins_merged=twins,
        parents_merged=parents,
        review_of_1000=round(1000 * len(asked) / len(found), 2),
        per_s=round(len(found) / took_s),
        peak_mib=resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024,
    )


def match(folder: Path) -> tuple[dict[str, str], Path, float]:
    """Run the verb on the folder's registrations: the cluster of each, the file of questions, and
    the seconds that it took."""
    clusters, review = folder / "clusters.csv", folder / "review.csv"
    verb = [sys.executable, "-m", "service", "person", "match"]
    files = ["--input", folder / "registrations.jsonl", "--output", clusters, "--review", review]
    began = time.perf_counter()
    subprocess.run([*verb, *map(str, files)], check=True, capture_output=True)  # noqa: S603 - ours
    took_s = time.perf_counter() - began
    return {row["id"]: row["cluster"] for row in _rows(clusters)}, review, took_s


def quality(found: dict[str, str], truth: dict[str, str]) -> Quality:
    """``truth`` says whose each registration is; only those in it count."""
    made = _pairs(Counter(found[key] for key in truth).values())
    true = _pairs(Counter(truth.values()).values())
    right = _pairs(Counter((found[key], person) for key, person in truth.items()).values())
    precision, recall = right / max(1, made), right / max(1, true)
    return Quality(
        precision=round(precision, 5),
        recall=round(recall, 5),
        f1=round(2 * precision * recall / max(1e-9, precision + recall), 5),
        false_pairs=made - right,
        missed_pairs=true - right,
    )


def _pairs(sizes: Iterable[int]) -> int:
    return sum(size * (size - 1) // 2 for size in sizes)


def _relatives_merged(found: dict[str, str], rows: list[dict[str, str]]) -> tuple[int, int]:
    people = {row["person"]: row for row in rows}
    within: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        within[found[row["id"]]].add(row["person"])
    merged = {pair for group in within.values() for pair in combinations(sorted(group), 2)}
    twins = parents = 0
    for one, other in merged:
        a, b = people[one], people[other]
        twins += bool(a["mother"]) and (a["mother"], a["born"]) == (b["mother"], b["born"])
        parents += one in (b["mother"], b["father"]) or other in (a["mother"], a["father"])
    return twins, parents


def _merged_or_reviewed(
    found: dict[str, str], truth: dict[str, str], asked: list[tuple[str, str]]
) -> float:
    open_pairs = {frozenset(pair) for pair in asked}
    of_person: dict[str, Counter[str]] = defaultdict(Counter)
    for key, person in truth.items():
        of_person[person][found[key]] += 1
    reached = true = 0
    for clusters in of_person.values():
        merged = _pairs(clusters.values())
        apart = list(combinations(clusters.items(), 2))
        true += merged + sum(a * b for (_, a), (_, b) in apart)
        reached += merged + sum(
            a * b for (one, a), (other, b) in apart if frozenset((one, other)) in open_pairs
        )
    return round(reached / max(1, true), 5)


def _rows(path: Path) -> Iterable[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        yield from csv.DictReader(file)


def main() -> None:
    """Measure and print."""
    asked = argparse.ArgumentParser(description="how well people are told apart")
    asked.add_argument("folders", nargs="+", type=Path)
    for folder in asked.parse_args().folders:
        print(folder, msgspec.json.encode(measure(folder)).decode())


if __name__ == "__main__":
    main()
