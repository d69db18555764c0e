"""Attempts: make, place, show, ask, close."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from integrations.ports import payments as port
from service.audit.model import Decided
from service.kernel.context import Context
from service.kernel.database import Connection, connection, transaction
from service.kernel.joined_reads import Cells, Read, row_of
from service.kernel.masked import Masked
from service.kernel.problems import StateConflict
from service.payment import rules, store
from service.payment.actions import codes, mixed, outcomes, pursuing, rows, tries
from service.payment.model import (
    ClientCall,
    MixedFile,
    NewAttempt,
    PayerConfirms,
    PaymentAttempt,
    PayPage,
    Presentation,
    Refusal,
    RowKey,
    ShownQr,
)
from service.payment.problems import PaymentInProgress, PaymentNotReady, PaymentWayUnknown
from service.payment.states import ATTEMPT, AttemptState


async def read(ctx: Context, record_id: int, attempt_id: int) -> PaymentAttempt:
    """Raises ``NotFound``, ``RowTampered``."""
    return await rows.read_attempt(ctx, RowKey(record_id, attempt_id))


async def create(conn: Connection, ctx: Context, new: NewAttempt) -> PaymentAttempt:
    """Store an attempt (CREATED) and its trade number in the caller's transaction.

    Raises ``PaymentInProgress`` while another attempt of the settlement lives or is under review;
    ``PaymentWayUnknown`` for a way without its payer. That paid attempts and this one are not more
    than what is owed, the caller sees to, by compare-and-set on its own row.
    """
    if new.way not in rules.WAYS or (new.way in rules.NEEDS_PAYER and not new.payer):
        raise PaymentWayUnknown
    now, attempt_id = ctx.clock.now(), ctx.ids.new()
    row = rows.sign_attempt(
        ctx,
        PaymentAttempt(
            record_id=new.record_id,
            attempt_id=attempt_id,
            settlement_id=new.settlement_id,
            institution_id=new.institution_id,
            provider=new.provider,
            account_name=None,
            way=new.way,
            purpose=new.purpose,
            trade_no=ctx.ids.trade_no(),
            amount_fen=new.amount_fen,
            refunding_fen=0,
            refunded_fen=0,
            state=ATTEMPT.start,
            payer_sealed=await rows.seal(conn, ctx, new.record_id, attempt_id, "payer", new.payer),
            client_sealed=None,
            provider_ref=None,
            paid_at=None,
            expires_at=rules.ends_at(new.way, new.expires_at, ctx.policy, now),
            asked_at=None,
            due_at=None if new.way in rules.BY_SETTLEMENT else now + ctx.policy.retry_after,
            tries=0,
            created_at=now,
            version=1,
            row_mac=b"",
        ),
    )
    await store.write_attempt(conn, row, PaymentInProgress())
    await store.insert_number(
        conn, row.trade_no, store.TRADE, RowKey(row.record_id, row.attempt_id)
    )
    if new.way == rules.MIXED:
        key = RowKey(row.record_id, row.attempt_id)
        await store.insert_number(conn, rules.hospital_no(row), store.TRADE, key)
    return row


async def list_attempts(
    conn: Connection, ctx: Context, record_id: int, settlement_id: int
) -> list[PaymentAttempt]:
    """All attempts of a settlement, newest first. Raises ``RowTampered``."""
    found = await store.list_attempts(conn, record_id, settlement_id)
    for row in found:
        ctx.sealer.check_mac(rows.ATTEMPT_TABLE, row.mac_parts(), row.row_mac)
    return found


def attempts_read(record_id: int, settlement_id: int) -> Read:
    """``list_attempts``, to be read together with others; ``attempts_of`` opens what it gives."""
    return store.attempts_read(record_id, settlement_id)


def attempts_of(ctx: Context, found: Sequence[Cells]) -> list[PaymentAttempt]:
    """What ``attempts_read`` found, newest first. Raises ``RowTampered``."""
    read_rows = [row_of(PaymentAttempt, cells) for cells in found]
    for row in read_rows:
        ctx.sealer.check_mac(rows.ATTEMPT_TABLE, row.mac_parts(), row.row_mac)
    read_rows.sort(key=lambda row: row.attempt_id)
    read_rows.sort(key=lambda row: row.created_at, reverse=True)
    return read_rows


async def find_by_trade(ctx: Context, trade_no: str) -> PaymentAttempt | None:
    """The attempt under a trade number; None where it is not ours. Raises ``RowTampered``."""
    key = await outcomes.find_trade(ctx, trade_no)
    return None if key is None else await rows.read_attempt(ctx, key)


async def is_for(ctx: Context, row: PaymentAttempt, payer: str | None) -> bool:
    """Whether that payer can pay the order: a call inside a provider's app is for one person."""
    if row.way not in rules.OF_ONE_PAYER:
        return True
    async with connection(ctx.pool) as conn:
        return await rows.unseal(conn, ctx, row, "payer", row.payer_sealed) == payer


async def present(
    ctx: Context, record_id: int, attempt_id: int, *, known: PaymentAttempt | None = None
) -> Presentation:
    """What the payer's device shows or needs now. Raises ``PaymentNotReady`` unless AWAITING_PAYER
    or FAILED. ``known``: as it stood a moment ago."""
    async with connection(ctx.pool) as conn:
        row = known or await rows.get_attempt(conn, ctx, RowKey(record_id, attempt_id))
        text = await rows.unseal(conn, ctx, row, "client", row.client_sealed)
    shown = _shown(ctx, row, text)
    if shown is None:
        raise PaymentNotReady(retry_after_s=2)
    return shown


