"""SQL of settlements. The lease columns are no part of the row's meaning nor of its MAC."""

from collections.abc import Sequence
from datetime import datetime

from service.kernel.database import Connection, execute, find_row, list_rows, write
from service.kernel.joined_reads import Read
from service.settlement.model import InsuranceCall, Settlement, ToPost

GET_SETTLEMENT = """
select record_id, settlement_id, bill_id, bill_version, institution_id, channel, terminal_id,
  account_id, insured, use_account, state, reason, total_fen, fund_fen, account_fen, cash_fen,
  hospital_fen, paid_fen, refunded_fen, sealed, settlement_ref, paid_by, provider_ref,
  hospital_ref, due_at, deadline_at, tries, created_at, updated_at, settled_at, version, row_mac,
  round_no, taken_over_at, cover_fen
from settlement
where record_id = $1 and settlement_id = $2
"""
FIND_LIVE = """
select record_id, settlement_id, bill_id, bill_version, institution_id, channel, terminal_id,
  account_id, insured, use_account, state, reason, total_fen, fund_fen, account_fen, cash_fen,
  hospital_fen, paid_fen, refunded_fen, sealed, settlement_ref, paid_by, provider_ref,
  hospital_ref, due_at, deadline_at, tries, created_at, updated_at, settled_at, version, row_mac,
  round_no, taken_over_at, cover_fen
from settlement
where record_id = $1 and bill_id = $2 and state <> 'REVERSED'
"""
INSERT_SETTLEMENT = """
insert into settlement (
  record_id, settlement_id, bill_id, bill_version, institution_id, channel, terminal_id,
  account_id, insured, use_account, state, reason, total_fen, fund_fen, account_fen, cash_fen,
  hospital_fen, paid_fen, refunded_fen, sealed, settlement_ref, paid_by, provider_ref,
  hospital_ref, due_at, deadline_at, tries, created_at, updated_at, settled_at, version, row_mac,
  round_no, taken_over_at, cover_fen
)
values (
  $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21,
  $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, $33, $34, $35
)
on conflict do nothing
"""
SAVE_SETTLEMENT = """
update settlement
set state = $4, reason = $5, fund_fen = $6, account_fen = $7, cash_fen = $8, hospital_fen = $9,
  paid_fen = $10, refunded_fen = $11, sealed = $12, settlement_ref = $13, paid_by = $14,
  provider_ref = $15, hospital_ref = $16, due_at = $17, deadline_at = $18, tries = $19,
  updated_at = $20, settled_at = $21, version = $22, row_mac = $23, bill_version = $24,
  total_fen = $25, round_no = $26, channel = $27, terminal_id = $28, account_id = $29,
  taken_over_at = $30, cover_fen = $31
where record_id = $1 and settlement_id = $2 and version = $3
"""
LIST_DUE = """
select record_id, settlement_id
from settlement
where due_at <= $1 and (lease_until is null or lease_until < $1)
order by due_at
limit $2
"""
OLDEST_DUE = """
select min(due_at) from settlement where due_at <= $1
"""
CLAIM_SETTLEMENT = """
update settlement
set lease_token = $3, lease_until = $5
where record_id = $1 and settlement_id = $2 and due_at <= $4
  and (lease_until is null or lease_until < $4)
"""
RELEASE_SETTLEMENT = """
update settlement
set lease_token = null, lease_until = null
where record_id = $1 and settlement_id = $2 and lease_token = $3
"""
INSERT_EVENT = """
insert into settlement_event (record_id, settlement_id, version, event, state, at)
values ($1, $2, $3, $4, $5, $6)
"""
COUNT_ENTERED = """
select count(*) from settlement_event
where record_id = $1 and settlement_id = $2 and version < $3 and state = any($4::text[])
"""
INSERT_CALL = """
insert into insurance_call (record_id, call_id, settlement_id, kind, message_no, called_at)
values ($1, $2, $3, $4, $5, $6)
on conflict do nothing
"""
FIND_OPEN_CALL = """
select record_id, call_id, settlement_id, kind, message_no, called_at, outcome, undone_by, evidence
from insurance_call
where record_id = $1 and settlement_id = $2 and outcome is null
"""
FINISH_CALL = """
update insurance_call
set outcome = $3, evidence = $4
where record_id = $1 and call_id = $2 and outcome is null
"""
MARK_UNDONE = """
update insurance_call
set undone_by = $4
where record_id = $1 and settlement_id = $2 and message_no = $3
"""
INSERT_TO_POST = """
insert into institution_settlement (
  institution_id, settlement_id, record_id, bill_no, settled_at
)
values ($1, $2, $3, $4, $5)
on conflict (institution_id, settlement_id) do update
set settled_at = excluded.settled_at, posted_at = null
"""
MARK_POSTED = """
update institution_settlement
set posted_at = $3
where institution_id = $1 and settlement_id = $2 and posted_at is null
"""
LIST_TO_POST = """
select institution_id, settlement_id, record_id, bill_no, settled_at, posted_at
from institution_settlement
where institution_id = $1 and posted_at is null
order by settled_at, settlement_id
limit $2
"""
LIST_OF_INSTITUTION = """
select institution_id, settlement_id, record_id, bill_no, settled_at, posted_at
from institution_settlement
where institution_id = $1
order by settled_at desc, settlement_id
limit $2
"""
FIND_TO_POST = """
select institution_id, settlement_id, record_id, bill_no, settled_at, posted_at
from institution_settlement
where institution_id = $1 and settlement_id = $2
"""


