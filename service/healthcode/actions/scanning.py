"""Scan: from a text at a terminal to one person, and what a hospital may read of it."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec
from msgspec.structs import replace

from crypto.healthcode.index import Index
from service.audit.actions import prepare
from service.audit.model import AuditEntry
from service.credential import actions as credential
from service.credential.model import InsuranceView
from service.healthcode import cards, rules, showings, store
from service.healthcode.model import (
    CodeUse,
    ListedScan,
    ResolvedScan,
    Scan,
    ScanRequest,
    Shown,
)
from service.healthcode.model_lists import ShownCode
from service.healthcode.problems import (
    CodeAlreadyUsed,
    CodeFrozen,
    CodeNoSuchCard,
    ScanExpired,
    ScanReported,
)
from service.healthcode.reading import ReadCode, read_text
from service.institution import actions as institution
from service.kernel.context import Context
from service.kernel.database import Connection, connection, transaction
from service.kernel.joined_reads import Cells, read_together
from service.kernel.principals import Terminal
from service.kernel.problems import InvariantBroken, NotFound
from service.person import actions as person
from service.person.model import RecordView

USES_KEPT = timedelta(days=1)
"""Far longer than any showing of a code is taken."""
READ_FOR = timedelta(seconds=1)
"""So long a code's rows may have been read before it is spent: a revocation holds within five."""


async def resolve_scan(ctx: Context, terminal: Terminal, request: ScanRequest) -> ResolvedScan:
    """Whose code a terminal read, as a new scan; the same request again gives the same scan.

    Checks go in the order of the health-code format; a code is spent, the scan written and the
    audit entry appended in one transaction, and the insurer is asked after it. Raises the problems
    of this feature, and those of ``credential.resolve_insurance`` for an e-credential.
    """
    read = read_text(ctx, terminal, request)
    if read.index is not None:
        behind = await _behind(ctx, read, read.index)
        scan = await _spend(ctx, terminal, request, read, behind)
        insurance = await credential.insurance_known_by(
            ctx, scan.record_id, scan.institution_id, behind.linked
        )
        return _resolved(ctx, scan, behind.owner, insurance)
    # Its owner is asked whose it is: not again for the same request.
    if (again := await _scan_of_use(ctx, terminal, request, read)) is not None:
        owner = await _owner(ctx, again.record_id)
        insurance = await credential.insurance_of(ctx, again.record_id, again.institution_id)
        return _resolved(ctx, again, owner, insurance)
    found = await credential.resolve_insurance(
        ctx, terminal.institution_id, read.text, request.purpose.value
    )
    behind = _Behind(owner=await _owner(ctx, found.record_id), read_at=ctx.clock.now())
    scan = await _spend(ctx, terminal, request, read, behind)
    return _resolved(ctx, scan, behind.owner, found.insurance)


async def get_scan(ctx: Context, institution_id: int, scan_public_id: str) -> Scan:
    """The scan behind a handle, for its own institution.

    Raises ``NotFound``, ``ScanExpired`` after 12 hours, ``ScanReported``, ``RowTampered``.
    """
    record_id, scan_id = ctx.public_ids.parse(scan_public_id)
    async with connection(ctx.pool) as conn:
        scan = await store.find_scan(conn, record_id, scan_id)
    if scan is None or scan.institution_id != institution_id:
        raise NotFound
    ctx.sealer.check_mac("scan", scan.mac_parts(), scan.row_mac)
    if scan.reported:
        raise ScanReported
    if ctx.clock.now() - scan.scanned_at >= rules.SCAN_LIFE:
        raise ScanExpired
    return scan


def bills_visible(scan: Scan, terminal: Terminal) -> bool:
    """Whether the terminal may show bills after this scan (identify is not authorise)."""
    return rules.bills_visible(scan, terminal)


