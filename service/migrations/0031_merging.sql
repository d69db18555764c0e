-- Persons are joined and parted. A change says which records it moved, so that it can be undone
-- exactly; a ruling and a closed review say with which change they came. Short locks: new tables,
-- and columns whose defaults need no rewriting.

-- Records that moved from one person to another, in one act. MERGE: all of other_person_id's came
-- to person_id. UNMERGE: records of person_id went to other_person_id. Each record moved has a
-- decision of the number change_id.
-- distribution: person (person_id)
create table person_change (
  person_id bigint not null,
  change_id bigint not null,
  kind text not null check (kind in ('MERGE', 'UNMERGE')),
  other_person_id bigint not null,
  actor text not null,
  reason text not null,
  changed_at timestamptz not null,
  undone_by bigint,
  row_mac bytea not null,
  constraint person_change_pk primary key (person_id, change_id)
)
-- ;;
-- The merges that stand, which are the parts a person has.
create index person_change_standing on person_change (person_id) where kind = 'MERGE' and undone_by is null
-- ;;
-- A steward looks at what moved a record: by its decisions.
create index person_change_number on person_change (change_id)
-- ;;
-- distribution: person (person_id)
create table person_change_record (
  person_id bigint not null,
  change_id bigint not null,
  record_id bigint not null,
  constraint person_change_record_pk primary key (person_id, change_id, record_id),
  constraint person_change_record_change foreign key (person_id, change_id) references person_change (person_id, change_id)
)
-- ;;
create unique index person_alias_one_open on person_alias (person_id) where to_at is null
-- ;;
-- How many of the persons merged into this one are frozen by themselves.
alter table person add column frozen_parts integer not null default 0 check (frozen_parts >= 0)
-- ;;
-- The lesser record comes first. ruling_id: the change it came with, or its own number.
alter table assertion add column ruling_id bigint not null default 0
-- ;;
alter table assertion add column withdrawn_by bigint
-- ;;
create unique index assertion_one_open on assertion (record_id, other_record_id) where withdrawn_at is null
-- ;;
create index assertion_other on assertion (other_record_id)
-- ;;
-- The change or ruling that answered the question; undoing it asks again.
alter table review add column closed_by bigint
-- ;;
create index review_other on review (other_record_id) where closed_at is null
-- ;;
create index review_closed_by on review (closed_by) where closed_by is not null
