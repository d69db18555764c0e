-- Residents' logins. An account reaches records by relations; today only its own.

-- distribution: account (account_id)
create table account (
  account_id bigint not null,
  level text not null check (level in ('LOGIN', 'DECLARED', 'TWO_FACTOR')),
  state text not null check (state in ('ACTIVE', 'BLOCKED')),
  created_at timestamptz not null,
  row_mac bytea not null,
  constraint account_pk primary key (account_id)
)
-- ;;
-- distribution: blind key (login_hash)
create table account_login (
  login_hash bytea not null,
  provider text not null,
  account_id bigint not null,
  subject_sealed bytea not null,
  created_at timestamptz not null,
  constraint account_login_pk primary key (login_hash)
)
-- ;;
-- A payer's id at a provider is looked up by account when an order is placed.
create index account_login_account on account_login (account_id, provider)
-- ;;
-- distribution: account (account_id)
create table account_record (
  account_id bigint not null,
  record_id bigint not null,
  relation text not null check (relation in ('SELF')),
  from_at timestamptz not null,
  to_at timestamptz,
  row_mac bytea not null,
  constraint account_record_pk primary key (account_id, record_id, from_at)
)
-- ;;
create unique index account_record_one_self on account_record (account_id) where relation = 'SELF' and to_at is null
-- ;;
-- distribution: account (account_id)
create table account_session (
  account_id bigint not null,
  session_id text not null,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  ended_at timestamptz,
  constraint account_session_pk primary key (account_id, session_id)
)
-- ;;
-- Real-name checks asked for on one day in China, by account and by ID number: no login becomes an
-- oracle for whose number it is. subject_hash is the blind key of one or the other.
-- distribution: blind key (subject_hash)
create table real_name_attempt (
  subject_hash bytea not null,
  day date not null,
  attempts integer not null check (attempts >= 0),
  constraint real_name_attempt_pk primary key (subject_hash, day)
)
