"""Orders of two legs: insurance and own part, paid in one act inside the provider's app.

The bureau's order was made before, by the settlement, which hands in what the provider must know of
it. Placed are first the cash leg, as an ordinary order of the same trade number, then the whole.
There is no call to end the whole: closing the cash leg does (payments dossier 4.1). What counts as
paid is the provider's answer to a question about the whole, then about the cash leg, whose own
number is kept; notices only make the question due, for theirs is not sent again (4.4).
"""

import msgspec
from msgspec.structs import replace

from integrations.ports import mixed_payments as two_legs
from integrations.ports import payments as port
from integrations.ports.outcomes import Accepted, Outcome, Rejected, Unknown
from service.institution import actions as institution
from service.kernel.context import Context
from service.kernel.database import Connection, connection, transaction
from service.payment import store
from service.payment.actions import outcomes, rows, tries
from service.payment.model import (
    ClientCall,
    InsuredShare,
    MixedFile,
    PaymentAttempt,
    Refund,
    RowKey,
)
from service.payment.states import ATTEMPT, LIVE, AttemptEvent, AttemptState, RefundState

_WHOLE = two_legs.MixedStatus
_CASH = port.PaymentStatus
_OPEN = frozenset({_WHOLE.UNPAID, _WHOLE.ABSENT})


def find_gateway(
    ctx: Context, row: PaymentAttempt, account_name: str | None
) -> two_legs.MixedPaymentGateway | None:
    """The line of a merchant account that takes mixed orders, or None."""
    found = rows.find_gateway(ctx, row.provider, account_name)
    return found if isinstance(found, two_legs.TakesMixed) else None


async def hand_in(conn: Connection, ctx: Context, key: RowKey, share: InsuredShare) -> None:
    """The bureau's order stands: from now on the order is placed. Again changes nothing."""
    before = await rows.lock_attempt(conn, ctx, key)
    if before.state is not AttemptState.CREATED or before.client_sealed is not None:
        return
    sealed = await _seal(conn, ctx, key, MixedFile(share=share))
    await rows.save_attempt(conn, ctx, before, client_sealed=sealed, due_at=ctx.clock.now())


async def give_up(conn: Connection, ctx: Context, key: RowKey, event: AttemptEvent) -> None:
    """The bureau's order is over. Unsent, ``event`` happens; what may stand is closed first."""
    before = await rows.lock_attempt(conn, ctx, key)
    if before.state is AttemptState.CREATED and before.tries == 0:
        await outcomes.advance(conn, ctx, before, event)
    elif ATTEMPT.allows(before.state, AttemptEvent.ASK_CLOSE):
        now = ctx.clock.now()
        await outcomes.advance(conn, ctx, before, AttemptEvent.ASK_CLOSE, due_at=now)


async def go_on(ctx: Context, row: PaymentAttempt) -> PaymentAttempt:
    """One try to bring a live order to its payment; one without its insured leg waits for it."""
    if row.state is AttemptState.AWAITING_PAYER:
        return await _poll(ctx, row)
    async with connection(ctx.pool) as conn:
        file = await _file(conn, ctx, row)
    return row if file is None else await _place(ctx, row, file)


async def _place(ctx: Context, row: PaymentAttempt, file: MixedFile) -> PaymentAttempt:
    """Ask first, unless nothing was sent yet; a whole that is absent is placed by the same call."""
    key = RowKey(row.record_id, row.attempt_id)
    account_name = await tries.account_of(ctx, row)
    gateway = find_gateway(ctx, row, account_name)
    if gateway is None and row.tries == 0:
        return await outcomes.refuse(ctx, key, tries.NO_ACCOUNT)
    begun = await tries.begin(ctx, row, account_name)
    if begun is None:
        return await rows.read_attempt(ctx, key)
    told = None if gateway is None or row.tries == 0 else await _query(ctx, gateway, begun)
    if gateway is None or (row.tries and told is None):
        await rows.report_unresolved(ctx, begun)
        return begun
    if told is not None and told.status not in _OPEN:
        return await _conclude(ctx, gateway, begun, told)
    known = told if told is not None and told.status is _WHOLE.UNPAID else None
    return await _place_cash(ctx, gateway, begun, file, known)


