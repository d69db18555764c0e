-- How far the re-keying of each table to each key version got: a resumable job whose place is
-- moved only by the holder of its lease.

-- ``place`` is the key of the last row looked at in this round; the counts are of this round, but
-- ``changed`` of all. Rows that may not be written (``refused``) are work items.
-- distribution: local (table_name)
create table rekeying (
  table_name text not null,
  kind text not null,
  target_version smallint not null,
  state text not null check (state in ('RUNNING', 'DONE', 'SUPERSEDED')),
  place bytea,
  changed bigint not null check (changed >= 0),
  seen bigint not null check (seen >= 0),
  lost bigint not null check (lost >= 0),
  waiting bigint not null check (waiting >= 0),
  refused bigint not null check (refused >= 0),
  started_at timestamptz not null,
  round_at timestamptz not null,
  due_at timestamptz not null,
  done_at timestamptz,
  lease_token bytea,
  lease_until timestamptz,
  constraint rekeying_pk primary key (table_name, kind, target_version),
  constraint rekeying_done_whole check ((state = 'RUNNING') = (done_at is null))
)
