"""Guards of closed days and of repeated requests: who comes late leaves what
is done."""

import asyncio
from contextlib import suppress
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from crypto.sm3 import sm3
from service.kernel import idempotency
from service.kernel.clock import business_day
from service.kernel.database import connection, transaction
from service.kernel.idempotency import Answer
from service.kernel.problems import RowTampered
from service.ledger import actions as ledger
from service.ledger import books, closing, feeding, rules, store_days
from service.ledger.model import PATIENT, DayState, NewPosting
from tests.support.guards import Guard, both_runs
from tests.support.last_lines import Harm, at_once, run, without, without_conflict
from tests.support.money import House, a_house

LOOKS_MAX = 200
"""Of the worker: other tests' transactions may go on in the server."""

OTHERS_S = 1
"""A request takes so long that another would come by."""


async def a_late_worker_notes_how_far_a_day_goes(dsn: str) -> None:
    """It read the day while it was closing; meanwhile another closed it."""
    async with a_house(dsn) as house:
        key = await _over(house)
        await closing.ask(house.ctx, *key, "clerk")
        async with connection(house.ctx.pool) as conn:
            stale = await books.find_day(conn, house.ctx, key)
        assert stale is not None
        await _closed(house, key)
        late = books.sign_day(house.ctx, msgspec.structs.replace(stale, horizon=1))
        async with connection(house.ctx.pool) as conn:
            await store_days.set_horizon(conn, late, stale.row_mac)
            try:
                await books.find_day(conn, house.ctx, key)
            except RowTampered as fault:
                raise Harm("a closed day looks forged") from fault


async def row_of_a_day(patch: pytest.MonkeyPatch, dsn: str) -> None:
    without(
        patch,
        store_days,
        "SET_HORIZON",
        " and state = 'CLOSING' and row_mac = $5",
        " and $5::bytea is not null",
    )


async def two_clerks_ask_for_one_day(dsn: str) -> None:
    """Each has the same day closed, in the same moment."""
    async with a_house(dsn) as house:
        key = await _over(house)
        works = [closing.ask(house.ctx, *key, clerk) for clerk in ("A1", "B2")]
        got = await at_once(dsn, "ledger_day", *works)
        if sum(len(days) for days in got) != 1:
            raise Harm("one day is closed by two")


async def one_closing_a_day(patch: pytest.MonkeyPatch, dsn: str) -> None:
    without_conflict(patch, store_days, "INSERT_DAY")
    await run(dsn, "alter table ledger_day drop constraint ledger_day_pk")


async def two_repeats_of_a_request_that_died(dsn: str) -> None:
    """Both find that nobody works at it any more, and take it over."""
    async with a_house(dsn) as house:
        ctx, ran, both = house.ctx, [], asyncio.Event()
        request: dict[str, Any] = {"caller": "C", "operation": "pay", "key": "k1"}
        key_hash = idempotency._key_hash(*request.values())
        await idempotency._claim(ctx.pool, ctx.clock.now(), key_hash, sm3(b"{}"))
        house.clock.advance(idempotency.LEASE + timedelta(seconds=1))

        async def act() -> Answer:
            ran.append(1)
            if len(ran) > 1:
                both.set()
            with suppress(TimeoutError):
                await asyncio.wait_for(both.wait(), OTHERS_S)
            return Answer(200, b"{}")

        works = [
            idempotency.answer_once(
                ctx.pool, ctx.sealer, ctx.clock, **request, given=b"{}", run=act
            )
            for _ in "12"
        ]
        await at_once(dsn, "idempotency", *works)
        if len(ran) != 1:
            raise Harm("one request is run twice at once")


async def lease_of_a_request(patch: pytest.MonkeyPatch, dsn: str) -> None:
    without(
        patch, idempotency, "TAKE_OVER", " and lease_until = $3", " and $3::timestamptz is not null"
    )


async def _over(house: House) -> store_days.DayKey:
    """A day with a posting that takes none any more."""
    day = business_day(house.clock.now())
    async with transaction(house.ctx.pool) as conn:
        posting = NewPosting(
            record_id=house.record_id,
            settlement_id=7,
            institution_id=house.institution_id,
            cause="paid",
            debit="provider:wechatpay",
            credit=PATIENT,
            amount_fen=100,
            moved_at=None,
        )
        await ledger.post(conn, house.ctx, posting)
    (batch,) = await feeding.list_batches(house.ctx)
    await feeding.take_batch(house.ctx, batch)
    house.clock.advance(rules.closes_at(day) - house.clock.now())
    return house.institution_id, day


async def _closed(house: House, key: store_days.DayKey) -> None:
    for _ in range(LOOKS_MAX):
        house.clock.advance(timedelta(minutes=1))
        await closing.close(house.ctx, key)
        if (await books.read_day(house.ctx, *key)).state is DayState.CLOSED:
            return
    raise AssertionError("the day stays open")


GUARDS = [
    Guard(
        name="compare-and-set: day",
        holds=frozenset({"ledger.store_days.SET_HORIZON"}),
        harm="a closed day looks forged",
        scenario=a_late_worker_notes_how_far_a_day_goes,
        take_out=row_of_a_day,
    ),
    Guard(
        name="primary key: one closing a day",
        holds=frozenset({"ledger.store_days.INSERT_DAY"}),
        harm="one day is closed by two",
        scenario=two_clerks_ask_for_one_day,
        take_out=one_closing_a_day,
    ),
    Guard(
        name="lease of a request",
        holds=frozenset({"kernel.idempotency.TAKE_OVER"}),
        harm="one request is run twice at once",
        scenario=two_repeats_of_a_request_that_died,
        take_out=lease_of_a_request,
    ),
]


test_with_the_guard_nothing_is_lost, test_without_the_guard_its_harm_is_done = both_runs(GUARDS)
