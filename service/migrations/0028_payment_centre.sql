-- What the insurance's payment centre did counts on the bureau's days too.
drop index insurance_call_day;
-- ;;
create index insurance_call_day on insurance_call (called_at)
where kind in ('settle', 'reverse', 'confirm', 'return-insurance');
