-- A settlement begun at one place may be taken over at another, which alone deals with it from then
-- on. Since when; null as long as it is where it began. Covered by the row's MAC once it is set.

alter table settlement add column taken_over_at timestamptz
