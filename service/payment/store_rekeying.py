"""What re-keying must know of the tables of payment: their SQL, and how a row moves."""

from service.kernel.rekeying import maced
from service.payment.model import PaymentAttempt, Refund

PAGE_ATTEMPTS = """
select record_id, attempt_id, settlement_id, institution_id, provider, account_name, way, purpose,
  trade_no, amount_fen, refunding_fen, refunded_fen, state, payer_sealed, client_sealed,
  provider_ref, paid_at, expires_at, asked_at, due_at, tries, created_at, version, row_mac
from payment_attempt
where (record_id, attempt_id) > ($1, $2)
order by record_id, attempt_id
limit $3
"""
COUNT_ATTEMPTS = """
select count(*) from payment_attempt where substring(row_mac from 1 for 1) = $1
"""
SWAP_ATTEMPT_MAC = """
update payment_attempt
set row_mac = $4
where record_id = $1 and attempt_id = $2 and row_mac = $3
"""
PAGE_REFUNDS = """
select record_id, refund_id, attempt_id, settlement_id, institution_id, provider, refund_no,
  trade_no, amount_fen, cause, state, provider_ref, refunded_at, due_at, tries, created_at,
  version, row_mac
from refund
where (record_id, refund_id) > ($1, $2)
order by record_id, refund_id
limit $3
"""
COUNT_REFUNDS = """
select count(*) from refund where substring(row_mac from 1 for 1) = $1
"""
SWAP_REFUND_MAC = """
update refund
set row_mac = $4
where record_id = $1 and refund_id = $2 and row_mac = $3
"""

KEYED_ROWS = (
    maced(
        "payment_attempt",
        PaymentAttempt,
        ("record_id", "attempt_id"),
        ("record_id", "attempt_id"),
        page=PAGE_ATTEMPTS,
        count=COUNT_ATTEMPTS,
        swap=SWAP_ATTEMPT_MAC,
    ),
    maced(
        "refund",
        Refund,
        ("record_id", "refund_id"),
        ("record_id", "refund_id"),
        page=PAGE_REFUNDS,
        count=COUNT_REFUNDS,
        swap=SWAP_REFUND_MAC,
    ),
)