async def find_settlement(
    conn: Connection, record_id: int, settlement_id: int
) -> Settlement | None:
    """By id."""
    return await find_row(conn, Settlement, GET_SETTLEMENT, record_id, settlement_id)


def settlement_read(record_id: int, settlement_id: int) -> Read:
    """``find_settlement``, to be read together with others."""
    return Read(GET_SETTLEMENT, (record_id, settlement_id), len(Settlement.__struct_fields__))


async def find_live(conn: Connection, record_id: int, bill_id: int) -> Settlement | None:
    """The settlement of a bill that is not undone."""
    return await find_row(conn, Settlement, FIND_LIVE, record_id, bill_id)


async def insert_settlement(conn: Connection, row: Settlement, otherwise: Exception) -> None:
    """Raises ``otherwise`` when the bill has a settlement that is not undone."""
    await write(
        conn,
        INSERT_SETTLEMENT,
        row.record_id,
        row.settlement_id,
        row.bill_id,
        row.bill_version,
        row.institution_id,
        row.channel.value,
        row.terminal_id,
        row.account_id,
        row.insured,
        row.use_account,
        row.state.value,
        row.reason,
        row.total_fen,
        row.fund_fen,
        row.account_fen,
        row.cash_fen,
        row.hospital_fen,
        row.paid_fen,
        row.refunded_fen,
        row.sealed,
        row.settlement_ref,
        row.paid_by,
        row.provider_ref,
        row.hospital_ref,
        row.due_at,
        row.deadline_at,
        row.tries,
        row.created_at,
        row.updated_at,
        row.settled_at,
        row.version,
        row.row_mac,
        row.round_no,
        row.taken_over_at,
        row.cover_fen,
        otherwise=otherwise,
    )


async def save_settlement(
    conn: Connection, row: Settlement, *, version: int, otherwise: Exception
) -> None:
    """Write ``row`` over the row of that version; raises ``otherwise`` when somebody was faster."""
    await write(
        conn,
        SAVE_SETTLEMENT,
        row.record_id,
        row.settlement_id,
        version,
        row.state.value,
        row.reason,
        row.fund_fen,
        row.account_fen,
        row.cash_fen,
        row.hospital_fen,
        row.paid_fen,
        row.refunded_fen,
        row.sealed,
        row.settlement_ref,
        row.paid_by,
        row.provider_ref,
        row.hospital_ref,
        row.due_at,
        row.deadline_at,
        row.tries,
        row.updated_at,
        row.settled_at,
        row.version,
        row.row_mac,
        row.bill_version,
        row.total_fen,
        row.round_no,
        row.channel.value,
        row.terminal_id,
        row.account_id,
        row.taken_over_at,
        row.cover_fen,
        otherwise=otherwise,
    )


