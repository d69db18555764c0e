"""Learns a model from registrations whose truth nobody knows: expectation and maximisation.

What a level is worth is how often it occurs among one person's registrations (m), over how often it
does among two drawn blindly (u). Who is one person is not known, so it is guessed by the present
model, and guessed again with what was learnt, until little changes. Each class of sources is learnt
by itself: a reader makes other mistakes than an old file. A level that is not known is no evidence,
so only the known ones are counted.
"""

import math
import random
from array import array
from collections.abc import Sequence

import msgspec

from service.person.matching.batch import candidates
from service.person.matching.comparing import SILENT, Comparison, compare
from service.person.matching.deciding import veto
from service.person.matching.traits import Traits
from service.person.matching.weighing import STARTING, Bits, Model, Rarity, Scale, class_of

ROUNDS = 6
BLIND_PAIRS = 400_000
FEWEST = 30.0
"""So many pairs must show a level before its bits are believed; else the former ones stay."""
BITS_MOST = 16.0
LEARNT = ("name", "born", "sex", "phone", "address")
"""Not a number, for which the rules ask for more; nor what has no level that disagrees."""
Counts = dict[tuple[str, str, int], float]
"""By class of sources, field and level."""


def learn(
    everybody: Sequence[Traits], start: Model = STARTING, *, version: str, told: str
) -> Model:
    """The model of these registrations, always the same for the same; ``told`` says which they
    were."""
    rarity = Rarity(everybody)
    blind = _blind_counts(everybody)
    compared = _compared(everybody, candidates(everybody))
    model = start
    for _ in range(ROUNDS):
        matched = _matched_counts(everybody, compared, Scale(model, rarity))
        model = msgspec.structs.replace(
            model, bits=_bits(matched, blind, model.bits), version=version, learnt=told
        )
    return model


def _compared(
    everybody: Sequence[Traits], pairs: "array[int]"
) -> list[tuple[int, int, Comparison]]:
    """Pairs that could be one person's."""
    found = []
    for code in pairs:
        one, other = divmod(code, len(everybody))
        comparison = compare(everybody[one], everybody[other])
        if veto(everybody[one], everybody[other], comparison, households=True) is None:
            found.append((one, other, comparison))
    return found


def _blind_counts(everybody: Sequence[Traits]) -> Counts:
    draw = random.Random(1)  # noqa: S311 - the same registrations give the same model
    counts: Counts = {}
    for _ in range(BLIND_PAIRS):
        one, other = draw.choice(everybody), draw.choice(everybody)
        if one is not other:
            _count(counts, one, other, compare(one, other), 1.0)
    return counts


def _matched_counts(
    everybody: Sequence[Traits], compared: list[tuple[int, int, Comparison]], scale: Scale
) -> Counts:
    counts: Counts = {}
    for one, other, found in compared:
        a, b = everybody[one], everybody[other]
        bits = sum(scale.weigh(a, b, found).values())
        _count(counts, a, b, found, 1 / (1 + 2.0 ** -max(-40.0, min(40.0, bits))))
    return counts


def _count(counts: Counts, one: Traits, other: Traits, found: Comparison, weight: float) -> None:
    of_sources = class_of(one, other)
    for field in LEARNT:
        level = getattr(found, field)
        if level != SILENT:
            key = (of_sources, field, level)
            counts[key] = counts.get(key, 0.0) + weight


def _bits(matched: Counts, blind: Counts, before: Bits) -> Bits:
    learnt: Bits = {}
    for of_sources, fields in before.items():
        learnt[of_sources] = {}
        for field, levels in fields.items():
            learnt[of_sources][field] = {
                level: _bits_of(matched, blind, (of_sources, field, int(level)), bits)
                for level, bits in levels.items()
            }
    return learnt


def _bits_of(matched: Counts, blind: Counts, key: tuple[str, str, int], before: float) -> float:
    of_sources, field, level = key
    if field not in LEARNT or matched.get(key, 0.0) < FEWEST:
        return before
    m = matched[key] / _total(matched, of_sources, field)
    if field == "name" and level > 0:
        # How rare the name is, is counted for each name; here, how often it is written so.
        return round(math.log2(m), 2) if before <= 0 else before
    u = (_of_level(blind, field, level) + 0.5) / (_total(blind, None, field) + 1)
    return round(max(-BITS_MOST, min(BITS_MOST, math.log2(m / u))), 2)


def _total(counts: Counts, of_sources: str | None, field: str) -> float:
    return sum(
        count
        for (sources, named, _), count in counts.items()
        if named == field and of_sources in (None, sources)
    )


def _of_level(counts: Counts, field: str, level: int) -> float:
    return sum(
        count for (_, named, found), count in counts.items() if (named, found) == (field, level)
    )
