"""What the index says at one moment, and what must hold in it at every moment."""

import msgspec

from service.kernel.context import Context
from service.kernel.database import Connection, connection
from service.person import golden, opening, rules, store, store_merging
from service.person.model import Golden
from service.person.model_merging import SYSTEM, RulingVerdict
from service.person.survivorship import golden_view

OPEN_LINKS = "select record_id, person_id, link_id from link where to_at is null"
OPEN_PERSON_LINKS = "select record_id, person_id, link_id from person_link where to_at is null"
ROWS = 10_000


class State(msgspec.Struct, frozen=True, kw_only=True):
    """All that a merge and its undoing may touch, without numbers of links and versions of rows."""

    links: dict[int, int]
    golden: dict[int, Golden]
    aliases: dict[int, int]
    rulings: frozenset[tuple[int, int, RulingVerdict]]
    questions: frozenset[tuple[int, int]]
    items: frozenset[tuple[int, int]]
    frozen: frozenset[int]
    """Persons of today."""


async def state_of(ctx: Context) -> State:
    """Of the whole database."""
    async with connection(ctx.pool) as conn:
        links = {row["record_id"]: row["person_id"] for row in await conn.fetch(OPEN_LINKS)}
        views = await conn.fetch("select person_id from golden")
        aliases = await conn.fetch(
            "select person_id, current_person_id from person_alias where to_at is null"
        )
        ruled = await store_merging.list_rulings(conn, list(links))
        questions = await conn.fetch(
            "select record_id, review_id from review where closed_at is null"
        )
        items = await conn.fetch(
            "select record_id, subject_id from work_item"
            " where kind = 'person' and closed_at is null"
        )
        frozen = set()
        for person_id in set(links.values()):
            row = opening.checked_person(ctx, await store.find_person(conn, person_id))
            frozen |= {person_id} if row.is_frozen else set()
        return State(
            links=links,
            golden={
                row["person_id"]: await golden.read_within(conn, ctx, row["person_id"])
                for row in views
            },
            aliases={row["person_id"]: row["current_person_id"] for row in aliases},
            rulings=frozenset((one.record_id, one.other_record_id, one.verdict) for one in ruled),
            questions=frozenset((row["record_id"], row["review_id"]) for row in questions),
            items=frozenset((row["record_id"], row["subject_id"]) for row in items),
            frozen=frozenset(frozen),
        )


async def check_invariants(ctx: Context) -> None:
    """What must hold whatever was done. Raises ``AssertionError``."""
    async with connection(ctx.pool) as conn:
        open_links = {tuple(row) for row in await conn.fetch(OPEN_LINKS)}
        assert open_links == {tuple(row) for row in await conn.fetch(OPEN_PERSON_LINKS)}
        records = {row["record_id"] for row in await conn.fetch("select record_id from record")}
        assert sorted(record for record, _, _ in open_links) == sorted(records)
        dead = {
            row["person_id"]
            for row in await conn.fetch("select person_id from person_alias where to_at is null")
        }
        assert not dead & {person for _, person, _ in open_links}
        for record_id in records:
            decisions = await store.list_decisions(conn, record_id, ROWS)
            assert decisions
            assert rules.chain_holds(decisions)
        views = {row["person_id"] for row in await conn.fetch("select person_id from golden")}
        assert views == {person for _, person, _ in open_links}
        for person_id in views:
            known = await golden.known_of(conn, ctx, person_id)
            assert await golden.read_within(conn, ctx, person_id) == golden_view(known)
        await _check_numbers(conn, ctx, views)
    await _check_rulings(ctx)
    await _check_frozen(ctx)


async def _check_numbers(conn: Connection, ctx: Context, people: set[int]) -> None:
    """A person has one own number, or a steward had a hand in it."""
    for person_id in people:
        known = await golden.known_of(conn, ctx, person_id)
        if len({one.facts.id_no for one in known} - {None}) > 1:
            actors = set()
            for one in known:
                decided = await store.list_decisions(conn, one.record_id, ROWS)
                actors |= {decision.actor for decision in decided}
            assert actors - {SYSTEM}


async def _check_rulings(ctx: Context) -> None:
    """What is ruled the same is one person's, what is ruled different is not."""
    state = await state_of(ctx)
    for one, other, verdict in state.rulings:
        together = state.links[one] == state.links[other]
        assert together == (verdict is RulingVerdict.SAME)


async def _check_frozen(ctx: Context) -> None:
    """Each row counts the frozen ones among the persons merged into it."""
    async with connection(ctx.pool) as conn:
        rows = await conn.fetch("select person_id, frozen_at, frozen_parts from person")
        aliases = await conn.fetch(
            "select person_id, current_person_id from person_alias where to_at is null"
        )
    own = {row["person_id"]: row["frozen_at"] is not None for row in rows}
    parts: dict[int, list[int]] = {}
    for row in aliases:
        parts.setdefault(row["current_person_id"], []).append(row["person_id"])

    def below(person_id: int) -> int:
        return sum(own[part] + below(part) for part in parts.get(person_id, []))

    assert {row["person_id"]: row["frozen_parts"] for row in rows} == {
        row["person_id"]: below(row["person_id"]) for row in rows
    }
