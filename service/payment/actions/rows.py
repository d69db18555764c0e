"""Rows of payment, checked when read and signed when written; and what a change tells others."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from integrations.ports.outcomes import Accepted, NotSent, Outcome, Rejected, Unknown
from integrations.ports.partners import PartnerUnknown
from integrations.ports.payments import PaymentGateway
from service.audit import actions as audit
from service.audit.model import AuditEntry, Decided
from service.casework import actions as casework
from service.casework.model import Evidence, ItemsOf, NewItem
from service.kernel import outbox
from service.kernel.context import Context
from service.kernel.database import Connection, connection, transaction
from service.kernel.logs import get_logger
from service.kernel.problems import InvariantBroken, NotFound
from service.kernel.transactions import Repeated
from service.ledger import actions as ledger
from service.ledger.model import PATIENT, NewPosting, provider_account
from service.payment import store
from service.payment.model import (
    PaymentAttempt,
    PaymentFacts,
    Refund,
    RefundFacts,
    RowKey,
)

ATTEMPT_TABLE = "payment_attempt"
REFUND_TABLE = "refund"

Decide = Callable[[Connection, PaymentAttempt], Awaitable[PaymentAttempt]]
"""What becomes of an attempt, in the transaction."""

_log = get_logger("payment")


class Moved(InvariantBroken):
    """Somebody changed the row since it was read. Read again."""


async def get_attempt(conn: Connection, ctx: Context, key: RowKey) -> PaymentAttempt:
    """Raises ``NotFound``, ``RowTampered``."""
    return _checked_attempt(ctx, await store.find_attempt(conn, key))


async def read_attempt(ctx: Context, key: RowKey) -> PaymentAttempt:
    """As ``get_attempt``, on a connection of its own."""
    async with connection(ctx.pool) as conn:
        return await get_attempt(conn, ctx, key)


async def lock_attempt(conn: Connection, ctx: Context, key: RowKey) -> PaymentAttempt:
    """As ``get_attempt``, held until the transaction ends."""
    return _checked_attempt(ctx, await store.lock_attempt(conn, key))


async def through(
    ctx: Context, key: RowKey, decide: Decide, known: PaymentAttempt | None = None
) -> PaymentAttempt:
    """Run ``decide`` in a transaction over the attempt: first as it is ``known``, which the saving
    proves; where that fails, or nothing is known, as it stands, and locked."""
    if known is not None:
        try:
            async with transaction(ctx.pool, hopeful=True) as conn:
                return await decide(conn, known)
        except (Moved, Repeated):
            pass
    async with transaction(ctx.pool) as conn:
        return await decide(conn, await lock_attempt(conn, ctx, key))


def _checked_attempt(ctx: Context, row: PaymentAttempt | None) -> PaymentAttempt:
    if row is None:
        raise NotFound
    ctx.sealer.check_mac(ATTEMPT_TABLE, row.mac_parts(), row.row_mac)
    return row


def sign_attempt(ctx: Context, row: PaymentAttempt) -> PaymentAttempt:
    """The row with its MAC."""
    return msgspec.structs.replace(row, row_mac=ctx.sealer.row_mac(ATTEMPT_TABLE, row.mac_parts()))


async def try_attempt(
    ctx: Context, before: PaymentAttempt, **changes: Any
) -> PaymentAttempt | None:
    """The next version of a row, written by itself; None when somebody was faster."""
    try:
        async with transaction(ctx.pool) as conn:
            return await save_attempt(conn, ctx, before, **changes)
    except Moved:
        return None


async def save_attempt(
    conn: Connection, ctx: Context, before: PaymentAttempt, **changes: Any
) -> PaymentAttempt:
    """The next version of a row. Raises ``Moved``, never where the row is locked."""
    after = sign_attempt(
        ctx, msgspec.structs.replace(before, version=before.version + 1, **changes)
    )
    await store.save_attempt(conn, after, Moved("an attempt changed since it was read"))
    return after


async def get_refund(conn: Connection, ctx: Context, key: RowKey) -> Refund:
    """Raises ``NotFound``, ``RowTampered``."""
    return checked_refund(ctx, await store.find_refund(conn, key))


async def lock_refund(conn: Connection, ctx: Context, key: RowKey) -> Refund:
    """As ``get_refund``, held until the transaction ends. Lock its attempt first."""
    return checked_refund(ctx, await store.lock_refund(conn, key))


def checked_refund(ctx: Context, row: Refund | None) -> Refund:
    """Raises ``NotFound``, ``RowTampered``."""
    if row is None:
        raise NotFound
    ctx.sealer.check_mac(REFUND_TABLE, row.mac_parts(), row.row_mac)
    return row


def sign_refund(ctx: Context, row: Refund) -> Refund:
    """The row with its MAC."""
    return msgspec.structs.replace(row, row_mac=ctx.sealer.row_mac(REFUND_TABLE, row.mac_parts()))


async def try_refund(ctx: Context, before: Refund, **changes: Any) -> Refund | None:
    """The next version of a row, written by itself; None when somebody was faster."""
    try:
        async with transaction(ctx.pool) as conn:
            return await save_refund(conn, ctx, before, **changes)
    except Moved:
        return None


async def save_refund(conn: Connection, ctx: Context, before: Refund, **changes: Any) -> Refund:
    """The next version of a row. Raises ``Moved``, never where the row is locked."""
    after = sign_refund(ctx, msgspec.structs.replace(before, version=before.version + 1, **changes))
    await store.save_refund(conn, after, Moved("a refund changed since it was read"))
    return after


def find_gateway(ctx: Context, provider: str, account_name: str | None) -> PaymentGateway | None:
    """The line of a merchant account, or None when this process has none."""
    if account_name is None:
        return None
    try:
        return ctx.partners.payment(provider, account_name)
    except PartnerUnknown:
        return None


def return_url(ctx: Context, row: PaymentAttempt) -> str:
    """Where the payer's browser comes back to: our page, at this settlement."""
    settlement = ctx.public_ids.text(row.record_id, row.settlement_id)
    return f"{ctx.policy.notice_url_base}/?settlement={settlement}"


