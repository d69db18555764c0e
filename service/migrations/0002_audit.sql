-- The audit log: every act inserts an unnumbered entry in its own transaction; one sequencer later
-- assigns leaf numbers and per-record chains. The commitment is salted SM3 over the entry; the
-- entry itself is sealed under the record's data key.

-- distribution: record (record_id)
create table audit_entry (
  record_id bigint not null,
  entry_id bigint not null,
  at timestamptz not null,
  action text not null,
  actor_kind text not null,
  actor_id bigint not null,
  institution_id bigint,
  salt bytea not null,
  commitment bytea not null,
  sealed bytea not null,
  leaf_no bigint,
  constraint audit_entry_pk primary key (record_id, entry_id)
)
-- ;;
create index audit_entry_unnumbered on audit_entry (at) where leaf_no is null
-- ;;
create index audit_entry_record on audit_entry (record_id, at)
