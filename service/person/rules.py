"""Pure decisions of the index: typing a registration, match keys, linking."""

from collections.abc import Sequence
from datetime import date

import msgspec

from crypto.sm3 import sm3
from service.person.identity.names import check_name, compare_key, compatible
from service.person.identity.numbers import check_citizen_number
from service.person.identity.phones import check_phone
from service.person.model import (
    CITIZEN_ID,
    Decision,
    DecisionKind,
    Facts,
    Known,
    Registration,
    Source,
)
from service.person.problems import IdNumberInvalid, IdTypeUnsupported, NameInvalid, PhoneInvalid
from service.person.survivorship import TRUST

MODEL = "number-and-name-1"
OWN_NUMBER = 1
NO_HASH = bytes(32)
_DECISION = b"YM decision\0"


def type_registration(
    registration: Registration, today: date, test_provinces: frozenset[str]
) -> Facts:
    """Normalise a registration. Raises the problem of the first part that is not valid."""
    name = check_name(registration.name)
    if name.reason is not None:
        raise NameInvalid(reason=name.reason)
    if registration.id_type != CITIZEN_ID:
        raise IdTypeUnsupported
    number = None
    if registration.id_no is not None:
        number = check_citizen_number(registration.id_no, today, test_provinces)
        if number.reason is not None:
            raise IdNumberInvalid(reason=number.reason)
    phone = None
    if registration.phone is not None:
        phone = check_phone(registration.phone)
        if phone.reason is not None:
            raise PhoneInvalid(reason=phone.reason)
    return Facts(
        name=name.normalized,
        id_type=CITIZEN_ID,
        id_no=number.normalized if number else None,
        sex=(number.sex if number else None) or "U",
        birth_date=number.birth_date if number else None,
        phone=phone.normalized if phone else None,
    )


def number_key_text(id_type: str, id_no: str) -> str:
    """What the own-number key (kind 1) is made over."""
    return f"{id_type}:{id_no}"


def match_key_texts(facts: Facts) -> list[tuple[int, str]]:
    """(kind, text) of every match key these facts give (dossier 5).

    Kinds 5 to 8 need what a registration does not carry yet: local numbers, pinyin, guardians.
    No key is made over a single common value.
    """
    name = compare_key(facts.name)
    born = facts.birth_date.isoformat() if facts.birth_date else None
    keys: list[tuple[int, str]] = []
    if facts.id_no:
        keys.append((OWN_NUMBER, number_key_text(facts.id_type, facts.id_no)))
    if born:
        keys.append((2, f"{name}:{born}"))
    if facts.phone and born:
        keys.append((3, f"{facts.phone}:{born}"))
    if facts.phone:
        keys.append((4, f"{name}:{facts.phone}"))
    if facts.id_no and len(facts.id_no) == 18:
        keys.append((9, f"area:{facts.id_no[:14]}"))
        keys.append((9, f"sequence:{facts.id_no[6:17]}"))
    if born and name.isascii():
        keys.append((10, f"{name}:{born}"))
    return keys


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of a registration. ``other`` is the record to compare in a review."""

    kind: DecisionKind
    person_id: int | None
    reason: str
    bits: dict[str, int]
    other: int | None
    same: int | None
    """The record that already says the same of the same person, best founded first."""


def decide(facts: Facts, same_number: Sequence[Known]) -> Verdict:
    """Link, review or new, from the records that hold the same own number.

    An equal valid number and a compatible name link. An equal number with another name never
    does: it is evidence that somebody's number was borrowed or mistyped.
    """
    if not same_number:
        return _verdict(DecisionKind.NEW, "no-record-with-this-number", {"number": 0})
    fitting = [known for known in same_number if compatible(known.facts.name, facts.name)]
    persons = {known.person_id for known in fitting}
    if len(persons) == 1:
        best = min(fitting, key=_best_founded)
        return Verdict(
            kind=DecisionKind.LINK,
            person_id=best.person_id,
            reason="number-and-name-equal",
            bits={"number": 1, "name": 1},
            other=best.record_id,
            same=best.record_id,
        )
    reason = "number-of-several-persons" if persons else "number-equal-name-different"
    verdict = _verdict(DecisionKind.REVIEW, reason, {"number": 1, "name": int(bool(persons))})
    return msgspec.structs.replace(verdict, other=min(same_number, key=_best_founded).record_id)


def _verdict(kind: DecisionKind, reason: str, bits: dict[str, int]) -> Verdict:
    return Verdict(kind=kind, person_id=None, reason=reason, bits=bits, other=None, same=None)


def _best_founded(known: Known) -> tuple[bool, int, object, int]:
    """A resident's own record first: his bills and codes hang on it; then trust, then age."""
    own = known.source is Source.RESIDENT
    return (not own, TRUST[known.source], known.received_at, known.record_id)


def decision_hash(decision: Decision) -> bytes:
    """SM3 over the decision and the hash before it: a later change of any of them shows."""
    text = msgspec.json.encode(msgspec.structs.replace(decision, hash=b""), order="sorted")
    return sm3(_DECISION + text)


def chain_holds(decisions: Sequence[Decision]) -> bool:
    """Whether these are all decisions of one record, each over the one before, none changed."""
    by_previous = {decision.previous_hash: decision for decision in decisions}
    seen, at = 0, NO_HASH
    while (decision := by_previous.get(at)) is not None:
        if decision_hash(decision) != decision.hash:
            return False
        seen, at = seen + 1, decision.hash
    return seen == len(decisions)
