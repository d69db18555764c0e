"""Whether the people of a population live together, as far as their own registrations say.

Two registrations of one address whose names and birth dates both differ are two people of one
household. Where there are such, an address proves a household and twins are possible. In a file
without any, an address is a person's own, and who agrees on it is hardly ever somebody else.
"""

from collections.abc import Sequence
from itertools import combinations
from zlib import crc32

from service.person.matching.comparing import SILENT, date_level, name_level, number_level
from service.person.matching.traits import Traits

DRAWN = 100_000
"""Of more registrations only so many are looked at, by their addresses."""
AT_ONE_ADDRESS = 12
"""An address of more is no home."""
FEWEST_PAIRS = 100
TWO_PEOPLE = 0.05
"""Such a share of the pairs of one address makes it certain; invented populations have 0.6."""


def live_together(everybody: Sequence[Traits]) -> bool:
    """True, too, where too few share an address to tell. The same in any order."""
    pairs = two = certain = 0
    for here in _homes(everybody):
        for one, other in combinations(here, 2):
            pairs += 1
            certain += number_level(one, other) < 0
            two += name_level(one, other) < SILENT and date_level(one.born, other.born) < 0
    return pairs < FEWEST_PAIRS or certain > 0 or two >= TWO_PEOPLE * pairs


def _homes(everybody: Sequence[Traits]) -> list[list[Traits]]:
    one_of = 1 + len(everybody) // DRAWN
    found: dict[str, list[Traits]] = {}
    for one in everybody:
        if one.address and crc32(one.address.encode()) % one_of == 0:
            found.setdefault(one.address, []).append(one)
    return [here for here in found.values() if len(here) <= AT_ONE_ADDRESS]
