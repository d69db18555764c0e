"""Providers' notices: verified over raw bytes, applied once, answered as the provider wants."""

from collections.abc import Mapping

from crypto.sm3 import sm3
from integrations.ports import mixed_payments as two_legs
from integrations.ports import payments as port
from integrations.ports.partners import PartnerUnknown
from service.casework import actions as casework
from service.casework.model import NewItem
from service.kernel.context import Context
from service.kernel.database import connection, transaction
from service.kernel.logs import get_logger
from service.kernel.problems import NotFound
from service.payment import rules, store
from service.payment.actions import codes, mixed, outcomes, refunds, rows
from service.payment.model import PaymentAttempt, RowKey
from service.payment.states import LIVE, AttemptState

UNKNOWN_NUMBER = "unknown-number"
NOT_CONFIRMED = "not-confirmed"
_log = get_logger("payment")


async def take_notice(
    ctx: Context, provider: str, account_name: str, headers: Mapping[str, str], body: bytes
) -> port.NoticeAnswer:
    """Verify a notice, apply it, and give the answer that the provider wants to hear.

    A number that is not ours is refused, so that the provider sends again, and opens a work item;
    a wrong amount is accepted, for a repeat would not mend it. Raises ``NotFound`` for a merchant
    account that nobody set up.
    """
    try:
        gateway = ctx.partners.payment(provider, account_name)
    except PartnerUnknown:
        ctx.metrics.outcomes.labels("none", "notice", "refused").inc()
        raise NotFound from None
    now = ctx.clock.now()
    try:
        notice = gateway.read_notice(headers, body, now)
    except port.NoticeRefused as refused:
        ctx.metrics.outcomes.labels(provider, "notice", "refused").inc()
        _say_refused(provider, account_name, refused)
        return gateway.notice_answer(accepted=False)
    notice_no = f"{account_name}:{notice.notice_id}"
    async with connection(ctx.pool) as conn:
        if await store.has_notice(conn, notice_no, provider):
            return gateway.notice_answer(accepted=True)
    fault = await _apply(ctx, provider, account_name, notice)
    if fault is not None:
        if fault == UNKNOWN_NUMBER:
            await _report_unknown(ctx, provider, account_name, *_numbered(notice))
        ctx.metrics.outcomes.labels(provider, "notice", fault).inc()
        return gateway.notice_answer(accepted=False)
    # Remembered last: a crash before this line makes the provider send again, which is harmless.
    async with connection(ctx.pool) as conn:
        await store.insert_notice(conn, notice_no, provider, now)
    ctx.metrics.outcomes.labels(provider, "notice", "accepted").inc()
    return gateway.notice_answer(accepted=True)


async def take_mixed_notice(
    ctx: Context, provider: str, account_name: str, headers: Mapping[str, str], body: bytes
) -> port.NoticeAnswer:
    """As ``take_notice``, for an order of two legs: it makes the question due, and says nothing.

    Raises ``NotFound`` for a merchant account that nobody set up, or that takes no such orders.
    """
    try:
        gateway = ctx.partners.payment(provider, account_name)
    except PartnerUnknown:
        raise NotFound from None
    if not isinstance(gateway, two_legs.TakesMixed):
        raise NotFound
    now = ctx.clock.now()
    try:
        told = gateway.mixed.read_mixed_notice(headers, body, now)
    except port.NoticeRefused as refused:
        ctx.metrics.outcomes.labels(provider, "mixed-notice", "refused").inc()
        _say_refused(provider, account_name, refused)
        return gateway.notice_answer(accepted=False)
    notice_no = f"{account_name}:mixed:{sm3(body).hex()}"
    async with connection(ctx.pool) as conn:
        if await store.has_notice(conn, notice_no, provider):
            return gateway.notice_answer(accepted=True)
    key = await outcomes.find_trade(ctx, told.trade_no)
    row = None if key is None else await _of_account(ctx, key, provider, account_name)
    if row is None or row.way != rules.MIXED:
        await _report_unknown(ctx, provider, account_name, told.trade_no, told.cash_fen)
        ctx.metrics.outcomes.labels(provider, "mixed-notice", UNKNOWN_NUMBER).inc()
        return gateway.notice_answer(accepted=False)
    await mixed.take_hint(ctx, row, told)
    async with connection(ctx.pool) as conn:
        await store.insert_notice(conn, notice_no, provider, now)
    ctx.metrics.outcomes.labels(provider, "mixed-notice", "accepted").inc()
    return gateway.notice_answer(accepted=True)


