"""Showings that cut-off readers accepted, handed in on reconnect: kept, compared, never a block."""

import asyncio
from datetime import timedelta

import msgspec

from crypto.errors import BadEncoding
from crypto.keyring import KeyKind
from service.audit.actions import append
from service.audit.model import AuditEntry
from service.healthcode import cards, reading, rules, rules_lists, showings, store, store_lists
from service.healthcode.judging import Judge, JudgedShowing
from service.healthcode.model import CodeUse, Scan, Shown
from service.healthcode.model_lists import (
    LogRow,
    RefusedShowing,
    ShownCode,
    ShownLog,
    ShownReport,
    TakenReport,
)
from service.kernel.context import Context
from service.kernel.database import Connection, connection, retry_serialization, transaction
from service.kernel.principals import Terminal
from service.kernel.problems import MalformedRequest, RequestInProgress

SHOWN_KEPT = rules_lists.BACK_MAX + timedelta(days=2)
"""Longer than any report may look back."""
NO_REQUEST = ""
"""Stands where an online use keeps its request's key: no request repeats a report."""


async def take_report(ctx: Context, terminal: Terminal, report: ShownReport) -> TakenReport:
    """Move a reader's log on by these entries; entries taken before are passed over.

    An entry that does not hold here is counted, answered with its word, and not kept. Raises
    ``ShownLogGap``, ``ShownLogForked``, ``MalformedRequest`` for texts that no reader can have
    logged, ``RequestInProgress`` when the same log is handed in elsewhere right now.
    """
    place = (terminal.institution_id, terminal.terminal_id, report.log_id)
    async with connection(ctx.pool) as conn:
        log = await store_lists.find_log(conn, *place)
    if log is not None:
        ctx.sealer.check_mac("shown_log", log.mac_parts(), log.row_mac)
    try:
        passed, after = rules_lists.continue_log(None if log is None else log.log, report)
    except BadEncoding:
        raise MalformedRequest("an entry is not of the form of the shown log") from None
    judged = await asyncio.to_thread(_judge_all, ctx, report, passed)
    taken = await retry_serialization(lambda: _keep(ctx, terminal, (place, log, after), judged))
    work_items, unknown = taken
    refused = [one for one in judged if isinstance(one, RefusedShowing)]
    return TakenReport(
        taken=len(report.entries),
        head=after.head,
        work_items=work_items,
        refused=sorted([*refused, *unknown], key=lambda one: one.number),
    )


async def forget_shown(ctx: Context) -> int:
    """Delete showings that no report can meet any more; gives how many."""
    async with connection(ctx.pool) as conn:
        return await store_lists.delete_old_shown(conn, ctx.clock.now() - SHOWN_KEPT)


def _judge_all(
    ctx: Context, report: ShownReport, passed: int
) -> list[JudgedShowing | RefusedShowing]:
    now = ctx.clock.now()
    ring = ctx.ring.snapshot
    roots = [key.material for key in ring.all_accepted(KeyKind.INDEX_ROOT, now)]
    judge = Judge(reading.own_trust(ring), roots, now)
    return [
        judge.judge(report.first + at, entry)
        for at, entry in enumerate(report.entries)
        if at >= passed
    ]


_Move = tuple[tuple[int, int, bytes], LogRow | None, ShownLog]


async def _keep(
    ctx: Context, terminal: Terminal, move: _Move, judged: list[JudgedShowing | RefusedShowing]
) -> tuple[int, list[RefusedShowing]]:
    """All or nothing: the log's place and every showing. Gives doubled codes and unknown ones.

    In the order of the codes, so that two readers with the same codes never wait for each other.
    The hospital's list comes last, by the time of then: nothing but the commit comes after it.
    """
    place, was, after = move
    doubled: set[bytes] = set()
    unknown, scans = [], []
    showings_ = [one for one in judged if isinstance(one, JudgedShowing)]
    async with asyncio.timeout(None) as known, transaction(ctx.pool) as conn:
        if not await store_lists.advance_log(conn, _moved(ctx, place, after), was):
            raise RequestInProgress(retry_after_s=1)
        for one in sorted(showings_, key=lambda one: (one.code_id, one.rise, one.number)):
            record_id = int.from_bytes(one.index.record_id)
            if await cards.find(conn, ctx, record_id, one.index.card) is None:
                unknown.append(RefusedShowing(number=one.number, error="NO_SUCH_CARD"))
                continue
            scans.append(_scan(ctx, terminal, one))
            if await _keep_one(conn, ctx, scans[-1], one):
                doubled.add(one.code_id)
        known.reschedule(asyncio.get_running_loop().time() + rules.KNOWN_WITHIN_S)
        await store.list_reported(conn, terminal.institution_id, scans, ctx.clock.now())
    return len(doubled), unknown


