"""From judged pairs to people: best pairs first, and nobody becomes what one person cannot be.

The result is the same for the same set in any order: pairs are sorted by bits, then by ids.
"""

from array import array
from collections.abc import Iterable, Sequence

import msgspec

from service.person.matching.comparing import OTHER, SILENT, name_level
from service.person.matching.deciding import Judgement, Outcome
from service.person.matching.traits import Traits

CITIZEN = "01:"
NUMBERS, NAMES = "numbers-differ", "names-differ"
NO_NUMBER: frozenset[str] = frozenset()
NAMES_MAX = 8
"""Distinct names of one cluster that are looked at."""


class Pair(msgspec.Struct, frozen=True, gc=False):
    """Two registrations by place, and what was judged of them."""

    one: int
    other: int
    judged: Judgement


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """Two registrations that a person must look at."""

    one: str
    other: str
    reason: str


class Partition(msgspec.Struct, kw_only=True):
    """Whose registration each is, as the least id among the same person's, and what is open."""

    cluster_of: list[str]
    questions: list[Question]


class Profile(msgspec.Struct, gc=False):
    """What is known of one person so far: one own number (more where a steward said so), names that
    agree, an order."""

    numbers: frozenset[str]
    names: list[Traits]
    order: str

    def conflict(self, other: "Profile") -> str | None:
        """Why both cannot be one person."""
        if self.numbers and other.numbers and self.numbers.isdisjoint(other.numbers):
            return NUMBERS
        if self.order and other.order and self.order != other.order:
            return "birth-order"
        agree = (name_level(a, b) > max(OTHER, SILENT) for a in self.names for b in other.names)
        if self.names and other.names and not any(agree):
            return NAMES
        return None

    def refuses(self, other: "Profile", judged: Judgement) -> str | None:
        """Why two registrations that are judged a match do not make both one; None: they do. An own
        number in common makes another name a changed one."""
        conflict = self.conflict(other)
        return None if conflict == NAMES and judged.reason == "own-number" else conflict

    def and_of(self, other: "Profile") -> "Profile":
        """Both are one."""
        have = {one.name for one in self.names}
        more = [one for one in other.names if one.name not in have]
        return Profile(
            self.numbers | other.numbers,
            (self.names + more)[:NAMES_MAX],
            self.order or other.order,
        )


def profile_of(one: Traits) -> Profile:
    """Of one registration."""
    numbers = frozenset({one.own}) if one.own.startswith(CITIZEN) else NO_NUMBER
    return Profile(numbers, [one] if one.name else [], one.order)


class _People:
    """Places joined to people: a forest of places, and what is known at each root."""

    def __init__(self, everybody: Sequence[Traits]) -> None:
        self._everybody = everybody
        self._above = array("I", range(len(everybody)))
        self._known: dict[int, Profile] = {}

    def root(self, place: int) -> int:
        """The person's first place."""
        above = self._above
        while above[place] != place:
            above[place] = above[above[place]]
            place = above[place]
        return place

    def known(self, root: int) -> Profile:
        """By then."""
        found = self._known.get(root)
        if found is None:
            found = profile_of(self._everybody[root])
        return found

    def join(self, one: int, other: int, known: Profile) -> None:
        """Two roots are one person, of whom this is known."""
        self._known.pop(max(one, other), None)
        self._above[max(one, other)] = min(one, other)
        self._known[min(one, other)] = known


def partition(
    everybody: Sequence[Traits], pairs: Iterable[Pair], *, households: bool = True
) -> Partition:
    """Join what matches, best first. ``households``: whether these people live together; where they
    do not, names that differ are no conflict."""
    judged = sorted(pairs, key=lambda pair: _rank(everybody, pair))
    ambiguous = _ambiguous(everybody, judged)
    people = _People(everybody)
    questions: list[tuple[int, int, str]] = []
    doubts: list[tuple[int, int, str]] = []
    for pair in judged:
        reason = pair.judged.reason
        if pair.judged.outcome is Outcome.DOUBT:
            doubts.append((pair.one, pair.other, reason))
        elif pair.judged.outcome is Outcome.REVIEW:
            questions.append((pair.one, pair.other, reason))
        elif pair.one in ambiguous or pair.other in ambiguous:
            questions.append((pair.one, pair.other, "several-births"))
        elif (conflict := _join(people, pair, households=households)) is not None:
            questions.append((pair.one, pair.other, conflict))
    for one, other, reason in doubts:
        if people.known(people.root(one)).conflict(people.known(people.root(other))) != NUMBERS:
            questions.append((one, other, reason))
    return _told(everybody, people, questions)


def _join(people: _People, pair: Pair, *, households: bool) -> str | None:
    """Why the two are not joined; None where they are."""
    one, other = people.root(pair.one), people.root(pair.other)
    if one == other:
        return None
    mine, theirs = people.known(one), people.known(other)
    conflict = mine.refuses(theirs, pair.judged)
    if conflict is not None and (conflict != NAMES or households):
        return conflict
    people.join(one, other, mine.and_of(theirs))
    return None


def _rank(everybody: Sequence[Traits], pair: Pair) -> tuple[float, str, str]:
    ids = sorted((everybody[pair.one].key, everybody[pair.other].key))
    return (-pair.judged.bits, ids[0], ids[1])


def _ambiguous(everybody: Sequence[Traits], pairs: Sequence[Pair]) -> set[int]:
    """Newborns without a name that fit several children: nobody can tell which is meant."""
    named: dict[int, list[int]] = {}
    for pair in pairs:
        if pair.judged.outcome is not Outcome.MATCH or pair.judged.reason == "own-number":
            continue
        for here, there in ((pair.one, pair.other), (pair.other, pair.one)):
            if everybody[here].parent and everybody[there].name:
                named.setdefault(here, []).append(there)
    found = set()
    for here, others in named.items():
        first = everybody[others[0]]
        if any(name_level(first, everybody[there]) <= SILENT for there in others[1:]):
            found.add(here)
    return found


def _told(
    everybody: Sequence[Traits], people: _People, questions: Sequence[tuple[int, int, str]]
) -> Partition:
    """Names of clusters, and the questions that are still open: one for two clusters."""
    home = [people.root(place) for place in range(len(everybody))]
    names: dict[int, str] = {}
    for one, at in zip(everybody, home, strict=True):
        names[at] = min(names.get(at, one.key), one.key)
    asked: set[tuple[int, int]] = set()
    still: list[Question] = []
    for first, second, reason in questions:
        between = (min(home[first], home[second]), max(home[first], home[second]))
        if between[0] != between[1] and between not in asked:
            asked.add(between)
            ids = sorted((everybody[first].key, everybody[second].key))
            still.append(Question(one=ids[0], other=ids[1], reason=reason))
    return Partition(cluster_of=[names[at] for at in home], questions=still)
