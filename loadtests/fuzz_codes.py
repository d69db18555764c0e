"""A million spoilt codes through the strict verifier and the one behind the repair, in two
processes: none may crash it, hang it, or be taken for another person's."""

import argparse
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from itertools import islice

import msgspec

from tests.support.mutants import Judge, Spoiler, people
from tests.support.reader_world import ReaderWorld


class Fuzzed(msgspec.Struct, kw_only=True):
    """What became of the mutants of one seed; ``fooled`` names the ways that led there."""

    mutants: int
    accepted: int
    repaired: int
    slowest_ms: float
    fooled: list[str]


def fuzz(seed: int, count: int) -> Fuzzed:
    """Judge ``count`` mutants."""
    world = ReaderWorld()
    texts = people(world)
    judge, slowest = Judge(world, texts), 0.0
    for mutant in islice(Spoiler(texts, seed).mutants(), count):
        began = time.thread_time()
        judge.judge(mutant)
        slowest = max(slowest, time.thread_time() - began)
    return Fuzzed(
        mutants=count,
        accepted=judge.accepted,
        repaired=judge.repaired,
        slowest_ms=slowest * 1000,
        fooled=[mutant.kind for mutant in judge.fooled],
    )


def run(count: int, seed: int = 1, jobs: int = 2) -> Fuzzed:
    """The same shared out, added up."""
    with ProcessPoolExecutor(jobs) as pool:
        parts = list(pool.map(fuzz, range(seed, seed + jobs), [count // jobs] * jobs))
    return Fuzzed(
        mutants=sum(part.mutants for part in parts),
        accepted=sum(part.accepted for part in parts),
        repaired=sum(part.repaired for part in parts),
        slowest_ms=max(part.slowest_ms for part in parts),
        fooled=[kind for part in parts for kind in part.fooled],
    )


def main(arguments: list[str]) -> int:
    """``python -m loadtests.fuzz_codes``; status 1 if anybody was taken for another."""
    parser = argparse.ArgumentParser(prog="fuzz_codes", description=__doc__)
    parser.add_argument("--mutants", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args(arguments)
    found = run(chosen.mutants, chosen.seed)
    print(msgspec.json.encode(found).decode())
    return 1 if found.fooled else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