async def _place_cash(
    ctx: Context,
    gateway: two_legs.MixedPaymentGateway,
    begun: PaymentAttempt,
    file: MixedFile,
    known: two_legs.MixedPayment | None,
) -> PaymentAttempt:
    """The cash leg, then the whole. ``known``: an earlier try got through to the whole unheard."""
    key = RowKey(begun.record_id, begun.attempt_id)
    cash = await gateway.place(await tries.order_of(ctx, begun))
    rows.count_outcome(ctx, begun.provider, "place", cash)
    match cash:
        case Accepted(placed) if placed.prepay_ref is not None:
            with_cash = replace(file, prepay_ref=placed.prepay_ref)
            return await _place_whole(ctx, gateway, begun, with_cash, known)
        case Rejected() if known is not None:
            return await outcomes.ask_close(ctx, key)
        case Rejected(reason=reason):
            return await outcomes.refuse(ctx, key, reason)
        case _:
            await rows.report_unresolved(ctx, begun)
            return begun


async def _place_whole(
    ctx: Context,
    gateway: two_legs.MixedPaymentGateway,
    begun: PaymentAttempt,
    file: MixedFile,
    known: two_legs.MixedPayment | None,
) -> PaymentAttempt:
    placed: Outcome[two_legs.MixedPayment] = Unknown("not-asked")
    if known is not None:
        placed = Accepted(known)
    else:
        placed = await gateway.mixed.place_mixed(await _order(ctx, begun, file))
        rows.count_outcome(ctx, begun.provider, "place-mixed", placed)
    match placed:
        case Accepted(value) if value.mixed_ref is not None:
            return await _record_placed(ctx, begun, replace(file, mixed_ref=value.mixed_ref))
        case Rejected(reason=reason):
            # Nobody was shown how to pay the cash leg; it is closed all the same.
            closed = await gateway.close(begun.trade_no)
            rows.count_outcome(ctx, begun.provider, "close", closed)
            return await outcomes.refuse(ctx, RowKey(begun.record_id, begun.attempt_id), reason)
        case _:
            await rows.report_unresolved(ctx, begun)
            return begun


async def _order(ctx: Context, row: PaymentAttempt, file: MixedFile) -> two_legs.MixedOrder:
    async with connection(ctx.pool) as conn:
        openid = await rows.unseal(conn, ctx, row, "payer", row.payer_sealed)
    place = await institution.get_institution(ctx, row.institution_id)
    share = file.share
    return two_legs.MixedOrder(
        trade_no=row.trade_no,
        hospital_no=share.order_no,
        scene=share.scene,
        openid=openid or "",
        payer=two_legs.MixedPayer(name=share.name, id_no=share.id_no),
        relative=None,
        total_fen=share.total_fen,
        cash_fen=row.amount_fen,
        insured=two_legs.InsuredLeg(
            order_id=share.order_ref,
            auth_no=share.authorisation,
            location=share.location,
            settled_at=share.ordered_at,
            fund_fen=share.fund_fen,
            account_fen=share.account_fen,
            other_fen=0,
            cash_fen=share.cash_fen,
        ),
        adds=[],
        reduces=[],
        prepay_ref=file.prepay_ref,
        institution_name=place.name,
        institution_no=place.code,
        notice_url=rows.mixed_notice_url(ctx, row),
    )


async def _record_placed(ctx: Context, begun: PaymentAttempt, file: MixedFile) -> PaymentAttempt:
    """What the payer's app needs is kept; what only the placing needed is not. A faster word or a
    close wins."""
    key = RowKey(begun.record_id, begun.attempt_id)
    share = replace(file.share, authorisation="", location="", name="", id_no="")
    kept = replace(file, share=share)

    async def decide(conn: Connection, before: PaymentAttempt) -> PaymentAttempt:
        if not ATTEMPT.allows(before.state, AttemptEvent.PLACED):
            return before
        due_at = tries.next_poll(ctx, before)
        sealed = await _seal(conn, ctx, key, kept)
        return await outcomes.advance(
            conn, ctx, before, AttemptEvent.PLACED, client_sealed=sealed, due_at=due_at
        )

    return await rows.through(ctx, key, decide, begun)


def shown(ctx: Context, row: PaymentAttempt, file: MixedFile) -> ClientCall | None:
    """The argument of the app's call; None where this process has no line to the provider."""
    gateway = find_gateway(ctx, row, row.account_name)
    if gateway is None or file.mixed_ref is None:
        return None
    now = ctx.clock.now()
    return ClientCall(gateway.mixed.mixed_parameters(file.mixed_ref, file.prepay_ref, now))


