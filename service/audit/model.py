"""What is written down about an act."""

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


class Decided(msgspec.Struct, frozen=True):
    """Who of the operators answers for an act, and why; without personal data."""

    by: str
    because: str

    def facts(self) -> dict[str, str | int | bool | None]:
        """As the entry's facts hold it."""
        return {"by": self.by, "because": self.because}
