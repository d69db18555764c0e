"""SQL of attempts, refunds, their numbers and notices.

Rows are saved whole, by compare-and-set on their version. Locks: the attempt before its refund.
"""

from datetime import datetime

from service.kernel.database import Connection, execute, find_row, insert_new, list_rows, write
from service.kernel.joined_reads import Read
from service.payment.model import PaymentAttempt, Refund, RowKey

INSERT_ATTEMPT = """
insert into payment_attempt (
  record_id, attempt_id, settlement_id, institution_id, provider, account_name, way, purpose,
  trade_no, amount_fen, refunding_fen, refunded_fen, state, payer_sealed, client_sealed,
  provider_ref, paid_at, expires_at, asked_at, due_at, tries, created_at, version, row_mac
)
values (
  $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21,
  $22, $23, $24
)
on conflict do nothing
"""
GET_ATTEMPT = """
select record_id, attempt_id, settlement_id, institution_id, provider, account_name, way, purpose,
  trade_no, amount_fen, refunding_fen, refunded_fen, state, payer_sealed, client_sealed,
  provider_ref, paid_at, expires_at, asked_at, due_at, tries, created_at, version, row_mac
from payment_attempt
where record_id = $1 and attempt_id = $2
"""
LOCK_ATTEMPT = """
select record_id, attempt_id, settlement_id, institution_id, provider, account_name, way, purpose,
  trade_no, amount_fen, refunding_fen, refunded_fen, state, payer_sealed, client_sealed,
  provider_ref, paid_at, expires_at, asked_at, due_at, tries, created_at, version, row_mac
from payment_attempt
where record_id = $1 and attempt_id = $2
for update
"""
LIST_ATTEMPTS = """
select record_id, attempt_id, settlement_id, institution_id, provider, account_name, way, purpose,
  trade_no, amount_fen, refunding_fen, refunded_fen, state, payer_sealed, client_sealed,
  provider_ref, paid_at, expires_at, asked_at, due_at, tries, created_at, version, row_mac
from payment_attempt
where record_id = $1 and settlement_id = $2
order by created_at desc, attempt_id
limit $3
"""
SAVE_ATTEMPT = """
update payment_attempt
set account_name = $3, refunding_fen = $4, refunded_fen = $5, state = $6, client_sealed = $7,
  provider_ref = $8, paid_at = $9, asked_at = $10, due_at = $11, tries = $12, version = $13,
  row_mac = $14
where record_id = $1 and attempt_id = $2 and version = $13 - 1
"""
LIST_DUE_ATTEMPTS = """
select record_id, attempt_id as row_id
from payment_attempt
where due_at <= $1 and (lease_until is null or lease_until <= $1)
order by due_at
limit $2
"""
OLDEST_DUE_ATTEMPT = """
select min(due_at) from payment_attempt where due_at <= $1
"""
CLAIM_ATTEMPT = """
update payment_attempt
set lease_until = $4
where record_id = $1 and attempt_id = $2 and due_at <= $3
  and (lease_until is null or lease_until <= $3)
"""
RELEASE_ATTEMPT = """
update payment_attempt
set lease_until = null
where record_id = $1 and attempt_id = $2
"""
INSERT_REFUND = """
insert into refund (
  record_id, refund_id, attempt_id, settlement_id, institution_id, provider, refund_no, trade_no,
  amount_fen, cause, state, provider_ref, refunded_at, due_at, tries, created_at, version, row_mac
)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
"""
GET_REFUND = """
select record_id, refund_id, attempt_id, settlement_id, institution_id, provider, refund_no,
  trade_no, amount_fen, cause, state, provider_ref, refunded_at, due_at, tries, created_at,
  version, row_mac
from refund
where record_id = $1 and refund_id = $2
"""
LOCK_REFUND = """
select record_id, refund_id, attempt_id, settlement_id, institution_id, provider, refund_no,
  trade_no, amount_fen, cause, state, provider_ref, refunded_at, due_at, tries, created_at,
  version, row_mac
from refund
where record_id = $1 and refund_id = $2
for update
"""
GET_BY_CAUSE = """
select record_id, refund_id, attempt_id, settlement_id, institution_id, provider, refund_no,
  trade_no, amount_fen, cause, state, provider_ref, refunded_at, due_at, tries, created_at,
  version, row_mac
from refund
where record_id = $1 and attempt_id = $2 and cause = $3
"""
LIST_REFUNDS = """
select record_id, refund_id, attempt_id, settlement_id, institution_id, provider, refund_no,
  trade_no, amount_fen, cause, state, provider_ref, refunded_at, due_at, tries, created_at,
  version, row_mac
from refund
where record_id = $1 and settlement_id = $2
order by created_at desc, refund_id
limit $3
"""
SAVE_REFUND = """
update refund
set state = $3, provider_ref = $4, refunded_at = $5, due_at = $6, tries = $7, version = $8,
  row_mac = $9
where record_id = $1 and refund_id = $2 and version = $8 - 1
"""
LIST_DUE_REFUNDS = """
select record_id, refund_id as row_id
from refund
where due_at <= $1 and (lease_until is null or lease_until <= $1)
order by due_at
limit $2
"""
OLDEST_DUE_REFUND = """
select min(due_at) from refund where due_at <= $1
"""
CLAIM_REFUND = """
update refund
set lease_until = $4
where record_id = $1 and refund_id = $2 and due_at <= $3
  and (lease_until is null or lease_until <= $3)
"""
RELEASE_REFUND = """
update refund
set lease_until = null
where record_id = $1 and refund_id = $2
"""
INSERT_NUMBER = """
insert into payment_number (partner_no, kind, record_id, row_id)
values ($1, $2, $3, $4)
"""
GET_NUMBER = """
select record_id, row_id
from payment_number
where partner_no = $1 and kind = $2
"""
GET_NOTICE = """
select 1
from payment_notice
where notice_no = $1 and provider = $2
"""
INSERT_NOTICE = """
insert into payment_notice (notice_no, provider, received_at)
values ($1, $2, $3)
on conflict (notice_no, provider) do nothing
"""
DELETE_OLD_NOTICES = """
delete from payment_notice
where received_at < $1
"""

