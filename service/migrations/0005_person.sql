-- The patient master index. A record never changes; a person is the set of records with an open
-- link to it; the golden view is a pure function of open links. No exclusion constraint: one open
-- link a record is a partial unique index, and a claim row orders two counters that register one
-- person at once.

-- distribution: record (record_id)
create table record (
  record_id bigint not null,
  source text not null check (source in ('resident', 'reader', 'window', 'rural', 'legacy', 'emergency')),
  institution_id bigint,
  sealed bytea not null,
  received_at timestamptz not null,
  row_mac bytea not null,
  constraint record_pk primary key (record_id)
)
-- ;;
-- distribution: blind key (blind_key)
create table match_key (
  blind_key bytea not null,
  kind smallint not null,
  key_version smallint not null,
  record_id bigint not null,
  created_at timestamptz not null,
  constraint match_key_pk primary key (blind_key, kind, record_id)
)
-- ;;
-- distribution: blind key (blind_key)
create table match_key_count (
  blind_key bytea not null,
  kind smallint not null,
  members bigint not null check (members >= 0),
  constraint match_key_count_pk primary key (blind_key, kind)
)
-- ;;
-- Held while a record with this strongest key is being linked.
-- distribution: blind key (blind_key)
create table match_claim (
  blind_key bytea not null,
  token bytea not null,
  until timestamptz not null,
  constraint match_claim_pk primary key (blind_key)
)
-- ;;
-- distribution: record (record_id)
create table decision (
  record_id bigint not null,
  decision_id bigint not null,
  kind text not null check (kind in ('NEW', 'LINK', 'REVIEW', 'MERGE', 'UNMERGE')),
  model text not null,
  bits jsonb not null,
  actor text not null,
  reason text not null,
  previous_hash bytea not null,
  hash bytea not null,
  decided_at timestamptz not null,
  constraint decision_pk primary key (record_id, decision_id)
)
-- ;;
-- distribution: record (record_id)
create table link (
  record_id bigint not null,
  link_id bigint not null,
  person_id bigint not null,
  decision_id bigint not null,
  from_at timestamptz not null,
  to_at timestamptz,
  row_mac bytea not null,
  constraint link_pk primary key (record_id, link_id),
  constraint link_record foreign key (record_id) references record (record_id),
  constraint link_decision foreign key (record_id, decision_id) references decision (record_id, decision_id)
)
-- ;;
create unique index link_one_open on link (record_id) where to_at is null
-- ;;
-- The same links seen from the person, for the golden view.
-- distribution: person (person_id)
create table person_link (
  person_id bigint not null,
  record_id bigint not null,
  link_id bigint not null,
  from_at timestamptz not null,
  to_at timestamptz,
  constraint person_link_pk primary key (person_id, record_id, link_id)
)
-- ;;
-- Stewards' rulings; they outlive rebuilds and win over scores.
-- distribution: record (record_id)
create table assertion (
  record_id bigint not null,
  other_record_id bigint not null,
  verdict text not null check (verdict in ('SAME', 'DIFFERENT')),
  actor text not null,
  reason text not null,
  asserted_at timestamptz not null,
  withdrawn_at timestamptz,
  row_mac bytea not null,
  constraint assertion_pk primary key (record_id, other_record_id, asserted_at)
)
-- ;;
-- What is the person's and not a record's: freeze, quotas, limits.
-- distribution: person (person_id)
create table person (
  person_id bigint not null,
  frozen_at timestamptz,
  frozen_because text,
  created_at timestamptz not null,
  version integer not null check (version > 0),
  row_mac bytea not null,
  constraint person_pk primary key (person_id),
  constraint person_frozen_whole check ((frozen_at is null) = (frozen_because is null))
)
-- ;;
-- distribution: person (person_id)
create table golden (
  person_id bigint not null,
  sealed bytea not null,
  version integer not null check (version > 0),
  built_at timestamptz not null,
  constraint golden_pk primary key (person_id)
)
-- ;;
-- distribution: person (person_id)
create table person_alias (
  person_id bigint not null,
  current_person_id bigint not null,
  from_at timestamptz not null,
  to_at timestamptz,
  constraint person_alias_pk primary key (person_id, from_at)
)
-- ;;
-- Pairs of records a steward must judge; the person is looked up when the item is read.
-- distribution: record (record_id)
create table review (
  record_id bigint not null,
  review_id bigint not null,
  other_record_id bigint not null,
  reason text not null,
  decision_id bigint not null,
  opened_at timestamptz not null,
  closed_at timestamptz,
  constraint review_pk primary key (record_id, review_id)
)
