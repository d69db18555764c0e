"""Pay-by-code: one call with the code that a payer shows, then questions, then the reversal.

The code is a bearer's token: it is neither stored nor sent twice. After the one call only questions
and, when the time is over, the reversal end the attempt (payments dossier 2.5, 5.4, 9.4). Until the
reversal is definite the attempt is CLOSING, which keeps every other attempt of the purpose out.
"""

from datetime import datetime, timedelta

from integrations.ports import payments as port
from integrations.ports.outcomes import Accepted, NotSent, Outcome, Rejected
from service.kernel.context import Context
from service.kernel.database import transaction
from service.kernel.masked import Masked
from service.payment import rules
from service.payment.actions import outcomes, rows, tries
from service.payment.model import PaymentAttempt, RowKey
from service.payment.states import ATTEMPT, AttemptEvent, AttemptState

END_SLACK = timedelta(minutes=1)
NOT_REACHED = "not-reached"
_STATUS = port.PaymentStatus


def _gateway(
    ctx: Context, row: PaymentAttempt, account_name: str | None
) -> port.CodePaymentGateway | None:
    found = rows.find_gateway(ctx, row.provider, account_name)
    return found if isinstance(found, port.TakesCodes) else None


async def try_pay(ctx: Context, row: PaymentAttempt, code: Masked) -> PaymentAttempt:
    """The one call that may take money by the code. Refused or not sent ends the attempt: the
    payer shows a new code. Unheard leaves it CREATED, for the questions."""
    key = RowKey(row.record_id, row.attempt_id)
    account_name = await tries.account_of(ctx, row)
    gateway = _gateway(ctx, row, account_name)
    if gateway is None:
        return await outcomes.refuse(ctx, key, tries.NO_ACCOUNT)
    begun = await tries.begin(ctx, row, account_name)
    if begun is None:
        return await rows.read_attempt(ctx, key)
    order = port.CodeOrder(
        trade_no=row.trade_no,
        amount_fen=row.amount_fen,
        description=tries.DESCRIPTIONS[row.purpose],
        code=code.reveal(),
        # Later than our reversal: some providers count an order's end in minutes.
        expires_at=row.expires_at + END_SLACK,
        notice_url=rows.notice_url(ctx, begun),
    )
    taken = await gateway.pay_by_code(order)
    rows.count_outcome(ctx, row.provider, "pay-by-code", taken)
    return await _note_taken(ctx, begun, taken)


async def _note_taken(
    ctx: Context, begun: PaymentAttempt, taken: Outcome[port.Payment]
) -> PaymentAttempt:
    key = RowKey(begun.record_id, begun.attempt_id)
    match taken:
        case Accepted(told) if told.status is _STATUS.UNPAID:
            return await _wait_for_payer(ctx, key)
        case Accepted(told):
            return await outcomes.apply_to(ctx, key, begun.provider, told)
        case Rejected(reason=reason):
            return await outcomes.refuse(ctx, key, reason)
        case NotSent():
            return await outcomes.refuse(ctx, key, NOT_REACHED)
        case _:
            return begun


async def _wait_for_payer(ctx: Context, key: RowKey) -> PaymentAttempt:
    """The payer is asked on his phone; the next question stays due as it was."""
    async with transaction(ctx.pool) as conn:
        before = await rows.lock_attempt(conn, ctx, key)
        if not ATTEMPT.allows(before.state, AttemptEvent.PLACED):
            return before
        return await outcomes.advance(conn, ctx, before, AttemptEvent.PLACED, due_at=before.due_at)


async def ask(ctx: Context, row: PaymentAttempt) -> PaymentAttempt:
    """One question about a code that was sent; one that never was is closed."""
    key = RowKey(row.record_id, row.attempt_id)
    if row.state is AttemptState.CREATED and row.tries == 0:
        return await outcomes.ask_close(ctx, key)
    begun = await tries.begin(ctx, row, row.account_name)
    if begun is None:
        return await rows.read_attempt(ctx, key)
    gateway = rows.find_gateway(ctx, begun.provider, begun.account_name)
    told = None if gateway is None else await tries.query(ctx, gateway, begun)
    if told is None:
        return begun
    if told.status in tries.MOVED_ON:
        return await outcomes.apply_to(ctx, key, row.provider, told)
    return await _wait_for_payer(ctx, key) if told.status is _STATUS.UNPAID else begun


