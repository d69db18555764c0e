-- Fiscal e-invoices of posted settlements: one each, our number stored before the first call. row_mac
-- covers every column but lease_until.

-- distribution: record (record_id)
create table fiscal_invoice (
  record_id bigint not null,
  invoice_id bigint not null,
  settlement_id bigint not null,
  institution_id bigint not null,
  business_no text not null,
  state text not null check (state in ('CREATED', 'ISSUED', 'REFUSED', 'WITHDRAWING', 'WITHDRAWN', 'WRITING_OFF', 'WRITTEN_OFF', 'NEEDS_REVIEW')),
  code text,
  number text,
  red_code text,
  red_number text,
  reason text,
  sealed bytea not null,
  sent_at timestamptz,
  due_at timestamptz,
  tries integer not null check (tries >= 0),
  lease_until timestamptz,
  created_at timestamptz not null,
  version integer not null check (version > 0),
  row_mac bytea not null,
  constraint fiscal_invoice_pk primary key (record_id, invoice_id)
)
-- ;;
create unique index fiscal_invoice_once on fiscal_invoice (record_id, settlement_id)
-- ;;
create index fiscal_invoice_due on fiscal_invoice (due_at) where due_at is not null
