"""Codes, scans and what is told of them."""

from datetime import date, datetime
from enum import IntEnum, StrEnum

import msgspec

from service.credential.model import InsuranceView
from service.kernel.masked import Masked


class CodeState(StrEnum):
    """Whether codes of a card resolve."""

    ACTIVE = "ACTIVE"
    FROZEN = "FROZEN"
    CANCELLED = "CANCELLED"


class ScanPurpose(StrEnum):
    """What a code is shown and scanned for."""

    IDENTIFY = "identify"
    REGISTER = "register"
    PAY = "pay"


class Shown(StrEnum):
    """What was held before the reader."""

    ONE_TIME = "ONE_TIME"
    BOUND = "BOUND"
    PRINTED = "PRINTED"
    INSURANCE_CREDENTIAL = "INSURANCE_CREDENTIAL"


class ScanLevel(StrEnum):
    """What the scan proves: shown just now, or only whose it is."""

    PRESENT = "PRESENT"
    IDENTIFIED = "IDENTIFIED"


class CodeCard(msgspec.Struct, frozen=True, kw_only=True):
    """A row of ``code``: one card of a record. Codes of an older epoch are void."""

    record_id: int
    card: int
    epoch: int
    state: CodeState
    created_at: datetime
    row_mac: bytes

    def mac_parts(self) -> list[int | str | datetime]:
        """The columns that the row's MAC covers."""
        return [self.record_id, self.card, self.epoch, self.state.value, self.created_at]


class PhoneState(StrEnum):
    """Whether a phone's codes resolve and it may renew."""

    ACTIVE = "ACTIVE"
    REPLACED = "REPLACED"
    """Its place went to another phone while its credential was over."""
    REVOKED = "REVOKED"
    """Stopped by a person or with everything of the record."""


class IssuedState(StrEnum):
    """Whether one issued code resolves. ``RETIRED``: its phone has a newer one."""

    LIVE = "LIVE"
    RETIRED = "RETIRED"
    REVOKED = "REVOKED"


class RevokedScope(IntEnum):
    """Which revocation list a code belongs to."""

    BOUND = 1
    PRINTED = 2


class PhoneRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row of ``phone``; ``label`` is sealed, ``code_id`` that of its newest credential.

    ``session_id`` is the login that enrolled or renewed it last; None in rows of before.
    """

    record_id: int
    phone_id: int
    account_id: int
    slot: int
    label: bytes | None
    code_id: bytes
    state: PhoneState
    enrolled_at: datetime
    renewed_at: datetime
    expires_at: datetime
    session_id: str | None
    row_mac: bytes

    def mac_parts(self) -> list[int | str | bytes | datetime | None]:
        """The columns that the row's MAC covers."""
        return [
            self.record_id,
            self.phone_id,
            self.account_id,
            self.slot,
            self.label,
            self.code_id,
            self.state.value,
            self.enrolled_at,
            self.renewed_at,
            self.expires_at,
            *([self.session_id] if self.session_id is not None else []),
        ]


class HolderCredential(msgspec.Struct, frozen=True, kw_only=True):
    """A row of ``holder_credential``: the 124 bytes one phone was given once."""

    record_id: int
    code_id: bytes
    phone_id: int
    code_class: int
    state: IssuedState
    issued_at: datetime
    expires_at: datetime
    credential: bytes
    row_mac: bytes

    def mac_parts(self) -> list[int | str | bytes | datetime]:
        """The columns that the row's MAC covers."""
        return [
            self.record_id,
            self.code_id,
            self.phone_id,
            self.code_class,
            self.state.value,
            self.issued_at,
            self.expires_at,
            self.credential,
        ]


class PrintedRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row of ``printed_code``. ``RETIRED`` does not occur."""

    record_id: int
    printed_code_id: int
    code_id: bytes
    code_class: int
    state: IssuedState
    issued_at: datetime
    expires_at: datetime
    row_mac: bytes

    def mac_parts(self) -> list[int | str | bytes | datetime]:
        """The columns that the row's MAC covers."""
        return [
            self.record_id,
            self.printed_code_id,
            self.code_id,
            self.code_class,
            self.state.value,
            self.issued_at,
            self.expires_at,
        ]


class SeenKey(msgspec.Struct, frozen=True, kw_only=True):
    """A row of ``holder_key``: whose credential the key went into, and by which request."""

    key_hash: bytes
    record_id: int
    code_id: bytes
    request_hash: bytes
    seen_at: datetime


