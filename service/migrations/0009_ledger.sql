-- Double entry: a row is debit account, credit account, amount. The cause makes a posting once.

-- distribution: record (record_id)
create table posting (
  record_id bigint not null,
  posting_id bigint not null,
  settlement_id bigint not null,
  institution_id bigint not null,
  cause text not null,
  debit text not null,
  credit text not null,
  amount_fen bigint not null check (amount_fen > 0),
  day date not null,
  posted_at timestamptz not null,
  row_mac bytea not null,
  constraint posting_pk primary key (record_id, posting_id),
  constraint posting_two_sides check (debit <> credit)
)
-- ;;
create unique index posting_once on posting (record_id, settlement_id, cause)
-- ;;
create index posting_day on posting (day, institution_id)