def _shown(ctx: Context, row: PaymentAttempt, text: str | None) -> Presentation | None:
    match row.state, text:
        case AttemptState.FAILED, str(told):
            return msgspec.json.decode(told, type=Refusal)
        case AttemptState.AWAITING_PAYER, str(told) if row.way == rules.MIXED:
            return mixed.shown(ctx, row, msgspec.json.decode(told, type=MixedFile))
        case AttemptState.AWAITING_PAYER, str(told):
            return _order_shown(ctx, row, msgspec.json.decode(told, type=port.PlacedOrder))
        case AttemptState.AWAITING_PAYER, None if row.way in (rules.CODE, rules.AUTHORISED):
            return PayerConfirms()
        case _:
            return None


def _order_shown(
    ctx: Context, row: PaymentAttempt, placed: port.PlacedOrder
) -> Presentation | None:
    match placed:
        case port.PlacedOrder(qr_text=str(qr_text)) if row.way == rules.NATIVE:
            return ShownQr(qr_text)
        case port.PlacedOrder(link=str(link)) if row.way == rules.H5:
            return PayPage(link)
        case port.PlacedOrder(prepay_ref=str(prepay_ref)) if row.way == rules.JSAPI:
            gateway = rows.find_gateway(ctx, row.provider, row.account_name)
            if gateway is None:
                return None
            return ClientCall(gateway.client_parameters(prepay_ref, ctx.clock.now()))
        case _:
            return None


async def place(
    ctx: Context,
    record_id: int,
    attempt_id: int,
    code: Masked | None = None,
    *,
    known: PaymentAttempt | None = None,
) -> PaymentAttempt:
    """Place the order at the provider; for the way ``code``, take payment by the shown ``code``.
    Gives the attempt as it stands afterwards: AWAITING_PAYER, FAILED, still CREATED (outcome
    unknown: the poller goes on), or PAID. ``known``: as it stood a moment ago."""
    row = known or await read(ctx, record_id, attempt_id)
    if row.state is not AttemptState.CREATED or not rules.may_ask(row, ctx.clock.now()):
        return row
    if row.way in rules.BY_SETTLEMENT:
        return row
    if row.way != rules.CODE:
        return await tries.try_place(ctx, row)
    # A code that was sent once is never sent again, so the poller asks and does not place.
    return row if code is None or row.tries else await codes.try_pay(ctx, row, code)


async def ask(ctx: Context, record_id: int, attempt_id: int) -> PaymentAttempt:
    """Go on with a live attempt on a client's demand, at most once in 30 s for one order."""
    row = await read(ctx, record_id, attempt_id)
    if row.due_at is None or not rules.may_ask(row, ctx.clock.now()):
        return row
    return await pursuing.pursue(ctx, RowKey(record_id, attempt_id), row)


async def close(ctx: Context, record_id: int, attempt_id: int) -> PaymentAttempt:
    """Close an unpaid attempt, then ask. Gives CLOSED, PAID (the payer was faster), or CLOSING
    (not known yet: the poller goes on; the topic ``payment.closed`` or ``payment.paid`` tells)."""
    before = await rows.read_attempt(ctx, RowKey(record_id, attempt_id))
    row = await outcomes.ask_close(ctx, RowKey(record_id, attempt_id))
    is_new = row.state is not before.state
    if row.state is not AttemptState.CLOSING:
        return row
    return await pursuing.undo(ctx, row) if is_new or rules.may_ask(row, ctx.clock.now()) else row


async def end_review(
    ctx: Context, record_id: int, attempt_id: int, *, decided: Decided, money_is_back: bool
) -> PaymentAttempt:
    """An operator ends a review, by what the provider says now: paid as asked, or over.

    ``money_is_back`` is his word that whatever was paid otherwise went back to the payer. Raises
    ``StateConflict`` where the provider says something else or nothing, ``NotFound``.
    """
    key = RowKey(record_id, attempt_id)
    row = await rows.read_attempt(ctx, key)
    gateway = rows.find_gateway(ctx, row.provider, row.account_name)
    if row.state is not AttemptState.NEEDS_REVIEW or gateway is None:
        raise StateConflict(f"the order is {row.state.value}, and not under review")
    told = await tries.query(ctx, gateway, row)
    if told is None:
        raise StateConflict("the provider gives no clear answer")
    event = rules.judge_review(row, told, money_is_back=money_is_back)
    if event is None:
        raise StateConflict(f"the provider says {told.status.value}, {told.amount_fen} fen")
    async with transaction(ctx.pool) as conn:
        before = await rows.lock_attempt(conn, ctx, key)
        if before.version != row.version:
            raise StateConflict
        await rows.note(conn, ctx, before, "payment.reviewed", row.amount_fen, decided)
        return await outcomes.advance(
            conn, ctx, before, event, **outcomes.facts_of(ctx, event, told)
        )


async def forget_notices(ctx: Context) -> int:
    """Forget applied notices that no provider sends again."""
    async with connection(ctx.pool) as conn:
        return await store.delete_old_notices(conn, ctx.clock.now() - rules.KEEP_NOTICES)


async def list_due(ctx: Context, now: datetime, limit: int) -> list[RowKey]:
    """Attempts to pursue."""
    async with connection(ctx.pool) as conn:
        return await store.list_due_attempts(conn, now, limit)


async def claim(ctx: Context, key: RowKey, now: datetime, until: datetime) -> bool:
    """Whether this caller holds the due attempt."""
    async with connection(ctx.pool) as conn:
        return await store.claim_attempt(conn, key, now, until)


async def release(ctx: Context, key: RowKey) -> None:
    """Let others take the attempt before the lease ends."""
    async with connection(ctx.pool) as conn:
        await store.release_attempt(conn, key)
