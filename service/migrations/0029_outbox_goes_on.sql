-- An event that failed often goes on being tried, seldom, while a work item stands about it: nothing
-- is set aside any more. What was set aside before is due again.
alter table outbox drop column parked_because
-- ;;
create index outbox_due on outbox (due_at) where done_at is null
