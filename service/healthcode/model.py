"""Codes, scans and what is told of them."""

from datetime import date, datetime
from enum import StrEnum

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


class CodeUse(msgspec.Struct, frozen=True, kw_only=True):
    """A row of ``code_use``: the one use of a code."""

    code_id: bytes
    record_id: int
    scan_id: int
    terminal_id: int
    request_key: str
    used_at: datetime


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

    def mac_parts(self) -> list[int | str | datetime]:
        """The columns that the row's MAC covers."""
        return [
            self.record_id,
            self.scan_id,
            self.institution_id,
            self.terminal_id,
            self.shown.value,
            self.level.value,
            self.purpose,
            self.scanned_at,
        ]


class ScanRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A text as a terminal read it; ``request_key`` is the terminal's own key of this request."""

    text: str
    purpose: ScanPurpose
    request_key: str

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
