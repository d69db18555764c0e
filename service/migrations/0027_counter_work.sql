-- Work that goes on at counters. A settlement begun at one place may be taken over at another, which
-- alone deals with it from then on: since when; null as long as it is where it began. Covered by
-- the row's MAC once it is set.

alter table settlement add column taken_over_at timestamptz
-- ;;
-- Money that waits at a counter for longer than it should: when somebody was told. Covered by the
-- row's MAC once it is set.
alter table counter_refund add column overdue_at timestamptz
-- ;;
create index counter_refund_overdue on counter_refund (asked_at)
  where given_at is null and overdue_at is null
-- ;;
-- What waits for a second person, as an institution's counters list it.
create index correction_awaits on correction (institution_id, asked_at)
  where state = 'AWAITING_APPROVAL'
