"""What is written down about an act."""

from datetime import datetime

import msgspec


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """Who did what to whose record, from where. ``facts`` may hold personal data: it is sealed."""

    record_id: int
    action: str
    """Dotted past tense: ``code.scanned``, ``settlement.started``."""
    actor_kind: str
    """``resident``, ``terminal``, ``application``, ``operator`` or ``system``."""
    actor_id: int
    institution_id: int | None
    facts: dict[str, str | int | bool | None]


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """An entry as it is kept: the plaintext of ``audit_entry.sealed``."""

    at: datetime
    entry_id: int
    entry: AuditEntry


class SealedEntry(msgspec.Struct, frozen=True, kw_only=True):
    """Of a row of ``audit_entry`` what reading needs."""

    record_id: int
    entry_id: int
    at: datetime
    sealed: bytes


class Acts(msgspec.Struct, frozen=True, kw_only=True):
    """A page of entries, newest first."""

    kept: tuple[Kept, ...]
    next: tuple[int, int] | None
    """Record and entry of the last one, for the page after; None: there is none."""


class Decided(msgspec.Struct, frozen=True):
    """Who of the operators answers for an act, and why; without personal data."""

    by: str
    because: str

    def facts(self) -> dict[str, str | int | bool | None]:
        """As the entry's facts hold it."""
        return {"by": self.by, "because": self.because}
