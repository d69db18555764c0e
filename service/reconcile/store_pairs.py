"""SQL that sets statements against payments, refunds and ledger, a day at a time.

Every statement gives the columns of ``Pair``, and only what is not a plain match.
"""

from collections.abc import AsyncIterator
from datetime import datetime

import msgspec

from service.kernel.database import Connection, list_rows, to_struct
from service.reconcile.model import Account, OpenPair, Pair, StatementFile, Sums

BATCH = 2000
BULK_TIMEOUT_S = 300.0

TRADES_THERE = """
select l.own_no, l.kind, l.amount_fen as there_fen, l.state as there_state, l.at as there_at,
  l.provider_ref as there_ref, l.line_no, a.record_id, a.attempt_id as row_id, a.institution_id,
  a.amount_fen as here_fen, a.state as here_state, a.paid_at as here_at,
  p.amount_fen as booked_fen, null::date as elsewhere
from statement_line l
left join payment_number n on n.partner_no = l.own_no and n.kind = 'trade'
left join payment_attempt a on a.record_id = n.record_id and a.attempt_id = n.row_id
  and a.provider = $2 and a.account_name = $3
left join posting p on p.record_id = a.record_id and p.settlement_id = a.settlement_id
  and p.cause = 'payment:' || a.attempt_id
where l.file_id = $1 and l.kind = 'trade'
  and (a.amount_fen = l.amount_fen and a.state in ('PAID', 'PAID_LATE') and l.state = 'DONE'
    and a.paid_at >= $4 and a.paid_at < $5 and p.amount_fen = l.amount_fen) is not true
"""
REFUNDS_THERE = """
select l.own_no, l.kind, l.amount_fen as there_fen, l.state as there_state, l.at as there_at,
  l.provider_ref as there_ref, l.line_no, a.record_id,
  case when a.record_id is null then null else r.refund_id end as row_id, a.institution_id,
  case when a.record_id is null then null else r.amount_fen end as here_fen,
  case when a.record_id is null then null else r.state end as here_state,
  case when a.record_id is null then null else r.created_at end as here_at,
  p.amount_fen as booked_fen, null::date as elsewhere
from statement_line l
left join payment_number n on n.partner_no = l.own_no and n.kind = 'refund'
left join refund r on r.record_id = n.record_id and r.refund_id = n.row_id
  and r.trade_no = l.trade_no
left join payment_attempt a on a.record_id = r.record_id and a.attempt_id = r.attempt_id
  and a.provider = $2 and a.account_name = $3
left join posting p on p.record_id = a.record_id and p.settlement_id = a.settlement_id
  and p.cause = 'refund:' || r.refund_id
where l.file_id = $1 and l.kind = 'refund'
  and (a.record_id is not null and r.amount_fen = l.amount_fen and l.state in ('DONE', 'ACCEPTED')
    and (r.state = 'REFUNDED' and p.amount_fen = r.amount_fen
      or r.state = 'PROCESSING' and p.amount_fen is null)) is not true
"""
TRADES_HERE = """
select a.trade_no as own_no, 'trade' as kind, null::bigint as there_fen,
  null::text as there_state, null::timestamptz as there_at, null::text as there_ref,
  null::bigint as line_no, a.record_id, a.attempt_id as row_id, a.institution_id,
  a.amount_fen as here_fen, a.state as here_state, a.paid_at as here_at,
  null::bigint as booked_fen,
  (
    select min(f.day)
    from statement_file f
    join statement_line o on o.file_id = f.file_id and o.kind = 'trade' and o.own_no = a.trade_no
    where f.provider = $2 and f.account_name = $3 and f.state = 'ACTIVE' and f.file_id <> $1
  ) as elsewhere
from payment_attempt a
where a.paid_at >= $4 and a.paid_at < $5 and a.provider = $2 and a.account_name = $3
  and a.state in ('PAID', 'PAID_LATE')
  and not exists (
    select 1
    from statement_line l
    where l.file_id = $1 and l.kind = 'trade' and l.own_no = a.trade_no
  )
"""
REFUNDS_HERE = """
select r.refund_no as own_no, 'refund' as kind, null::bigint as there_fen,
  null::text as there_state, null::timestamptz as there_at, null::text as there_ref,
  null::bigint as line_no, r.record_id, r.refund_id as row_id, r.institution_id,
  r.amount_fen as here_fen, r.state as here_state, r.created_at as here_at,
  null::bigint as booked_fen,
  (
    select min(f.day)
    from statement_file f
    join statement_line o on o.file_id = f.file_id and o.kind = 'refund'
      and o.own_no = r.refund_no
    where f.provider = $2 and f.account_name = $3 and f.state = 'ACTIVE' and f.file_id <> $1
  ) as elsewhere
from refund r
join payment_attempt a on a.record_id = r.record_id and a.attempt_id = r.attempt_id
where r.created_at >= $4 and r.created_at < $5 and a.provider = $2 and a.account_name = $3
  and r.provider = a.provider and r.state in ('PROCESSING', 'REFUNDED')
  and not exists (
    select 1
    from statement_line l
    where l.file_id = $1 and l.kind = 'refund' and l.own_no = r.refund_no
  )
"""
SUM_TRADES_HERE = """
select count(*) as trade_count, coalesce(sum(a.amount_fen), 0)::bigint as trade_fen
from payment_attempt a
where a.paid_at >= $3 and a.paid_at < $4 and a.provider = $1 and a.account_name = $2
  and a.state in ('PAID', 'PAID_LATE')
"""
COUNT_REFUNDS_HERE = """
select count(*)
from refund r
join payment_attempt a on a.record_id = r.record_id and a.attempt_id = r.attempt_id
where r.created_at >= $3 and r.created_at < $4 and a.provider = $1 and a.account_name = $2
  and r.provider = a.provider and r.state in ('PROCESSING', 'REFUNDED')
"""
OPEN_TRADES = """
select d.own_no, d.kind, d.day, d.difference_id, d.class as held_class,
  l.amount_fen as there_fen, l.state as there_state, l.at as there_at,
  l.provider_ref as there_ref, l.line_no, a.record_id, a.attempt_id as row_id, a.institution_id,
  a.amount_fen as here_fen, a.state as here_state, a.paid_at as here_at,
  p.amount_fen as booked_fen,
  (
    select min(e.day)
    from statement_file e
    join statement_line o on o.file_id = e.file_id and o.kind = d.kind and o.own_no = d.own_no
    where e.provider = $1 and e.account_name = $2 and e.state = 'ACTIVE' and e.day <> d.day
  ) as elsewhere
from statement_difference d
left join statement_file f on f.provider = d.provider and f.account_name = d.account_name
  and f.day = d.day and f.state = 'ACTIVE'
left join statement_line l on l.file_id = f.file_id and l.kind = d.kind and l.own_no = d.own_no
left join payment_number n on n.partner_no = d.own_no and n.kind = d.kind
left join payment_attempt a on a.record_id = n.record_id and a.attempt_id = n.row_id
  and a.provider = d.provider and a.account_name = d.account_name
left join posting p on p.record_id = a.record_id and p.settlement_id = a.settlement_id
  and p.cause = 'payment:' || a.attempt_id
where d.provider = $1 and d.account_name = $2 and d.state = 'OPEN' and d.kind = 'trade'
order by d.day, d.own_no
limit $3
"""
OPEN_REFUNDS = """
select d.own_no, d.kind, d.day, d.difference_id, d.class as held_class,
  l.amount_fen as there_fen, l.state as there_state, l.at as there_at,
  l.provider_ref as there_ref, l.line_no, a.record_id,
  case when a.record_id is null then null else r.refund_id end as row_id, a.institution_id,
  case when a.record_id is null then null else r.amount_fen end as here_fen,
  case when a.record_id is null then null else r.state end as here_state,
  case when a.record_id is null then null else r.created_at end as here_at,
  p.amount_fen as booked_fen,
  (
    select min(e.day)
    from statement_file e
    join statement_line o on o.file_id = e.file_id and o.kind = d.kind and o.own_no = d.own_no
    where e.provider = $1 and e.account_name = $2 and e.state = 'ACTIVE' and e.day <> d.day
  ) as elsewhere
from statement_difference d
left join statement_file f on f.provider = d.provider and f.account_name = d.account_name
  and f.day = d.day and f.state = 'ACTIVE'
left join statement_line l on l.file_id = f.file_id and l.kind = d.kind and l.own_no = d.own_no
left join payment_number n on n.partner_no = d.own_no and n.kind = d.kind
left join refund r on r.record_id = n.record_id and r.refund_id = n.row_id
  and (l.trade_no is null or r.trade_no = l.trade_no)
left join payment_attempt a on a.record_id = r.record_id and a.attempt_id = r.attempt_id
  and a.provider = d.provider and a.account_name = d.account_name
left join posting p on p.record_id = a.record_id and p.settlement_id = a.settlement_id
  and p.cause = 'refund:' || r.refund_id
where d.provider = $1 and d.account_name = $2 and d.state = 'OPEN' and d.kind = 'refund'
order by d.day, d.own_no
limit $3
"""

