-- Providers' statements of a day, and where they and our books differ. Lines are kept as evidence;
-- a difference is the intent row of its work item. The indexes on payments and calls find a day's
-- rows; making them locks those tables against writing for as long as it takes.

-- Few rows (accounts times days, and the bureau's lines times days), read beside every line.
-- distribution: reference (file_id)
create table statement_file (
  file_id bigint not null,
  provider text not null,
  account_name text not null,
  day date not null,
  version integer not null check (version > 0),
  state text not null check (state in ('LOADING', 'ACTIVE', 'REPLACED', 'REFUSED')),
  reason text,
  file_digest bytea not null,
  lines_digest bytea,
  trade_count bigint not null check (trade_count >= 0),
  trade_fen bigint not null check (trade_fen >= 0),
  refund_count bigint not null check (refund_count >= 0),
  refund_fen bigint not null check (refund_fen >= 0),
  tied boolean not null,
  taken_at timestamptz not null,
  constraint statement_file_pk primary key (file_id),
  constraint statement_file_refused_why check ((state = 'REFUSED') = (reason is not null))
)
-- ;;
-- One statement of a day is in use, and one is being loaded.
create unique index statement_file_one on statement_file (provider, account_name, day, state)
  where state in ('ACTIVE', 'LOADING')
-- ;;
create index statement_file_day on statement_file (provider, account_name, day)
-- ;;
-- distribution: partner number (own_no)
create table statement_line (
  file_id bigint not null,
  kind text not null check (kind in ('trade', 'refund')),
  own_no text not null,
  line_no bigint not null,
  trade_no text not null,
  provider_ref text not null,
  amount_fen bigint not null check (amount_fen >= 0),
  state text not null check (state in ('DONE', 'ACCEPTED', 'REVOKED', 'FAILED')),
  at timestamptz not null,
  constraint statement_line_pk primary key (file_id, kind, own_no)
)
-- ;;
-- distribution: partner number (own_no)
create table statement_difference (
  own_no text not null,
  kind text not null check (kind in ('trade', 'refund', 'settlement')),
  provider text not null,
  account_name text not null,
  day date not null,
  difference_id bigint not null,
  class text not null check (class in ('ONLY_HERE', 'ONLY_THERE', 'AMOUNT_DIFFERS', 'STATE_DIFFERS', 'CROSSES_MIDNIGHT')),
  state text not null check (state in ('OPEN', 'CLOSED')),
  record_id bigint not null,
  institution_id bigint,
  evidence jsonb not null,
  found_at timestamptz not null,
  item_at timestamptz,
  closed_at timestamptz,
  closing text,
  constraint statement_difference_pk primary key (own_no, kind, provider, account_name, day),
  constraint statement_difference_closed_whole check ((state = 'CLOSED') = (closed_at is not null and closing is not null))
)
-- ;;
create index statement_difference_open on statement_difference (provider, account_name, day) where state = 'OPEN'
-- ;;
create index payment_attempt_paid on payment_attempt (paid_at) where paid_at is not null
-- ;;
create index refund_created on refund (created_at)
-- ;;
create index insurance_call_day on insurance_call (called_at) where kind in ('settle', 'reverse')