LISTED_MAX = 100
TRADE = "trade"
REFUND = "refund"


async def insert_attempt(conn: Connection, row: PaymentAttempt) -> bool:
    """False when another attempt of the settlement lives or is under review, or this one stands."""
    return await insert_new(conn, INSERT_ATTEMPT, *_columns(row))


async def write_attempt(conn: Connection, row: PaymentAttempt, otherwise: Exception) -> None:
    """As ``insert_attempt``, with what else the transaction writes; raises ``otherwise``."""
    await write(conn, INSERT_ATTEMPT, *_columns(row), otherwise=otherwise)


def _columns(row: PaymentAttempt) -> tuple[object, ...]:
    return (
        row.record_id,
        row.attempt_id,
        row.settlement_id,
        row.institution_id,
        row.provider,
        row.account_name,
        row.way,
        row.purpose,
        row.trade_no,
        row.amount_fen,
        row.refunding_fen,
        row.refunded_fen,
        row.state,
        row.payer_sealed,
        row.client_sealed,
        row.provider_ref,
        row.paid_at,
        row.expires_at,
        row.asked_at,
        row.due_at,
        row.tries,
        row.created_at,
        row.version,
        row.row_mac,
    )


async def find_attempt(conn: Connection, key: RowKey) -> PaymentAttempt | None:
    """The attempt as it stands."""
    return await find_row(conn, PaymentAttempt, GET_ATTEMPT, key.record_id, key.row_id)


async def lock_attempt(conn: Connection, key: RowKey) -> PaymentAttempt | None:
    """The attempt, held until the transaction ends."""
    return await find_row(conn, PaymentAttempt, LOCK_ATTEMPT, key.record_id, key.row_id)


async def list_attempts(
    conn: Connection, record_id: int, settlement_id: int
) -> list[PaymentAttempt]:
    """Newest first."""
    return await list_rows(
        conn, PaymentAttempt, LIST_ATTEMPTS, record_id, settlement_id, LISTED_MAX
    )


def attempts_read(record_id: int, settlement_id: int) -> Read:
    """``list_attempts``, to be read together with others."""
    width = len(PaymentAttempt.__struct_fields__)
    return Read(LIST_ATTEMPTS, (record_id, settlement_id, LISTED_MAX), width, many=True)


async def save_attempt(conn: Connection, row: PaymentAttempt, otherwise: Exception) -> None:
    """Compare-and-set: the row stored must be of the version before; else raises ``otherwise``."""
    await write(
        conn,
        SAVE_ATTEMPT,
        row.record_id,
        row.attempt_id,
        row.account_name,
        row.refunding_fen,
        row.refunded_fen,
        row.state,
        row.client_sealed,
        row.provider_ref,
        row.paid_at,
        row.asked_at,
        row.due_at,
        row.tries,
        row.version,
        row.row_mac,
        otherwise=otherwise,
    )


