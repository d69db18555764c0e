"""The payer's side of a settlement, read from the payment feature's rows.

Several payments may add up: each is for a part of what is owed, at most one takes money at a time.

Events of payments are only a hint to look: what counts is what the rows say, in the same
transaction, so late, doubled and reordered events do no harm.
"""

from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from service.kernel.context import Context
from service.kernel.database import Connection, connection
from service.kernel.joined_reads import read_together
from service.ledger.model import COUNTED
from service.payment import actions as payment
from service.payment.model import PaymentAttempt
from service.payment.rules import AT_COUNTER, MIXED, MOBILE_CENTRE
from service.payment.states import LIVE, AttemptState
from service.settlement import door, rules, store
from service.settlement.model import Settlement
from service.settlement.states import SettlementEvent, SettlementState

MAIN = "MAIN"
DIFFERENCE = "DIFFERENCE"
REVERSAL = "reversal"

_S = SettlementState
_E = SettlementEvent


class Tender(msgspec.Struct, frozen=True, kw_only=True):
    """All attempts of a settlement, newest first."""

    attempts: Sequence[PaymentAttempt]

    @property
    def live(self) -> PaymentAttempt | None:
        """The attempt that may still take money."""
        return next((one for one in self.attempts if one.state in LIVE), None)

    @property
    def paid(self) -> list[PaymentAttempt]:
        """Attempts that took money as agreed."""
        return [one for one in self.attempts if one.state is AttemptState.PAID]

    @property
    def paid_fen(self) -> int:
        """Taken from the payer; what came after a closing, the payment feature gives back."""
        return sum(one.amount_fen for one in self.paid)

    @property
    def refunded_fen(self) -> int:
        """Given back for certain."""
        return sum(one.refunded_fen for one in self.paid)

    @property
    def kept_fen(self) -> int:
        """What is left of it: neither given back nor promised back."""
        return sum(one.refundable_fen for one in self.paid)

    @property
    def in_review(self) -> bool:
        """Whether an attempt waits for a person."""
        return any(one.state is AttemptState.NEEDS_REVIEW for one in self.attempts)

    @property
    def given_back(self) -> bool:
        """Whether every attempt is over and nothing of the payer's money is left."""
        return self.live is None and not self.in_review and self.paid_fen == self.refunded_fen

    @property
    def waits_for_cashier(self) -> bool:
        """Whether all that is still to be given back waits at a counter."""
        left = [one for one in self.paid if one.amount_fen != one.refunded_fen]
        return bool(left) and all(is_at_counter(one) and not one.refundable_fen for one in left)

    def owed_fen(self, row: Settlement) -> int:
        """What the payer still owes, by the payments' own rows."""
        return rules.owed_fen(row.cash_fen, self.kept_fen)

    @property
    def order(self) -> PaymentAttempt | None:
        """The order at a provider that counts now: a live one, else the newest."""
        orders = [one for one in self.attempts if one.provider not in AT_COUNTER | COUNTED]
        return self.live or next(iter(orders), None)

    def current(self, purpose: str | None) -> PaymentAttempt | None:
        """The attempt that counts now, of one purpose or of any: a live one, else the newest."""
        wanted = [one for one in self.attempts if purpose in (None, one.purpose)]
        live = [one for one in wanted if one.state in LIVE]
        return next(iter(live or wanted), None)


def is_at_counter(attempt: PaymentAttempt) -> bool:
    """Whether a cashier took it, and a cashier gives it back."""
    return attempt.provider in AT_COUNTER


def is_at_centre(attempt: PaymentAttempt) -> bool:
    """Whether it is an order of the settlement's own at the payment centre."""
    return attempt.provider == MOBILE_CENTRE


def goes_back_whole(attempt: PaymentAttempt) -> bool:
    """Whether the insurance part was settled by an order at the payment centre, which gives it back
    whole or not at all."""
    return is_at_centre(attempt) or attempt.way == MIXED


def purpose_in(row: Settlement) -> str:
    """What a payment is for, as the settlement stands."""
    return DIFFERENCE if row.state is _S.COLLECTING or row.correcting else MAIN


async def tender_of(conn: Connection, ctx: Context, row: Settlement) -> Tender:
    """The payer's side as it stands."""
    attempts = await payment.list_attempts(conn, ctx, row.record_id, row.settlement_id)
    return Tender(attempts=attempts)