def notice_url(ctx: Context, row: PaymentAttempt) -> str:
    """Where the provider sends notices about this attempt."""
    return f"{ctx.policy.notice_url_base}/v1/notices/payment/{row.provider}/{row.account_name}"


def mixed_notice_url(ctx: Context, row: PaymentAttempt) -> str:
    """Where the provider sends notices about an order of two legs."""
    return f"{notice_url(ctx, row)}/mixed"


def count_outcome(ctx: Context, partner: str, operation: str, outcome: Outcome[Any]) -> None:
    """One more partner call that ended so. An unclear answer says why in the log."""
    match outcome:
        case Accepted():
            word = "accepted"
        case Rejected():
            word = "rejected"
        case NotSent():
            word = "not-sent"
        case _:
            word = "unknown"
    ctx.metrics.outcomes.labels(partner, operation, word).inc()
    if isinstance(outcome, Unknown):
        _log.warning("answer.unclear", partner=partner, operation=operation, why=outcome.why)


async def tell_payment(conn: Connection, ctx: Context, row: PaymentAttempt, topic: str) -> None:
    """Write a ``payment.*`` event for the settlement."""
    facts = PaymentFacts(
        attempt_id=ctx.public_ids.text(row.record_id, row.attempt_id),
        purpose=row.purpose,
        amount_fen=row.amount_fen,
    )
    await _tell(conn, ctx, row, topic, facts)


async def tell_refund(
    conn: Connection, ctx: Context, attempt: PaymentAttempt, row: Refund, topic: str
) -> None:
    """Write a ``refund.*`` event for the settlement."""
    facts = RefundFacts(
        attempt_id=ctx.public_ids.text(row.record_id, row.attempt_id),
        purpose=attempt.purpose,
        amount_fen=row.amount_fen,
        cause=row.cause,
        provider=row.provider,
        refund_id=ctx.public_ids.text(row.record_id, row.refund_id),
    )
    await _tell(conn, ctx, attempt, topic, facts)


async def _tell(
    conn: Connection, ctx: Context, row: PaymentAttempt, topic: str, facts: PaymentFacts
) -> None:
    await outbox.append(
        conn,
        ctx.ids,
        ctx.clock.now(),
        record_id=row.record_id,
        topic=topic,
        subject_id=row.settlement_id,
        body=msgspec.to_builtins(facts),
    )


async def post_received(conn: Connection, ctx: Context, row: PaymentAttempt) -> None:
    """The provider took the payer's money for the institution."""
    posting = NewPosting(
        record_id=row.record_id,
        settlement_id=row.settlement_id,
        institution_id=row.institution_id,
        cause=f"payment:{row.attempt_id}",
        debit=provider_account(row.provider),
        credit=PATIENT,
        amount_fen=row.amount_fen,
        moved_at=row.paid_at,
    )
    await ledger.post(conn, ctx, posting)
    await note(conn, ctx, row, "payment.received", row.amount_fen, None)


