"""How well the matcher tells people apart: by what stewards ruled, and by how much they are asked.

Each pair of records that a standing ruling names is judged again by the model of today, as if
nobody had ruled. Stewards rule about what was asked or complained of, which is harder than the
rest: these figures lie below a whole population's, and how they change with a new model counts.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Sequence

import msgspec

from service.kernel.context import Context
from service.kernel.database import Connection, connection
from service.person import meeting, rulings, store_merging, store_quality
from service.person.matching.deciding import Outcome, judge
from service.person.matching.traits import Traits
from service.person.model import Source
from service.person.model_merging import Ruling, RulingVerdict
from service.person.store_quality import Load

RULINGS_EACH = 200
Sources = tuple[Source, Source]
"""Where the two records of a pair come from, in the order of their names."""


class Tally(msgspec.Struct, kw_only=True):
    """Ruled pairs by what the matcher says of them. A pair in doubt counts as asked."""

    same_matched: int = 0
    same_asked: int = 0
    same_missed: int = 0
    different_matched: int = 0
    different_asked: int = 0
    different_apart: int = 0

    def add(self, verdict: RulingVerdict, outcome: Outcome) -> None:
        """Count one pair."""
        said = {Outcome.MATCH: "matched", Outcome.APART: "apart"}.get(outcome, "asked")
        if verdict is RulingVerdict.SAME and said == "apart":
            said = "missed"
        name = f"{verdict.value.lower()}_{said}"
        setattr(self, name, getattr(self, name) + 1)

    @property
    def pairs(self) -> int:
        """How many were ruled about."""
        return sum(msgspec.structs.astuple(self))

    @property
    def precision(self) -> float | None:
        """Of the pairs that are matched, the share ruled same; None where none is matched."""
        return _share(self.same_matched, self.same_matched + self.different_matched)

    @property
    def recall(self) -> float | None:
        """Of the pairs ruled same, the share that is matched."""
        return _share(self.same_matched, self._same)

    @property
    def matched_or_asked(self) -> float | None:
        """Of the pairs ruled same, the share that is matched or asked about."""
        return _share(self.same_matched + self.same_asked, self._same)

    @property
    def _same(self) -> int:
        return self.same_matched + self.same_asked + self.same_missed


class Quality(msgspec.Struct, frozen=True, kw_only=True):
    """``model``: its version. ``pairs`` by the sources of their records; ``loads`` by source."""

    model: str
    pairs: dict[Sources, Tally]
    loads: list[Load]


async def measure(ctx: Context) -> Quality:
    """Over all standing rulings and all registrations. Reads only. Raises ``RowTampered``."""
    scale = meeting.scale_of(ctx.policy.registrations_expected)
    pairs: dict[Sources, Tally] = defaultdict(Tally)
    async with connection(ctx.pool) as conn:
        async for ruled in _pages(conn, ctx):
            known = await _known(conn, ctx, ruled)
            for one in ruled:
                if one.record_id in known and one.other_record_id in known:
                    source, traits = known[one.record_id]
                    other_source, other_traits = known[one.other_record_id]
                    lesser, greater = sorted((source, other_source))
                    outcome = judge(traits, other_traits, scale).outcome
                    pairs[lesser, greater].add(one.verdict, outcome)
        loads = await store_quality.list_loads(conn)
    return Quality(model=scale.model.version, pairs=dict(sorted(pairs.items())), loads=loads)


async def _pages(conn: Connection, ctx: Context) -> AsyncIterator[list[Ruling]]:
    after = (0, 0)
    while rows := await store_quality.list_rulings_after(conn, after, RULINGS_EACH):
        yield [rulings.checked(ctx, row) for row in rows]
        after = (rows[-1].record_id, rows[-1].other_record_id)


async def _known(
    conn: Connection, ctx: Context, ruled: Sequence[Ruling]
) -> dict[int, tuple[Source, Traits]]:
    ids = {record_id for one in ruled for record_id in (one.record_id, one.other_record_id)}
    return {
        one.record.record_id: (one.record.source, await meeting.traits_of(conn, ctx, one))
        for one in await store_merging.list_linked(conn, sorted(ids))
    }


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
