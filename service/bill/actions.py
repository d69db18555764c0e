"""The verbs of bills: what hospitals do with them, and how one holder at a time pays one."""

from contextlib import suppress
from datetime import datetime, timedelta

import msgspec

from service.audit import actions as audit
from service.audit.model import AuditEntry
from service.bill import rules, stays, store
from service.bill.model import (
    AmendBill,
    Bill,
    BillContent,
    BillRow,
    CorrectBill,
    PushBill,
    SealedBill,
)
from service.bill.problems import BillLocked, BillNumberExists, BillVersionStale
from service.bill.states import BILL, HELD, BillEvent, BillState
from service.bill.store import BillKey
from service.institution import actions as institution
from service.kernel.context import Context
from service.kernel.database import Connection, connection, transaction
from service.kernel.problems import InvariantBroken, NotFound, StateConflict
from service.person import actions as person

PAID_SHOWN = timedelta(days=90)
LISTED_MAX = 100
SAME_MOMENT = "the bill was changed at the same moment"


async def push(ctx: Context, new: PushBill) -> Bill:
    """Take a new bill. The same number, patient and content again gives the bill that stands.

    Raises ``BillPartsDoNotSum``, ``BillRefused``, ``BillNumberExists``, ``NotFound`` (patient).
    """
    now = ctx.clock.now()
    record_id = await institution.find_patient(ctx, new.institution_id, new.patient)
    standing = await _find_repeat(ctx, record_id, new)
    if standing is not None:
        return standing
    rules.check_content(new.content, now)
    row = _signed(
        ctx,
        BillRow(
            record_id=record_id,
            bill_id=ctx.ids.new(),
            institution_id=new.institution_id,
            bill_no=new.bill_no,
            version=1,
            total_fen=new.content.total_fen,
            state=BILL.start,
            holder_id=None,
            pay_until=new.content.pay_until,
            created_at=now,
            updated_at=now,
            row_mac=b"",
            kind=new.content.kind,
            stay_no=new.content.stay_no,
        ),
    )
    async with transaction(ctx.pool) as conn:
        await stays.claim(conn, row)
        taken = await store.insert_number(conn, row)
        if taken:
            await store.insert_bill(conn, row)
            await store.insert_version(conn, row, await _seal(conn, ctx, row, new.content))
            await _note(conn, ctx, row, "bill.pushed", new.application_id)
    if not taken:
        standing = await _find_repeat(ctx, record_id, new)
        if standing is None:
            raise InvariantBroken("a taken bill number has its bill")
        return standing
    return _opened(row, new.content)


async def _find_repeat(ctx: Context, record_id: int, new: PushBill) -> Bill | None:
    """The bill that this very push made before; ``BillNumberExists`` if another one did."""
    async with connection(ctx.pool) as conn:
        key = await store.find_number(conn, new.institution_id, new.bill_no)
        if key is None:
            return None
        if key.record_id != record_id:
            raise BillNumberExists
        if await _content(conn, ctx, key, 1) != new.content:
            raise BillNumberExists
        return await _open(conn, ctx, await _get(conn, ctx, key))


async def amend(ctx: Context, amended: AmendBill) -> Bill:
    """Replace the version named; again gives the bill that stands. An expired bill is open again.

    Raises as ``push``, and ``BillVersionStale``, ``BillLocked``, ``BillNotPayable`` (withdrawn).
    """
    now = ctx.clock.now()
    record_id = await institution.find_patient(ctx, amended.institution_id, amended.patient)
    async with transaction(ctx.pool) as conn:
        before = await _get_number(conn, ctx, amended.institution_id, amended.bill_no)
        if before.record_id != record_id:
            raise BillNumberExists
        if before.version == amended.replaces + 1:
            standing = await _open(conn, ctx, before)
            if standing.content == amended.content:
                return standing
        rules.check_changeable(before)
        if before.version != amended.replaces:
            raise BillVersionStale
        rules.check_same_kind(before, amended.content)
        rules.check_content(amended.content, now)
        after = await _save(
            conn,
            ctx,
            before,
            BillEvent.AMEND,
            BillVersionStale(),
            version=before.version + 1,
            total_fen=amended.content.total_fen,
            pay_until=amended.content.pay_until,
        )
        await store.insert_version(conn, after, await _seal(conn, ctx, after, amended.content))
        await _note(conn, ctx, after, "bill.amended", amended.application_id)
    return _opened(after, amended.content)