async def _poll(ctx: Context, row: PaymentAttempt) -> PaymentAttempt:
    begun = await tries.begin(ctx, row, row.account_name)
    if begun is None:
        return await rows.read_attempt(ctx, RowKey(row.record_id, row.attempt_id))
    gateway = find_gateway(ctx, begun, begun.account_name)
    told = None if gateway is None else await _query(ctx, gateway, begun)
    if gateway is None or told is None:
        await rows.report_unresolved(ctx, begun)
        return begun
    if told.status not in _OPEN:
        return await _conclude(ctx, gateway, begun, told)
    later = tries.next_poll(ctx, begun)
    return await rows.try_attempt(ctx, begun, tries=0, due_at=later) or begun


async def try_close(ctx: Context, row: PaymentAttempt) -> PaymentAttempt:
    """Close the cash leg, then ask for the whole: the payer may have been faster."""
    key = RowKey(row.record_id, row.attempt_id)
    begun = await tries.begin(ctx, row, row.account_name)
    if begun is None:
        return await rows.read_attempt(ctx, key)
    gateway = find_gateway(ctx, begun, begun.account_name)
    if gateway is None:
        await rows.report_unresolved(ctx, begun)
        return begun
    closed = await gateway.close(begun.trade_no)
    rows.count_outcome(ctx, begun.provider, "close", closed)
    told = await _query(ctx, gateway, begun)
    if told is None:
        await rows.report_unresolved(ctx, begun)
        return begun
    if told.status not in _OPEN:
        return await _conclude(ctx, gateway, begun, told)
    return await _end_unpaid(ctx, gateway, begun)


async def _end_unpaid(
    ctx: Context, gateway: two_legs.MixedPaymentGateway, begun: PaymentAttempt
) -> PaymentAttempt:
    """CLOSING, and the whole is not paid: how the cash leg ended."""
    key = RowKey(begun.record_id, begun.attempt_id)
    cash = await tries.query(ctx, gateway, begun)
    if cash is not None and cash.status in (_CASH.CLOSED, _CASH.ABSENT):
        return await outcomes.end(ctx, key, is_absent=cash.status is _CASH.ABSENT)
    if cash is not None and cash.status is _CASH.PAID and begun.tries > 1:
        # The cash leg was paid by itself: no payment of the whole comes of that any more.
        return await _give_back(ctx, key, cash)
    await rows.report_unresolved(ctx, begun)
    return begun


async def _query(
    ctx: Context, gateway: two_legs.MixedPaymentGateway, row: PaymentAttempt
) -> two_legs.MixedPayment | None:
    asked = await gateway.mixed.query_mixed(row.trade_no)
    rows.count_outcome(ctx, row.provider, "query-mixed", asked)
    return asked.value if isinstance(asked, Accepted) else None


async def _conclude(
    ctx: Context,
    gateway: two_legs.MixedPaymentGateway,
    begun: PaymentAttempt,
    told: two_legs.MixedPayment,
) -> PaymentAttempt:
    """The whole is paid, failed or given back: what that means is read off the cash leg too."""
    key = RowKey(begun.record_id, begun.attempt_id)
    if told.status is _WHOLE.PAID and await _differs(ctx, begun, told):
        return await outcomes.apply_to(ctx, key, begun.provider, _as_cash(begun, told))
    cash = await tries.query(ctx, gateway, begun)
    if cash is None:
        return begun
    if told.status is not _WHOLE.FAILED:
        after = await outcomes.apply_to(ctx, key, begun.provider, cash, known=begun)
    elif cash.status is _CASH.PAID:
        return await _give_back(ctx, key, cash)
    elif cash.status in (_CASH.CLOSED, _CASH.ABSENT):
        return await outcomes.end(ctx, key)
    elif cash.status is _CASH.UNPAID:
        closed = await gateway.close(begun.trade_no)
        rows.count_outcome(ctx, begun.provider, "close", closed)
        return await outcomes.end(ctx, key) if isinstance(closed, Accepted) else begun
    else:
        after = await outcomes.apply_to(ctx, key, begun.provider, cash, known=begun)
    if after.version == begun.version:
        await rows.report_unresolved(ctx, begun)
    return after


async def _differs(ctx: Context, row: PaymentAttempt, told: two_legs.MixedPayment) -> bool:
    async with connection(ctx.pool) as conn:
        file = await _file(conn, ctx, row)
    total_fen = None if file is None else file.share.total_fen
    return (told.cash_fen, told.total_fen) != (row.amount_fen, total_fen)


