-- Rows of codes that were not sealed against a change from outside, scans read without a network
-- in the hospital's own list, and phones that tell by whom they ended.

-- What was listed before is listed anew, from the credentials and printed codes that say so.
delete from revoked_code
-- ;;
alter table revoked_code add column row_mac bytea not null
-- ;;
-- What says that it is revoked, and is not listed, was taken from the list by somebody else.
create index holder_credential_revoked on holder_credential (expires_at) where state = 'REVOKED'
-- ;;
create index printed_code_revoked on printed_code (expires_at) where state = 'REVOKED'
-- ;;
-- How far a log was taken cannot be sealed afterwards: a reader of before begins a fresh state.
delete from shown_log
-- ;;
alter table shown_log add column row_mac bytea not null
-- ;;
-- A list that was made before is made anew. Its number goes on with the minutes since 1970.
delete from code_list
-- ;;
alter table code_list add column digest bytea not null
-- ;;
alter table code_list add column row_mac bytea not null
-- ;;
-- The newest list of each place once more, for whoever takes away the list or puts an older one back.
-- distribution: reference (scope)
create table code_list_mark (
  scope smallint not null check (scope in (1, 2)),
  code_class smallint not null check (code_class between 0 and 255),
  sequence bigint not null check (sequence > 0),
  digest bytea not null,
  row_mac bytea not null,
  constraint code_list_mark_pk primary key (scope, code_class)
)
-- ;;
-- When a cut-off reader handed the scan in; null for a scan that was read online.
alter table institution_scan add column reported_at timestamptz
-- ;;
-- The list goes by when a scan became known, so that no cursor passes over a late one.
drop index institution_scan_time
-- ;;
create index institution_scan_known
  on institution_scan (institution_id, (coalesce(reported_at, scanned_at)), scan_id)
-- ;;
-- The login that enrolled or renewed a phone last: it ends when another phone stops this one.
alter table phone add column session_id text
-- ;;
-- REPLACED: its place went to another phone while its credential was over. REVOKED: stopped.
alter table phone drop constraint phone_state_check
-- ;;
alter table phone add constraint phone_state_check check (state in ('ACTIVE', 'REPLACED', 'REVOKED'))
-- ;;
-- Ended by another device of the person's, with the codes of this one: it is told so.
alter table account_session add column stopped boolean not null default false