async def list_due_attempts(conn: Connection, now: datetime, limit: int) -> list[RowKey]:
    """Attempts to pursue that nobody holds."""
    return await list_rows(conn, RowKey, LIST_DUE_ATTEMPTS, now, limit)


async def claim_attempt(conn: Connection, key: RowKey, now: datetime, until: datetime) -> bool:
    """Whether this caller holds the due row until ``until``."""
    return await execute(conn, CLAIM_ATTEMPT, key.record_id, key.row_id, now, until) == 1


async def release_attempt(conn: Connection, key: RowKey) -> None:
    """Let others take the row before the lease ends."""
    await execute(conn, RELEASE_ATTEMPT, key.record_id, key.row_id)


async def insert_refund(conn: Connection, row: Refund) -> None:
    """A new refund; the attempt is locked by the caller, so its cause is new."""
    await write(
        conn,
        INSERT_REFUND,
        row.record_id,
        row.refund_id,
        row.attempt_id,
        row.settlement_id,
        row.institution_id,
        row.provider,
        row.refund_no,
        row.trade_no,
        row.amount_fen,
        row.cause,
        row.state,
        row.provider_ref,
        row.refunded_at,
        row.due_at,
        row.tries,
        row.created_at,
        row.version,
        row.row_mac,
    )


async def find_refund(conn: Connection, key: RowKey) -> Refund | None:
    """The refund as it stands."""
    return await find_row(conn, Refund, GET_REFUND, key.record_id, key.row_id)


async def lock_refund(conn: Connection, key: RowKey) -> Refund | None:
    """The refund, held until the transaction ends."""
    return await find_row(conn, Refund, LOCK_REFUND, key.record_id, key.row_id)


async def find_by_cause(
    conn: Connection, record_id: int, attempt_id: int, cause: str
) -> Refund | None:
    """The refund that a cause made."""
    return await find_row(conn, Refund, GET_BY_CAUSE, record_id, attempt_id, cause)


async def list_refunds(conn: Connection, record_id: int, settlement_id: int) -> list[Refund]:
    """Newest first."""
    return await list_rows(conn, Refund, LIST_REFUNDS, record_id, settlement_id, LISTED_MAX)


async def save_refund(conn: Connection, row: Refund, otherwise: Exception) -> None:
    """Compare-and-set: the row stored must be of the version before; else raises ``otherwise``."""
    await write(
        conn,
        SAVE_REFUND,
        row.record_id,
        row.refund_id,
        row.state,
        row.provider_ref,
        row.refunded_at,
        row.due_at,
        row.tries,
        row.version,
        row.row_mac,
        otherwise=otherwise,
    )


async def list_due_refunds(conn: Connection, now: datetime, limit: int) -> list[RowKey]:
    """Refunds to pursue that nobody holds."""
    return await list_rows(conn, RowKey, LIST_DUE_REFUNDS, now, limit)


async def claim_refund(conn: Connection, key: RowKey, now: datetime, until: datetime) -> bool:
    """Whether this caller holds the due row until ``until``."""
    return await execute(conn, CLAIM_REFUND, key.record_id, key.row_id, now, until) == 1


async def release_refund(conn: Connection, key: RowKey) -> None:
    """Let others take the row before the lease ends."""
    await execute(conn, RELEASE_REFUND, key.record_id, key.row_id)


async def insert_number(conn: Connection, partner_no: str, kind: str, key: RowKey) -> None:
    """Remember where a number of ours leads."""
    await write(conn, INSERT_NUMBER, partner_no, kind, key.record_id, key.row_id)


async def find_number(conn: Connection, partner_no: str, kind: str) -> RowKey | None:
    """Where a number leads, or None when it is not ours."""
    return await find_row(conn, RowKey, GET_NUMBER, partner_no, kind)


async def has_notice(conn: Connection, notice_no: str, provider: str) -> bool:
    """Whether the notice was applied before."""
    return await conn.fetchval(GET_NOTICE, notice_no, provider) is not None


async def insert_notice(conn: Connection, notice_no: str, provider: str, now: datetime) -> None:
    """Remember an applied notice."""
    await insert_new(conn, INSERT_NOTICE, notice_no, provider, now)


async def delete_old_notices(conn: Connection, before: datetime) -> int:
    """Forget notices applied before an instant."""
    return await execute(conn, DELETE_OLD_NOTICES, before)