def _as_cash(row: PaymentAttempt, told: two_legs.MixedPayment) -> port.Payment:
    """A payment whose amount is not the order's: None where the cash part alone is right."""
    amount_fen = None if told.cash_fen == row.amount_fen else told.cash_fen
    return port.Payment(
        trade_no=row.trade_no,
        status=_CASH.PAID,
        provider_ref=told.mixed_ref,
        amount_fen=amount_fen,
        paid_at=told.paid_at,
        payer=None,
    )


async def _give_back(ctx: Context, key: RowKey, cash: port.Payment) -> PaymentAttempt:
    """Insurance was refused and the cash leg taken: the attempt is over, and the money goes back
    by itself, as what is paid after an end does."""
    async with transaction(ctx.pool) as conn:
        before = await rows.lock_attempt(conn, ctx, key)
        if before.state not in LIVE:
            return before
        if cash.amount_fen != before.amount_fen:
            await rows.report_attempt(conn, ctx, before, "amount-differs", cash.amount_fen)
            return await outcomes.advance(conn, ctx, before, AttemptEvent.CONTRADICT)
        if before.state is not AttemptState.CLOSING:
            now = ctx.clock.now()
            before = await outcomes.advance(conn, ctx, before, AttemptEvent.ASK_CLOSE, due_at=now)
        closed = await outcomes.advance(conn, ctx, before, AttemptEvent.CLOSE)
        facts = outcomes.facts_of(ctx, AttemptEvent.PAY_LATE, cash)
        return await outcomes.advance(conn, ctx, closed, AttemptEvent.PAY_LATE, **facts)


async def take_hint(ctx: Context, row: PaymentAttempt, told: two_legs.MixedPayment | None) -> None:
    """A verified notice: the whole is asked about now. One that names other amounts or another
    order is shown to a person; the question is asked all the same."""
    if told is not None and row.state in LIVE and await _is_other(ctx, row, told):
        async with transaction(ctx.pool) as conn:
            await rows.report_attempt(conn, ctx, row, "notice-contradicts", told.cash_fen)
    if row.state in LIVE and row.client_sealed is not None:
        await rows.try_attempt(ctx, row, due_at=ctx.clock.now())


async def _is_other(ctx: Context, row: PaymentAttempt, told: two_legs.MixedPayment) -> bool:
    async with connection(ctx.pool) as conn:
        file = await _file(conn, ctx, row)
    another = file is not None and file.mixed_ref not in (None, told.mixed_ref)
    return another or await _differs(ctx, row, told)


async def tell_insured_refund(ctx: Context, key: RowKey) -> Outcome[None]:
    """Say to the provider that the insured leg went back at the bureau: the last of three steps,
    under the number of the cash leg's refund. Repeat until accepted."""
    async with connection(ctx.pool) as conn:
        row = await rows.get_attempt(conn, ctx, key)
        file = await _file(conn, ctx, row)
        refund = await _refund_of(conn, ctx, row)
    gateway = find_gateway(ctx, row, row.account_name)
    if gateway is None or file is None or file.mixed_ref is None or refund is None:
        return Unknown("not-ready")
    told = two_legs.InsuredRefund(
        mixed_ref=file.mixed_ref,
        refund_no=refund.refund_no,
        fund_fen=file.share.fund_fen,
        account_fen=file.share.account_fen,
        other_fen=0,
        refunded_at=refund.refunded_at or refund.created_at,
    )
    answered = await gateway.mixed.tell_insured_refund(told)
    rows.count_outcome(ctx, row.provider, "tell-refund", answered)
    return answered


async def _refund_of(conn: Connection, ctx: Context, row: PaymentAttempt) -> Refund | None:
    found = await store.list_refunds(conn, row.record_id, row.settlement_id)
    return next(
        (
            rows.checked_refund(ctx, one)
            for one in found
            if one.attempt_id == row.attempt_id and one.state is RefundState.REFUNDED
        ),
        None,
    )


async def _file(conn: Connection, ctx: Context, row: PaymentAttempt) -> MixedFile | None:
    """What is kept of the order; None before the bureau's stands, and after a refusal."""
    if row.state is AttemptState.FAILED:
        return None
    text = await rows.unseal(conn, ctx, row, "client", row.client_sealed)
    return None if text is None else msgspec.json.decode(text, type=MixedFile)


async def _seal(conn: Connection, ctx: Context, key: RowKey, file: MixedFile) -> bytes | None:
    text = msgspec.json.encode(file).decode()
    return await rows.seal(conn, ctx, key.record_id, key.row_id, "client", text)
