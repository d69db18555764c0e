-- Mechanics that every feature uses: one answer a key, events between features, per-record keys,
-- used nonces. Takes no lock beyond creating new tables.

-- distribution: blind key (key_hash)
create table idempotency (
  key_hash bytea not null,
  input_hash bytea not null,
  lease_until timestamptz not null,
  status integer,
  answer bytea,
  created_at timestamptz not null,
  constraint idempotency_pk primary key (key_hash),
  constraint idempotency_answer_whole check ((status is null) = (answer is null))
)
-- ;;
create index idempotency_created on idempotency (created_at)
-- ;;
-- distribution: record (record_id)
create table outbox (
  record_id bigint not null,
  event_id bigint not null,
  topic text not null,
  subject_id bigint not null,
  body jsonb not null,
  created_at timestamptz not null,
  due_at timestamptz not null,
  attempts integer not null check (attempts >= 0),
  lease_token bytea,
  lease_until timestamptz,
  done_at timestamptz,
  parked_because text,
  constraint outbox_pk primary key (record_id, event_id)
)
-- ;;
create index outbox_due on outbox (due_at) where done_at is null and parked_because is null
-- ;;
-- The data key of a record, wrapped by the ring. Destroying it forgets the record; every proof
-- over commitments still holds.
-- distribution: record (record_id)
create table data_key (
  record_id bigint not null,
  wrapped bytea,
  created_at timestamptz not null,
  destroyed_at timestamptz,
  constraint data_key_pk primary key (record_id),
  constraint data_key_destroyed check ((wrapped is null) = (destroyed_at is not null))
)
-- ;;
-- distribution: institution (institution_id)
create table request_nonce (
  institution_id bigint not null,
  caller_id bigint not null,
  nonce text not null,
  seen_at timestamptz not null,
  constraint request_nonce_pk primary key (institution_id, caller_id, nonce)
)
-- ;;
create index request_nonce_seen on request_nonce (seen_at)
