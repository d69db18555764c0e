-- Work items: every review, difference and stuck thing, with owner, age, evidence and closing.
-- record_id 0 stands for items that concern no record.

-- distribution: record (record_id)
create table work_item (
  record_id bigint not null,
  item_id bigint not null,
  kind text not null,
  subject_id bigint not null,
  institution_id bigint,
  reason text not null,
  evidence jsonb not null,
  owner text,
  opened_at timestamptz not null,
  closed_at timestamptz,
  closing text,
  constraint work_item_pk primary key (record_id, item_id),
  constraint work_item_closed_whole check ((closed_at is null) = (closing is null))
)
-- ;;
-- One open item for one subject and reason: a poller that meets the same fault again adds nothing.
create unique index work_item_one_open on work_item (record_id, kind, subject_id, reason) where closed_at is null
-- ;;
create index work_item_queue on work_item (opened_at) where closed_at is null
