"""What an agreement is worth, in bits (Fellegi and Sunter): the logarithm of how much likelier it
is between two registrations of one person than between two people's.

A model says it for each level of each field. A name counts by how rare it is in the population, so
a common one proves little. Phone, address and guardian are one household's: together they prove
no more than ``household``; where nobody shares a home (``households``), an address in Latin letters
counts by its words. The prior is the chance of two registrations drawn blindly: it falls
with the population, by 3.3 bits for ten times as many.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

import msgspec

from service.person.matching.comparing import (
    EXACT,
    ONE_OFF,
    SAME_SOUND,
    Comparison,
)
from service.person.matching.latin import shared_words
from service.person.matching.traits import Traits

COMMONEST_NAME, COMMONEST_SOUND, COMMONEST_WORD = 12.0, 11.0, 6.0
"""Some 300,000 of 1.4 billion people have the commonest full name of the country: 12 bits."""
WORD_MOST, NEAR_WORD, CONTRADICTION = 8.0, 4.0, 3.0
"""Of names in Latin letters, in bits."""
PLACE_MOST = 26.0
"""Of an address in Latin letters that is a person's own: its words count as those of a name do, and
each that contradicts takes away what a nearly equal one gives."""


Bits = dict[str, dict[str, dict[str, float]]]
"""By class of sources, field and level (as text, for it is kept as JSON)."""
SHIPPED = Path(__file__).with_name("model.json")
STRONG = frozenset({"reader", "window"})
"""Sources that see a document."""


def class_of(one: Traits, other: Traits) -> str:
    """Of the sources of two registrations: ``strong``, ``mixed`` or ``weak``."""
    strong = (one.source in STRONG) + (other.source in STRONG)
    return ("weak", "mixed", "strong")[strong]


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """Bits, and how they were learnt."""

    version: str
    learnt: str
    bits: Bits
    name_least: float
    name_most: float
    household: float
    household_unnamed: float
    """The same where the names do not say that it is one person."""
    match: float
    review: float
    per_person: float
    """Registrations for each person, about."""


@cache
def shipped() -> Model:
    """The model of this version (``loadtests.learn_weights`` made it)."""
    return msgspec.json.decode(SHIPPED.read_bytes(), type=Model)


class Rarity:
    """How often names and sounds occur."""

    def __init__(self, everybody: Iterable[Traits]) -> None:
        self._names: Counter[str] = Counter()
        self._sounds: Counter[str] = Counter()
        self._words: Counter[str] = Counter()
        self._places: Counter[str] = Counter()
        self.count = 0
        for one in everybody:
            self._names[one.name] += 1
            self._sounds[one.sound] += 1
            self._words.update(one.words.split())
            if one.address.isascii():
                self._places.update(set(one.address.split()))
            self.count += 1

    def name_bits(self, name: str) -> float:
        """Of an agreement on this very name."""
        return math.log2(self.count / max(1, self._names[name]))

    def word_bits(self, word: str) -> float:
        """Of an agreement on one word of a name in Latin letters."""
        return math.log2(self.count / max(1, self._words[word]))

    def place_bits(self, word: str) -> float:
        """Of an agreement on one word of an address in Latin letters."""
        return math.log2(self.count / max(1, self._places[word]))

    def sound_bits(self, sound: str) -> float:
        """Of an agreement on how it sounds."""
        return math.log2(self.count / max(1, self._sounds[sound]))


class Expected:
    """A population that is not counted: as many registrations as are expected, and every name as
    frequent as the commonest. So what two registrations prove does not change while others come."""

    def __init__(self, registrations: int) -> None:
        self.count = registrations

    def name_bits(self, name: str) -> float:
        """Of an agreement on any name."""
        return min(COMMONEST_NAME, math.log2(self.count)) if name else 0.0

    def word_bits(self, word: str) -> float:
        """Of an agreement on any word of a name in Latin letters."""
        return COMMONEST_WORD if word else 0.0

    def place_bits(self, word: str) -> float:
        """Of an agreement on any word of an address in Latin letters."""
        return COMMONEST_WORD if word else 0.0

    def sound_bits(self, sound: str) -> float:
        """Of an agreement on how any name sounds."""
        return min(COMMONEST_SOUND, math.log2(self.count)) if sound else 0.0


class Scale:
    """A model set to one population. ``households``: whether its people live together."""

    def __init__(self, model: Model, rarity: Rarity | Expected, *, households: bool = True) -> None:
        self.model = model
        self.rarity = rarity
        self.households = households
        self.prior = math.log2(max(model.per_person - 1, 0.1) / max(rarity.count, 2))
        self._bits = {
            sources: {
                field: {int(level): bits for level, bits in levels.items()}
                for field, levels in fields.items()
            }
            for sources, fields in model.bits.items()
        }

    def weigh(self, one: Traits, other: Traits, found: Comparison) -> dict[str, float]:
        """Bits of each field, the household as one, and of the prior."""
        bits = self._bits[class_of(one, other)]
        return {
            "prior": self.prior,
            "number": bits["number"].get(found.number, 0.0),
            "name": self._name(one, other, found.name, bits["name"].get(found.name, 0.0)),
            "born": bits["born"].get(found.born, 0.0),
            "sex": bits["sex"].get(found.sex, 0.0),
            "local": bits["local"].get(found.local, 0.0),
            "household": self._household(one, other, found, bits),
        }

    def _household(
        self, one: Traits, other: Traits, found: Comparison, bits: Mapping[str, Mapping[int, float]]
    ) -> float:
        """Phone, address and who answers for a child."""
        phone = bits["phone"].get(found.phone, 0.0)
        guardian = bits["guardian"].get(found.guardian, 0.0)
        if not self.households and one.address.isascii() and other.address.isascii():
            return phone + guardian + self._place(one.address, other.address)
        named = found.name >= SAME_SOUND
        most = self.model.household if named else self.model.household_unnamed
        return min(most, phone + bits["address"].get(found.address, 0.0) + guardian)

    def _place(self, one: str, other: str) -> float:
        """Of two addresses by their words."""
        equal, near, contradict = shared_words(one, other)
        bits = sum(min(self.rarity.place_bits(word), WORD_MOST) for word in equal)
        return min(bits + NEAR_WORD * len(near), PLACE_MOST) - NEAR_WORD * contradict

    def _name(self, one: Traits, other: Traits, level: int, base: float) -> float:
        model = self.model
        if one.words and other.words and one.name != other.name:
            return self._words(one.words, other.words) if level > 0 else base
        if level >= EXACT:
            rare = self.rarity.name_bits(one.name)
            return min(max(rare, model.name_least), model.name_most) + base
        if level == SAME_SOUND:
            rare = min(self.rarity.sound_bits(one.sound), self.rarity.sound_bits(other.sound))
            return min(max(rare, model.name_least), model.name_most) + base
        return base

    def _words(self, one: str, other: str) -> float:
        """Equal words by their rarity, nearly equal ones by less; contradiction takes some away."""
        equal, near, contradict = shared_words(one, other)
        bits = sum(min(self.rarity.word_bits(word), WORD_MOST) for word in equal)
        bits += NEAR_WORD * len(near)
        return bits - (CONTRADICTION if contradict else 0.0)


_BY_HAND = {
    "number": {"2": 21.0, "1": 9.0, "-1": -12.0},
    "name": {"5": 0.0, "4": 9.0, "3": -3.5, str(ONE_OFF): 2.0, "-1": -9.0},
    "born": {"3": 13.5, "2": 8.0, "1": 3.5, "-1": -9.0},
    "sex": {"1": 0.9, "-1": -6.0},
    "phone": {"1": 8.0, "-1": -0.8},
    "address": {"2": 7.0, "1": 5.0, "-1": -0.6},
    "local": {"1": 15.0},
    "guardian": {"2": 8.0, "1": 5.0, "-1": -1.0},
}
STARTING = Model(
    version="start-1",
    learnt="set by hand, to begin learning from",
    bits=dict.fromkeys(("strong", "mixed", "weak"), _BY_HAND),
    name_least=5.0,
    name_most=15.0,
    household=10.0,
    household_unnamed=9.0,
    match=3.5,
    review=-6.0,
    per_person=3.1,
)
