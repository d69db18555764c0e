"""One try to bring an attempt further: place it, ask about it, close it.

Each try is counted and committed before its call, so that a crash leaves something due.
"""

from datetime import datetime

import msgspec

from integrations.ports import payments as port
from integrations.ports.outcomes import Accepted, Rejected, Unknown
from service.institution import actions as institution
from service.kernel.context import Context
from service.kernel.database import Connection, connection
from service.kernel.problems import NotFound
from service.payment import rules
from service.payment.actions import outcomes, rows
from service.payment.model import PaymentAttempt, RowKey
from service.payment.states import ATTEMPT, AttemptEvent, AttemptState

DESCRIPTIONS = {"MAIN": "医疗费用", "DIFFERENCE": "医疗费用差额"}
"""What the payer reads at the provider: nothing of the visit. Fixed, for a repeated order must be
the same to the byte."""
NO_ACCOUNT = "account-misconfigured"
MOVED_ON = frozenset(
    {port.PaymentStatus.PAID, port.PaymentStatus.CLOSED, port.PaymentStatus.REFUNDED}
)


async def begin(
    ctx: Context, row: PaymentAttempt, account_name: str | None
) -> PaymentAttempt | None:
    """The intent of a try: counted, dated and due again. None when somebody was faster."""
    now = ctx.clock.now()
    return await rows.try_attempt(
        ctx,
        row,
        account_name=account_name,
        asked_at=now,
        due_at=rules.ask_again_at(row, ctx.policy, now),
        tries=row.tries + 1,
    )


async def account_of(ctx: Context, row: PaymentAttempt) -> str | None:
    """The merchant account that collects, fixed by the first try; None where there is none."""
    if row.account_name is not None:
        return row.account_name
    try:
        return await institution.merchant_account(ctx, row.institution_id, row.provider)
    except NotFound:
        return None


async def try_place(ctx: Context, row: PaymentAttempt) -> PaymentAttempt:
    """Ask first, unless nothing was sent yet; then place: the same order is answered alike."""
    key = RowKey(row.record_id, row.attempt_id)
    account_name = await account_of(ctx, row)
    gateway = rows.find_gateway(ctx, row.provider, account_name)
    if gateway is None and row.tries == 0:
        return await outcomes.refuse(ctx, key, NO_ACCOUNT)
    begun = await begin(ctx, row, account_name)
    if begun is None:
        return await rows.read_attempt(ctx, key)
    if gateway is None:
        await rows.report_unresolved(ctx, begun)
        return begun
    stands_there = False
    if row.tries:
        told = await query(ctx, gateway, begun)
        if told is None:
            return begun
        if told.status in MOVED_ON:
            return await outcomes.apply_to(ctx, key, row.provider, told, known=begun)
        stands_there = told.status is port.PaymentStatus.UNPAID
    return await _send(ctx, gateway, begun, stands_there=stands_there)


async def _send(
    ctx: Context, gateway: port.PaymentGateway, row: PaymentAttempt, *, stands_there: bool
) -> PaymentAttempt:
    """Place the order; ``stands_there`` says that an earlier try got through unheard."""
    key = RowKey(row.record_id, row.attempt_id)
    placed = await gateway.place(await order_of(ctx, row))
    rows.count_outcome(ctx, row.provider, "place", placed)
    match placed:
        case Accepted(value):
            after = await _record_placed(ctx, row, value)
            if after.state is AttemptState.CLOSED:
                return await _end_placed(ctx, gateway, after)
            return after
        case Rejected() if stands_there:
            return await outcomes.ask_close(ctx, key)
        case Rejected(reason=reason):
            return await outcomes.refuse(ctx, key, reason)
        case Unknown():
            await rows.report_unresolved(ctx, row)
            standing = await rows.read_attempt(ctx, key)
            is_over = standing.state is AttemptState.CLOSED
            return await _end_placed(ctx, gateway, standing) if is_over else row
        case _:
            await rows.report_unresolved(ctx, row)
            return row


async def order_of(ctx: Context, row: PaymentAttempt) -> port.PaymentOrder:
    """The order as it goes out; of a mixed one, its cash leg."""
    way = rules.JSAPI if row.way == rules.MIXED else row.way
    async with connection(ctx.pool) as conn:
        payer = await rows.unseal(conn, ctx, row, "payer", row.payer_sealed)
    return port.PaymentOrder(
        trade_no=row.trade_no,
        amount_fen=row.amount_fen,
        description=DESCRIPTIONS[row.purpose],
        way=way,
        payer=payer if way == rules.JSAPI else None,
        payer_ip=payer if row.way == rules.H5 else None,
        expires_at=row.expires_at,
        notice_url=rows.notice_url(ctx, row),
        return_url=rows.return_url(ctx, row) if row.way == rules.H5 else None,
    )


