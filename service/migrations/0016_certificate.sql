-- Certificates of hospitals' applications and terminals, and our own small authority. Few rows,
-- read by every request of a caller that has certificates: reference tables, as callers are.

-- From this instant on the application's bare key no longer counts, only its certificates do.
alter table application add column key_until timestamptz
-- ;;
-- distribution: reference (institution_id)
create table certificate (
  institution_id bigint not null,
  certificate_id bigint not null,
  holder_kind text not null check (holder_kind in ('APPLICATION', 'TERMINAL')),
  holder_id bigint not null,
  authority_version smallint,
  issuer text not null,
  serial_no bytea not null,
  public_key bytea not null,
  chain text not null,
  not_before timestamptz not null,
  not_after timestamptz not null,
  state text not null check (state in ('ACTIVE', 'REVOKED')),
  reason text,
  revoked_at timestamptz,
  created_at timestamptz not null,
  row_mac bytea not null,
  constraint certificate_pk primary key (institution_id, certificate_id),
  constraint certificate_institution foreign key (institution_id) references institution (institution_id),
  constraint certificate_revoked_whole check (
    (state = 'REVOKED') = (revoked_at is not null) and (revoked_at is null) = (reason is null)
  )
)
-- ;;
create unique index certificate_serial on certificate (issuer, serial_no)
-- ;;
create index certificate_holder on certificate (institution_id, holder_id)
-- ;;
create index certificate_key on certificate (public_key)
-- ;;
create index certificate_revoked on certificate (authority_version, serial_no) where state = 'REVOKED'
-- ;;
-- Our authority's certificate and newest revocation list, one row a version of its key. Both are
-- signed by that key and checked when they are read: no row MAC.
-- distribution: reference (key_version)
create table certificate_authority (
  key_version smallint not null,
  certificate bytea not null,
  crl bytea,
  crl_number bigint not null,
  crl_fresh_until timestamptz,
  created_at timestamptz not null,
  constraint certificate_authority_pk primary key (key_version)
)
