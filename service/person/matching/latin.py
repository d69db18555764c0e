"""Names and addresses in Latin letters: words that may be misspelt, missing or in another order."""

from functools import lru_cache

LONG = 4
"""Letters from which two slips in a word are still the same word."""


@lru_cache(maxsize=100_000)
def shared_words(one: str, other: str) -> tuple[tuple[str, ...], tuple[str, ...], int]:
    """Of two lists of words: those equal, those nearly equal, and how many words of each contradict
    the other's: both have so many that the other lacks."""
    left, right = one.split(), other.split()
    equal = tuple(sorted(set(left) & set(right)))
    left = [word for word in left if word not in equal]
    right = [word for word in right if word not in equal]
    near = []
    for word in list(left):
        found = next((there for there in right if is_near(word, there)), None)
        if found is not None:
            near.append(word)
            left.remove(word)
            right.remove(found)
    if left and right and is_near("".join(left), "".join(right)):
        near.append("".join(left))
        left = right = []
    return equal, tuple(near), min(len(left), len(right))


def is_near(one: str, other: str) -> bool:
    """One slip in a short word, two in a long one; a cut off end counts as one."""
    if one == other:
        return True
    shorter = min(len(one), len(other))
    if shorter <= 1:
        return one[:1] == other[:1]
    most = 2 if shorter >= LONG else 1
    if abs(len(one) - len(other)) > most or len(set(one) ^ set(other)) > 2 * most:
        return False  # Each slip changes two letters at most.
    return slips(one, other, most) <= most


def slips(one: str, other: str, most: int) -> int:
    """Characters replaced, missing, added or changed over, counted up to one more than ``most``."""
    if abs(len(one) - len(other)) > most:
        return most + 1
    before, row = list(range(len(other) + 1)), list(range(len(other) + 1))
    earlier = before
    for place, mine in enumerate(one, start=1):
        earlier, before, row = before, row, [place, *([0] * len(other))]
        for at, theirs in enumerate(other, start=1):
            row[at] = min(row[at - 1] + 1, before[at] + 1, before[at - 1] + (mine != theirs))
            crossed = place > 1 and at > 1 and mine == other[at - 2] and one[place - 2] == theirs
            if crossed:
                row[at] = min(row[at], earlier[at - 2] + 1)
        if min(row) > most:
            return most + 1
    return min(row[-1], most + 1)


@lru_cache(maxsize=100_000)
def likeness(one: str, other: str) -> float:
    """How many of the pairs of neighbouring characters two texts share, from 0 to 1 (Dice)."""
    left, right = _pairs(one), _pairs(other)
    return 2 * len(left & right) / max(1, len(left) + len(right))


def _pairs(text: str) -> set[str]:
    bare = text.replace(" ", "")
    return {bare[at : at + 2] for at in range(len(bare) - 1)}