BY_LINE = (TRADES_THERE, REFUNDS_THERE)
"""What the statement lists and our books do not confirm."""
BY_ROW = (TRADES_HERE, REFUNDS_HERE)
"""What our books hold and the statement does not list."""


class Span(msgspec.Struct, frozen=True):
    """A day in China: first instant, and the first of the next."""

    first: datetime
    end: datetime


async def walk_pairs(
    conn: Connection, sql: str, file: StatementFile, span: Span
) -> AsyncIterator[list[Pair]]:
    """Every pair that is no plain match, in bounded batches; needs an open transaction."""
    key: tuple[object, ...] = (file.file_id, file.provider, file.account_name)
    if sql != REFUNDS_THERE:
        key = (*key, span.first, span.end)
    cursor = await conn.cursor(sql, *key, timeout=BULK_TIMEOUT_S)
    while rows := await cursor.fetch(BATCH, timeout=BULK_TIMEOUT_S):
        yield [to_struct(row, Pair) for row in rows]


async def sum_trades_here(conn: Connection, account: Account, span: Span) -> Sums:
    """What our books took in on a day for an account."""
    row = await conn.fetchrow(
        SUM_TRADES_HERE,
        account.provider,
        account.account_name,
        span.first,
        span.end,
        timeout=BULK_TIMEOUT_S,
    )
    return Sums(**dict(row or {}))


async def holds_nothing(conn: Connection, account: Account, span: Span) -> bool:
    """Whether our books know of no payment and no refund of a day for an account."""
    key = (account.provider, account.account_name, span.first, span.end)
    sums = await sum_trades_here(conn, account, span)
    refunds = await conn.fetchval(COUNT_REFUNDS_HERE, *key, timeout=BULK_TIMEOUT_S)
    return sums.trade_count == 0 and refunds == 0


async def list_open_pairs(conn: Connection, account: Account, limit: int) -> list[OpenPair]:
    """Open differences of any day, oldest first, as both sides stand now."""
    key = (account.provider, account.account_name, limit)
    trades = await list_rows(conn, OpenPair, OPEN_TRADES, *key)
    return trades + await list_rows(conn, OpenPair, OPEN_REFUNDS, *key)
