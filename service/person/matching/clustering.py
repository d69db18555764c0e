"""From judged pairs to people: best pairs first, and nobody becomes what one person cannot be.

The result is the same for the same set in any order: pairs are sorted by bits, then by ids.
"""

from collections.abc import Iterable, Sequence

import msgspec

from service.person.matching.comparing import OTHER, SILENT, name_level
from service.person.matching.deciding import Judgement, Outcome
from service.person.matching.traits import Traits

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


class _Cluster:
    """What is known of one person so far."""

    __slots__ = ("members", "names", "numbers", "orders")

    def __init__(self, place: int, one: Traits) -> None:
        self.members = [place]
        self.numbers = {one.own} if one.own.startswith("01:") else set()
        self.names = {one.name: one} if one.name else {}
        self.orders = {one.order} if one.order else set()

    def has_other_number(self, other: "_Cluster") -> bool:
        """Whether their own numbers tell them apart."""
        return bool(self.numbers and other.numbers and self.numbers.isdisjoint(other.numbers))

    def conflict(self, other: "_Cluster") -> str | None:
        """Why both cannot be one person."""
        if self.has_other_number(other):
            return "numbers-differ"
        if len(self.numbers | other.numbers) > max(len(self.numbers), len(other.numbers)):
            return "numbers-differ"
        if self.orders and other.orders and self.orders != other.orders:
            return "birth-order"
        if self.names and other.names and not self._share_a_name(other):
            return "names-differ"
        return None

    def _share_a_name(self, other: "_Cluster") -> bool:
        if not self.names.keys().isdisjoint(other.names.keys()):
            return True
        mine = list(self.names.values())[:NAMES_MAX]
        theirs = list(other.names.values())[:NAMES_MAX]
        return any(name_level(a, b) > max(OTHER, SILENT) for a in mine for b in theirs)

    def take(self, other: "_Cluster") -> None:
        """Both are one."""
        self.members += other.members
        self.numbers |= other.numbers
        self.orders |= other.orders
        for name, one in other.names.items():
            self.names.setdefault(name, one)


def partition(everybody: Sequence[Traits], pairs: Iterable[Pair]) -> Partition:
    """Join what matches, best first."""
    judged = list(pairs)
    ambiguous = _ambiguous(everybody, judged)
    clusters = [_Cluster(place, one) for place, one in enumerate(everybody)]
    home = list(range(len(everybody)))
    questions: list[tuple[int, int, str]] = []
    doubts: list[tuple[int, int, str]] = []
    for pair in sorted(judged, key=lambda pair: _rank(everybody, pair)):
        if pair.judged.outcome is Outcome.DOUBT:
            doubts.append((pair.one, pair.other, pair.judged.reason))
            continue
        if pair.judged.outcome is Outcome.REVIEW:
            questions.append((pair.one, pair.other, pair.judged.reason))
            continue
        if pair.one in ambiguous or pair.other in ambiguous:
            questions.append((pair.one, pair.other, "several-births"))
            continue
        one, other = clusters[home[pair.one]], clusters[home[pair.other]]
        if one is other:
            continue
        if len(one.members) < len(other.members):
            one, other = other, one
        conflict = None if pair.judged.reason == "own-number" else one.conflict(other)
        if conflict is not None:
            questions.append((pair.one, pair.other, conflict))
            continue
        to = home[one.members[0]]
        for member in other.members:
            home[member] = to
        one.take(other)
    questions += [
        (one, other, reason)
        for one, other, reason in doubts
        if not clusters[home[one]].has_other_number(clusters[home[other]])
    ]
    return _told(everybody, clusters, home, questions)


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
    everybody: Sequence[Traits],
    clusters: Sequence[_Cluster],
    home: Sequence[int],
    questions: Sequence[tuple[int, int, str]],
) -> Partition:
    """Names of clusters, and the questions that are still open: one for two clusters."""
    names: dict[int, str] = {}
    for place, at in enumerate(home):
        if at not in names:
            names[at] = min(everybody[member].key for member in clusters[at].members)
        del place
    asked: set[tuple[int, int]] = set()
    still: list[Question] = []
    for one, other, reason in questions:
        between = (min(home[one], home[other]), max(home[one], home[other]))
        if between[0] != between[1] and between not in asked:
            asked.add(between)
            still.append(
                Question(one=everybody[one].key, other=everybody[other].key, reason=reason)
            )
    return Partition(cluster_of=[names[at] for at in home], questions=still)
