"""Pay what a settlement leaves to the payer: one order at a time, by whatever way he chooses."""

from service.kernel.context import Context
from service.kernel.database import Connection
from service.payment import actions as payment
from service.payment.model import NewAttempt, PaymentAttempt
from service.payment.problems import PaymentInProgress
from service.payment.states import AttemptState
from service.settlement import door, rules, tender
from service.settlement.model import Settlement, StartPayment
from service.settlement.problems import PaymentStillOpen, SettlementNotPayable
from service.settlement.states import PAYABLE, SettlementEvent, SettlementState

_S = SettlementState


async def pay(ctx: Context, command: StartPayment) -> Settlement:
    """Place an order for what is owed. The same way again gives the order that stands; another way
    first closes it, and a payer who was faster has paid.

    Raises ``SettlementNotPayable``, ``PaymentStillOpen``, ``PaymentWayUnknown``, ``NotFound``.
    """
    key = (command.record_id, command.settlement_id)
    row = await tender.sync_now(ctx, key)
    _check_payable(ctx, row)
    standing = await _live(ctx, key)
    if standing is not None and _same_way(ctx, standing, command):
        return row
    if standing is not None:
        row = await tender.close_live(ctx, row)
        if row.state not in PAYABLE:
            return row
        if await _live(ctx, key) is not None:
            raise PaymentStillOpen
    await payment.check_way(ctx, row.institution_id, command.provider, command.way)
    attempt = await door.through(ctx, key, _creating(ctx, command))
    await payment.place(ctx, attempt.record_id, attempt.attempt_id, command.code)
    return await tender.sync_now(ctx, key)


def _check_payable(ctx: Context, row: Settlement) -> None:
    if row.state not in PAYABLE or rules.is_past(row.deadline_at, ctx.clock.now()):
        raise SettlementNotPayable
    if rules.owed_fen(row.cash_fen, row.paid_fen) == 0:
        raise SettlementNotPayable


async def _live(ctx: Context, key: door.Key) -> PaymentAttempt | None:
    async def decide(conn: Connection, row: Settlement) -> PaymentAttempt | None:
        return (await tender.tender_of(conn, ctx, row)).live

    return await door.through(ctx, key, decide)


def _same_way(ctx: Context, standing: PaymentAttempt, command: StartPayment) -> bool:
    """Whether the order that stands is what is asked for. The payer of an order is not compared:
    a provider's id belongs to one person, and the settlement has one."""
    return (
        standing.provider == command.provider
        and standing.way == command.way
        and standing.state in (AttemptState.CREATED, AttemptState.AWAITING_PAYER)
        and standing.expires_at > ctx.clock.now()
    )


def _creating(ctx: Context, command: StartPayment) -> door.Decide[PaymentAttempt]:
    """Create the attempt and move the settlement in one transaction."""

    async def decide(conn: Connection, row: Settlement) -> PaymentAttempt:
        _check_payable(ctx, row)
        if row.state is _S.AWAITING_PAYER:
            raise PaymentStillOpen
        if row.deadline_at is None:
            raise SettlementNotPayable
        if row.state is _S.PRESETTLED:
            await door.advance(conn, ctx, row, SettlementEvent.PAYMENT_STARTED, None)
        else:
            # Two devices may both be collecting: the version decides who places the order.
            await door.keep(conn, ctx, row, None)
        try:
            return await payment.create(
                conn,
                ctx,
                NewAttempt(
                    record_id=row.record_id,
                    settlement_id=row.settlement_id,
                    institution_id=row.institution_id,
                    provider=command.provider,
                    way=command.way,
                    purpose=tender.purpose_in(row.state),
                    amount_fen=rules.owed_fen(row.cash_fen, row.paid_fen),
                    payer=command.payer,
                    expires_at=row.deadline_at,
                ),
            )
        except PaymentInProgress:
            raise PaymentStillOpen from None

    return decide
