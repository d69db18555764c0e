"""A whole file of registrations at once, by the functions that judge a single one.

Memory is what the typed registrations need, and little more: keys are kept as hashes in arrays,
and looked at bucket by bucket. Pairs are judged by as many processes as there are.
"""

import multiprocessing
from array import array
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Any

from service.person.matching.clustering import Pair, Partition, partition
from service.person.matching.deciding import Outcome, judge
from service.person.matching.households import live_together
from service.person.matching.keys import SHARED_MAX, keys_of
from service.person.matching.traits import Traits
from service.person.matching.weighing import Model, Rarity, Scale, shipped

BUCKETS = 64
SHARE = 20_000
"""Pairs that a process judges at a time; below it nobody helps."""

Progress = Callable[[str, int, int], None]
"""``progress(what, done, of)``."""


def match(
    everybody: Sequence[Traits],
    model: Model | None = None,
    *,
    scale: Scale | None = None,
    processes: int = 1,
    progress: Progress = lambda *_: None,
) -> Partition:
    """Whose registration each is, by the model that is shipped or another, set to these people or
    by a ``scale`` that is set already."""
    if scale is None:
        together = live_together(everybody)
        scale = Scale(model or shipped(), Rarity(everybody), households=together)
    pairs = candidates(everybody, progress)
    judged = _judge_all(everybody, pairs, scale, processes, progress)
    return partition(everybody, judged, households=scale.households)


def candidates(everybody: Sequence[Traits], progress: Progress = lambda *_: None) -> "array[int]":
    """Pairs of places that share a key, each once: ``one * count + other`` with ``one < other``,
    rising. Two keys of one hash give pairs that nobody else would, which are judged like others."""
    hashes, places = _hashed_keys(everybody)
    count, found = len(everybody), set[int]()
    for number, (of_keys, at) in enumerate(zip(hashes, places, strict=True), start=1):
        groups: dict[int, list[int]] = {}
        for key, place in zip(of_keys, at, strict=True):
            groups.setdefault(key, []).append(place)
        for group in groups.values():
            if 1 < len(group) <= SHARED_MAX:
                for nth, one in enumerate(group):
                    base = one * count
                    found.update(base + other for other in group[nth + 1 :] if other != one)
        progress("candidates", number, BUCKETS)
    return array("q", sorted(found))


def _hashed_keys(everybody: Sequence[Traits]) -> tuple[list["array[int]"], list["array[int]"]]:
    hashes = [array("q") for _ in range(BUCKETS)]
    places = [array("I") for _ in range(BUCKETS)]
    for place, one in enumerate(everybody):
        for key in keys_of(one):
            hashed = hash(key)
            bucket = hashed % BUCKETS
            hashes[bucket].append(hashed)
            places[bucket].append(place)
    return hashes, places


def _judge_all(
    everybody: Sequence[Traits],
    pairs: "array[int]",
    scale: Scale,
    processes: int,
    progress: Progress,
) -> Iterator[Pair]:
    """All that is not plainly apart."""
    shares = [(at, min(at + SHARE, len(pairs))) for at in range(0, len(pairs), SHARE)]
    if processes < 2 or len(shares) < 2:
        yield from chain.from_iterable(
            _judge_share(everybody, pairs, scale, share) for share in shares
        )
        return
    # Forked, the others have it all without a copy.
    with multiprocessing.get_context("fork").Pool(
        processes, _remember, (everybody, pairs, scale)
    ) as pool:
        for number, judged in enumerate(pool.imap(_judge_remembered, shares), start=1):
            progress("judged", number, len(shares))
            yield from judged


_REMEMBERED: list[Any] = []


def _remember(*known: Any) -> None:
    _REMEMBERED[:] = known


def _judge_remembered(share: tuple[int, int]) -> list[Pair]:
    everybody, pairs, scale = _REMEMBERED
    return _judge_share(everybody, pairs, scale, share)


def _judge_share(
    everybody: Sequence[Traits], pairs: "array[int]", scale: Scale, share: tuple[int, int]
) -> list[Pair]:
    count, found = len(everybody), []
    for code in pairs[share[0] : share[1]]:
        one, other = divmod(code, count)
        judged = judge(everybody[one], everybody[other], scale)
        if judged.outcome is not Outcome.APART:
            found.append(Pair(one, other, judged))
    return found
