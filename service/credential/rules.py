"""Pure decisions about credentials: what a text is, whom an answer names, which one counts."""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta

from integrations.ports.insurance import Enrolment, InsuredPerson
from service.credential.model import (
    CodeKind,
    Credential,
    InsuranceStatus,
    InsuranceView,
    Recognised,
)
from service.person.identity.names import check_name, compatible
from service.reader.repair import RAW_MAX, repair

TEXT_MAX = RAW_MAX
NUMBER_KIND = "insurance person"
"""What the blind keys of the bureau's person numbers are made for."""
FRESH = timedelta(hours=1)
"""A link that was confirmed so recently is not asked again at every scan."""
PREFERRED_TYPES = ("310", "390")
"""Employees before residents; others after, by code."""

_INSURANCE = re.compile(r"[0-9]{28}", re.ASCII)
_FULL_WIDTH = {point: chr(point - 0xFEE0) for point in range(0xFF01, 0xFF5F)}
_PURPOSES = {"identify": "registration", "register": "registration", "pay": "settlement"}


def classify(text: str) -> Recognised:
    """What a scanned text is, with what readers and input methods did to it undone: for our own
    codes see ``repair``; for others outer blanks and full-width forms. Over the bound: UNKNOWN.

    The 28 digits of an insurance e-credential are its common form, not a proof (dossier 4.1): the
    bureau decides.
    """
    if len(text) > TEXT_MAX:
        return Recognised(kind=CodeKind.UNKNOWN, text="")
    ours = repair(text)
    if ours is not None:
        return Recognised(kind=CodeKind.OURS, text=ours)
    trimmed = text.strip(" \t\r\n\u3000\ufeff").translate(_FULL_WIDTH)
    if _INSURANCE.fullmatch(trimmed):
        return Recognised(kind=CodeKind.INSURANCE_CREDENTIAL, text=trimmed)
    return Recognised(kind=CodeKind.UNKNOWN, text="")


def scan_purpose(purpose: str) -> str:
    """Our purpose in the words of the insurance port."""
    return _PURPOSES[purpose]


def names_the_same(name: str, id_no: str, person: InsuredPerson) -> bool:
    """Whether the owner's answer is about the person that the record names."""
    theirs = check_name(person.name)
    return (
        person.id_no.strip().upper() == id_no
        and theirs.reason is None
        and compatible(theirs.normalized, name)
    )


def active_enrolments(person: InsuredPerson) -> list[Enrolment]:
    """The enrolments that may pay, one for each insurance type, the first of each."""
    by_type: dict[str, Enrolment] = {}
    for enrolment in person.enrolments:
        if enrolment.active:
            by_type.setdefault(enrolment.insurance_type, enrolment)
    return list(by_type.values())


def preferred(rows: Sequence[Credential]) -> Credential | None:
    """The enrolment that a settlement uses unless told otherwise."""
    return min(rows, key=_rank, default=None)


def _rank(row: Credential) -> tuple[int, str, datetime]:
    kind = row.insurance_type
    place = PREFERRED_TYPES.index(kind) if kind in PREFERRED_TYPES else len(PREFERRED_TYPES)
    return place, kind, row.linked_at


def view_of(status: InsuranceStatus, row: Credential | None) -> InsuranceView:
    """What callers see of a link."""
    return InsuranceView(
        status=status,
        insurance_type=row.insurance_type if row else None,
        region=row.region if row else None,
        as_of=row.checked_at if row else None,
    )


def is_fresh(row: Credential, now: datetime) -> bool:
    """Whether the owner confirmed the link within the last hour."""
    return now - row.checked_at < FRESH
