"""Pay what a settlement leaves to the payer: one order at a time, by whatever ways he chooses.

Orders and what a cashier took add up; together with the order that stands they are never more than
what is owed. Whoever adds one holds the settlement's row by compare-and-set on its version, after
reading all payments in that transaction.
"""

from msgspec.structs import replace

from service.kernel.context import Context
from service.kernel.database import Connection, connection
from service.kernel.masked import Masked
from service.kernel.problems import TooManyRequests
from service.payment import actions as payment
from service.payment.model import NewAttempt, PaymentAttempt, TakenAtCounter
from service.payment.problems import PaymentInProgress, PaymentWayUnknown
from service.payment.rules import AUTHORISED, BY_SETTLEMENT, MIXED, MOBILE_CENTRE
from service.payment.states import AttemptState
from service.settlement import door, rules, tender
from service.settlement.insurance import centre
from service.settlement.model import Place, Settlement, StartPayment
from service.settlement.problems import MoreThanOwed, PaymentStillOpen, SettlementNotPayable
from service.settlement.states import PAYABLE, SettlementEvent, SettlementState

_S = SettlementState
_WAITING = (AttemptState.CREATED, AttemptState.AWAITING_PAYER)


async def pay(ctx: Context, command: StartPayment) -> Settlement:
    """Place an order for what is owed or a part of it. The same order again gives the one that
    stands; another first closes it, and a payer who was faster has paid.

    Raises ``SettlementTakenOver``, ``SettlementNotPayable``, ``MoreThanOwed``,
    ``PaymentStillOpen``, ``PaymentWayUnknown``, ``TooManyRequests``, ``NotFound``.
    """
    key = (command.record_id, command.settlement_id)
    row, standing = await tender.look(ctx, key)
    rules.check_place(row, command.place)
    check_payable(ctx, row)
    asked_fen = wanted_fen(row, standing, command.amount_fen)
    live = standing.live
    if live is not None and await _is_same(ctx, live, command, asked_fen):
        return row
    if live is not None:
        row = await end_standing(ctx, row)
        if row.state not in PAYABLE:
            return row
    if command.way in BY_SETTLEMENT:
        await check_centre(ctx, row, command)
    if command.way != AUTHORISED:
        await payment.check_way(ctx, row.institution_id, command.provider, command.way)
    try:
        row, attempt = await door.through(ctx, key, _creating(ctx, command), row)
    except PaymentInProgress:
        raise PaymentStillOpen from None
    if command.way in BY_SETTLEMENT:
        return row
    placed = await payment.place(
        ctx, attempt.record_id, attempt.attempt_id, command.code, known=attempt
    )
    return row if placed.state in _WAITING else await tender.sync_now(ctx, key)


async def end_standing(ctx: Context, row: Settlement) -> Settlement:
    """Close the order that stands. The settlement comes back not payable when it was paid.

    Raises ``PaymentStillOpen`` when nobody knows yet whether it can take money.
    """
    row = await tender.close_live(ctx, row)
    if row.state not in PAYABLE:
        return row
    row, standing = await tender.look(ctx, (row.record_id, row.settlement_id))
    if standing.live is not None:
        raise PaymentStillOpen
    return row


def check_payable(ctx: Context, row: Settlement) -> None:
    """Raises ``SettlementNotPayable`` unless it is a time to pay."""
    if row.state not in PAYABLE or rules.is_past(row.deadline_at, ctx.clock.now()):
        raise SettlementNotPayable


def check_pace(ctx: Context, standing: tender.Tender) -> None:
    """Whatever a client does, providers are not flooded. Raises ``TooManyRequests``."""
    made_at = [one.created_at for one in standing.attempts]
    wait_s = rules.next_order_s(made_at, ctx.clock.now())
    if wait_s:
        raise TooManyRequests(retry_after_s=wait_s)


def wanted_fen(row: Settlement, standing: tender.Tender, amount_fen: int | None) -> int:
    """How much to collect: what was asked for, else all that is owed.

    Raises ``SettlementNotPayable`` when nothing is owed, ``MoreThanOwed``.
    """
    owed = standing.owed_fen(row)
    if owed == 0:
        raise SettlementNotPayable
    if amount_fen is not None and not 0 < amount_fen <= owed:
        raise MoreThanOwed
    return amount_fen or owed