async def try_reverse(ctx: Context, row: PaymentAttempt) -> PaymentAttempt:
    """One try to end a CLOSING attempt: ask a last time, reverse, and ask what came of it."""
    key = RowKey(row.record_id, row.attempt_id)
    earliest = row.created_at + ctx.policy.code_reverse_after
    if ctx.clock.now() < earliest:
        return await _postpone(ctx, row, earliest)
    begun = await tries.begin(ctx, row, row.account_name)
    if begun is None:
        return await rows.read_attempt(ctx, key)
    gateway = _gateway(ctx, begun, begun.account_name)
    if gateway is None:
        await rows.report_unresolved(ctx, begun)
        return begun
    if begun.tries == 1:
        # Nothing was reversed yet, so what is paid now stays paid.
        last = await tries.query(ctx, gateway, begun)
        if last is not None and last.status in tries.MOVED_ON:
            return await outcomes.apply_to(ctx, key, row.provider, last, sure=True)
    undone = await gateway.reverse(row.trade_no)
    rows.count_outcome(ctx, row.provider, "reverse", undone)
    told = await tries.query(ctx, gateway, begun)
    return begun if told is None else await _conclude(ctx, begun, undone, told)


async def _conclude(
    ctx: Context, begun: PaymentAttempt, undone: Outcome[None], told: port.Payment
) -> PaymentAttempt:
    """What a reversal and the question after it mean together; where they do not say it for
    certain the reversal is repeated."""
    key = RowKey(begun.record_id, begun.attempt_id)
    match undone, told.status:
        case _, _STATUS.CLOSED:
            return await outcomes.end(ctx, key)
        case Accepted(), _STATUS.REFUNDED:
            # Paid after all, and now given back.
            return await outcomes.end(ctx, key)
        case Accepted() | Rejected(), _STATUS.ABSENT:
            # The call never got there, unless it is late: nothing was there to be reversed.
            return await outcomes.end(ctx, key, is_absent=True)
        case Rejected(), _STATUS.PAID | _STATUS.REFUNDED:
            return await outcomes.apply_to(ctx, key, begun.provider, told, sure=True)
        case _:
            await rows.report_unresolved(ctx, begun)
            return begun


async def look_again(ctx: Context, row: PaymentAttempt) -> PaymentAttempt:
    """Ask about a trade that was not there to be reversed. Paid meanwhile, it was paid late, and
    goes back; if its payer is only being asked, it is reversed."""
    begun = await tries.begin(ctx, row, row.account_name)
    if begun is None:
        return await rows.read_attempt(ctx, RowKey(row.record_id, row.attempt_id))
    gateway = _gateway(ctx, begun, begun.account_name)
    told = None if gateway is None else await tries.query(ctx, gateway, begun)
    if gateway is None or told is None:
        return begun
    if told.status is _STATUS.UNPAID:
        undone = await gateway.reverse(begun.trade_no)
        rows.count_outcome(ctx, begun.provider, "reverse", undone)
        return begun
    if told.status is _STATUS.PAID:
        key = RowKey(begun.record_id, begun.attempt_id)
        return await outcomes.apply_to(ctx, key, begun.provider, told, sure=True)
    look_at = rules.last_look_at(begun, ctx.clock.now())
    return await rows.try_attempt(ctx, begun, tries=0, due_at=look_at) or begun


async def _postpone(ctx: Context, row: PaymentAttempt, until: datetime) -> PaymentAttempt:
    later = await rows.try_attempt(ctx, row, due_at=until)
    return later or await rows.read_attempt(ctx, RowKey(row.record_id, row.attempt_id))


async def confirm(ctx: Context, row: PaymentAttempt) -> port.Payment | None:
    """What the provider says now of a trade that was reversed: its notices may be older."""
    gateway = rows.find_gateway(ctx, row.provider, row.account_name)
    return None if gateway is None else await tries.query(ctx, gateway, row)