async def read(conn: Connection, ctx: Context, key: door.Key) -> tuple[Settlement, Tender]:
    """The settlement and the payer's side of it. Raises ``NotFound``, ``RowTampered``."""
    found, attempts = await read_together(
        conn, store.settlement_read(*key), payment.attempts_read(*key)
    )
    row = door.checked(ctx, found)
    return row, Tender(attempts=payment.attempts_of(ctx, attempts))


def event_of(row: Settlement, tender: Tender) -> SettlementEvent | None:
    """What the attempts mean for the state; None while nothing is decided."""
    current = tender.current(purpose_in(row))
    if current is None or row.state not in (_S.AWAITING_PAYER, _S.COLLECTING):
        return None
    if tender.in_review:
        return _E.CONTRADICTED
    if tender.owed_fen(row) == 0:
        return _E.PAID
    if row.state is _S.AWAITING_PAYER and tender.live is None:
        return _E.PAYMENT_ENDED
    return None


async def sync(conn: Connection, ctx: Context, row: Settlement) -> Settlement:
    """Bring the settlement up to what the payment rows say. Again changes nothing."""
    return await _follow(conn, ctx, row, await tender_of(conn, ctx, row))


async def look(ctx: Context, key: door.Key) -> tuple[Settlement, Tender]:
    """``sync_now``, with the payer's side as it was read then."""

    async def decide(conn: Connection, row: Settlement) -> tuple[Settlement, Tender]:
        tender = await tender_of(conn, ctx, row)
        return await _follow(conn, ctx, row, tender), tender

    return await door.through(ctx, key, decide)


async def _follow(conn: Connection, ctx: Context, row: Settlement, tender: Tender) -> Settlement:
    main = [one for one in reversed(tender.paid) if one.purpose == MAIN]
    changed = replace(
        row,
        paid_fen=tender.paid_fen,
        refunded_fen=tender.refunded_fen,
        # In the order of paying, each provider once; one number, or none where there are several.
        paid_by="+".join(dict.fromkeys(one.provider for one in main)) or row.paid_by,
        provider_ref=main[0].provider_ref if len(main) == 1 else None if main else row.provider_ref,
    )
    event = event_of(changed, tender)
    if event is _E.CONTRADICTED:
        changed = replace(changed, reason="payment-under-review")
    elif event is _E.PAID and row.state is _S.COLLECTING:
        changed = replace(changed, settled_at=ctx.clock.now(), reason=None)
    elif event is _E.PAID:
        changed = replace(changed, reason=None)
    if event is _E.PAYMENT_ENDED:
        saved = await door.advance(conn, ctx, changed, event, None)
        return await _end_with_order(conn, ctx, saved, tender)
    if event is not None:
        return await door.advance(conn, ctx, changed, event, None)
    if changed != row and row.state is _S.REVERSING:
        changed = replace(changed, due_at=ctx.clock.now())
    return await door.keep(conn, ctx, changed, None) if changed != row else row


async def _end_with_order(
    conn: Connection, ctx: Context, row: Settlement, tender: Tender
) -> Settlement:
    """An order at the payment centre that is not paid ends its settlement: its charges have left
    the visit already."""
    order = (await door.progress_of(conn, ctx, row)).centre
    if order is None:
        return row
    newest = tender.order
    refused = newest is not None and newest.state in (AttemptState.FAILED, AttemptState.PAID_LATE)
    is_over = rules.is_past(row.deadline_at, ctx.clock.now())
    other = "payment-refused" if order.mixed and (refused or not is_over) else "deadline-passed"
    over = replace(row, reason=row.reason or order.unwanted or other)
    return await door.advance(conn, ctx, over, _E.ABANDONED, None)


async def sync_now(ctx: Context, key: door.Key) -> Settlement:
    """``sync`` in a transaction of its own."""

    async def decide(conn: Connection, row: Settlement) -> Settlement:
        return await sync(conn, ctx, row)

    return await door.through(ctx, key, decide)


async def close_live(ctx: Context, row: Settlement) -> Settlement:
    """Close the attempt that may still take money, then look what came of it.

    The payer may have been faster: then the settlement comes back paid. An order at the payment
    centre the settlement's own steps close.
    """
    async with connection(ctx.pool) as conn:
        live = (await tender_of(conn, ctx, row)).live
    if live is not None and not is_at_centre(live):
        await payment.close(ctx, row.record_id, live.attempt_id)
    return await sync_now(ctx, (row.record_id, row.settlement_id))
