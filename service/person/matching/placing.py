"""Where one new registration belongs among the people whom its keys lead to.

By the rules that make clusters of a file (``clustering``): best pairs first, and nobody becomes
what one person cannot be. Pure.
"""

from collections.abc import Mapping, Sequence
from functools import reduce

import msgspec

from service.person.matching.clustering import NO_NUMBER, NUMBERS, Profile, profile_of
from service.person.matching.comparing import SILENT, name_level
from service.person.matching.deciding import Judgement, Outcome
from service.person.matching.traits import Traits

SEVERAL = "several-births"


class Met(msgspec.Struct, frozen=True, kw_only=True):
    """A registration that shares keys with the new one, whose it is, and what the two are."""

    traits: Traits
    person_id: int
    judged: Judgement


class Placed(msgspec.Struct, frozen=True, kw_only=True):
    """The new registration's place.

    ``home`` is the pair that makes it a known person's; None: nobody's yet. ``joins`` are pairs
    with further persons, who by it are the same one. ``questions``: a pair for each person whom a
    steward must look at, with the reason.
    """

    home: Met | None
    joins: tuple[Met, ...]
    questions: tuple[tuple[Met, str], ...]


def place(
    new: Traits,
    met: Sequence[Met],
    members: Mapping[int, Sequence[Traits]],
    apart: frozenset[frozenset[int]],
) -> Placed:
    """Place it. ``members``: all registrations of each person with a pair that matches or is in
    doubt; ``apart``: pairs of persons whom a steward ruled different."""
    ranked = sorted(met, key=lambda one: (-one.judged.bits, one.traits.key))
    ambiguous = _ambiguous(new, ranked, members)
    placing = _Placing(new, members, apart)
    doubts = []
    asked: dict[int, tuple[Met, str]] = {}
    for one in ranked:
        reason = None
        if one.judged.outcome is Outcome.DOUBT:
            doubts.append(one)
        elif one.judged.outcome is Outcome.REVIEW:
            reason = one.judged.reason
        elif one.judged.outcome is Outcome.MATCH:
            reason = SEVERAL if one.traits.key in ambiguous else placing.refuses(one)
        if reason is not None:
            asked.setdefault(one.person_id, (one, reason))
    for one in doubts:
        if not placing.is_told_apart(one):
            asked.setdefault(one.person_id, (one, one.judged.reason))
    mine = placing.persons()
    return Placed(
        home=placing.home[0] if placing.home else None,
        joins=tuple(placing.home[1:]),
        questions=tuple(question for at, question in asked.items() if at not in mine),
    )


class _Placing:
    """The new registration and the persons who by it are one so far."""

    def __init__(
        self,
        new: Traits,
        members: Mapping[int, Sequence[Traits]],
        apart: frozenset[frozenset[int]],
    ) -> None:
        self.home: list[Met] = []
        self._whole = profile_of(new)
        self._members = members
        self._apart = apart

    def persons(self) -> set[int]:
        """By now."""
        return {one.person_id for one in self.home}

    def refuses(self, one: Met) -> str | None:
        """Why the person is not one of them; None where he is by now, or where a steward's word
        leaves no question: the registration belongs to whom it fits better."""
        mine = self.persons()
        if one.person_id in mine or any({one.person_id, at} in self._apart for at in mine):
            return None
        theirs = _profile(self._members[one.person_id])
        if mine and len(self._whole.numbers | theirs.numbers) > 1:
            return NUMBERS  # where one of them is whole only by a steward's word
        reason = self._whole.refuses(theirs, one.judged)
        if reason is None:
            self._whole = self._whole.and_of(theirs)
            self.home.append(one)
        return reason

    def is_told_apart(self, one: Met) -> bool:
        """Whether numbers tell the person apart from all this."""
        return self._whole.conflict(_profile(self._members[one.person_id])) == NUMBERS


def _profile(members: Sequence[Traits]) -> Profile:
    return reduce(Profile.and_of, map(profile_of, members), Profile(NO_NUMBER, [], ""))


def _ambiguous(
    new: Traits, met: Sequence[Met], members: Mapping[int, Sequence[Traits]]
) -> frozenset[str]:
    """Keys of those that a newborn without a name stands between: it fits children of several
    names, so nobody can tell whose it is."""
    fitting = [
        one.traits
        for one in met
        if one.judged.outcome is Outcome.MATCH and one.judged.reason != "own-number"
    ]
    named = [one for one in fitting if one.name]
    if new.parent and _are_several(named):
        return frozenset(one.key for one in named)
    person_of = {one.traits.key: one.person_id for one in met}
    return frozenset(
        one.key
        for one in fitting
        if one.parent
        and new.name
        and _are_several([new, *(it for it in members.get(person_of[one.key], ()) if it.name)])
    )


def _are_several(named: Sequence[Traits]) -> bool:
    return any(name_level(named[0], one) <= SILENT for one in named[1:])
