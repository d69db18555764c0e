"""What travels: codes to show, texts as read, scans."""

from datetime import date, datetime
from typing import Annotated

import msgspec

from integrations.ports.money import FenField
from service.credential.schemas import InsuranceAnswer
from service.healthcode import rules
from service.healthcode.model import IssuedOnce, ListedScan, ResolvedScan, Scan, ScanPurpose
from service.kernel.context import Context
from service.kernel.masked import mask_name
from service.kernel.principals import Terminal


class CodeRequest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What the code is for; ``symbol`` asks for the QR drawn as SVG, which is not done unasked."""

    purpose: ScanPurpose
    symbol: bool = False


class CodeAnswer(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A one-time code. ``server_time`` lets the phone count down by its own clock."""

    text: str
    expires_at: datetime
    life_s: int
    server_time: datetime
    svg: str | None = None

    @classmethod
    def of(cls, issued: IssuedOnce, now: datetime, svg: str | None) -> "CodeAnswer":
        """From the action's answer."""
        return cls(
            text=issued.text,
            expires_at=issued.expires_at,
            life_s=issued.life_s,
            server_time=now,
            svg=svg,
        )


class ScanBody(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A text exactly as the reader gave it; ``offer`` is the one this terminal shows."""

    text: Annotated[str, msgspec.Meta(min_length=1, max_length=1280)]
    purpose: ScanPurpose
    offer: Annotated[str, msgspec.Meta(min_length=1, max_length=512)] | None = None


class BoundTo(msgspec.Struct, kw_only=True):
    """What the person approved by showing the code: as the offer said it."""

    bill_id: str
    amount_fen: FenField

    @classmethod
    def of(cls, scan: Scan) -> "BoundTo | None":
        """None for a code that was bound to nothing."""
        if scan.bound_bill_id is None or scan.bound_amount_fen is None:
            return None
        return cls(bill_id=scan.bound_bill_id.hex(), amount_fen=scan.bound_amount_fen)


class ScanAnswer(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A resolved scan. A public kiosk gets ``masked_name``, a desk ``name``.

    ``patient_id`` is this institution's own pseudonym of the person's record.
    """

    scan_id: str
    patient_id: str
    shown: str
    level: str
    sex: str
    insurance: InsuranceAnswer
    bills_visible: bool
    scanned_at: datetime
    masked_name: str | None = None
    name: str | None = None
    age: int | None = None
    bound_to: BoundTo | None = None

    @classmethod
    def of(
        cls, ctx: Context, resolved: ResolvedScan, terminal: Terminal, today: date
    ) -> "ScanAnswer":
        """What this terminal may see of the scan."""
        scan = resolved.scan
        name = resolved.name.reveal()
        return cls(
            scan_id=ctx.public_ids.text(scan.record_id, scan.scan_id),
            patient_id=resolved.pseudonym,
            shown=scan.shown.value,
            level=scan.level.value,
            sex=resolved.sex,
            insurance=InsuranceAnswer.of(resolved.insurance),
            bills_visible=rules.bills_visible(scan, terminal),
            scanned_at=scan.scanned_at,
            masked_name=mask_name(name) if terminal.public_place else None,
            name=None if terminal.public_place else name,
            age=rules.age(resolved.birth_date, today),
            bound_to=BoundTo.of(scan),
        )


class InstitutionScan(msgspec.Struct, kw_only=True):
    """A scan at one of the institution's own terminals.

    ``read_offline``: accepted by a reader that had no network, at ``scanned_at`` by its own clock,
    and handed in at ``reported_at`` (null for every other scan). Such a scan authorises nothing.
    """

    scan_id: str
    patient_id: str
    terminal_id: str
    scanned_at: datetime
    read_offline: bool
    reported_at: datetime | None

    @classmethod
    def of(cls, ctx: Context, scan: ListedScan) -> "InstitutionScan":
        """From the stored row."""
        pseudonym = ctx.sealer.pseudonym(scan.institution_id, scan.record_id)
        return cls(
            scan_id=ctx.public_ids.text(scan.record_id, scan.scan_id),
            patient_id=pseudonym.hex(),
            terminal_id=ctx.public_ids.text(scan.institution_id, scan.terminal_id),
            scanned_at=scan.scanned_at,
            read_offline=scan.reported_at is not None,
            reported_at=scan.reported_at,
        )


class InstitutionScans(msgspec.Struct, kw_only=True):
    """Scans in the order in which they became known, and the cursor for what comes after.

    A scan may be told twice.
    """

    scans: list[InstitutionScan]
    next: str | None
