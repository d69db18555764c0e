"""Two records side by side: what each says, and what the matching makes of it, field by field.

By the functions that judge whole files and registrations (``matching``), so that a steward sees
what the index saw. Nothing here is stored.
"""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from service.kernel.clock import business_day
from service.kernel.context import Context
from service.kernel.database import Connection, connection
from service.kernel.problems import NotFound
from service.person import meeting, opening, rulings, store
from service.person.facts import traits_in
from service.person.matching.comparing import compare
from service.person.matching.deciding import Outcome, judge
from service.person.model import Facts, Registration, Source
from service.person.model_merging import Ruling


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """One record as received and as typed, and whose it is today."""

    record_id: int
    person_id: int
    source: Source
    institution_id: int | None
    received_at: datetime
    received: Registration
    facts: Facts

    def __repr__(self) -> str:
        return f"Side({self.record_id})"


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """What two records prove about each other."""

    levels: dict[str, int]
    """By field, as ``matching.comparing`` says them: 0 says nothing, below 0 disagrees."""
    bits: dict[str, float]
    """By group of fields; phone, address and guardian are one, ``household``; ``prior`` is the
    chance of two drawn blindly."""
    total_bits: float
    outcome: Outcome
    reason: str
    """A fixed word; of an outcome that is no match by bits, what speaks against."""
    match_bits: float
    review_bits: float
    model: str


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """Two records, how they compare, and what is ruled about them."""

    one: Side
    other: Side
    comparison: Comparison
    ruling: Ruling | None


async def read_sides(conn: Connection, ctx: Context, record_ids: Sequence[int]) -> list[Side]:
    """Records, opened. Raises ``NotFound`` for none and for one that was forgotten;
    ``RowTampered``."""
    sides = []
    for record_id in record_ids:
        found = await store.find_record_and_link(conn, record_id)
        if found is None:
            raise NotFound
        record, link = found
        sealed = await opening.sealed_of(conn, ctx, record, link)
        sides.append(
            Side(
                record_id=record_id,
                person_id=link.person_id,
                source=record.source,
                institution_id=record.institution_id,
                received_at=record.received_at,
                received=sealed.received,
                facts=sealed.facts,
            )
        )
    return sides


async def read_pair(ctx: Context, record_id: int, other_record_id: int) -> Pair:
    """Two records side by side. Raises ``NotFound``, ``RowTampered``."""
    async with connection(ctx.pool) as conn:
        one, other = await read_sides(conn, ctx, (record_id, other_record_id))
        ruling = await rulings.find(conn, ctx, (record_id, other_record_id))
    return Pair(one=one, other=other, comparison=_compared(ctx, one, other), ruling=ruling)


def _compared(ctx: Context, one: Side, other: Side) -> Comparison:
    scale = meeting.scale_of(ctx.policy.registrations_expected)
    left, right = (
        traits_in(side.received, business_day(side.received_at), key=f"{side.record_id}")
        for side in (one, other)
    )
    found = compare(left, right)
    bits = scale.weigh(left, right, found)
    judged = judge(left, right, scale)
    return Comparison(
        levels=msgspec.structs.asdict(found),
        bits=bits,
        total_bits=sum(bits.values()),
        outcome=judged.outcome,
        reason=judged.reason,
        match_bits=scale.model.match,
        review_bits=scale.model.review,
        model=scale.model.version,
    )