async def _record_placed(
    ctx: Context, begun: PaymentAttempt, placed: port.PlacedOrder
) -> PaymentAttempt:
    """Store what the payer's device needs; a faster notice or a close wins."""
    key = RowKey(begun.record_id, begun.attempt_id)
    text = msgspec.json.encode(placed).decode()

    async def decide(conn: Connection, before: PaymentAttempt) -> PaymentAttempt:
        if not ATTEMPT.allows(before.state, AttemptEvent.PLACED):
            return before
        return await outcomes.advance(
            conn,
            ctx,
            before,
            AttemptEvent.PLACED,
            client_sealed=await rows.seal(conn, ctx, key.record_id, key.row_id, "client", text),
            due_at=next_poll(ctx, before),
        )

    return await rows.through(ctx, key, decide, begun)


async def _end_placed(
    ctx: Context, gateway: port.PaymentGateway, row: PaymentAttempt
) -> PaymentAttempt:
    """The attempt was closed while its order was on the way, for the provider had none yet: now
    one stands that nobody waits for. It ends there; paid meanwhile, it was paid late."""
    closed = await gateway.close(row.trade_no)
    rows.count_outcome(ctx, row.provider, "close", closed)
    told = await query(ctx, gateway, row)
    if told is None:
        return row
    return await outcomes.apply_to(ctx, RowKey(row.record_id, row.attempt_id), row.provider, told)


async def poll(ctx: Context, row: PaymentAttempt) -> PaymentAttempt:
    """Ask about an order that waits for its payer."""
    begun = await begin(ctx, row, row.account_name)
    if begun is None:
        return await rows.read_attempt(ctx, RowKey(row.record_id, row.attempt_id))
    gateway = rows.find_gateway(ctx, begun.provider, begun.account_name)
    told = None if gateway is None else await query(ctx, gateway, begun)
    if told is None:
        return begun
    key = RowKey(row.record_id, row.attempt_id)
    after = await outcomes.apply_to(ctx, key, row.provider, told, known=begun)
    if after.version != begun.version:
        return after
    return await rows.try_attempt(ctx, after, tries=0, due_at=next_poll(ctx, after)) or after


async def try_close(ctx: Context, row: PaymentAttempt) -> PaymentAttempt:
    """Close at the provider, then ask, whatever it answered: the payer may have been faster."""
    key = RowKey(row.record_id, row.attempt_id)
    begun = await begin(ctx, row, row.account_name)
    if begun is None:
        return await rows.read_attempt(ctx, RowKey(row.record_id, row.attempt_id))
    gateway = rows.find_gateway(ctx, begun.provider, begun.account_name)
    if gateway is None:
        await rows.report_unresolved(ctx, begun)
        return begun
    closed = await gateway.close(row.trade_no)
    rows.count_outcome(ctx, row.provider, "close", closed)
    told = await query(ctx, gateway, begun)
    if told is None:
        return begun
    if told.status is port.PaymentStatus.ABSENT:
        return await outcomes.end(ctx, key, is_absent=True)
    after = await outcomes.apply_to(ctx, key, row.provider, told, known=begun)
    if after.version == begun.version:
        await rows.report_unresolved(ctx, begun)
    return after


async def look_again(ctx: Context, row: PaymentAttempt) -> PaymentAttempt:
    """Ask about a closed order that the provider did not know. Paid meanwhile, it was paid late."""
    begun = await begin(ctx, row, row.account_name)
    if begun is None:
        return await rows.read_attempt(ctx, RowKey(row.record_id, row.attempt_id))
    gateway = rows.find_gateway(ctx, begun.provider, begun.account_name)
    told = None if gateway is None else await query(ctx, gateway, begun)
    if gateway is None or told is None:
        return begun
    if told.status is port.PaymentStatus.UNPAID:
        closed = await gateway.close(begun.trade_no)
        rows.count_outcome(ctx, begun.provider, "close", closed)
        return begun
    key = RowKey(begun.record_id, begun.attempt_id)
    after = await outcomes.apply_to(ctx, key, begun.provider, told, known=begun)
    if after.version != begun.version:
        return after
    look_at = rules.last_look_at(after, ctx.clock.now())
    return await rows.try_attempt(ctx, after, tries=0, due_at=look_at) or after


async def query(
    ctx: Context, gateway: port.PaymentGateway, begun: PaymentAttempt
) -> port.Payment | None:
    """What the provider says, or None where it gave no clear answer."""
    asked = await gateway.query(begun.trade_no)
    rows.count_outcome(ctx, begun.provider, "query", asked)
    if isinstance(asked, Accepted):
        return asked.value
    await rows.report_unresolved(ctx, begun)
    return None


def next_poll(ctx: Context, row: PaymentAttempt) -> datetime:
    """When to ask next; the end of the attempt is met even where that would come later."""
    now = ctx.clock.now()
    return max(now, min(now + ctx.policy.poll_every, row.expires_at))