def _moved(ctx: Context, place: tuple[int, int, bytes], after: ShownLog) -> LogRow:
    institution_id, terminal_id, log_id = place
    row = LogRow(
        institution_id=institution_id,
        terminal_id=terminal_id,
        log_id=log_id,
        next_number=after.next_number,
        head=after.head,
        taken_at=ctx.clock.now(),
        row_mac=b"",
    )
    return msgspec.structs.replace(row, row_mac=ctx.sealer.row_mac("shown_log", row.mac_parts()))


async def _keep_one(conn: Connection, ctx: Context, scan: Scan, one: JudgedShowing) -> bool:
    """Write one showing; True if another terminal took it too."""
    await store.insert_reported(conn, scan)
    await append(conn, ctx, _reported(scan, one))
    if one.shown is Shown.PRINTED:
        return False
    showing = ShownCode(
        code_id=one.code_id,
        rise=one.rise,
        record_id=scan.record_id,
        scan_id=scan.scan_id,
        institution_id=scan.institution_id,
        terminal_id=scan.terminal_id,
        shown_at=one.shown_at,
        reported=True,
    )
    doubled = await showings.note(conn, ctx, showing)
    return await _spend(conn, ctx, one, showing) or doubled


async def _spend(conn: Connection, ctx: Context, one: JudgedShowing, showing: ShownCode) -> bool:
    """Spend the showing online too; True if a one-time code was used at another terminal before.

    Of bound codes every showing that was read online is kept, and was compared with.
    """
    use = CodeUse(
        code_id=showing.code_id,
        record_id=showing.record_id,
        scan_id=showing.scan_id,
        terminal_id=showing.terminal_id,
        request_key=NO_REQUEST,
        used_at=showing.shown_at,
        rise=showing.rise,
    )
    if await store.spend_use(conn, use) or one.shown is not Shown.ONE_TIME:
        return False
    first = await store.find_use(conn, showing.code_id)
    if first is None or first.terminal_id == showing.terminal_id:
        return False
    online = await store.find_scan(conn, first.record_id, first.scan_id)
    if online is None:
        return False
    place = ShownCode(
        code_id=showing.code_id,
        rise=0,
        record_id=first.record_id,
        scan_id=first.scan_id,
        institution_id=online.institution_id,
        terminal_id=first.terminal_id,
        shown_at=first.used_at,
        reported=online.reported,
    )
    return await showings.compare(conn, ctx, place, showing)


def _scan(ctx: Context, terminal: Terminal, one: JudgedShowing) -> Scan:
    scan = Scan(
        record_id=int.from_bytes(one.index.record_id),
        scan_id=ctx.ids.new(),
        institution_id=terminal.institution_id,
        terminal_id=terminal.terminal_id,
        shown=one.shown,
        level=one.level,
        purpose=one.purpose,
        scanned_at=one.shown_at,
        row_mac=b"",
        reported=True,
    )
    return msgspec.structs.replace(scan, row_mac=ctx.sealer.row_mac("scan", scan.mac_parts()))


def _reported(scan: Scan, one: JudgedShowing) -> AuditEntry:
    return AuditEntry(
        record_id=scan.record_id,
        action="code.reported",
        actor_kind="terminal",
        actor_id=scan.terminal_id,
        institution_id=scan.institution_id,
        facts={
            "scan_id": scan.scan_id,
            "shown": scan.shown.value,
            "level": scan.level.value,
            "purpose": scan.purpose,
            "shown_at": one.shown_at.isoformat(),
        },
    )
