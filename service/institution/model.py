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

    def mac_parts(self) -> list[int | str | datetime]:
        """The columns that the row's MAC covers."""
        return [
            self.institution_id,
            self.code,
            self.name,
            self.insurance_region,
            self.level,
            self.moved_amounts.value,
            self.state.value,
            self.created_at,
        ]


class CallerState(StrEnum):
    """Whether an application or terminal may call."""

    ENROLLED = "ENROLLED"
    ACTIVE = "ACTIVE"
    REVOKED = "REVOKED"


class EnrolledApplication(msgspec.Struct, frozen=True, kw_only=True):
    """A hospital's system and its SM2 public key (65 bytes)."""

    institution_id: int
    application_id: int
    name: str
    public_key: bytes
    scopes: list[str]
    state: CallerState
    created_at: datetime
    row_mac: bytes

    def mac_parts(self) -> list[int | str | bytes | datetime]:
        """The columns that the row's MAC covers."""
        return [
            self.institution_id,
            self.application_id,
            self.name,
            self.public_key,
            " ".join(sorted(self.scopes)),
            self.state.value,
            self.created_at,
        ]


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


class Activated(msgspec.Struct, frozen=True, kw_only=True):
    """What a terminal is told once."""

    terminal: EnrolledTerminal
    institution_name: str
    key: bytes
