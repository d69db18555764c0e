-- The counter: cashiers, their shifts, what they took and gave, and several payments for one
-- settlement. Everything of an institution's counters lies in one shard; the payments themselves
-- lie with the record, and an entry is written before its payment and ended after it.

-- Paid attempts add up to what is owed, so only the unpaid ones are one at a time. Money can move
-- at one place at once: an attempt under review counts, for its money may have moved.
drop index payment_attempt_one_live
-- ;;
create unique index payment_attempt_one_live on payment_attempt (record_id, settlement_id)
  where state in ('CREATED', 'AWAITING_PAYER', 'CLOSING', 'NEEDS_REVIEW')
-- ;;
-- distribution: institution (institution_id)
create table staff (
  institution_id bigint not null,
  staff_id bigint not null,
  staff_no text not null,
  pin_salt bytea not null,
  pin_hash bytea not null,
  state text not null check (state in ('ACTIVE', 'SUSPENDED')),
  failures integer not null check (failures >= 0),
  locked_until timestamptz,
  session_hash bytea,
  session_terminal_id bigint,
  session_until timestamptz,
  created_at timestamptz not null,
  version integer not null check (version > 0),
  row_mac bytea not null,
  constraint staff_pk primary key (institution_id, staff_id)
)
-- ;;
create unique index staff_number on staff (institution_id, staff_no)
-- ;;
-- Which payments an institution's counters take. No row: not taken.
-- distribution: institution (institution_id)
create table counter_tender (
  institution_id bigint not null,
  tender text not null check (tender in ('cash', 'pos')),
  set_at timestamptz not null,
  row_mac bytea not null,
  constraint counter_tender_pk primary key (institution_id, tender)
)
-- ;;
-- distribution: institution (institution_id)
create table shift (
  institution_id bigint not null,
  shift_id bigint not null,
  terminal_id bigint not null,
  staff_id bigint not null,
  state text not null check (state in ('OPEN', 'CLOSED')),
  float_fen bigint not null check (float_fen >= 0),
  opened_at timestamptz not null,
  closed_at timestamptz,
  expected_cash_fen bigint,
  counted_cash_fen bigint check (counted_cash_fen >= 0),
  expected_pos_fen bigint,
  counted_pos_fen bigint,
  explanation text,
  next_shift_id bigint,
  version integer not null check (version > 0),
  row_mac bytea not null,
  constraint shift_pk primary key (institution_id, shift_id),
  constraint shift_closed_whole check (num_nulls(closed_at, expected_cash_fen, counted_cash_fen, expected_pos_fen, counted_pos_fen) = case state when 'CLOSED' then 0 else 5 end),
  constraint shift_difference_explained check (state = 'OPEN' or explanation is not null or (expected_cash_fen = counted_cash_fen and expected_pos_fen = counted_pos_fen))
)
-- ;;
create unique index shift_one_a_terminal on shift (institution_id, terminal_id) where state = 'OPEN'
-- ;;
create unique index shift_one_a_cashier on shift (institution_id, staff_id) where state = 'OPEN'
-- ;;
create index shift_opened on shift (institution_id, opened_at)
-- ;;
-- What a cashier took or gave. INTENDED stands before the payment is written with its record, so
-- that no shift is closed while money is in doubt.
-- distribution: institution (institution_id)
create table shift_entry (
  institution_id bigint not null,
  entry_id bigint not null,
  shift_id bigint not null,
  staff_id bigint not null,
  direction text not null check (direction in ('TAKE', 'GIVE')),
  tender text not null check (tender in ('cash', 'pos')),
  amount_fen bigint not null check (amount_fen > 0),
  tendered_fen bigint,
  record_id bigint not null,
  settlement_id bigint not null,
  attempt_id bigint not null,
  refund_id bigint,
  refund_version integer,
  slip_no text,
  slip_ref text,
  slip_day date,
  request_key text not null,
  state text not null check (state in ('INTENDED', 'DONE', 'VOID')),
  made_at timestamptz not null,
  ended_at timestamptz,
  row_mac bytea not null,
  constraint shift_entry_pk primary key (institution_id, entry_id),
  constraint shift_entry_shift foreign key (institution_id, shift_id) references shift (institution_id, shift_id),
  constraint shift_entry_enough check (tendered_fen is null or tendered_fen >= amount_fen),
  constraint shift_entry_slip_whole check (num_nulls(slip_no, slip_ref, slip_day) = case tender when 'pos' then 0 else 3 end),
  constraint shift_entry_refund_whole check (num_nulls(refund_id, refund_version) = case direction when 'GIVE' then 0 else 2 end)
)
-- ;;
create unique index shift_entry_request on shift_entry (institution_id, shift_id, request_key)
-- ;;
-- A slip counts once a day, whoever types it.
create unique index shift_entry_slip on shift_entry (institution_id, slip_day, slip_no)
  where slip_no is not null and state <> 'VOID'
-- ;;
-- A refund is given by one cashier once.
create unique index shift_entry_refund on shift_entry (institution_id, refund_id)
  where refund_id is not null and state <> 'VOID'
-- ;;
create index shift_entry_listed on shift_entry (institution_id, shift_id, made_at)
-- ;;
create index shift_entry_open on shift_entry (made_at) where state = 'INTENDED'
-- ;;
-- Money that a payer gets back at the counter: it waits for a cashier, never goes by itself.
-- distribution: institution (institution_id)
create table counter_refund (
  institution_id bigint not null,
  refund_id bigint not null,
  record_id bigint not null,
  settlement_id bigint not null,
  tender text not null check (tender in ('cash', 'pos')),
  amount_fen bigint not null check (amount_fen > 0),
  asked_at timestamptz not null,
  given_at timestamptz,
  row_mac bytea not null,
  constraint counter_refund_pk primary key (institution_id, refund_id)
)
-- ;;
create index counter_refund_due on counter_refund (institution_id, asked_at) where given_at is null
