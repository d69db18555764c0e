-- Credentials of other owners, linked to a record. The owner's number is sealed; its hash finds it.

-- distribution: record (record_id)
create table credential (
  record_id bigint not null,
  credential_id bigint not null,
  kind text not null check (kind in ('INSURANCE')),
  owner text not null,
  number_hash bytea not null,
  sealed bytea not null,
  region text not null,
  insurance_type text not null,
  state text not null check (state in ('LINKED', 'ENDED')),
  linked_at timestamptz not null,
  checked_at timestamptz not null,
  ended_at timestamptz,
  row_mac bytea not null,
  constraint credential_pk primary key (record_id, credential_id)
)
-- ;;
create unique index credential_once on credential (record_id, kind, number_hash, insurance_type) where state = 'LINKED'