async def _is_same(
    ctx: Context, standing: PaymentAttempt, command: StartPayment, asked_fen: int
) -> bool:
    """Whether the order that stands is what is asked for. An order inside a provider's app is one
    person's: a relative cannot pay the patient's."""
    return (
        standing.provider == command.provider
        and standing.way == command.way
        and standing.amount_fen == asked_fen
        and standing.state in _WAITING
        and standing.expires_at > ctx.clock.now()
        and await payment.is_for(ctx, standing, command.payer)
    )


def _creating(
    ctx: Context, command: StartPayment
) -> door.Decide[tuple[Settlement, PaymentAttempt]]:
    """Create the attempt and move the settlement in one transaction."""

    async def decide(conn: Connection, row: Settlement) -> tuple[Settlement, PaymentAttempt]:
        rules.check_place(row, command.place)
        check_payable(ctx, row)
        standing = await tender.tender_of(conn, ctx, row)
        if row.state is _S.AWAITING_PAYER or standing.live is not None:
            raise PaymentStillOpen
        amount_fen = wanted_fen(row, standing, command.amount_fen)
        check_pace(ctx, standing)
        if row.deadline_at is None:
            raise SettlementNotPayable
        if row.state is _S.PRESETTLED:
            saved = await door.advance(conn, ctx, row, SettlementEvent.PAYMENT_STARTED, None)
        else:
            # Two devices may both be collecting: the version decides who places the order.
            saved = await door.keep(conn, ctx, row, None)
        new = NewAttempt(
            record_id=row.record_id,
            settlement_id=row.settlement_id,
            institution_id=row.institution_id,
            provider=command.provider,
            way=command.way,
            purpose=tender.purpose_in(row),
            amount_fen=amount_fen,
            payer=command.payer,
            expires_at=row.deadline_at,
        )
        attempt = await payment.create(conn, ctx, new)
        if command.authorisation is not None:
            order = (command.authorisation, command.location)
            saved = await _ordering(conn, ctx, saved, attempt, *order)
        return saved, attempt

    return decide


async def _ordering(
    conn: Connection,
    ctx: Context,
    row: Settlement,
    attempt: PaymentAttempt,
    allowed: Masked,
    where: Masked,
) -> Settlement:
    """The settlement's own steps place the order at the payment centre, from now on."""
    progress = await door.progress_of(conn, ctx, row)
    order = centre.opened(progress, attempt, allowed.reveal(), where.reveal())
    return await door.keep(conn, ctx, replace(row, due_at=ctx.clock.now()), order)


async def check_centre(ctx: Context, row: Settlement, command: StartPayment) -> None:
    """Raises ``PaymentWayUnknown`` where the payment centre cannot take all that is owed."""
    whole = command.amount_fen in (None, row.cash_fen)
    at_centre = command.provider == MOBILE_CENTRE or command.way == MIXED
    if not at_centre or command.authorisation is None or not whole:
        raise PaymentWayUnknown
    async with connection(ctx.pool) as conn:
        progress = await door.progress_of(conn, ctx, row)
        paid = (await tender.tender_of(conn, ctx, row)).paid
    if paid or not await centre.serves(ctx, row, progress):
        raise PaymentWayUnknown


def taking(ctx: Context, new: TakenAtCounter, place: Place) -> door.Decide[Settlement]:
    """Record money that a cashier took, and move the settlement, in one transaction.

    Again with the same attempt changes nothing. Raises ``SettlementTakenOver``,
    ``SettlementNotPayable``, ``MoreThanOwed``, ``PaymentStillOpen``: the cashier gives the money
    back.
    """

    async def decide(conn: Connection, row: Settlement) -> Settlement:
        stands = await payment.find_taken(conn, ctx, new.record_id, new.attempt_id)
        if stands is not None and stands.state is AttemptState.PAID:
            return await tender.sync(conn, ctx, row)
        if stands is not None:
            raise SettlementNotPayable
        row = await tender.sync(conn, ctx, row)
        rules.check_place(row, place)
        check_payable(ctx, row)
        before = await tender.tender_of(conn, ctx, row)
        if before.live is not None or row.state is _S.AWAITING_PAYER:
            raise PaymentStillOpen
        wanted_fen(row, before, new.amount_fen)
        if row.state is _S.PRESETTLED:
            row = await door.advance(conn, ctx, row, SettlementEvent.PAYMENT_STARTED, None)
        purpose = tender.purpose_in(row)
        try:
            await payment.take_at_counter(conn, ctx, replace(new, purpose=purpose))
        except PaymentInProgress:
            raise SettlementNotPayable from None
        # Writes what is paid, by the version read above: of two cashiers one comes again.
        return await tender.sync(conn, ctx, row)

    return decide
