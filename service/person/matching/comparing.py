"""Two registrations side by side: a level of agreement for each field, and what they share as a
household. Levels are small integers: 0 says nothing, below 0 disagrees."""

from datetime import date

import msgspec

from service.person.matching.latin import likeness, shared_words
from service.person.matching.traits import LOST, Traits

# Name
EXACT, ALIAS, SAME_SOUND, ONE_OFF, SILENT, OTHER = 5, 4, 3, 2, 0, -1
"""ALIAS: a former name, or the same words in another order."""
# Birth date
SWAPPED, SLIPPED = 2, 1
ALIKE, RATHER_ALIKE, UNLIKE = 0.75, 0.5, 0.25
"""Of addresses in Latin letters: shared pairs of neighbouring characters."""
WHOLE = 8
"""Characters of an address that tell a home, whatever stands in front of them."""
GENERATION = 12
"""Years by which a parent is older at least."""
MOON_BEHIND = 52
"""Days by which a date of the moon's calendar may be behind."""


class Comparison(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Levels by field."""

    number: int
    """2 equal, 1 a digit apart, -1 both his own and different."""
    name: int
    born: int
    """3 equal, 2 written otherwise, 1 near, -1 different."""
    sex: int
    phone: int
    address: int
    local: int
    guardian: int
    """2 the same number, 1 the same name, -1 other numbers."""
    family: int


def compare(one: Traits, other: Traits) -> Comparison:
    """Symmetric."""
    return Comparison(
        number=number_level(one, other),
        name=name_level(one, other),
        born=date_level(one.born, other.born),
        sex=0 if "U" in (one.sex, other.sex) else 1 if one.sex == other.sex else -1,
        phone=_equal(one.phone, other.phone),
        address=address_level(one.address, other.address),
        local=1 if one.local and one.local == other.local else 0,
        guardian=guardian_level(one, other),
        family=_equal(one.family, other.family),
    )


def _equal(one: str, other: str) -> int:
    return 0 if not (one and other) else 1 if one == other else -1


def number_level(one: Traits, other: Traits) -> int:
    """Two documents of different kinds, or two passports, say nothing of each other."""
    if one.own and one.own == other.own:
        return 2
    if (one.lent and one.lent == other.own) or (other.lent and other.lent == one.own):
        return _lent_level(one, other)
    if one.near and other.near:
        if one.near == other.near:
            return 2
        if is_one_off(one.near, other.near):
            return 1
        citizens = one.own.startswith("01:") and other.own.startswith("01:")
        return -1 if citizens else 0
    return 0


def _lent_level(one: Traits, other: Traits) -> int:
    """One's own number contradicts the other's birth date or sex: it is a parent's, unless it is
    the same name with a slip in the date, or nearly the same."""
    if _is_generation_apart(one.born, other.born):
        return 0
    same = one.name and one.name == other.name
    return 2 if same else 1 if name_level(one, other) >= ONE_OFF else 0


def _is_generation_apart(one: str, other: str) -> bool:
    """A parent and a child may have one name; a slip in the year is of one digit."""
    if not (one and other) or one[4:] == other[4:]:
        return False
    return abs(int(one[:4]) - int(other[:4])) >= GENERATION


def is_one_off(one: str, other: str) -> bool:
    """One character replaced, missing or added, or two neighbours changed over."""
    if abs(len(one) - len(other)) > 1:
        return False
    if len(one) == len(other):
        places = [
            place for place, pair in enumerate(zip(one, other, strict=True)) if pair[0] != pair[1]
        ]
        if len(places) == 1:
            return True
        if len(places) != 2 or places[1] != places[0] + 1:
            return False
        left, right = places
        return one[left] == other[right] and one[right] == other[left]
    short, long = sorted((one, other), key=len)
    place = next((n for n, c in enumerate(short) if c != long[n]), len(short))
    return short[place:] == long[place + 1 :]


def name_level(one: Traits, other: Traits) -> int:
    """A placeholder or no name says nothing."""
    a, b = one.name, other.name
    if not (a and b):
        return SILENT
    if a == b:
        return EXACT
    if one.words and other.words:
        return _words_level(one.words, other.words)
    former = a == other.former or b == one.former or (one.former and one.former == other.former)
    return ALIAS if former else _written_level(one, other)


def _written_level(one: Traits, other: Traits) -> int:
    """Of two names that are not the same: slips of the pen."""
    a, b = one.name, other.name
    if one.sound == other.sound or _has_lost_character(a, b):
        return SAME_SOUND
    return ONE_OFF if min(len(a), len(b)) > 1 and is_one_off(a, b) else OTHER


def _words_level(one: str, other: str) -> int:
    if one == other:
        return ALIAS
    equal, near, contradict = shared_words(one, other)
    if not equal and not near:
        return OTHER
    return ONE_OFF if contradict else SAME_SOUND


def _has_lost_character(a: str, b: str) -> bool:
    """Equal but for characters that one of them lost."""
    if len(a) != len(b):
        return False
    pairs = [(x, y) for x, y in zip(a, b, strict=True) if x != y]
    lost = sum(_is_lost(x) or _is_lost(y) for x, y in pairs)
    return lost == len(pairs) and lost < len(a)


def _is_lost(character: str) -> bool:
    return character in LOST or "\ue000" <= character <= "\uf8ff"


def date_level(one: str, other: str) -> int:
    """3 equal; 2 day and month changed over; 1 as slips of a digit, of a year, of the calendar or a
    default give them."""
    if not (one and other):
        return 0
    if one == other:
        return 3
    if one[:4] == other[:4] and one[4:6] == other[6:] and one[6:] == other[4:6]:
        return SWAPPED
    return SLIPPED if _is_slip(one, other) else -1


def _is_slip(one: str, other: str) -> bool:
    if one[4:] == other[4:] and abs(int(one[:4]) - int(other[:4])) in (1, 2, 10):
        return True
    if one[:4] == other[:4] and (
        "0101" in (one[4:], other[4:]) or one[4:6] == other[4:6] or one[6:] == other[6:]
    ):
        return True
    return is_one_off(one, other) or _days_apart(one, other) <= MOON_BEHIND


def _days_apart(one: str, other: str) -> int:
    days = [date(int(text[:4]), int(text[4:6]), int(text[6:])) for text in (one, other)]
    return abs((days[0] - days[1]).days)


def address_level(one: str, other: str) -> int:
    """2 equal, 1 the one is a part of the other or they end alike."""
    if not (one and other):
        return 0
    if one == other:
        return 2
    if one.isascii() and other.isascii():
        alike = likeness(one, other)
        return 2 if alike > ALIKE else 1 if alike > RATHER_ALIKE else -1 if alike < UNLIKE else 0
    shorter = min(len(one), len(other))
    if shorter >= WHOLE and (one.endswith(other) or other.endswith(one)):
        return 2
    if shorter >= 5 and (one.endswith(other[-shorter:]) or one[-6:] == other[-6:]):
        return 1
    return -1


def guardian_level(one: Traits, other: Traits) -> int:
    """Of children: who answers for them."""
    if one.guardian and other.guardian:
        return 2 if one.guardian == other.guardian else _names(one, other)
    return _names(one, other)


def _names(one: Traits, other: Traits) -> int:
    same = one.guardian_name and one.guardian_name == other.guardian_name
    return 1 if same else 0
