"""Random lives of the index over the real actions and a real database.

Whatever is registered, merged, ruled, un-merged and undone, in whatever order: every record has one
open link, chains of decisions are whole, views are made of links alone, rulings hold, and a merge
that is undone at once has left nothing.
"""

import asyncio
from contextlib import AsyncExitStack, suppress
from datetime import date, timedelta
from typing import Any, ClassVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from service.audit.model import Decided
from service.kernel.context import Context
from service.kernel.database import connection, transaction
from service.kernel.problems import NotFound, StateConflict
from service.person import actions, merging, moving
from service.person.model import Registration, Source
from service.person.model_merging import SYSTEM, Grounds, RulingVerdict
from tests.support.app import a_context
from tests.support.clock import FakeClock
from tests.support.fakes_identity import POLICY, citizen_number
from tests.support.index_state import State, check_invariants, state_of

CLEAR = (
    "truncate record, match_key, match_key_count, match_claim, decision, link, person_link,"
    " assertion, person, golden, person_alias, review, person_change, person_change_record,"
    " work_item, audit_entry, outbox"
)
BORN = date(1980, 1, 1)
BY = Decided("测试员", "random")
ALONE = Grounds(actor=SYSTEM, reason="random", model="random-1", bits={})
PICK = st.integers(0, 30)


class Index(RuleBasedStateMachine):
    """A small province."""

    loop: ClassVar[asyncio.AbstractEventLoop]
    ctx: ClassVar[Context]

    def __init__(self) -> None:
        super().__init__()
        self.records: list[int] = []
        self.done = 0

    def run(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    def act(self, work: Any) -> bool:
        """Do it a moment later; False where it is refused."""
        clock = self.ctx.clock
        assert isinstance(clock, FakeClock)
        clock.advance(timedelta(seconds=1))
        with suppress(StateConflict, NotFound):
            self.run(work)
            self.done += 1
            return True
        return False

    def record(self, pick: int) -> int:
        return self.records[pick % len(self.records)]

    def state(self) -> State:
        state: State = self.run(state_of(self.ctx))
        return state

    def people(self) -> list[int]:
        """Of today, in the order of their first records: numbers are drawn anew in each life."""
        links = self.state().links
        return list(dict.fromkeys(links[record_id] for record_id in self.records))

    def person(self, pick: int) -> int:
        """Of today, or one who came out of a change or went into one."""
        people = self.people()
        changed = dict.fromkeys(other for _, _, other in self.changes())
        people += [one for one in changed if one not in people]
        return people[pick % len(people)]

    @initialize()
    def begin(self) -> None:
        async def cleared() -> None:
            async with connection(self.ctx.pool) as conn:
                await conn.execute(CLEAR)

        self.run(cleared())
        self.register(1, "测试甲", Source.WINDOW)
        self.register(2, "测试乙", Source.READER)

    @rule(
        serial=st.sampled_from([None, 1, 2, 3]),
        name=st.sampled_from(["测试甲", "测试乙", "无名氏"]),
        source=st.sampled_from([Source.READER, Source.WINDOW, Source.LEGACY]),
    )
    def register(self, serial: int | None, name: str, source: Source) -> None:
        given = Registration(
            source=source,
            institution_id=None,
            name=name,
            id_type="01",
            id_no=citizen_number(BORN, serial) if serial is not None else None,
            phone=f"1391234567{serial}" if serial is not None else None,
        )

        async def add() -> None:
            self.records.append((await actions.register(self.ctx, given)).record_id)

        assert self.act(add())

    @rule(keep=PICK, other=PICK)
    def merge(self, keep: int, other: int) -> None:
        self.act(merging.merge(self.ctx, self.person(keep), self.person(other), BY))

    @rule(keep=PICK, other=PICK)
    def join_by_matcher(self, keep: int, other: int) -> None:
        people = self.person(keep), self.person(other)

        async def join() -> None:
            async with transaction(self.ctx.pool) as conn:
                await moving.join_people(conn, self.ctx, *people, ALONE)

        self.act(join())

    @rule(keep=PICK, other=PICK)
    def merge_and_undo_is_nothing(self, keep: int, other: int) -> None:
        people = self.people()
        pair = people[keep % len(people)], people[other % len(people)]
        before = self.state()
        if self.act(merging.merge(self.ctx, *pair, BY)):
            person_id, change_id, _ = self.changes()[-1]
            assert self.state() != before
            assert self.act(merging.undo(self.ctx, person_id, change_id, BY))
            assert self.state() == before

    @rule(pick=PICK)
    def unmerge(self, pick: int) -> None:
        self.act(merging.unmerge(self.ctx, self.person(pick), BY))

    @rule(one=PICK, other=PICK, same=st.booleans())
    def rule_about_two(self, one: int, other: int, same: bool) -> None:
        act = merging.say_same if same else merging.keep_apart
        self.act(act(self.ctx, self.record(one), self.record(other), BY))

    @rule(one=PICK, other=PICK)
    def withdraw(self, one: int, other: int) -> None:
        pair = self.record(one), self.record(other)
        ruled = {(*sorted(pair), verdict) for verdict in RulingVerdict} & self.state().rulings
        assert self.act(merging.withdraw_ruling(self.ctx, *pair, BY)) == bool(ruled)

    @rule(pick=PICK)
    def undo(self, pick: int) -> None:
        changes = self.changes()
        if changes:
            person_id, change_id, _ = changes[pick % len(changes)]
            self.act(merging.undo(self.ctx, person_id, change_id, BY))

    @rule(pick=PICK, because=st.sampled_from(["reported-lost", None]))
    def freeze(self, pick: int, because: str | None) -> None:
        person_id = self.person(pick)
        if because is None:
            self.act(actions.unfreeze(self.ctx, person_id))
        else:
            self.act(actions.freeze(self.ctx, person_id, because))

    def changes(self) -> list[tuple[int, int, int]]:
        """Person, number and other person of every change, oldest first."""

        async def read() -> list[tuple[int, int, int]]:
            async with connection(self.ctx.pool) as conn:
                rows = await conn.fetch(
                    "select person_id, change_id, other_person_id from person_change"
                    " order by changed_at"
                )
            return [(row["person_id"], row["change_id"], row["other_person_id"]) for row in rows]

        found: list[tuple[int, int, int]] = self.run(read())
        return found

    @invariant()
    def everything_holds(self) -> None:
        if self.records:
            self.run(check_invariants(self.ctx))


def test_the_index_is_whole_after_any_life(fresh_database: str) -> None:
    loop = asyncio.new_event_loop()
    stack = AsyncExitStack()
    try:
        Index.loop = loop
        opened = a_context(fresh_database, policy=POLICY)
        Index.ctx = loop.run_until_complete(stack.enter_async_context(opened))
        run_state_machine_as_test(
            Index,
            settings=settings(
                max_examples=25,
                stateful_step_count=30,
                deadline=None,
                print_blob=True,
                # Shrinking takes minutes on a database; the blob replays the life as found.
                phases=(Phase.explicit, Phase.reuse, Phase.generate),
                suppress_health_check=list(HealthCheck),
            ),
        )
    finally:
        loop.run_until_complete(stack.aclose())
        loop.close()