class RevokedCode(msgspec.Struct, frozen=True, kw_only=True):
    """A row of ``revoked_code``: what readers must refuse until it expires."""

    record_id: int
    code_id: bytes
    scope: RevokedScope
    code_class: int
    expires_at: datetime
    revoked_at: datetime
    row_mac: bytes

    def mac_parts(self) -> list[int | bytes | datetime]:
        """The columns that the row's MAC covers."""
        return [
            self.record_id,
            self.code_id,
            self.scope.value,
            self.code_class,
            self.expires_at,
            self.revoked_at,
        ]


class CodeUse(msgspec.Struct, frozen=True, kw_only=True):
    """A row of ``code_use``: the one use of a code, or the newest showing of a bound one."""

    code_id: bytes
    record_id: int
    scan_id: int
    terminal_id: int
    request_key: str
    used_at: datetime
    rise: int
    """0 for what is used once; a bound code's ``step * 256 + sequence``, which must rise."""


class Scan(msgspec.Struct, frozen=True, kw_only=True):
    """A row of ``scan``. ``purpose`` is the format's purpose number."""

    record_id: int
    scan_id: int
    institution_id: int
    terminal_id: int
    shown: Shown
    level: ScanLevel
    purpose: int
    scanned_at: datetime
    row_mac: bytes
    bound_bill_id: bytes | None = None
    """The 16 bytes by which the till's offer named the bill; None for an unbound code."""
    bound_amount_fen: int | None = None
    reported: bool = False
    """Told of afterwards by a cut-off reader: authorises nothing."""

    def mac_parts(self) -> list[int | str | bytes | datetime | None]:
        """The columns that the row's MAC covers."""
        bound = [self.bound_bill_id, self.bound_amount_fen]
        return [
            self.record_id,
            self.scan_id,
            self.institution_id,
            self.terminal_id,
            self.shown.value,
            self.level.value,
            self.purpose,
            self.scanned_at,
            *(bound if self.bound_bill_id is not None else []),
            *(["reported"] if self.reported else []),
        ]


class ScanRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A text as a terminal read it; ``request_key`` is the terminal's own key of this request.

    ``offer`` is the text that the terminal showed: then the code must be bound to it.
    """

    text: str
    purpose: ScanPurpose
    request_key: str
    offer: str | None = None

    def __repr__(self) -> str:
        return "ScanRequest(…)"


class ResolvedScan(msgspec.Struct, frozen=True, kw_only=True):
    """A scan, who it is about, and what is known of his insurance."""

    scan: Scan
    pseudonym: str
    name: Masked
    sex: str
    birth_date: date | None
    insurance: InsuranceView


class EnrolRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A phone's new key, 33 bytes, and its proof; ``phone_id`` renews that phone."""

    challenge: bytes
    holder_key: bytes
    proof: bytes
    phone_id: str | None
    label: str | None

    def __repr__(self) -> str:
        return "EnrolRequest(…)"


class Enrolled(msgspec.Struct, frozen=True, kw_only=True):
    """What a phone gets: 124 bytes to show its codes with."""

    record_id: int
    phone_id: int
    credential: bytes
    code_id: bytes
    issued_at: datetime
    expires_at: datetime


class Phone(msgspec.Struct, frozen=True, kw_only=True):
    """A phone as its owner sees it."""

    record_id: int
    phone_id: int
    label: str | None
    enrolled_at: datetime
    renewed_at: datetime
    expires_at: datetime
    state: PhoneState


class IssuedPrinted(msgspec.Struct, frozen=True, kw_only=True):
    """A printed code, told once."""

    row: PrintedRow
    text: str

    def __repr__(self) -> str:
        return "IssuedPrinted(…)"


class IssuedOnce(msgspec.Struct, frozen=True, kw_only=True):
    """A one-time code to show."""

    text: str
    issued_at: datetime
    expires_at: datetime
    life_s: int

    def __repr__(self) -> str:
        return "IssuedOnce(…)"


class ListedScan(msgspec.Struct, frozen=True, kw_only=True):
    """A row of ``institution_scan``."""

    institution_id: int
    scan_id: int
    record_id: int
    terminal_id: int
    scanned_at: datetime
    reported_at: datetime | None
    """When a reader handed it in that had no network; None for a scan read online."""

    @property
    def known_at(self) -> datetime:
        """Its place in the list."""
        return self.reported_at or self.scanned_at