async def withdraw(ctx: Context, institution_id: int, application_id: int, bill_no: str) -> Bill:
    """Take a bill back; again changes nothing. Raises ``BillLocked``, ``NotFound``."""
    async with transaction(ctx.pool) as conn:
        before = await _get_number(conn, ctx, institution_id, bill_no)
        content = await _unseal(conn, ctx, _key(before), before.version, before.sealed)
        if before.state is BillState.WITHDRAWN:
            return _opened(before, content)
        rules.check_changeable(before)
        after = await _save(conn, ctx, before, BillEvent.WITHDRAW, BillLocked())
        await _note(conn, ctx, after, "bill.withdrawn", application_id)
    return _opened(after, content)


async def list_payable(ctx: Context, record_id: int, institution_id: int | None) -> list[Bill]:
    """The record's open and locked bills whose time is not over, newest first, at most 100."""
    async with connection(ctx.pool) as conn:
        rows = await store.list_payable(
            conn, record_id, institution_id, ctx.clock.now(), LISTED_MAX
        )
        return [await _open(conn, ctx, row) for row in rows]


async def list_of_person(ctx: Context, record_id: int, institution_id: int) -> list[Bill]:
    """As ``list_payable``, over every record of the record's person."""
    found: list[Bill] = []
    for one in await person.list_records(ctx, record_id):
        found += await list_payable(ctx, one, institution_id)
    return _newest(found)


async def list_own(ctx: Context, record_id: int) -> list[Bill]:
    """All a person sees of his bills: to pay, being paid, and paid in the last 90 days."""
    now = ctx.clock.now()
    found: list[Bill] = []
    for one in await person.list_records(ctx, record_id):
        async with connection(ctx.pool) as conn:
            rows = await store.list_shown(conn, one, now, now - PAID_SHOWN, LISTED_MAX)
            found += [await _open(conn, ctx, row) for row in rows]
    return _newest(found)


def _newest(bills: list[Bill]) -> list[Bill]:
    return sorted(bills, key=lambda bill: bill.created_at, reverse=True)[:LISTED_MAX]


async def read(ctx: Context, record_id: int, bill_id: int) -> Bill:
    """One bill with visit and lines. Raises ``NotFound``."""
    async with connection(ctx.pool) as conn:
        return await _open(conn, ctx, await _get(conn, ctx, BillKey(record_id, bill_id)))


async def read_version(ctx: Context, record_id: int, bill_id: int, version: int) -> BillContent:
    """What one version charged. Raises ``InvariantBroken`` where there is no such version."""
    async with connection(ctx.pool) as conn:
        return await _content(conn, ctx, BillKey(record_id, bill_id), version)


async def read_number(ctx: Context, institution_id: int, bill_no: str) -> Bill:
    """The institution's bill of that number. Raises ``NotFound``."""
    async with connection(ctx.pool) as conn:
        return await _open(conn, ctx, await _get_number(conn, ctx, institution_id, bill_no))


