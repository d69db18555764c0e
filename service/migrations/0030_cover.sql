-- What a commercial insurer bears of a settlement, between the basic insurance and the payer; null where
-- no insurer is asked.

alter table settlement add column cover_fen bigint check (cover_fen >= 0)
-- ;;
alter table settlement drop constraint settlement_parts
-- ;;
alter table settlement add constraint settlement_parts check (fund_fen is null or total_fen = fund_fen + account_fen + coalesce(cover_fen, 0) + cash_fen + hospital_fen)
-- ;;
-- Finds what an insurer was asked on a day.
create index insurance_call_cover on insurance_call (called_at) where kind in ('cover-confirm', 'cover-find', 'cover-withdraw')
