"""SQL that finds what an institution settled and reversed with the bureau on a day."""

from datetime import datetime

import msgspec

from service.kernel.database import Connection, list_rows
from service.reconcile.model import Account, Class

CALLS_MAX = 100_000

LIST_CALLS = """
select c.record_id, c.settlement_id,
  max(c.called_at) filter (where c.kind = 'settle') as settle_at,
  max(c.called_at) filter (where c.kind = 'reverse') as reverse_at
from insurance_call c
where (c.record_id, c.settlement_id) in (
    select d.record_id, d.settlement_id
    from insurance_call d
    join settlement s on s.record_id = d.record_id and s.settlement_id = d.settlement_id
    where d.kind in ('settle', 'reverse') and d.called_at >= $2 and d.called_at < $3
      and s.institution_id = $1
  )
  and c.kind in ('settle', 'reverse')
group by c.record_id, c.settlement_id
limit $4
"""
LIST_OPEN_TOTALS = """
select own_no, difference_id, class as held_class, record_id
from statement_difference
where provider = $1 and account_name = $2 and day = $3 and kind = 'settlement' and state = 'OPEN'
"""


class Called(msgspec.Struct, frozen=True, kw_only=True):
    """A settlement that talked to the bureau about money, and when it did last."""

    record_id: int
    settlement_id: int
    settle_at: datetime | None
    reverse_at: datetime | None


class OpenTotals(msgspec.Struct, frozen=True, kw_only=True):
    """Totals that did not agree."""

    own_no: str
    difference_id: int
    held_class: Class
    record_id: int


async def list_calls(
    conn: Connection, institution_id: int, first: datetime, end: datetime
) -> list[Called]:
    """Every settlement that was settled or reversed, or tried to be, between two instants."""
    return await list_rows(conn, Called, LIST_CALLS, institution_id, first, end, CALLS_MAX)


async def list_open_totals(conn: Connection, account: Account, day: object) -> list[OpenTotals]:
    """Open differences of a day's totals."""
    key = (account.provider, account.account_name, day)
    return await list_rows(conn, OpenTotals, LIST_OPEN_TOTALS, *key)