async def lock(
    conn: Connection,
    ctx: Context,
    record_id: int,
    bill_id: int,
    holder_id: int,
    expected_version: int,
) -> Bill:
    """Hold an open bill for one payer, in the caller's transaction. Again by the holder: the same.

    Raises ``BillLocked`` (another holder), ``BillNotPayable``, ``BillVersionStale``, ``NotFound``.
    """
    before = await _get(conn, ctx, BillKey(record_id, bill_id))
    content = await _unseal(conn, ctx, _key(before), before.version, before.sealed)
    if before.state is BillState.LOCKED and before.holder_id == holder_id:
        return _opened(before, content)
    rules.check_lockable(before, expected_version, ctx.clock.now())
    after = await _save(conn, ctx, before, BillEvent.LOCK, BillLocked(), holder_id=holder_id)
    return _opened(after, content)


async def release(
    conn: Connection, ctx: Context, record_id: int, bill_id: int, holder_id: int
) -> None:
    """Give a held or paid bill back: it is open again. Nothing if the holder does not hold it."""
    before = await _get(conn, ctx, BillKey(record_id, bill_id))
    if before.state not in HELD or before.holder_id != holder_id:
        return
    await _save(conn, ctx, before, BillEvent.RELEASE, StateConflict(SAME_MOMENT), holder_id=None)


async def take_back(
    conn: Connection, ctx: Context, record_id: int, bill_id: int, holder_id: int
) -> None:
    """As ``release``, but nothing is charged any more: the bill is withdrawn."""
    before = await _get(conn, ctx, BillKey(record_id, bill_id))
    if before.state not in HELD or before.holder_id != holder_id:
        return
    await _save(conn, ctx, before, BillEvent.WITHDRAW, StateConflict(SAME_MOMENT), holder_id=None)


async def correct(conn: Connection, ctx: Context, corrected: CorrectBill) -> None:
    """The next version of a paid bill: what remains after lines were given back.

    Raises ``BillLocked`` unless the holder paid it, ``BillVersionStale``.
    """
    before = await _get(conn, ctx, BillKey(corrected.record_id, corrected.bill_id))
    if before.state is not BillState.PAID or before.holder_id != corrected.holder_id:
        raise BillLocked
    if before.version != corrected.replaces:
        raise BillVersionStale
    content = await _unseal(conn, ctx, _key(before), before.version, before.sealed)
    total_fen = sum(line.amount_fen for line in corrected.lines)
    content = msgspec.structs.replace(content, lines=corrected.lines, total_fen=total_fen)
    rules.check_remaining(content)
    after = await _save(
        conn,
        ctx,
        before,
        BillEvent.CORRECT,
        BillVersionStale(),
        version=before.version + 1,
        total_fen=total_fen,
    )
    await store.insert_version(conn, after, await _seal(conn, ctx, after, content))


async def mark_paid(
    conn: Connection, ctx: Context, record_id: int, bill_id: int, holder_id: int
) -> None:
    """The holder paid. Again changes nothing. Raises ``BillLocked`` unless the holder holds it."""
    before = await _get(conn, ctx, BillKey(record_id, bill_id))
    if before.state not in HELD or before.holder_id != holder_id:
        raise BillLocked
    if before.state is BillState.PAID:
        return
    await _save(conn, ctx, before, BillEvent.PAY, StateConflict(SAME_MOMENT))


async def expire(ctx: Context, key: BillKey) -> None:
    """End an open bill whose time to pay is over; anything else is left alone."""
    with suppress(StateConflict):
        async with transaction(ctx.pool) as conn:
            before = await _get(conn, ctx, key)
            if before.state is BillState.OPEN and before.pay_until <= ctx.clock.now():
                await _save(conn, ctx, before, BillEvent.EXPIRE, StateConflict(SAME_MOMENT))


async def list_overdue(ctx: Context, now: datetime, limit: int) -> list[BillKey]:
    """Open bills whose time to pay is over."""
    async with connection(ctx.pool) as conn:
        return await store.list_overdue(conn, now, limit)


async def _get(conn: Connection, ctx: Context, key: BillKey) -> SealedBill:
    row = await store.find_bill(conn, key)
    if row is None:
        raise NotFound
    ctx.sealer.check_mac("bill", row.mac_parts(), row.row_mac)
    return row


