"""Institutions and what they own."""

from datetime import datetime
from enum import StrEnum

import msgspec


class InstitutionState(StrEnum):
    """Whether an institution may work."""

    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"


class MovedAmounts(StrEnum):
    """What an institution wants when the bureau settles other amounts than it promised."""

    ADJUST = "adjust"
    """Refund or collect the difference."""
    UNDO = "undo"
    """Revoke the settlement and refund everything."""


class Institution(msgspec.Struct, frozen=True, kw_only=True):
    """A hospital, clinic or pharmacy. ``code`` is the insurance bureau's 12-character number."""

    institution_id: int
    code: str
    name: str
    insurance_region: str
    level: int
    moved_amounts: MovedAmounts
    state: InstitutionState
    created_at: datetime
    row_mac: bytes
    approval_above_fen: int | None = None
    """Giving back more than this needs a second person. None: nothing does."""
    registration_insured: bool = False
    """Whether the bureau is asked to pay its part of registration fees."""

    def mac_parts(self) -> list[int | str | datetime]:
        """The columns that the row's MAC covers; rows without later settings are as they always
        were."""
        parts: list[int | str | datetime] = [
            self.institution_id,
            self.code,
            self.name,
            self.insurance_region,
            self.level,
            self.moved_amounts.value,
            self.state.value,
            self.created_at,
        ]
        if self.approval_above_fen is not None:
            parts.append(self.approval_above_fen)
        if self.registration_insured:
            parts.append("registration-insured")
        return parts


class CallerState(StrEnum):
    """Whether an application or terminal may call."""

    ENROLLED = "ENROLLED"
    ACTIVE = "ACTIVE"
    REVOKED = "REVOKED"


class EnrolledApplication(msgspec.Struct, frozen=True, kw_only=True):
    """A hospital's system and the SM2 public key (65 bytes) it was enrolled with.

    ``key_until``: from then on only its certificates count. None: it never had one.
    """

    institution_id: int
    application_id: int
    name: str
    public_key: bytes
    scopes: list[str]
    state: CallerState
    created_at: datetime
    row_mac: bytes
    key_until: datetime | None = None

    def mac_parts(self) -> list[int | str | bytes | datetime]:
        """The columns that the row's MAC covers; rows without an end are as they always were."""
        parts: list[int | str | bytes | datetime] = [
            self.institution_id,
            self.application_id,
            self.name,
            self.public_key,
            " ".join(sorted(self.scopes)),
            self.state.value,
            self.created_at,
        ]
        return parts if self.key_until is None else [*parts, self.key_until]


class EnrolledTerminal(msgspec.Struct, frozen=True, kw_only=True):
    """A kiosk or desk scanner; its HMAC key exists from activation on."""

    institution_id: int
    terminal_id: int
    name: str
    public_place: bool
    key_sealed: bytes | None
    activation_hash: bytes | None
    activation_until: datetime | None
    state: CallerState
    created_at: datetime
    row_mac: bytes

    def mac_parts(self) -> list[int | str | bytes | bool | datetime | None]:
        """The columns that the row's MAC covers."""
        return [
            self.institution_id,
            self.terminal_id,
            self.name,
            self.public_place,
            self.key_sealed,
            self.activation_hash,
            self.activation_until,
            self.state.value,
            self.created_at,
        ]


class HolderKind(StrEnum):
    """Whom a certificate names."""

    APPLICATION = "APPLICATION"
    TERMINAL = "TERMINAL"


class CertificateHolders(msgspec.Struct, frozen=True, kw_only=True):
    """Holders of certificates of one kind, and when the first of their newest ones ends."""

    holder_kind: str
    holders: int
    ending: int
    first_end: datetime


class CertificateState(StrEnum):
    """``EXPIRED`` is never stored: it is ``ACTIVE`` past its end."""

    ACTIVE = "ACTIVE"
    REVOKED = "REVOKED"
    EXPIRED = "EXPIRED"


class RevocationReason(StrEnum):
    """Why a certificate was revoked, in the words of X.509."""

    UNSPECIFIED = "unspecified"
    KEY_COMPROMISE = "keyCompromise"
    AFFILIATION_CHANGED = "affiliationChanged"
    SUPERSEDED = "superseded"
    CESSATION_OF_OPERATION = "cessationOfOperation"


class HeldCertificate(msgspec.Struct, frozen=True, kw_only=True):
    """A certificate of an application or terminal.

    ``authority_version``: the version of our own authority's key; None for an outside authority.
    ``chain`` is PEM: the certificate, then what lies between it and the root.
    """

    institution_id: int
    certificate_id: int
    holder_kind: HolderKind
    holder_id: int
    authority_version: int | None
    issuer: str
    serial_no: bytes
    public_key: bytes
    chain: str
    not_before: datetime
    not_after: datetime
    state: CertificateState
    reason: RevocationReason | None
    revoked_at: datetime | None
    created_at: datetime
    row_mac: bytes

    def mac_parts(self) -> list[int | str | bytes | datetime | None]:
        """The columns that the row's MAC covers."""
        return [
            self.institution_id,
            self.certificate_id,
            self.holder_kind.value,
            self.holder_id,
            self.authority_version,
            self.issuer,
            self.serial_no,
            self.public_key,
            self.chain,
            self.not_before,
            self.not_after,
            self.state.value,
            None if self.reason is None else self.reason.value,
            self.revoked_at,
            self.created_at,
        ]

    def state_at(self, now: datetime) -> CertificateState:
        """The state with the clock looked at."""
        if self.state is CertificateState.ACTIVE and now > self.not_after:
            return CertificateState.EXPIRED
        return self.state


class RevokedAll(msgspec.Struct, frozen=True, kw_only=True):
    """What was taken from an application: so many certificates, and a bare key if it had one."""

    certificates: int
    bare_key: bool


class AuthorityRow(msgspec.Struct, frozen=True, kw_only=True):
    """Our authority's certificate under one version of its key, and its newest list, both DER."""

    key_version: int
    certificate: bytes
    crl: bytes | None
    crl_number: int
    crl_fresh_until: datetime | None
    created_at: datetime


class MerchantAccount(msgspec.Struct, frozen=True, kw_only=True):
    """Which merchant account of a provider collects for an institution. We never hold funds."""

    institution_id: int
    provider: str
    account_name: str
    created_at: datetime
    row_mac: bytes

    def mac_parts(self) -> list[int | str | datetime]:
        """The columns that the row's MAC covers."""
        return [self.institution_id, self.provider, self.account_name, self.created_at]


class NewInstitution(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator says of a new institution."""

    code: str
    name: str
    insurance_region: str
    level: int
    moved_amounts: MovedAmounts
    approval_above_fen: int | None = None
    registration_insured: bool = False


class Activated(msgspec.Struct, frozen=True, kw_only=True):
    """What a terminal is told once."""

    terminal: EnrolledTerminal
    institution_name: str
    key: bytes