async def list_scans(
    ctx: Context, institution_id: int, after: str | None, limit: int
) -> tuple[list[ListedScan], str | None]:
    """An institution's scans behind a cursor, and the next cursor.

    The cursor stays ``SETTLED_AFTER`` behind, and no commit takes so long, so that no scan is ever
    passed over; a scan may therefore be told twice, under the same id. Raises ``NotFound`` for a
    cursor that is not ours.
    """
    micros, after_id = ctx.public_ids.parse(after) if after is not None else (0, 0)
    async with connection(ctx.pool) as conn:
        found = await store.list_scans(
            conn, institution_id, rules.YEAR_1970 + timedelta(microseconds=micros), after_id, limit
        )
    settled_until = ctx.clock.now() - rules.SETTLED_AFTER
    passed = [scan for scan in found if scan.known_at <= settled_until]
    if not passed:
        return found, after
    last = passed[-1]
    micros = (last.known_at - rules.YEAR_1970) // timedelta(microseconds=1)
    return found, ctx.public_ids.text(micros, last.scan_id)


async def forget_uses(ctx: Context) -> int:
    """Delete uses of codes that have long expired; gives how many."""
    async with connection(ctx.pool) as conn:
        return await store.delete_old_uses(conn, ctx.clock.now() - USES_KEPT)


class _Behind(msgspec.Struct, frozen=True, kw_only=True):
    """Who is behind a code, and for one of ours all that its record's rows say of it.

    A repeat of the same request is answered whatever became of the code since, so this is only
    held against a code that is spent now.
    """

    owner: RecordView
    read_at: datetime
    issued: Sequence[Cells] = ()
    linked: Sequence[Cells] = ()


class _SpentBefore(Exception):
    """Somebody else spent the code meanwhile; nothing was kept of this scan."""


async def _scan_of_use(
    ctx: Context, terminal: Terminal, request: ScanRequest, read: ReadCode
) -> Scan | None:
    """The scan this very request made before.

    For any other use raises ``CodeAlreadyUsed``, or what check 10 says of the code before it.
    """
    async with connection(ctx.pool) as conn:
        for code_id in read.found_as or (read.use_id,):
            if (use := await store.find_use(conn, code_id)) is not None:
                break
        else:
            return None
        if not rules.is_same_request(use, terminal, request.request_key, read.rise):
            if read.index is not None:
                _, state = await cards.find_with_issued(
                    conn, ctx, read.index, read.shown, read.code_id
                )
                rules.check_issued(read.shown, state)
            raise CodeAlreadyUsed
        scan = await store.find_scan(conn, use.record_id, use.scan_id)
    if scan is None:
        raise InvariantBroken("a use names a scan that does not exist")
    ctx.sealer.check_mac("scan", scan.mac_parts(), scan.row_mac)
    return scan


async def _spend(
    ctx: Context, terminal: Terminal, request: ScanRequest, read: ReadCode, behind: _Behind
) -> Scan:
    """Spend the code and write the scan, or nothing at all."""
    now, record_id = ctx.clock.now(), behind.owner.record_id
    scan = Scan(
        record_id=record_id,
        scan_id=ctx.ids.new(),
        institution_id=terminal.institution_id,
        terminal_id=terminal.terminal_id,
        shown=read.shown,
        level=read.level,
        purpose=rules.PURPOSES[request.purpose].value,
        scanned_at=now,
        row_mac=b"",
        bound_bill_id=read.offer.bill_id if read.offer is not None else None,
        bound_amount_fen=read.offer.amount_fen if read.offer is not None else None,
    )
    scan = replace(scan, row_mac=ctx.sealer.row_mac("scan", scan.mac_parts()))
    use = CodeUse(
        code_id=read.use_id,
        record_id=record_id,
        scan_id=scan.scan_id,
        terminal_id=terminal.terminal_id,
        request_key=request.request_key,
        used_at=now,
        rise=read.rise,
    )
    try:
        async with asyncio.timeout(rules.KNOWN_WITHIN_S), transaction(ctx.pool) as conn:
            await _insert_use(conn, ctx, read, use, scan)
            await _check_owner(conn, ctx, read, behind)
            noted = await prepare(conn, ctx, _scanned(scan))
            patient = institution.patient_write(ctx, terminal.institution_id, record_id)
            await store.insert_scan(conn, scan, noted=noted, patient=patient)
    except _SpentBefore:
        again = await _scan_of_use(ctx, terminal, request, read)
        if again is None:
            raise InvariantBroken("a code was spent and was not") from None
        return again
    return scan


