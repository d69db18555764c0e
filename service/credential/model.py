"""Credentials and what their owners say."""

from datetime import datetime
from enum import StrEnum

import msgspec

from service.kernel.masked import Masked


class CodeKind(StrEnum):
    """What a scanned text is."""

    OURS = "OURS"
    INSURANCE_CREDENTIAL = "INSURANCE_CREDENTIAL"
    UNKNOWN = "UNKNOWN"


class Recognised(msgspec.Struct, frozen=True, kw_only=True):
    """A scanned text, repaired as far as its kind allows."""

    kind: CodeKind
    text: str


class CredentialState(StrEnum):
    """Whether a credential is linked now."""

    LINKED = "LINKED"
    ENDED = "ENDED"


class InsuranceStatus(StrEnum):
    """What we know of a record's insurance, and how."""

    LINKED = "LINKED"
    NOT_LINKED = "NOT_LINKED"
    """Never asked, or what the owner answered contradicts the record."""
    NOT_INSURED = "NOT_INSURED"
    """The owner knows the person and has no active insurance for him."""
    OWNER_REFUSED = "OWNER_REFUSED"
    """The owner refused the question: mostly it does not know the person."""
    OWNER_DOWN = "OWNER_DOWN"
    """The owner could not be asked; what stands beside is the last known."""
    BY_HOSPITAL = "BY_HOSPITAL"
    """Not known here; the hospital's own machine asks its bureau when a bill is divided."""


class InsuranceView(msgspec.Struct, frozen=True, kw_only=True):
    """Insurance as callers see it; ``as_of`` is when the owner last said so."""

    status: InsuranceStatus
    insurance_type: str | None
    region: str | None
    as_of: datetime | None


class SealedInsurance(msgspec.Struct, frozen=True, kw_only=True):
    """The plaintext of ``credential.sealed``."""

    person_no: str
    person_type: str


class Credential(msgspec.Struct, frozen=True, kw_only=True):
    """A row of ``credential``."""

    record_id: int
    credential_id: int
    kind: str
    owner: str
    number_hash: bytes
    sealed: bytes
    region: str
    insurance_type: str
    state: CredentialState
    linked_at: datetime
    checked_at: datetime
    ended_at: datetime | None
    row_mac: bytes

    def mac_parts(self) -> list[int | str | bytes | datetime | None]:
        """The columns that the row's MAC covers."""
        return [
            self.record_id,
            self.credential_id,
            self.kind,
            self.owner,
            self.number_hash,
            self.sealed,
            self.region,
            self.insurance_type,
            self.state.value,
            self.linked_at,
            self.checked_at,
            self.ended_at,
        ]


class InsuredIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """The enrolment that a settlement uses."""

    person_no: str
    insurance_type: str
    region: str
    id_no: Masked
    name: Masked


class ResolvedCredential(msgspec.Struct, frozen=True, kw_only=True):
    """Whose e-credential was scanned, and what the owner says of him."""

    record_id: int
    insurance: InsuranceView
