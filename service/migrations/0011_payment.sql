-- Payment attempts and refunds with providers. The trade number is stored before the first call,
-- the merchant account with it. row_mac covers every column but lease_until.

-- distribution: record (record_id)
create table payment_attempt (
  record_id bigint not null,
  attempt_id bigint not null,
  settlement_id bigint not null,
  institution_id bigint not null,
  provider text not null,
  account_name text,
  way text not null,
  purpose text not null check (purpose in ('MAIN', 'DIFFERENCE')),
  trade_no text not null,
  amount_fen bigint not null check (amount_fen > 0),
  refunding_fen bigint not null check (refunding_fen >= 0),
  refunded_fen bigint not null check (refunded_fen >= 0),
  state text not null check (state in ('CREATED', 'AWAITING_PAYER', 'PAID', 'CLOSING', 'CLOSED', 'FAILED', 'PAID_LATE', 'NEEDS_REVIEW')),
  payer_sealed bytea,
  client_sealed bytea,
  provider_ref text,
  paid_at timestamptz,
  expires_at timestamptz not null,
  asked_at timestamptz,
  due_at timestamptz,
  tries integer not null check (tries >= 0),
  lease_until timestamptz,
  created_at timestamptz not null,
  version integer not null check (version > 0),
  row_mac bytea not null,
  constraint payment_attempt_pk primary key (record_id, attempt_id),
  constraint payment_attempt_not_more_back check (refunding_fen + refunded_fen <= amount_fen)
)
-- ;;
-- One live attempt for one purpose of a settlement: two channels cannot both take the money. An
-- attempt under review counts, for its money may have moved.
create unique index payment_attempt_one_live on payment_attempt (record_id, settlement_id, purpose)
  where state in ('CREATED', 'AWAITING_PAYER', 'PAID', 'CLOSING', 'NEEDS_REVIEW')
-- ;;
create index payment_attempt_settlement on payment_attempt (record_id, settlement_id)
-- ;;
create index payment_attempt_due on payment_attempt (due_at) where due_at is not null
-- ;;
-- distribution: record (record_id)
create table refund (
  record_id bigint not null,
  refund_id bigint not null,
  attempt_id bigint not null,
  settlement_id bigint not null,
  institution_id bigint not null,
  provider text not null,
  refund_no text not null,
  trade_no text not null,
  amount_fen bigint not null check (amount_fen > 0),
  cause text not null,
  state text not null check (state in ('CREATED', 'PROCESSING', 'REFUNDED', 'FAILED', 'NEEDS_REVIEW')),
  provider_ref text,
  refunded_at timestamptz,
  due_at timestamptz,
  tries integer not null check (tries >= 0),
  lease_until timestamptz,
  created_at timestamptz not null,
  version integer not null check (version > 0),
  row_mac bytea not null,
  constraint refund_pk primary key (record_id, refund_id),
  constraint refund_attempt foreign key (record_id, attempt_id) references payment_attempt (record_id, attempt_id)
)
-- ;;
create unique index refund_once on refund (record_id, attempt_id, cause)
-- ;;
create index refund_settlement on refund (record_id, settlement_id)
-- ;;
create index refund_due on refund (due_at) where due_at is not null
-- ;;
-- Partners' numbers find their row; written before the call. kind: trade or refund.
-- distribution: partner number (partner_no)
create table payment_number (
  partner_no text not null,
  kind text not null check (kind in ('trade', 'refund')),
  record_id bigint not null,
  row_id bigint not null,
  constraint payment_number_pk primary key (partner_no, kind)
)
-- ;;
-- Notices that were applied; a doubled one is answered without work.
-- distribution: partner number (notice_no)
create table payment_notice (
  notice_no text not null,
  provider text not null,
  received_at timestamptz not null,
  constraint payment_notice_pk primary key (notice_no, provider)
)
-- ;;
create index payment_notice_received on payment_notice (received_at)
