-- Corrections of settled bills: lines given back, or the whole, approved by a second person above the
-- institution's limit. A settlement's round counts how often the bureau was asked anew after one;
-- receipts and invoices are one a round.

alter table settlement add column round_no integer not null default 0 check (round_no >= 0)
-- ;;
alter table settlement drop constraint settlement_state_check
-- ;;
alter table settlement add constraint settlement_state_check check (state in ('PRESETTLING', 'PRESETTLED', 'AWAITING_PAYER', 'PAID', 'SETTLING', 'SETTLED', 'COLLECTING', 'POSTING', 'POSTED', 'RECALLING', 'REVERSING', 'REVERSED', 'NEEDS_REVIEW'))
-- ;;
alter table institution add column approval_above_fen bigint check (approval_above_fen >= 0)
-- ;;
alter table receipt add column round_no integer not null default 0 check (round_no >= 0)
-- ;;
create unique index receipt_once_a_round on receipt (record_id, settlement_id, round_no)
-- ;;
drop index receipt_once
-- ;;
alter table fiscal_invoice add column round_no integer not null default 0 check (round_no >= 0)
-- ;;
create unique index fiscal_invoice_once_a_round on fiscal_invoice (record_id, settlement_id, round_no)
-- ;;
drop index fiscal_invoice_once
-- ;;
-- What is given back is sealed: it says what was charged. row_mac covers every column.
-- distribution: record (record_id)
create table correction (
  record_id bigint not null,
  correction_id bigint not null,
  settlement_id bigint not null,
  institution_id bigint not null,
  bill_version integer not null check (bill_version > 0),
  bill_after text check (bill_after in ('OPEN', 'WITHDRAWN')),
  amount_fen bigint not null check (amount_fen > 0),
  state text not null check (state in ('AWAITING_APPROVAL', 'RUNNING', 'REFUSED', 'DONE', 'UNDONE')),
  sealed bytea not null,
  asked_by text not null,
  asked_through text not null,
  asked_at timestamptz not null,
  decided_by text,
  decided_through text,
  decided_at timestamptz,
  round_no integer check (round_no > 0),
  ended_at timestamptz,
  version integer not null check (version > 0),
  row_mac bytea not null,
  constraint correction_pk primary key (record_id, correction_id),
  constraint correction_two_people check (decided_by is null or state = 'REFUSED' or decided_by <> asked_by)
)
-- ;;
-- One open correction of a settlement: two cannot both give the same line back.
create unique index correction_one_open on correction (record_id, settlement_id)
  where state in ('AWAITING_APPROVAL', 'RUNNING')
-- ;;
create index correction_settlement on correction (record_id, settlement_id)
