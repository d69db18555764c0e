-- Days of the books: a posting that came late names the day it belongs to, every posting is fed to its
-- institution's books, and a day is closed with its sums. Feeding what stands already is one statement
-- over all postings.

-- Null: it belongs to the day on which it is booked.
alter table posting add column value_day date
-- ;;
alter table posting add constraint posting_value_before_day check (value_day < day)
-- ;;
-- The ledger's outbox: written with the posting, taken away when the books have it.
-- distribution: record (record_id)
create table posting_feed (
  record_id bigint not null,
  posting_id bigint not null,
  constraint posting_feed_pk primary key (record_id, posting_id)
)
-- ;;
insert into posting_feed (record_id, posting_id) select record_id, posting_id from posting
-- ;;
-- An institution's books: its postings once more, where they can be summed without asking every shard.
-- No row holds a balance, so no row is hot. row_mac covers every column.
-- distribution: institution (institution_id)
create table ledger_entry (
  institution_id bigint not null,
  record_id bigint not null,
  posting_id bigint not null,
  settlement_id bigint not null,
  day date not null,
  value_day date,
  debit text not null,
  credit text not null,
  amount_fen bigint not null check (amount_fen > 0),
  row_mac bytea not null,
  constraint ledger_entry_pk primary key (institution_id, record_id, posting_id)
)
-- ;;
create index ledger_entry_day on ledger_entry (institution_id, day, record_id, posting_id)
-- ;;
-- A day's closing. horizon is the first transaction number that can no longer post to the day; sums are
-- fixed when the last one before it has ended. row_mac covers every column but due_at.
-- distribution: institution (institution_id)
create table ledger_day (
  institution_id bigint not null,
  day date not null,
  close_id bigint not null,
  state text not null check (state in ('CLOSING', 'CLOSED')),
  asked_by text not null,
  asked_at timestamptz not null,
  due_at timestamptz,
  horizon bigint,
  sums jsonb,
  postings bigint,
  closed_at timestamptz,
  row_mac bytea not null,
  constraint ledger_day_pk primary key (institution_id, day),
  constraint ledger_day_closed_whole check ((state = 'CLOSED') = (closed_at is not null and sums is not null and postings is not null and due_at is null))
)
-- ;;
create index ledger_day_due on ledger_day (due_at) where due_at is not null
