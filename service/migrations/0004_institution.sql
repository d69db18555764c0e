-- Hospitals, their applications, terminals and merchant accounts. Few rows, read by every request:
-- reference tables, copied to every node where the database is sharded.

-- distribution: reference (institution_id)
create table institution (
  institution_id bigint not null,
  code text not null,
  name text not null,
  insurance_region text not null,
  level smallint not null check (level between 1 and 3),
  moved_amounts text not null check (moved_amounts in ('adjust', 'undo')),
  state text not null check (state in ('ACTIVE', 'SUSPENDED')),
  created_at timestamptz not null,
  row_mac bytea not null,
  constraint institution_pk primary key (institution_id),
  constraint institution_code_once unique (institution_id, code)
)
-- ;;
create unique index institution_code on institution (code)
-- ;;
-- distribution: reference (institution_id)
create table application (
  institution_id bigint not null,
  application_id bigint not null,
  name text not null,
  public_key bytea not null,
  scopes text[] not null,
  state text not null check (state in ('ACTIVE', 'REVOKED')),
  created_at timestamptz not null,
  row_mac bytea not null,
  constraint application_pk primary key (institution_id, application_id),
  constraint application_institution foreign key (institution_id) references institution (institution_id)
)
-- ;;
-- distribution: reference (institution_id)
create table terminal (
  institution_id bigint not null,
  terminal_id bigint not null,
  name text not null,
  public_place boolean not null,
  key_sealed bytea,
  activation_hash bytea,
  activation_until timestamptz,
  state text not null check (state in ('ENROLLED', 'ACTIVE', 'REVOKED')),
  created_at timestamptz not null,
  row_mac bytea not null,
  constraint terminal_pk primary key (institution_id, terminal_id),
  constraint terminal_institution foreign key (institution_id) references institution (institution_id),
  constraint terminal_key_whole check (state <> 'ACTIVE' or key_sealed is not null)
)
-- ;;
create unique index terminal_activation on terminal (activation_hash)
-- ;;
-- distribution: reference (institution_id)
create table merchant_account (
  institution_id bigint not null,
  provider text not null,
  account_name text not null,
  created_at timestamptz not null,
  row_mac bytea not null,
  constraint merchant_account_pk primary key (institution_id, provider),
  constraint merchant_account_institution foreign key (institution_id) references institution (institution_id)
)
-- ;;
-- An institution's own pseudonym of a record: it never learns the record id.
-- distribution: institution (institution_id)
create table institution_patient (
  institution_id bigint not null,
  pseudonym bytea not null,
  record_id bigint not null,
  created_at timestamptz not null,
  constraint institution_patient_pk primary key (institution_id, pseudonym)
)
-- ;;
-- Numbers of messages to the insurance bureau: used once over all processes, taken before the call.
-- distribution: partner number (message_no)
create table insurance_message (
  message_no text not null,
  taken_at timestamptz not null,
  constraint insurance_message_pk primary key (message_no)
)
-- ;;
create index insurance_message_taken on insurance_message (taken_at)
