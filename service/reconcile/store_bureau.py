"""SQL that finds what an institution asked the bureau about money on a day."""

from datetime import date, datetime

import msgspec

from service.kernel.database import Connection, list_rows
from service.reconcile.model import Account, Class
from service.reconcile.store_pairs import Span

SETTLEMENTS_MAX = 100_000
CALLS_MAX = 1000

LIST_SETTLEMENTS = """
select distinct c.record_id, c.settlement_id
from insurance_call c
join settlement s on s.record_id = c.record_id and s.settlement_id = c.settlement_id
where c.kind in ('settle', 'reverse', 'confirm', 'return-insurance')
  and c.called_at >= $2 and c.called_at < $3 and s.institution_id = $1
limit $4
"""
LIST_CALLS = """
select call_id, kind, message_no, called_at, outcome, evidence
from insurance_call
where record_id = $1 and settlement_id = $2
  and kind in ('register', 'settle', 'reverse', 'find', 'undo', 'confirm', 'return-insurance')
order by called_at
limit $3
"""
LIST_COVERED = """
select distinct c.record_id, c.settlement_id
from insurance_call c
join settlement s on s.record_id = c.record_id and s.settlement_id = c.settlement_id
where c.kind in ('cover-confirm', 'cover-find', 'cover-withdraw')
  and c.called_at >= $2 and c.called_at < $3 and s.institution_id = $1
limit $4
"""
LIST_COVER_CALLS = """
select call_id, kind, message_no, called_at, outcome, evidence
from insurance_call
where record_id = $1 and settlement_id = $2
  and kind in ('cover-confirm', 'cover-find', 'cover-withdraw')
order by called_at
limit $3
"""
LIST_OPEN = """
select own_no, difference_id, class as held_class, record_id
from statement_difference
where provider = $1 and account_name = $2 and day = $3 and kind = 'settlement' and state = 'OPEN'
"""


class Called(msgspec.Struct, frozen=True, kw_only=True):
    """A call to the bureau and what was kept of its answer, sealed."""

    call_id: int
    kind: str
    message_no: str
    called_at: datetime
    outcome: str | None
    evidence: bytes | None


class OpenDifference(msgspec.Struct, frozen=True, kw_only=True):
    """Totals of a kind of insurance, or a single line, that did not agree."""

    own_no: str
    difference_id: int
    held_class: Class
    record_id: int


async def list_settlements(
    conn: Connection, institution_id: int, span: Span
) -> list[tuple[int, int]]:
    """(record id, settlement id) of what was settled or reversed, or tried to be, in the span."""
    rows = await conn.fetch(LIST_SETTLEMENTS, institution_id, span.first, span.end, SETTLEMENTS_MAX)
    return [(row["record_id"], row["settlement_id"]) for row in rows]


async def list_calls(conn: Connection, record_id: int, settlement_id: int) -> list[Called]:
    """A settlement's calls about money and its registrations, in their order."""
    return await list_rows(conn, Called, LIST_CALLS, record_id, settlement_id, CALLS_MAX)


async def list_covered(conn: Connection, institution_id: int, span: Span) -> list[tuple[int, int]]:
    """(record id, settlement id) of those about which a commercial insurer was asked in the
    span."""
    rows = await conn.fetch(LIST_COVERED, institution_id, span.first, span.end, SETTLEMENTS_MAX)
    return [(row["record_id"], row["settlement_id"]) for row in rows]


async def list_cover_calls(conn: Connection, record_id: int, settlement_id: int) -> list[Called]:
    """A settlement's calls to its commercial insurer about money, in their order."""
    return await list_rows(conn, Called, LIST_COVER_CALLS, record_id, settlement_id, CALLS_MAX)


async def list_open(conn: Connection, account: Account, day: date) -> list[OpenDifference]:
    """Open differences of a day with the bureau or an insurer."""
    key = (account.provider, account.account_name, day)
    return await list_rows(conn, OpenDifference, LIST_OPEN, *key)
