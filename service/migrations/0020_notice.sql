-- Events out to hospitals: where each hospital wants them, every event in its order, and how far it
-- got. All of an institution lies in one shard. Takes no lock beyond creating new tables.

-- distribution: institution (institution_id)
create table notice_endpoint (
  institution_id bigint not null,
  url text not null,
  application_id bigint not null,
  set_at timestamptz not null,
  row_mac bytea not null,
  failures integer not null check (failures >= 0),
  paused_until timestamptz,
  lease_token bytea,
  lease_until timestamptz,
  claimed_at timestamptz,
  constraint notice_endpoint_pk primary key (institution_id)
)
-- ;;
-- The last number given in an institution. Its row is locked while an event is written, so numbers
-- become visible in their order and a reader behind a cursor misses none.
-- distribution: institution (institution_id)
create table institution_event_number (
  institution_id bigint not null,
  last_no bigint not null check (last_no > 0),
  constraint institution_event_number_pk primary key (institution_id)
)
-- ;;
-- distribution: institution (institution_id)
create table institution_event (
  institution_id bigint not null,
  event_id bigint not null,
  event_no bigint not null check (event_no > 0),
  record_id bigint not null,
  settlement_id bigint not null,
  version integer not null check (version > 0),
  sequence integer not null check (sequence > 0),
  topic text not null,
  body bytea not null,
  occurred_at timestamptz not null,
  created_at timestamptz not null,
  row_mac bytea not null,
  state text not null check (state in ('DUE', 'TAKEN', 'KEPT', 'STUCK')),
  due_at timestamptz not null,
  tries integer not null check (tries >= 0),
  failure text,
  taken_at timestamptz,
  constraint institution_event_pk primary key (institution_id, event_id)
)
-- ;;
create unique index institution_event_version on institution_event (institution_id, settlement_id, version)
-- ;;
create unique index institution_event_sequence on institution_event (institution_id, settlement_id, sequence)
-- ;;
create unique index institution_event_order on institution_event (institution_id, event_no)
-- ;;
create index institution_event_due on institution_event (institution_id, due_at) where state = 'DUE'
