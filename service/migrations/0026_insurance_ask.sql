-- Insurance calls that a hospital's own machine performs: it takes them over our interface and
-- reports each signed. A number is asked once; taking and withdrawing exclude each other, so that
-- what was withdrawn was surely never done.

-- What is asked, the answer, and the request that brought it as it was signed are sealed under the
-- record's key; differing is the first request that said otherwise afterwards. row_mac covers every
-- column.
-- distribution: institution (institution_id)
create table insurance_ask (
  institution_id bigint not null,
  message_no text not null,
  ask_id bigint not null,
  record_id bigint not null,
  settlement_id bigint not null,
  kind text not null check (kind in ('presettle', 'withdraw', 'settle', 'reverse', 'undo', 'find')),
  of_no text,
  total_fen bigint not null check (total_fen >= 0),
  asked bytea not null,
  state text not null check (state in ('ASKED', 'TAKEN', 'ANSWERED', 'WITHDRAWN')),
  asked_at timestamptz not null,
  taken_at timestamptz,
  taken_by bigint,
  answered_at timestamptz,
  answered_by bigint,
  answer bytea,
  signed bytea,
  differing bytea,
  version integer not null check (version > 0),
  row_mac bytea not null,
  constraint insurance_ask_pk primary key (institution_id, message_no),
  constraint insurance_ask_of check ((of_no is not null) = (kind = 'undo')),
  constraint insurance_ask_taken check ((state in ('TAKEN', 'ANSWERED')) = (taken_at is not null and taken_by is not null)),
  constraint insurance_ask_answered check (num_nulls(answered_at, answered_by, answer, signed) = case state when 'ANSWERED' then 0 else 4 end)
)
-- ;;
create index insurance_ask_open on insurance_ask (institution_id, asked_at)
  where state in ('ASKED', 'TAKEN')
-- ;;
create index insurance_ask_settlement on insurance_ask (institution_id, settlement_id)