async def post_returned(
    conn: Connection, ctx: Context, attempt: PaymentAttempt, row: Refund
) -> None:
    """The provider gave money back to the payer."""
    posting = NewPosting(
        record_id=row.record_id,
        settlement_id=row.settlement_id,
        institution_id=row.institution_id,
        cause=f"refund:{row.refund_id}",
        debit=PATIENT,
        credit=provider_account(row.provider),
        amount_fen=row.amount_fen,
        moved_at=row.refunded_at,
    )
    await ledger.post(conn, ctx, posting)
    await note(conn, ctx, attempt, "payment.returned", row.amount_fen, None)


async def note(
    conn: Connection,
    ctx: Context,
    row: PaymentAttempt,
    action: str,
    amount_fen: int,
    decided: Decided | None,
) -> None:
    """An audit entry about an attempt, by an operator or by the system."""
    entry = AuditEntry(
        record_id=row.record_id,
        action=action,
        actor_kind="system" if decided is None else "operator",
        actor_id=0,
        institution_id=row.institution_id,
        facts={
            "settlement_id": row.settlement_id,
            "attempt_id": row.attempt_id,
            "provider": row.provider,
            "trade_no": row.trade_no,
            "amount_fen": amount_fen,
            **({} if decided is None else decided.facts()),
        },
    )
    await audit.append(conn, ctx, entry)


async def report_attempt(
    conn: Connection, ctx: Context, row: PaymentAttempt, reason: str, told_fen: int | None
) -> None:
    """Open a work item about an attempt."""
    evidence: Evidence = {
        "attempt_id": ctx.public_ids.text(row.record_id, row.attempt_id),
        "provider": row.provider,
        "trade_no": row.trade_no,
        "state": row.state.value,
        "amount_fen": row.amount_fen,
        "told_fen": told_fen,
    }
    item = NewItem(
        record_id=row.record_id,
        kind="payment",
        subject_id=row.attempt_id,
        institution_id=row.institution_id,
        reason=reason,
        evidence=evidence,
    )
    await casework.open_item(conn, ctx, item)


async def report_refund(conn: Connection, ctx: Context, row: Refund, reason: str) -> None:
    """Open a work item about a refund."""
    evidence: Evidence = {
        "refund_id": ctx.public_ids.text(row.record_id, row.refund_id),
        "provider": row.provider,
        "refund_no": row.refund_no,
        "trade_no": row.trade_no,
        "state": row.state.value,
        "amount_fen": row.amount_fen,
        "cause": row.cause,
    }
    item = NewItem(
        record_id=row.record_id,
        kind="refund",
        subject_id=row.refund_id,
        institution_id=row.institution_id,
        reason=reason,
        evidence=evidence,
    )
    await casework.open_item(conn, ctx, item)


def items_of(row: PaymentAttempt, *reasons: str) -> ItemsOf:
    """An attempt's work items of these reasons."""
    key = (row.record_id, row.attempt_id)
    return ItemsOf(record_id=key[0], kind="payment", subject_id=key[1], reasons=reasons)


def refund_items(row: Refund, *reasons: str, but_reason: str = "") -> ItemsOf:
    """A refund's work items of these reasons; none named: all but ``but_reason``."""
    return ItemsOf(
        record_id=row.record_id,
        kind="refund",
        subject_id=row.refund_id,
        reasons=reasons,
        but_reason=but_reason,
    )


async def report_unresolved(ctx: Context, row: PaymentAttempt | Refund) -> None:
    """After many tries without a clear answer a person must look; the tries go on."""
    if row.tries < ctx.policy.tries_max:
        return
    async with transaction(ctx.pool) as conn:
        if isinstance(row, Refund):
            await report_refund(conn, ctx, row, "refund-unresolved")
        else:
            await report_attempt(conn, ctx, row, "payment-unresolved", None)


async def seal(
    conn: Connection, ctx: Context, record_id: int, attempt_id: int, column: str, text: str | None
) -> bytes | None:
    """A personal column of an attempt, sealed to it."""
    if text is None:
        return None
    key = await ctx.sealer.record_key(conn, record_id)
    return ctx.sealer.seal(key, ATTEMPT_TABLE, column, attempt_id, text.encode())


async def unseal(
    conn: Connection, ctx: Context, row: PaymentAttempt, column: str, sealed: bytes | None
) -> str | None:
    """The text of a sealed column. Raises ``RowTampered``."""
    if sealed is None:
        return None
    key = await ctx.sealer.record_key(conn, row.record_id)
    return ctx.sealer.open(key, ATTEMPT_TABLE, column, row.attempt_id, sealed).decode()
