"""Pure decisions of the index: typing a resident, finding by number, what becomes of a record."""

from collections.abc import Sequence
from datetime import date

import msgspec

from crypto.sm3 import sm3
from service.person.identity.names import check_name, compare_key, compatible
from service.person.identity.numbers import check_citizen_number
from service.person.identity.phones import check_phone
from service.person.matching.comparing import compare
from service.person.matching.placing import Placed
from service.person.matching.traits import Traits
from service.person.matching.weighing import Scale
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


def earlier_keys(facts: Facts) -> list[tuple[int, str]]:
    """(kind, text) of the match keys that records were given before decision 0026."""
    name = compare_key(facts.name)
    born = facts.birth_date.isoformat() if facts.birth_date else None
    keys: list[tuple[int, str]] = []
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
    """What becomes of a registration, with its grounds in whole bits by field."""

    kind: DecisionKind
    reason: str
    bits: dict[str, int]


def verdict_on(new: Traits, placed: Placed, scale: Scale) -> Verdict:
    """Link, review or new, from where the registration belongs."""
    if placed.home is not None:
        kind, met, reason = DecisionKind.LINK, placed.home, placed.home.judged.reason
    elif placed.questions:
        kind, (met, reason) = DecisionKind.REVIEW, placed.questions[0]
    else:
        return Verdict(kind=DecisionKind.NEW, reason="nobody-alike", bits={})
    weighed = scale.weigh(new, met.traits, compare(new, met.traits))
    return Verdict(
        kind=kind,
        reason=reason,
        bits={field: round(bits) for field, bits in weighed.items()},
    )


def found_by_number(facts: Facts, same_number: Sequence[Known]) -> Known | None:
    """The best founded of the records with this number whose name may be the same person's; None
    where there is none, or where they are several persons'."""
    fitting = [known for known in same_number if compatible(known.facts.name, facts.name)]
    persons = {known.person_id for known in fitting}
    return min(fitting, key=_best_founded) if len(persons) == 1 else None


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