def _say_refused(provider: str, account_name: str, refused: port.NoticeRefused) -> None:
    _log.warning(
        "notice.refused", provider=provider, account_name=account_name, reason=refused.reason
    )


async def _apply(
    ctx: Context, provider: str, account_name: str, notice: port.PaymentNotice
) -> str | None:
    """Why the notice is not taken: its number is not ours or not that merchant account's, or what
    it says is not certain now. None when it is applied."""
    if notice.payment is not None:
        key = await outcomes.find_trade(ctx, notice.payment.trade_no)
        row = None if key is None else await _of_account(ctx, key, provider, account_name)
        if row is None:
            return UNKNOWN_NUMBER
        return await _apply_payment(ctx, row, provider, notice.payment)
    if notice.refund is not None:
        key = await _find_refund(ctx, notice.refund.refund_no)
        if key is None:
            return UNKNOWN_NUMBER
        async with connection(ctx.pool) as conn:
            attempt_id = (await rows.get_refund(conn, ctx, key)).attempt_id
        attempt = RowKey(key.record_id, attempt_id)
        if await _of_account(ctx, attempt, provider, account_name) is None:
            return UNKNOWN_NUMBER
        await refunds.apply_to(ctx, key, provider, notice.refund)
    return None


async def _apply_payment(
    ctx: Context, row: PaymentAttempt, provider: str, told: port.Payment
) -> str | None:
    key = RowKey(row.record_id, row.attempt_id)
    if row.way == rules.MIXED and row.state in LIVE and told.amount_fen == row.amount_fen:
        # One leg of two: whether the whole is paid, only the whole says.
        await mixed.take_hint(ctx, row, None)
        return None
    if row.way != rules.CODE or row.state is not AttemptState.CLOSED:
        await outcomes.apply_to(ctx, key, provider, told, known=row)
        return None
    # It was reversed, and the notice may be older than that: only what is said now counts.
    now_told = await codes.confirm(ctx, row)
    if now_told is None:
        return NOT_CONFIRMED
    if now_told.status is port.PaymentStatus.PAID:
        await outcomes.apply_to(ctx, key, provider, now_told, sure=True)
    return None


async def _find_refund(ctx: Context, refund_no: str) -> RowKey | None:
    async with connection(ctx.pool) as conn:
        return await store.find_number(conn, refund_no, store.REFUND)


async def _of_account(
    ctx: Context, key: RowKey, provider: str, account_name: str
) -> PaymentAttempt | None:
    row = await rows.read_attempt(ctx, key)
    return row if (row.provider, row.account_name) == (provider, account_name) else None


def _numbered(notice: port.PaymentNotice) -> tuple[str, int | None]:
    if notice.payment is not None:
        return notice.payment.trade_no, notice.payment.amount_fen
    if notice.refund is not None:
        return notice.refund.refund_no, notice.refund.amount_fen
    return "", None


async def _report_unknown(
    ctx: Context, provider: str, account_name: str, number: str, amount_fen: int | None
) -> None:
    item = NewItem(
        record_id=0,
        kind="payment",
        # No row of ours to point at: one item a number.
        subject_id=int.from_bytes(sm3(number.encode())[:8]) >> 1,
        institution_id=None,
        reason=UNKNOWN_NUMBER,
        evidence={
            "provider": provider,
            "account_name": account_name,
            "number": number,
            "told_fen": amount_fen,
        },
    )
    async with transaction(ctx.pool) as conn:
        await casework.open_item(conn, ctx, item)
