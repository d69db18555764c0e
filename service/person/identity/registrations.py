"""A registration's fields set against each other, and whose its number is.

A number counts as evidence about the person only where what it says itself, birth date and sex,
agrees with what was registered (master-index dossier 4): parents' and borrowed numbers are the
first cause of false merges.
"""

from datetime import date
from enum import StrEnum

import msgspec

from service.person.identity import ethnic_groups
from service.person.identity.documents import (
    BIRTH_CERTIFICATE,
    CITIZEN_ID,
    Document,
    check_document,
)
from service.person.identity.texts import TEXT_MAX, age_on, bare

GUARDIAN_BELOW = 14
"""Full years under which somebody else answers for a person."""
_CHILD_BELOW = 18
_PARENT_AT_LEAST = 14
"""Years between a parent's birth and a child's."""
SEXES = {"1": "M", "2": "F", "M": "M", "F": "F", "0": "U", "9": "U", "U": "U"}
"""GB/T 2261.1 and the letters; 0 and 9 say nothing."""
_IN_A_ROW = ("0123456789" * 3, "9876543210" * 3)
_DUMMY_AT_LEAST = 6


class Guardian(msgspec.Struct, frozen=True, kw_only=True):
    """Who answers for a child. Texts as they were sent."""

    relation: str = ""
    id_type: str = CITIZEN_ID
    id_no: str = ""


class Declared(msgspec.Struct, frozen=True, kw_only=True):
    """What a registration says, as it was sent. None and empty mean unknown."""

    id_type: str
    id_no: str
    gender: str | None = None
    birth_date: date | None = None
    nation: str | None = None
    guardian: Guardian | None = None

    def __repr__(self) -> str:
        return "Declared(…)"


class Agreement(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict on the fields together.

    Reasons: those of the number, else ``gender``, ``gender_conflict``, ``birthday_conflict``,
    ``nation``, ``guardian_required``, ``guardian``. ``derived`` holds what was not sent like this.
    """

    reason: str | None
    document: Document
    derived: dict[str, str]
    provisional: bool = False
    """Known by a birth certificate until a number is given."""


class Whose(StrEnum):
    """Whose the number of a registration is."""

    OWN = "own"
    GUARDIAN = "guardian"
    BORROWED = "borrowed"
    MALFORMED = "malformed"
    DUMMY = "dummy"
    OLD = "old"
    """Of 15 digits: the person's own, by the 18 that it became."""
    ABSENT = "absent"


class TypedNumber(msgspec.Struct, frozen=True, kw_only=True):
    """A registration's number and whose it is. ``number`` is empty where it is nobody's."""

    whose: Whose
    number: str

    def __repr__(self) -> str:
        return f"TypedNumber({self.whose})"


def check_together(declared: Declared, today: date, test_provinces: frozenset[str]) -> Agreement:
    """Set the fields of a registration against each other."""
    document = check_document(declared.id_type, declared.id_no, today, test_provinces)
    derived = {}
    if document.id_type != declared.id_type:
        derived["id_type"] = document.id_type
    reason = document.reason or _sex_fault(declared, document, derived)
    if reason is None and None not in (declared.birth_date, document.birth_date):
        agrees = declared.birth_date == document.birth_date
        reason = None if agrees else "birthday_conflict"
    if reason is None:
        reason = _nation_fault(declared, derived)
    if reason is None:
        reason = _guardian_fault(declared, document, today, test_provinces)
    provisional = reason is None and document.id_type == BIRTH_CERTIFICATE
    return Agreement(reason=reason, document=document, derived=derived, provisional=provisional)


def type_number(declared: Declared, today: date, test_provinces: frozenset[str]) -> TypedNumber:
    """Whose a registration's number is, by what it says itself."""
    kept = bare(declared.id_no[:TEXT_MAX])[0]
    if not kept or is_dummy(kept):
        return TypedNumber(whose=Whose.DUMMY if kept else Whose.ABSENT, number="")
    found = check_document(declared.id_type, declared.id_no, today, test_provinces)
    became = found.upgraded
    if became is not None:
        found = check_document(CITIZEN_ID, became, today, test_provinces)
    if found.reason is not None:
        return TypedNumber(whose=Whose.MALFORMED, number="")
    whose = _whose(declared, found, today, test_provinces)
    if whose is Whose.OWN and became is not None:
        whose = Whose.OLD
    return TypedNumber(whose=whose, number=found.normalized)


def is_dummy(number: str) -> bool:
    """Whether it was typed to fill a field: one digit repeated, or digits in a row."""
    digits = "".join(character for character in number if character.isdecimal())
    if len(digits) < _DUMMY_AT_LEAST or len(digits) < len(number) - 1:
        return False
    return len(set(digits)) == 1 or any(digits in row for row in _IN_A_ROW)


def _sex_fault(declared: Declared, document: Document, derived: dict[str, str]) -> str | None:
    said = SEXES.get((declared.gender or "U").upper())
    if said is None:
        return "gender"
    if document.sex is None or said == document.sex:
        return None
    if said == "U":
        derived["gender"] = "1" if document.sex == "M" else "2"
        return None
    return "gender_conflict"


def _nation_fault(declared: Declared, derived: dict[str, str]) -> str | None:
    if not declared.nation:
        return None
    code = ethnic_groups.code_of(declared.nation)
    if code is None:
        return "nation"
    if code != declared.nation:
        derived["nation"] = code
    return None


def _guardian_fault(
    declared: Declared, document: Document, today: date, test_provinces: frozenset[str]
) -> str | None:
    born = document.birth_date or declared.birth_date
    unborn = document.id_type == BIRTH_CERTIFICATE
    if not (unborn if born is None else age_on(born, today) < GUARDIAN_BELOW):
        return None
    if declared.guardian is None:
        return "guardian_required"
    theirs = _guardian_of(declared.guardian, today, test_provinces)
    too_young = theirs.birth_date is not None and age_on(theirs.birth_date, today) < GUARDIAN_BELOW
    return "guardian" if theirs.reason is not None or too_young else None


def _guardian_of(guardian: Guardian, today: date, test_provinces: frozenset[str]) -> Document:
    return check_document(guardian.id_type, guardian.id_no, today, test_provinces)


def _whose(
    declared: Declared, found: Document, today: date, test_provinces: frozenset[str]
) -> Whose:
    if declared.guardian is not None and declared.guardian.id_no:
        theirs = _guardian_of(declared.guardian, today, test_provinces)
        if theirs.normalized == found.normalized:
            return Whose.GUARDIAN
    if declared.birth_date is None or found.birth_date is None:
        said = SEXES.get((declared.gender or "U").upper(), "U")
        conflict = found.sex is not None and said not in ("U", found.sex)
        return Whose.BORROWED if conflict else Whose.OWN
    if declared.birth_date == found.birth_date:
        return Whose.OWN
    is_child = age_on(declared.birth_date, today) < _CHILD_BELOW
    years = declared.birth_date.year - found.birth_date.year
    return Whose.GUARDIAN if is_child and years >= _PARENT_AT_LEAST else Whose.BORROWED
