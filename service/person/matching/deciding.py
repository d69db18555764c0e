"""Match, review or two people: bits, and what speaks against one person whatever the bits are."""

from enum import StrEnum

import msgspec

from service.person.matching.comparing import (
    ONE_OFF,
    OTHER,
    SAME_SOUND,
    SILENT,
    Comparison,
    compare,
)
from service.person.matching.traits import Traits
from service.person.matching.weighing import Scale


class Outcome(StrEnum):
    """What two registrations are to each other."""

    MATCH = "match"
    REVIEW = "review"
    """A person must look, whatever else is known of the two."""
    DOUBT = "doubt"
    """Apart, unless nothing else tells them apart in the end: then a person must look."""
    APART = "apart"


class Judgement(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An outcome with its reason, a fixed word, and its bits."""

    outcome: Outcome
    reason: str
    bits: float


DOUBTFUL = frozenset({"twins", "several-births"})
"""Reasons that a slip of the pen can give as well."""


def judge(one: Traits, other: Traits, scale: Scale) -> Judgement:
    """Symmetric; the same for the same two whatever else is known."""
    found = compare(one, other)
    reason = veto(one, other, found, households=scale.households)
    if reason is not None and reason not in DOUBTFUL:
        return Judgement(outcome=Outcome.APART, reason=reason, bits=0.0)
    bits = sum(scale.weigh(one, other, found).values())
    if reason is not None:
        outcome = Outcome.DOUBT if bits >= scale.model.match else Outcome.APART
        return Judgement(outcome=outcome, reason=reason, bits=bits)
    if found.number == 2:
        return _same_number(found, bits)
    if bits >= scale.model.match:
        return Judgement(outcome=Outcome.MATCH, reason="bits", bits=bits)
    if bits >= scale.model.review:
        return Judgement(outcome=Outcome.REVIEW, reason="nearly", bits=bits)
    return Judgement(outcome=Outcome.APART, reason="bits", bits=bits)


def _same_number(found: Comparison, bits: float) -> Judgement:
    """A number is one person's, but it is lent and mistyped: a name must not speak against it,
    unless phone, address or the hospital's own number speak for it."""
    known_there = found.phone > 0 or found.address > 0 or found.local > 0
    if found.name >= ONE_OFF or found.name == SILENT or known_there:
        return Judgement(outcome=Outcome.MATCH, reason="own-number", bits=max(bits, 12.0))
    return Judgement(outcome=Outcome.REVIEW, reason="number-equal-name-different", bits=bits)


def veto(one: Traits, other: Traits, found: Comparison, *, households: bool) -> str | None:
    """Why they cannot be one person; None where they can. Where nobody shares a home
    (``households``) neither names nor dates by themselves say so: their bits do."""
    if found.number == -1:
        return "numbers-differ"
    if found.number == 2 or found.local > 0:
        return None
    if one.order and other.order and one.order != other.order:
        return "birth-order"
    if not households:
        return None
    return _unnamed(one, other, found) if found.name == SILENT else _named(found)


def _unnamed(one: Traits, other: Traits, found: Comparison) -> str | None:
    """Without a name on one side only a newborn is linked, by whoever answers for it."""
    if not (one.parent or other.parent):
        return None if found.number == 1 else "no-name"
    if found.born < 3 or (found.guardian < 1 and found.phone < 1 and found.address < 2):
        return "newborn-of-others"
    if found.sex < 0:
        return "sex-differs"
    is_one_of_several = bool(one.order) != bool(other.order)
    return "several-births" if is_one_of_several else None


def _named(found: Comparison) -> str | None:
    """Twins have birth date, surname, phone and address in common; their given names differ."""
    same_household = found.phone > 0 or found.address > 0 or found.guardian > 0 or found.family > 0
    if found.born == 3 and found.name in (OTHER, ONE_OFF) and same_household and found.number != 1:
        return "twins"
    if found.name == OTHER and found.number != 1:
        return "names-differ"
    if found.name < SAME_SOUND and found.born < 0:
        return "relatives"
    return None
