-- Receipts of posted settlements: one each, sealed.

-- distribution: record (record_id)
create table receipt (
  record_id bigint not null,
  receipt_id bigint not null,
  settlement_id bigint not null,
  institution_id bigint not null,
  receipt_no text not null,
  sealed bytea not null,
  issued_at timestamptz not null,
  row_mac bytea not null,
  constraint receipt_pk primary key (record_id, receipt_id)
)
-- ;;
create unique index receipt_once on receipt (record_id, settlement_id)
