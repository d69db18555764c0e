-- An initial load of the index from a file: how far it is, so that one that was killed goes on.

-- One row a file, read and written by the command that loads it.
-- distribution: reference (file_digest)
create table index_load (
  file_digest bytea not null check (octet_length(file_digest) = 32),
  model text not null,
  salt bytea not null check (octet_length(salt) = 16),
  steps bigint not null check (steps >= 0),
  done bigint not null check (done between 0 and steps),
  began_at timestamptz not null,
  moved_at timestamptz not null,
  constraint index_load_pk primary key (file_digest)
)
