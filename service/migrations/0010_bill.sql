-- Charges a hospital pushed for a visit. One holder may pay a bill at a time: the lock is a
-- compare-and-set on the bill's own row. What was charged is kept once a version and never changes.

-- distribution: record (record_id)
create table bill (
  record_id bigint not null,
  bill_id bigint not null,
  institution_id bigint not null,
  bill_no text not null,
  version integer not null check (version > 0),
  total_fen bigint not null check (total_fen > 0),
  state text not null check (state in ('OPEN', 'LOCKED', 'PAID', 'WITHDRAWN', 'EXPIRED')),
  holder_id bigint,
  pay_until timestamptz not null,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  row_mac bytea not null,
  constraint bill_pk primary key (record_id, bill_id),
  constraint bill_holder check ((holder_id is not null) = (state in ('LOCKED', 'PAID')))
)
-- ;;
create index bill_open on bill (record_id, institution_id) where state in ('OPEN', 'LOCKED')
-- ;;
create index bill_expiry on bill (pay_until) where state = 'OPEN'
-- ;;
-- Visit, lines, total and time to pay, sealed to record, bill and version.
-- distribution: record (record_id)
create table bill_version (
  record_id bigint not null,
  bill_id bigint not null,
  version integer not null check (version > 0),
  sealed bytea not null,
  created_at timestamptz not null,
  constraint bill_version_pk primary key (record_id, bill_id, version),
  constraint bill_version_bill foreign key (record_id, bill_id) references bill (record_id, bill_id)
)
-- ;;
-- distribution: institution (institution_id)
create table bill_number (
  institution_id bigint not null,
  bill_no text not null,
  record_id bigint not null,
  bill_id bigint not null,
  constraint bill_number_pk primary key (institution_id, bill_no)
)
