"""SQL of insurance calls that the hospital's own machine performs."""

from datetime import datetime

from service.kernel.database import Connection, execute, find_row, insert_new, list_rows
from service.settlement.asks.model import InsuranceAsk

OF_SETTLEMENT_MAX = 200

INSERT_ASK = """
insert into insurance_ask (
  institution_id, message_no, ask_id, record_id, settlement_id, kind, of_no, total_fen, asked,
  state, asked_at, version, row_mac
)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
on conflict (institution_id, message_no) do nothing
"""
GET_ASK = """
select institution_id, message_no, ask_id, record_id, settlement_id, kind, of_no, total_fen, asked,
  state, asked_at, taken_at, taken_by, answered_at, answered_by, answer, signed, differing, version,
  row_mac
from insurance_ask
where institution_id = $1 and message_no = $2
"""
GET_STATE = """
select state from insurance_ask where institution_id = $1 and message_no = $2
"""
COUNT_WAITING = """
select count(*) from insurance_ask
where institution_id = $1 and state = 'ASKED' and asked_at > $2
"""
LIST_ASKED = """
select institution_id, message_no, ask_id, record_id, settlement_id, kind, of_no, total_fen, asked,
  state, asked_at, taken_at, taken_by, answered_at, answered_by, answer, signed, differing, version,
  row_mac
from insurance_ask
where institution_id = $1 and state = 'ASKED' and asked_at > $2
order by asked_at, message_no
limit $3
"""
LIST_TAKEN = """
select institution_id, message_no, ask_id, record_id, settlement_id, kind, of_no, total_fen, asked,
  state, asked_at, taken_at, taken_by, answered_at, answered_by, answer, signed, differing, version,
  row_mac
from insurance_ask a
where a.institution_id = $1 and a.state = 'TAKEN'
  and not exists (
    select 1 from insurance_ask n
    where n.institution_id = $1 and n.settlement_id = a.settlement_id
      and n.asked_at >= a.asked_at and n.message_no <> a.message_no
  )
order by a.asked_at, a.message_no
limit $2
"""
LIST_PRESETTLES = """
select institution_id, message_no, ask_id, record_id, settlement_id, kind, of_no, total_fen, asked,
  state, asked_at, taken_at, taken_by, answered_at, answered_by, answer, signed, differing, version,
  row_mac
from insurance_ask
where institution_id = $1 and settlement_id = $2 and record_id = $3 and kind = 'presettle'
  and state <> 'WITHDRAWN'
order by asked_at, message_no
limit $4
"""
SAVE_ASK = """
update insurance_ask
set state = $4, taken_at = $5, taken_by = $6, answered_at = $7, answered_by = $8, answer = $9,
  signed = $10, differing = $11, version = $12, row_mac = $13
where institution_id = $1 and message_no = $2 and version = $3
"""


async def insert_ask(conn: Connection, row: InsuranceAsk) -> bool:
    """False when the number was asked, or withdrawn, before."""
    return await insert_new(
        conn,
        INSERT_ASK,
        row.institution_id,
        row.message_no,
        row.ask_id,
        row.record_id,
        row.settlement_id,
        row.kind.value,
        row.of_no,
        row.total_fen,
        row.asked,
        row.state.value,
        row.asked_at,
        row.version,
        row.row_mac,
    )


async def find_ask(conn: Connection, institution_id: int, message_no: str) -> InsuranceAsk | None:
    """One of the institution's."""
    return await find_row(conn, InsuranceAsk, GET_ASK, institution_id, message_no)


async def find_state(conn: Connection, institution_id: int, message_no: str) -> str | None:
    """What its state seems to be: a hint that is not proved, to wait by."""
    state: str | None = await conn.fetchval(GET_STATE, institution_id, message_no)
    return state


async def count_waiting(conn: Connection, institution_id: int, since: datetime) -> int:
    """Asked since, and not taken yet."""
    count: int = await conn.fetchval(COUNT_WAITING, institution_id, since)
    return count


async def list_asked(
    conn: Connection, institution_id: int, since: datetime, limit: int
) -> list[InsuranceAsk]:
    """Asked since and not taken yet, oldest first."""
    return await list_rows(conn, InsuranceAsk, LIST_ASKED, institution_id, since, limit)


async def list_taken(conn: Connection, institution_id: int, limit: int) -> list[InsuranceAsk]:
    """Taken and not answered, oldest first; of each settlement only what was asked last."""
    return await list_rows(conn, InsuranceAsk, LIST_TAKEN, institution_id, limit)


async def list_presettles(
    conn: Connection, institution_id: int, settlement_id: int, record_id: int
) -> list[InsuranceAsk]:
    """What was asked to be divided for one settlement and not withdrawn, oldest first."""
    key = (institution_id, settlement_id, record_id)
    return await list_rows(conn, InsuranceAsk, LIST_PRESETTLES, *key, OF_SETTLEMENT_MAX)


async def save_ask(conn: Connection, row: InsuranceAsk) -> bool:
    """Compare-and-set: the row stored must be of the version before. False when it is not."""
    return (
        await execute(
            conn,
            SAVE_ASK,
            row.institution_id,
            row.message_no,
            row.version - 1,
            row.state.value,
            row.taken_at,
            row.taken_by,
            row.answered_at,
            row.answered_by,
            row.answer,
            row.signed,
            row.differing,
            row.version,
            row.row_mac,
        )
        == 1
    )
