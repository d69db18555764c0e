"""A whole file of registrations at once: the same functions, kind of key by kind of key."""

from collections.abc import Callable, Iterator, Sequence

from service.person.matching.clustering import Pair, Partition, partition
from service.person.matching.deciding import Outcome, judge
from service.person.matching.keys import SHARED_MAX, keys_of
from service.person.matching.traits import Traits
from service.person.matching.weighing import STARTING, Model, Rarity, Scale

Progress = Callable[[str, int, int], None]
"""``progress(what, done, of)``."""


def candidates(everybody: Sequence[Traits]) -> set[int]:
    """Pairs of places that share a key, as ``one * count + other`` with ``one < other``."""
    count = len(everybody)
    groups: dict[tuple[int, str], list[int]] = {}
    for place, one in enumerate(everybody):
        for key in keys_of(one):
            groups.setdefault(key, []).append(place)
    found: set[int] = set()
    for places in groups.values():
        if 1 < len(places) <= SHARED_MAX:
            for at, one in enumerate(places):
                base = one * count
                for other in places[at + 1 :]:
                    if other != one:
                        found.add(base + other)
    return found


def match(
    everybody: Sequence[Traits], model: Model = STARTING, progress: Progress | None = None
) -> Partition:
    """Whose registration each is."""
    scale = Scale(model, Rarity(everybody))
    pairs = candidates(everybody)
    if progress is not None:
        progress("candidates", len(pairs), len(pairs))
    return partition(everybody, _judged(everybody, pairs, scale))


def _judged(everybody: Sequence[Traits], pairs: set[int], scale: Scale) -> Iterator[Pair]:
    count = len(everybody)
    for code in pairs:
        one, other = divmod(code, count)
        judged = judge(everybody[one], everybody[other], scale)
        if judged.outcome is not Outcome.APART:
            yield Pair(one, other, judged)
