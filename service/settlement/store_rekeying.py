"""What re-keying must know of the tables of settlement: their SQL, and how a row moves."""

from service.kernel.rekeying import maced
from service.settlement.asks.model import InsuranceAsk
from service.settlement.corrections.model import Correction
from service.settlement.model import Settlement
from service.settlement.stays.model import Deposit

PAGE_SETTLEMENTS = """
select record_id, settlement_id, bill_id, bill_version, institution_id, channel, terminal_id,
  account_id, insured, use_account, state, reason, total_fen, fund_fen, account_fen, cash_fen,
  hospital_fen, paid_fen, refunded_fen, sealed, settlement_ref, paid_by, provider_ref,
  hospital_ref, due_at, deadline_at, tries, created_at, updated_at, settled_at, version, row_mac,
  round_no, taken_over_at, cover_fen
from settlement
where (record_id, settlement_id) > ($1, $2)
order by record_id, settlement_id
limit $3
"""
COUNT_SETTLEMENTS = """
select count(*) from settlement where substring(row_mac from 1 for 1) = $1
"""
SWAP_SETTLEMENT_MAC = """
update settlement
set row_mac = $4
where record_id = $1 and settlement_id = $2 and row_mac = $3
"""

PAGE_CORRECTIONS = """
select record_id, correction_id, settlement_id, institution_id, bill_version, bill_after,
  amount_fen, state, sealed, asked_by, asked_through, asked_at, decided_by, decided_through,
  decided_at, round_no, ended_at, version, row_mac
from correction
where (record_id, correction_id) > ($1, $2)
order by record_id, correction_id
limit $3
"""
COUNT_CORRECTIONS = """
select count(*) from correction where substring(row_mac from 1 for 1) = $1
"""
SWAP_CORRECTION_MAC = """
update correction
set row_mac = $4
where record_id = $1 and correction_id = $2 and row_mac = $3
"""

PAGE_DEPOSITS = """
select record_id, settlement_id, institution_id, stay_no, held_fen, taken_by, settled_at, version,
  row_mac
from deposit
where (record_id, settlement_id) > ($1, $2)
order by record_id, settlement_id
limit $3
"""
COUNT_DEPOSITS = """
select count(*) from deposit where substring(row_mac from 1 for 1) = $1
"""
SWAP_DEPOSIT_MAC = """
update deposit
set row_mac = $4
where record_id = $1 and settlement_id = $2 and row_mac = $3
"""

PAGE_ASKS = """
select institution_id, message_no, ask_id, record_id, settlement_id, kind, of_no, total_fen, asked,
  state, asked_at, taken_at, taken_by, answered_at, answered_by, answer, signed, differing, version,
  row_mac
from insurance_ask
where (institution_id, message_no) > ($1, $2)
order by institution_id, message_no
limit $3
"""
COUNT_ASKS = """
select count(*) from insurance_ask where substring(row_mac from 1 for 1) = $1
"""
SWAP_ASK_MAC = """
update insurance_ask
set row_mac = $4
where institution_id = $1 and message_no = $2 and row_mac = $3
"""

KEYED_ROWS = (
    maced(
        "insurance_ask",
        InsuranceAsk,
        ("institution_id", "message_no"),
        ("record_id", "settlement_id"),
        page=PAGE_ASKS,
        count=COUNT_ASKS,
        swap=SWAP_ASK_MAC,
    ),
    maced(
        "deposit",
        Deposit,
        ("record_id", "settlement_id"),
        ("record_id", "settlement_id"),
        page=PAGE_DEPOSITS,
        count=COUNT_DEPOSITS,
        swap=SWAP_DEPOSIT_MAC,
    ),
    maced(
        "settlement",
        Settlement,
        ("record_id", "settlement_id"),
        ("record_id", "settlement_id"),
        page=PAGE_SETTLEMENTS,
        count=COUNT_SETTLEMENTS,
        swap=SWAP_SETTLEMENT_MAC,
    ),
    maced(
        "correction",
        Correction,
        ("record_id", "correction_id"),
        ("record_id", "correction_id"),
        page=PAGE_CORRECTIONS,
        count=COUNT_CORRECTIONS,
        swap=SWAP_CORRECTION_MAC,
    ),
)
