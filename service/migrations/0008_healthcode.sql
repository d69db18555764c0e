-- Health codes. One-time codes are not stored when issued: only a use is, under the public code id,
-- so that the second use is found. A scan is the handle that a terminal and its hospital work with.

-- distribution: record (record_id)
create table code (
  record_id bigint not null,
  card smallint not null check (card >= 0),
  epoch integer not null check (epoch >= 0),
  state text not null check (state in ('ACTIVE', 'FROZEN', 'CANCELLED')),
  created_at timestamptz not null,
  row_mac bytea not null,
  constraint code_pk primary key (record_id, card)
)
-- ;;
-- distribution: blind key (code_id)
create table code_use (
  code_id bytea not null,
  record_id bigint not null,
  scan_id bigint not null,
  terminal_id bigint not null,
  request_key text not null,
  used_at timestamptz not null,
  constraint code_use_pk primary key (code_id)
)
-- ;;
-- distribution: record (record_id)
create table scan (
  record_id bigint not null,
  scan_id bigint not null,
  institution_id bigint not null,
  terminal_id bigint not null,
  shown text not null check (shown in ('ONE_TIME', 'BOUND', 'PRINTED', 'INSURANCE_CREDENTIAL')),
  level text not null check (level in ('PRESENT', 'IDENTIFIED')),
  purpose smallint not null,
  scanned_at timestamptz not null,
  row_mac bytea not null,
  constraint scan_pk primary key (record_id, scan_id)
)
-- ;;
-- The hospital's own list of scans at its terminals.
-- distribution: institution (institution_id)
create table institution_scan (
  institution_id bigint not null,
  scan_id bigint not null,
  record_id bigint not null,
  terminal_id bigint not null,
  scanned_at timestamptz not null,
  constraint institution_scan_pk primary key (institution_id, scan_id)
)
-- ;;
create index institution_scan_time on institution_scan (institution_id, scanned_at, scan_id)