async def _get_number(
    conn: Connection, ctx: Context, institution_id: int, bill_no: str
) -> SealedBill:
    key = await store.find_number(conn, institution_id, bill_no)
    if key is None:
        raise NotFound
    row = await _get(conn, ctx, key)
    if (row.institution_id, row.bill_no) != (institution_id, bill_no):
        raise InvariantBroken("a bill number leads to another bill")
    return row


async def _save(
    conn: Connection,
    ctx: Context,
    before: SealedBill,
    event: BillEvent,
    otherwise: Exception,
    **changes: object,
) -> BillRow:
    """The row after ``event``. Raises ``otherwise`` when somebody was faster."""
    columns = {name: getattr(before, name) for name in BillRow.__struct_fields__}
    columns |= changes
    columns |= {"state": BILL.advance(before.state, event), "updated_at": ctx.clock.now()}
    after = _signed(ctx, BillRow(**columns))
    await store.save_bill(conn, before, after, otherwise)
    ctx.metrics.transitions.labels("bill", after.state.value).inc()
    return after


def _signed(ctx: Context, row: BillRow) -> BillRow:
    return msgspec.structs.replace(row, row_mac=ctx.sealer.row_mac("bill", row.mac_parts()))


def _key(row: BillRow) -> BillKey:
    return BillKey(row.record_id, row.bill_id)


def _place(version: int) -> str:
    """The column an envelope is bound to: a version's content opens as that version only."""
    return f"sealed:{version}"


async def _seal(conn: Connection, ctx: Context, row: BillRow, content: BillContent) -> bytes:
    key = await ctx.sealer.record_key(conn, row.record_id)
    text = msgspec.json.encode(content)
    return ctx.sealer.seal(key, "bill_version", _place(row.version), row.bill_id, text)


async def _content(conn: Connection, ctx: Context, key: BillKey, version: int) -> BillContent:
    sealed = await store.find_version(conn, key, version)
    if sealed is None:
        raise InvariantBroken("a bill has all its versions")
    return await _unseal(conn, ctx, key, version, sealed)


async def _unseal(
    conn: Connection, ctx: Context, key: BillKey, version: int, sealed: bytes
) -> BillContent:
    record_key = await ctx.sealer.record_key(conn, key.record_id)
    text = ctx.sealer.open(record_key, "bill_version", _place(version), key.bill_id, sealed)
    return msgspec.json.decode(text, type=BillContent)


async def _open(conn: Connection, ctx: Context, row: SealedBill) -> Bill:
    ctx.sealer.check_mac("bill", row.mac_parts(), row.row_mac)
    return _opened(row, await _unseal(conn, ctx, _key(row), row.version, row.sealed))


def _opened(row: BillRow, content: BillContent) -> Bill:
    said = (content.total_fen, content.pay_until, content.kind, content.stay_no)
    if (row.total_fen, row.pay_until, row.kind, row.stay_no) != said:
        raise InvariantBroken("a bill says what its version says")
    return Bill(
        record_id=row.record_id,
        bill_id=row.bill_id,
        institution_id=row.institution_id,
        bill_no=row.bill_no,
        version=row.version,
        total_fen=row.total_fen,
        state=row.state,
        holder_id=row.holder_id,
        pay_until=row.pay_until,
        created_at=row.created_at,
        updated_at=row.updated_at,
        visit=content.visit,
        lines=content.lines,
        kind=content.kind,
        stay=content.stay,
        reliefs=content.reliefs,
        cover=content.cover,
    )


async def _note(
    conn: Connection, ctx: Context, row: BillRow, action: str, application_id: int
) -> None:
    entry = AuditEntry(
        record_id=row.record_id,
        action=action,
        actor_kind="application",
        actor_id=application_id,
        institution_id=row.institution_id,
        facts={"bill_id": row.bill_id, "version": row.version, "total_fen": row.total_fen},
    )
    await audit.append(conn, ctx, entry)
