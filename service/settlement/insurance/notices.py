"""Notices of the payment centre (6302): a hint to ask, never a fact (insurance dossier 5.2)."""

import msgspec
from msgspec.structs import replace

from crypto.sm3 import sm3
from integrations.ports.insurance_mobile import MobileNotice
from integrations.ports.payments import NoticeRefused
from service.casework import actions as casework
from service.casework.model import NewItem
from service.kernel.context import Context
from service.kernel.database import Connection, transaction
from service.kernel.logs import get_logger
from service.kernel.problems import NotFound
from service.payment import actions as payment
from service.settlement import door
from service.settlement.insurance import centre
from service.settlement.model import Settlement
from service.settlement.states import SettlementState

_WAITS = frozenset({SettlementState.AWAITING_PAYER, SettlementState.REVERSING})
_log = get_logger("settlement")


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What the centre hears. Its form is not confirmed by a public source."""

    code: int
    message: str
    success: bool


TAKEN = Answer(code=0, message="成功", success=True)
REFUSED = Answer(code=-1, message="验签失败或订单不符", success=False)


async def take(ctx: Context, institution_code: str, body: bytes) -> Answer:
    """Verify a notice over its raw bytes and make its settlement due; nothing else moves.

    A number that is not ours is refused and opens a work item. Raises ``NotFound`` for an
    institution without a centre.
    """
    mobile = centre.line(ctx, institution_code)
    if mobile is None:
        raise NotFound
    try:
        told = mobile.read_notice(body)
    except NoticeRefused as refused:
        ctx.metrics.outcomes.labels(mobile.code, "notice", "refused").inc()
        _log.warning(
            "notice.refused",
            provider=mobile.code,
            account_name=institution_code,
            reason=refused.reason,
        )
        return REFUSED
    known = await _make_due(ctx, told)
    word = "accepted" if known else "unknown-number"
    ctx.metrics.outcomes.labels(mobile.code, "notice", word).inc()
    if not known:
        await _report_unknown(ctx, mobile.code, told)
    return TAKEN if known else REFUSED


async def _make_due(ctx: Context, told: MobileNotice) -> bool:
    """Whether the order is ours."""
    attempt = await payment.find_by_trade(ctx, told.order_no)
    if attempt is None:
        return False

    async def decide(conn: Connection, row: Settlement) -> bool:
        order = (await door.progress_of(conn, ctx, row)).centre
        if order is None or order.order_no != told.order_no:
            return False
        if order.order is not None and order.order.order_ref != told.order_ref:
            return False
        now = ctx.clock.now()
        if row.state in _WAITS and (row.due_at is None or row.due_at > now):
            await door.keep(conn, ctx, replace(row, due_at=now), None)
        return True

    return await door.through(ctx, (attempt.record_id, attempt.settlement_id), decide)


async def _report_unknown(ctx: Context, code: str, told: MobileNotice) -> None:
    item = NewItem(
        record_id=0,
        kind="payment",
        # No row of ours to point at: one item a number.
        subject_id=int.from_bytes(sm3(told.order_no.encode())[:8]) >> 1,
        institution_id=None,
        reason="unknown-number",
        evidence={"provider": code, "number": told.order_no, "reference": told.order_ref},
    )
    async with transaction(ctx.pool) as conn:
        await casework.open_item(conn, ctx, item)
