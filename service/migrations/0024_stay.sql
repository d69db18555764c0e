-- Registration fees, deposits for a stay in hospital, and the bill of its discharge: bills of other
-- kinds than an outpatient visit's, settled by the same machine.

alter table bill add column kind text not null default 'OUTPATIENT' check (kind in ('OUTPATIENT', 'REGISTRATION', 'DEPOSIT', 'DISCHARGE'))
-- ;;
alter table bill add column stay_no text
-- ;;
alter table bill add constraint bill_stay check ((stay_no is not null) = (kind in ('DEPOSIT', 'DISCHARGE')))
-- ;;
alter table institution add column registration_insured boolean not null default false
-- ;;
-- Whose stay an admission number is: all of a stay's bills lie with one record.
-- distribution: institution (institution_id)
create table stay_number (
  institution_id bigint not null,
  stay_no text not null,
  record_id bigint not null,
  constraint stay_number_pk primary key (institution_id, stay_no)
)
-- ;;
-- What is left of a paid deposit, and which discharge counts it. A discharge takes it, and whoever
-- gives it back ends it, by compare-and-set on its version: it is spent once. row_mac covers every
-- column.
-- distribution: record (record_id)
create table deposit (
  record_id bigint not null,
  settlement_id bigint not null,
  institution_id bigint not null,
  stay_no text not null,
  held_fen bigint not null check (held_fen >= 0),
  taken_by bigint,
  settled_at timestamptz not null,
  version integer not null check (version > 0),
  row_mac bytea not null,
  constraint deposit_pk primary key (record_id, settlement_id)
)
-- ;;
create index deposit_stay on deposit (record_id, institution_id, stay_no)
