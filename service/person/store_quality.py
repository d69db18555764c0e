"""SQL of the index's figures: all rulings in pages, and what stewards are asked by source."""

import msgspec

from service.kernel.database import Connection, list_rows
from service.person.model import Source
from service.person.model_merging import Ruling

LIST_RULINGS_AFTER = """
select
  record_id, other_record_id, verdict, actor, reason, asserted_at, ruling_id, withdrawn_at,
  withdrawn_by, row_mac
from assertion
where withdrawn_at is null and (record_id, other_record_id) > ($1, $2)
order by record_id, other_record_id
limit $3
"""
LIST_LOADS = """
select record.source, count(distinct record.record_id) as registrations,
  count(review.review_id) as asked,
  count(review.review_id) filter (where review.closed_at is null) as open
from record
left join review on review.record_id = record.record_id
group by record.source
order by record.source
"""


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """Registrations of a source, the questions that came of them, and how many are open."""

    source: Source
    registrations: int
    asked: int
    open: int

    @property
    def asked_of_1000(self) -> float:
        """Questions a thousand registrations."""
        return self.asked / self.registrations * 1000


async def list_rulings_after(conn: Connection, after: tuple[int, int], limit: int) -> list[Ruling]:
    """Standing rulings by their records, those after a pair of them."""
    return await list_rows(conn, Ruling, LIST_RULINGS_AFTER, *after, limit)


async def list_loads(conn: Connection) -> list[Load]:
    """Each source that registered anybody. Reads every record: for reports."""
    return await list_rows(conn, Load, LIST_LOADS)