async def list_due(conn: Connection, now: datetime, limit: int) -> list[tuple[int, int]]:
    """(record, settlement) of what nobody holds and is due."""
    rows = await conn.fetch(LIST_DUE, now, limit)
    return [(row["record_id"], row["settlement_id"]) for row in rows]


async def claim_settlement(
    conn: Connection, key: tuple[int, int], token: bytes, now: datetime, until: datetime
) -> bool:
    """False when another holder was faster."""
    return await execute(conn, CLAIM_SETTLEMENT, *key, token, now, until) == 1


async def release_settlement(conn: Connection, key: tuple[int, int], token: bytes) -> None:
    """Give the lease back, if it is still ours."""
    await execute(conn, RELEASE_SETTLEMENT, *key, token)


async def insert_event(conn: Connection, row: Settlement, event: str) -> None:
    """The history: one row a state change."""
    await write(
        conn,
        INSERT_EVENT,
        row.record_id,
        row.settlement_id,
        row.version,
        event,
        row.state.value,
        row.updated_at,
    )


async def count_entered(conn: Connection, row: Settlement, states: Sequence[str]) -> int:
    """How often the settlement entered one of the states before its present version."""
    count: int = await conn.fetchval(
        COUNT_ENTERED, row.record_id, row.settlement_id, row.version, [str(one) for one in states]
    )
    return count


async def insert_call(conn: Connection, call: InsuranceCall, otherwise: Exception) -> None:
    """Raises ``otherwise`` when another call of the settlement is open."""
    await write(
        conn,
        INSERT_CALL,
        call.record_id,
        call.call_id,
        call.settlement_id,
        call.kind.value,
        call.message_no,
        call.called_at,
        otherwise=otherwise,
    )


async def find_open_call(
    conn: Connection, record_id: int, settlement_id: int
) -> InsuranceCall | None:
    """The call whose outcome is not recorded."""
    return await find_row(conn, InsuranceCall, FIND_OPEN_CALL, record_id, settlement_id)


def open_call_read(record_id: int, settlement_id: int) -> Read:
    """``find_open_call``, to be read together with others."""
    return Read(FIND_OPEN_CALL, (record_id, settlement_id), len(InsuranceCall.__struct_fields__))


async def finish_call(
    conn: Connection,
    call: InsuranceCall,
    outcome: str,
    evidence: bytes | None,
    otherwise: Exception,
) -> None:
    """Record how a call ended; raises ``otherwise`` when it is recorded already."""
    key = (call.record_id, call.call_id)
    await write(conn, FINISH_CALL, *key, outcome, evidence, otherwise=otherwise)


async def mark_undone(
    conn: Connection, record_id: int, settlement_id: int, message_no: str, undone_by: int
) -> None:
    """Note which call undid the one with this message number."""
    await execute(conn, MARK_UNDONE, record_id, settlement_id, message_no, undone_by)


async def insert_to_post(conn: Connection, row: Settlement, bill_no: str) -> None:
    """Show the settlement to its hospital; again after a correction."""
    await write(
        conn,
        INSERT_TO_POST,
        row.institution_id,
        row.settlement_id,
        row.record_id,
        bill_no,
        row.settled_at,
    )


async def mark_posted(
    conn: Connection, institution_id: int, settlement_id: int, now: datetime
) -> None:
    """The hospital has it."""
    await write(conn, MARK_POSTED, institution_id, settlement_id, now)


async def list_to_post(conn: Connection, institution_id: int, limit: int) -> list[ToPost]:
    """What the hospital has still to post, oldest first."""
    return await list_rows(conn, ToPost, LIST_TO_POST, institution_id, limit)


async def list_of_institution(conn: Connection, institution_id: int, limit: int) -> list[ToPost]:
    """The hospital's settlements, newest first."""
    return await list_rows(conn, ToPost, LIST_OF_INSTITUTION, institution_id, limit)


async def find_to_post(conn: Connection, institution_id: int, settlement_id: int) -> ToPost | None:
    """Where a hospital's settlement lives."""
    return await find_row(conn, ToPost, FIND_TO_POST, institution_id, settlement_id)
