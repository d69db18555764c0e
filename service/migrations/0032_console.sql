-- The platform's own staff who work at the console. A row says who may do what, so it carries a
-- MAC; a second factor's secret is sealed.

-- Few rows, read by every request of the console.
-- distribution: reference (operator_id)
create table console_operator (
  operator_id bigint not null,
  name text not null,
  roles text[] not null,
  state text not null check (state in ('ACTIVE', 'SUSPENDED')),
  password_salt bytea not null,
  password_hash bytea not null,
  factor_sealed bytea not null,
  factor_step bigint not null check (factor_step >= 0),
  failures integer not null check (failures >= 0),
  locked_until timestamptz,
  session_hash bytea,
  session_began_at timestamptz,
  session_seen_at timestamptz,
  created_at timestamptz not null,
  version integer not null check (version > 0),
  row_mac bytea not null,
  constraint console_operator_pk primary key (operator_id),
  constraint console_operator_session_whole check (
    (session_hash is null) = (session_began_at is null)
    and (session_hash is null) = (session_seen_at is null)
  )
)
-- ;;
create unique index console_operator_name on console_operator (name)
-- ;;
-- What was decided, newest first; and the figures: what came, went, and was joined or parted by day.
create index work_item_closed on work_item (closed_at, item_id) where closed_at is not null
-- ;;
create index work_item_opened on work_item (kind, opened_at)
-- ;;
create index person_change_at on person_change (changed_at)
-- ;;
-- What the auditor reads: who of the staff did what, and looked at whom.
create index audit_entry_operator on audit_entry (at, entry_id) where actor_kind = 'operator'
