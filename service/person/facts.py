"""What a registration says once it is typed. Pure.

A resident who enrols himself is typed strictly (``rules.type_registration``): his name and number
are proved. What a hospital registers is taken as it stands, by the typing that the matching uses:
a number that is not the person's own, a phone that is none and a name that nobody knows do not
count, and never keep a patient from being registered. Refused are only names that could do harm on
a screen, and texts that are too long.
"""

import unicodedata
from datetime import date

import msgspec

from service.kernel.problems import MalformedRequest
from service.person import rules
from service.person.identity import ethnic_groups
from service.person.identity.documents import id_type_of
from service.person.identity.names import check_name
from service.person.identity.phones import check_phone
from service.person.identity.registrations import Whose
from service.person.matching.traits import (
    FIELD_MAX,
    Line,
    Traits,
    date_of,
    number_of,
    traits_of,
)
from service.person.model import Facts, Registration, Source
from service.person.problems import NameInvalid

_HARMFUL = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Controls, marks that turn the direction of a text, halves of characters, line ends."""
_MARKUP = frozenset('<>&"')


def facts_of(registration: Registration, today: date, test_provinces: frozenset[str]) -> Facts:
    """The facts of a registration from any source. ``test_provinces``: of a resident's number.

    Raises what ``rules.type_registration`` raises for a resident; for all others ``NameInvalid``
    for a name that could do harm and ``MalformedRequest`` for another text that is too long.
    """
    if registration.source is Source.RESIDENT:
        return rules.type_registration(registration, today, test_provinces)
    name = _harmless_name(registration.name)
    given = _harmless(registration)
    line = line_of(registration, key="")
    typed = number_of(line, today)
    traits = traits_of(line, today)
    phone = check_phone(given["phone"]) if "phone" in given else None
    return Facts(
        name=name,
        id_type=id_type_of(registration.id_type),
        id_no=typed.number if typed.whose in (Whose.OWN, Whose.OLD) else None,
        sex=traits.sex,
        birth_date=date_of(traits.born),
        phone=phone.normalized if phone is not None and phone.reason is None else None,
        whose=typed.whose,
        parent_name=traits.parent or None,
        birth_order=traits.order or None,
        address=given.get("address"),
        facility=given.get("facility"),
        local_id=given.get("local_id"),
        nationality=given.get("nationality"),
        ethnicity=_ethnicity(given.get("ethnicity")),
        former_name=given.get("former_name"),
        guardian_name=given.get("guardian_name"),
        guardian_id=given.get("guardian_id"),
        contact_name=given.get("contact_name"),
    )


def line_of(registration: Registration, *, key: str) -> Line:
    """The registration as a line of a file, for the matching; ``key`` is the record's."""
    said = msgspec.structs.asdict(registration)
    fields = {field: said[field] for field in Line.__struct_fields__ if field in said}
    # A resident's number was proved by the national check, as a reader's is by the card.
    proved = registration.source is Source.RESIDENT
    fields["source"] = Source.READER.value if proved else registration.source.value
    if registration.facility is None and registration.institution_id is not None:
        fields["facility"] = f"{registration.institution_id}"
    return Line(id=key, **fields)


def traits_in(registration: Registration, today: date, *, key: str) -> Traits:
    """The registration as the matching compares it; ``today``: the day it was received."""
    return traits_of(line_of(registration, key=key), today)


def _harmless_name(text: str) -> str:
    """A name as it stands; empty where none is known. Lost characters and placeholders stay."""
    found = check_name(text)
    if found.reason is None:
        return found.normalized
    if found.reason == "length" or _is_harmful(found.normalized):
        raise NameInvalid(reason="length" if found.reason == "length" else "charset")
    return found.normalized


def _harmless(registration: Registration) -> dict[str, str]:
    """The other texts without what could do harm, by field; those that are not empty."""
    given = {}
    for field, value in msgspec.structs.asdict(registration).items():
        if field == "name" or not isinstance(value, str):
            continue
        if len(value) > FIELD_MAX or any(unicodedata.category(c) == "Cs" for c in value):
            raise MalformedRequest(f"{field} is over {FIELD_MAX} characters or no Unicode text")
        text = "".join(c for c in value if unicodedata.category(c) not in _HARMFUL).strip()
        if text:
            given[field] = text
    return given


def _is_harmful(name: str) -> bool:
    return any(c in _MARKUP or unicodedata.category(c) in _HARMFUL for c in name)


def _ethnicity(text: str | None) -> str | None:
    return (ethnic_groups.code_of(text) or text) if text else None
