-- What readers fetch and hand in: revocation lists with their deltas, what cut-off readers accepted,
-- and how far each reader's log of it has been taken.

-- The newest list of each scope (1 bound, 2 printed) and class, signed. Few rows, read by every reader.
-- distribution: reference (scope)
create table code_list (
  scope smallint not null check (scope in (1, 2)),
  code_class smallint not null check (code_class between 0 and 255),
  sequence bigint not null check (sequence > 0),
  width smallint not null check (width in (48, 64)),
  entries integer not null check (entries >= 0),
  made_at timestamptz not null,
  next_at timestamptz not null,
  content bytea not null,
  constraint code_list_pk primary key (scope, code_class)
)
-- ;;
-- From each list to the one after it, for a day: the signed delta, and the entries (8 bytes each) that
-- left and came, of which deltas from any earlier list are joined.
-- distribution: reference (scope)
create table code_list_step (
  scope smallint not null,
  code_class smallint not null,
  sequence bigint not null,
  base bigint not null check (base < sequence),
  made_at timestamptz not null,
  removed bytea not null,
  added bytea not null,
  content bytea not null,
  constraint code_list_step_pk primary key (scope, code_class, sequence)
)
-- ;;
-- Deltas to the newest list that some reader asked for: joined and signed once, the same for all.
-- distribution: reference (scope)
create table code_list_delta (
  scope smallint not null,
  code_class smallint not null,
  sequence bigint not null,
  base bigint not null check (base < sequence),
  content bytea not null,
  constraint code_list_delta_pk primary key (scope, code_class, sequence, base)
)
-- ;;
-- Live codes that a list's 48 bits could hit although they are not revoked.
create index holder_credential_prefix on holder_credential (substring(code_id from 1 for 6))
-- ;;
create index printed_code_prefix on printed_code (substring(code_id from 1 for 6))
-- ;;
create index revoked_code_new on revoked_code (revoked_at)
-- ;;
-- The first place that took one showing of a code (step * 256 + sequence; 0 for what is used once):
-- bound codes read online, and whatever cut-off readers reported. A second place is a copied code.
-- distribution: blind key (code_id)
create table shown_code (
  code_id bytea not null,
  rise bigint not null,
  record_id bigint not null,
  scan_id bigint not null,
  institution_id bigint not null,
  terminal_id bigint not null,
  shown_at timestamptz not null,
  reported boolean not null,
  constraint shown_code_pk primary key (code_id, rise)
)
-- ;;
create index shown_code_age on shown_code (shown_at)
-- ;;
-- How far a reader's chained log has been taken: the number expected next and the head before it.
-- distribution: institution (institution_id)
create table shown_log (
  institution_id bigint not null,
  terminal_id bigint not null,
  log_id bytea not null,
  next_number bigint not null check (next_number >= 0),
  head bytea not null,
  taken_at timestamptz not null,
  constraint shown_log_pk primary key (institution_id, terminal_id, log_id)
)
-- ;;
-- A showing that a cut-off reader told of afterwards: kept for the person, authorises nothing.
alter table scan add column reported boolean not null default false
