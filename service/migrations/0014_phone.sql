-- Phones that sign their own codes, the credentials they were given, printed codes, and what of both
-- was revoked. Everything hangs on the record, so that one statement reads a card with its code.

-- ``slot`` bounds the phones of a record without a lock: two enrolments cannot take one slot.
-- ``label`` is personal text and sealed.
-- distribution: record (record_id)
create table phone (
  record_id bigint not null,
  phone_id bigint not null,
  account_id bigint not null,
  slot smallint not null check (slot between 0 and 4),
  label bytea,
  code_id bytea not null,
  state text not null check (state in ('ACTIVE', 'REVOKED')),
  enrolled_at timestamptz not null,
  renewed_at timestamptz not null,
  expires_at timestamptz not null,
  row_mac bytea not null,
  constraint phone_pk primary key (record_id, phone_id)
)
-- ;;
create unique index phone_slot on phone (record_id, slot) where state = 'ACTIVE'
-- ;;
-- ``credential`` is what the phone was given; nothing in it is secret or names anybody.
-- distribution: record (record_id)
create table holder_credential (
  record_id bigint not null,
  code_id bytea not null,
  phone_id bigint not null,
  code_class smallint not null,
  state text not null check (state in ('LIVE', 'RETIRED', 'REVOKED')),
  issued_at timestamptz not null,
  expires_at timestamptz not null,
  credential bytea not null,
  row_mac bytea not null,
  constraint holder_credential_pk primary key (record_id, code_id)
)
-- ;;
create index holder_credential_id on holder_credential (code_id)
-- ;;
create index holder_credential_expiry on holder_credential (expires_at)
-- ;;
-- Every phone key that was ever enrolled, so that none comes twice. ``request_hash`` tells the same
-- request, repeated because its answer was lost, from another one with the same key.
-- distribution: blind key (key_hash)
create table holder_key (
  key_hash bytea not null,
  record_id bigint not null,
  code_id bytea not null,
  request_hash bytea not null,
  seen_at timestamptz not null,
  constraint holder_key_pk primary key (key_hash)
)
-- ;;
create index holder_key_seen on holder_key (seen_at)
-- ;;
-- The text of a printed code is not kept.
-- distribution: record (record_id)
create table printed_code (
  record_id bigint not null,
  printed_code_id bigint not null,
  code_id bytea not null,
  code_class smallint not null,
  state text not null check (state in ('LIVE', 'REVOKED')),
  issued_at timestamptz not null,
  expires_at timestamptz not null,
  row_mac bytea not null,
  constraint printed_code_pk primary key (record_id, printed_code_id),
  constraint printed_code_id_once unique (record_id, code_id)
)
-- ;;
create index printed_code_id on printed_code (code_id)
-- ;;
-- What the revocation lists are made of. ``scope`` is 1 for bound and 2 for printed codes.
-- distribution: record (record_id)
create table revoked_code (
  record_id bigint not null,
  code_id bytea not null,
  scope smallint not null check (scope in (1, 2)),
  code_class smallint not null,
  expires_at timestamptz not null,
  revoked_at timestamptz not null,
  constraint revoked_code_pk primary key (record_id, code_id)
)
-- ;;
create index revoked_code_list on revoked_code (scope, code_class, expires_at)
-- ;;
-- The last showing of a bound code: step * 256 + sequence, strictly rising. 0 for what is used once.
alter table code_use add column rise bigint not null default 0
-- ;;
-- The bill that a code was approved for, where it was bound to a till's offer.
alter table scan add column bound_bill_id bytea
-- ;;
alter table scan add column bound_amount_fen bigint
