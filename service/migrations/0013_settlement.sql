-- The settlement saga as data: a guarded state, due work, a lease, a deadline, and every call to
-- the bureau stored before it is made.

-- distribution: record (record_id)
create table settlement (
  record_id bigint not null,
  settlement_id bigint not null,
  bill_id bigint not null,
  bill_version integer not null,
  institution_id bigint not null,
  channel text not null check (channel in ('PHONE', 'KIOSK', 'COUNTER')),
  terminal_id bigint,
  account_id bigint,
  insured boolean not null,
  use_account boolean not null,
  state text not null check (state in ('PRESETTLING', 'PRESETTLED', 'AWAITING_PAYER', 'PAID', 'SETTLING', 'SETTLED', 'COLLECTING', 'POSTING', 'POSTED', 'REVERSING', 'REVERSED', 'NEEDS_REVIEW')),
  reason text,
  total_fen bigint not null check (total_fen > 0),
  fund_fen bigint check (fund_fen >= 0),
  account_fen bigint check (account_fen >= 0),
  cash_fen bigint check (cash_fen >= 0),
  hospital_fen bigint check (hospital_fen >= 0),
  paid_fen bigint not null check (paid_fen >= 0),
  refunded_fen bigint not null check (refunded_fen >= 0 and refunded_fen <= paid_fen),
  sealed bytea not null,
  settlement_ref text,
  paid_by text,
  provider_ref text,
  hospital_ref text,
  due_at timestamptz,
  deadline_at timestamptz,
  tries integer not null check (tries >= 0),
  lease_token bytea,
  lease_until timestamptz,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  settled_at timestamptz,
  version integer not null check (version > 0),
  row_mac bytea not null,
  constraint settlement_pk primary key (record_id, settlement_id),
  constraint settlement_parts_whole check (num_nulls(fund_fen, account_fen, cash_fen, hospital_fen) in (0, 4)),
  constraint settlement_parts check (fund_fen is null or total_fen = fund_fen + account_fen + cash_fen + hospital_fen)
)
-- ;;
create index settlement_due on settlement (due_at) where due_at is not null
-- ;;
-- A bill is settled once: beside its lock, at most one settlement of it is not undone.
create unique index settlement_one_a_bill on settlement (record_id, bill_id) where state <> 'REVERSED'
-- ;;
create index settlement_bill on settlement (record_id, bill_id)
-- ;;
-- distribution: record (record_id)
create table settlement_event (
  record_id bigint not null,
  settlement_id bigint not null,
  version integer not null,
  event text not null,
  state text not null,
  at timestamptz not null,
  constraint settlement_event_pk primary key (record_id, settlement_id, version)
)
-- ;;
-- distribution: record (record_id)
create table insurance_call (
  record_id bigint not null,
  call_id bigint not null,
  settlement_id bigint not null,
  kind text not null,
  message_no text not null,
  called_at timestamptz not null,
  outcome text,
  undone_by bigint,
  evidence bytea,
  constraint insurance_call_pk primary key (record_id, call_id)
)
-- ;;
create index insurance_call_settlement on insurance_call (record_id, settlement_id, called_at)
-- ;;
-- One unanswered call of a settlement at a time: two workers cannot both be talking to the bureau.
create unique index insurance_call_one_open on insurance_call (record_id, settlement_id) where outcome is null
-- ;;
-- Settlements a hospital has still to post, and what it posted.
-- distribution: institution (institution_id)
create table institution_settlement (
  institution_id bigint not null,
  settlement_id bigint not null,
  record_id bigint not null,
  bill_no text not null,
  settled_at timestamptz not null,
  posted_at timestamptz,
  constraint institution_settlement_pk primary key (institution_id, settlement_id)
)
-- ;;
create index institution_settlement_open on institution_settlement (institution_id, settled_at) where posted_at is null