async def _insert_use(
    conn: Connection, ctx: Context, read: ReadCode, use: CodeUse, scan: Scan
) -> None:
    if read.shown is Shown.BOUND:
        spent, noted = await store.spend_showing(conn, use, scan.institution_id)
        if not spent:
            raise _SpentBefore
        if not noted:
            await showings.note_again(conn, ctx, _showing(scan, read))
        return
    for code_id in read.spent_as or (read.use_id,):
        if not await store.spend_use(conn, replace(use, code_id=code_id)):
            raise _SpentBefore


async def _owner(ctx: Context, record_id: int) -> RecordView:
    """The person behind a code. Raises ``CodeNoSuchCard``."""
    try:
        return await person.read(ctx, record_id)
    except NotFound:
        raise CodeNoSuchCard from None


async def _behind(ctx: Context, read: ReadCode, place: Index) -> _Behind:
    """In one reading of the record's rows, and one of the person. Raises ``CodeNoSuchCard``."""
    record_id, read_at = int.from_bytes(place.record_id), ctx.clock.now()
    async with connection(ctx.pool) as conn:
        known, issued, linked = await read_together(
            conn,
            person.record_read(record_id),
            cards.issued_read(place, read.shown, read.code_id),
            credential.insurance_read(record_id),
        )
        try:
            owner = await person.view_of(conn, ctx, known)
        except NotFound:
            raise CodeNoSuchCard from None
    return _Behind(owner=owner, read_at=read_at, issued=issued, linked=linked)


async def _check_owner(conn: Connection, ctx: Context, read: ReadCode, behind: _Behind) -> None:
    """Checks 10 and 13. Another owner's credential has no card: then only the person counts."""
    frozen = behind.owner.frozen
    if read.index is not None:
        if ctx.clock.now() - behind.read_at < READ_FOR:
            card, state = cards.issued(ctx, read.shown, behind.issued)
        else:  # it waited for another scan of the same code
            card, state = await cards.find_with_issued(
                conn, ctx, read.index, read.shown, read.code_id
            )
        rules.check_issued(read.shown, state)
        rules.check_card(card, read.index.epoch, person_frozen=frozen)
    elif frozen:
        raise CodeFrozen


def _showing(scan: Scan, read: ReadCode) -> ShownCode:
    """Kept, for a cut-off reader may report the same showing later."""
    return ShownCode(
        code_id=read.code_id,
        rise=read.rise,
        record_id=scan.record_id,
        scan_id=scan.scan_id,
        institution_id=scan.institution_id,
        terminal_id=scan.terminal_id,
        shown_at=scan.scanned_at,
        reported=False,
    )


def _scanned(scan: Scan) -> AuditEntry:
    return AuditEntry(
        record_id=scan.record_id,
        action="code.scanned",
        actor_kind="terminal",
        actor_id=scan.terminal_id,
        institution_id=scan.institution_id,
        facts={
            "scan_id": scan.scan_id,
            "shown": scan.shown.value,
            "level": scan.level.value,
            "purpose": scan.purpose,
        },
    )


def _resolved(ctx: Context, scan: Scan, view: RecordView, insurance: InsuranceView) -> ResolvedScan:
    """What is told of a scan."""
    return ResolvedScan(
        scan=scan,
        pseudonym=ctx.sealer.pseudonym(scan.institution_id, scan.record_id).hex(),
        name=view.name,
        sex=view.sex,
        birth_date=view.birth_date,
        insurance=insurance,
    )
