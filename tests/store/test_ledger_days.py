"""Days of the books on a real database: what late postings do, and how a day is closed."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import pytest

from service.kernel.claims import run_once
from service.kernel.database import connection, transaction
from service.kernel.problems import RowTampered
from service.ledger import actions as ledger
from service.ledger import books, closing, feeding, jobs, store_books, store_days
from service.ledger.model import PATIENT, DayBooks, DayState, NewPosting
from service.ledger.problems import LedgerDayNotOver
from tests.support.money import House, a_house

WECHAT = "provider:wechatpay"
MONDAY = date(2026, 3, 2)
TUESDAY = MONDAY + timedelta(days=1)
WEDNESDAY = MONDAY + timedelta(days=2)
MIDNIGHT = datetime(2026, 3, 2, 16, 0, tzinfo=UTC)
"""In Beijing, at the end of Monday."""
BOOKED_UNTIL = MIDNIGHT + timedelta(hours=10)
LOOKS_MAX = 200
"""Of the worker: other tests' transactions may go on in the server."""


@pytest.fixture
async def house(fresh_database: str) -> AsyncIterator[House]:
    async with a_house(fresh_database) as made:
        yield made


def at(house: House, when: datetime) -> None:
    house.clock.advance(when - house.clock.now())


def taken(house: House, cause: str, amount_fen: int, moved_at: datetime | None) -> NewPosting:
    return NewPosting(
        record_id=house.record_id,
        settlement_id=7,
        institution_id=house.institution_id,
        cause=cause,
        debit=WECHAT,
        credit=PATIENT,
        amount_fen=amount_fen,
        moved_at=moved_at,
    )


async def take(
    house: House, cause: str, amount_fen: int = 100, moved_at: datetime | None = None
) -> None:
    async with transaction(house.ctx.pool) as conn:
        await ledger.post(conn, house.ctx, taken(house, cause, amount_fen, moved_at))


async def work(house: House) -> None:
    for source in jobs.sources(house.ctx):
        await run_once(source, house.clock, house.ctx.metrics)


async def read(house: House, day: date) -> DayBooks:
    return await books.read_day(house.ctx, house.institution_id, day)


async def close(house: House, day: date) -> DayBooks:
    """Ask, then let the worker look until the day is closed."""
    await closing.ask(house.ctx, house.institution_id, day, "clerk")
    for _ in range(LOOKS_MAX):
        house.clock.advance(timedelta(minutes=1))
        await work(house)
        if (found := await read(house, day)).state is DayState.CLOSED:
            return found
    raise AssertionError("the day stays open")


async def reasons(house: House) -> list[str]:
    async with connection(house.ctx.pool) as conn:
        rows = await conn.fetch("select reason from work_item where closed_at is null")
    return [row["reason"] for row in rows]


def held(found: DayBooks) -> dict[str, tuple[int, int, int, int]]:
    """Opening, received, given and closing of each account."""
    return {
        name: (one.opening_fen, one.debit_fen, one.credit_fen, one.closing_fen)
        for name, one in found.sums.items()
    }


async def test_what_comes_late_stands_in_the_open_day_and_names_its_own(house: House) -> None:
    before_midnight = MIDNIGHT - timedelta(seconds=5)
    at(house, MIDNIGHT + timedelta(seconds=5))
    await take(house, "told after midnight", 100, before_midnight)
    await take(house, "of today", 20)
    at(house, BOOKED_UNTIL)
    await take(house, "told too late", 3, before_midnight)
    await take(house, "the provider's clock is ahead", 4, BOOKED_UNTIL + timedelta(days=2))
    await work(house)
    assert held(await read(house, MONDAY)) == {WECHAT: (0, 100, 0, 100), PATIENT: (0, 0, 100, -100)}
    tuesday = await read(house, TUESDAY)
    assert held(tuesday) == {WECHAT: (100, 27, 0, 127), PATIENT: (-100, 0, 27, -127)}
    assert [(one.settlement_id, one.value_day, one.amount_fen) for one in tuesday.late] == [
        (7, MONDAY, 3)
    ]
    async with connection(house.ctx.pool) as conn:
        rows = await ledger.list_postings(conn, house.ctx, house.record_id, 7)
    assert {row.cause: (row.day, row.value_day) for row in rows} == {
        "told after midnight": (MONDAY, None),
        "of today": (TUESDAY, None),
        "told too late": (TUESDAY, MONDAY),
        "the provider's clock is ahead": (TUESDAY, None),
    }


async def test_a_day_is_closed_once_it_takes_no_more_and_with_those_before_it(
    house: House,
) -> None:
    await take(house, "payment:1", 100)
    await work(house)
    at(house, BOOKED_UNTIL - timedelta(seconds=1))
    with pytest.raises(LedgerDayNotOver):
        await closing.ask(house.ctx, house.institution_id, MONDAY, "clerk")
    await take(house, "payment:2", 50)
    at(house, BOOKED_UNTIL + timedelta(days=2))
    wednesday = await close(house, WEDNESDAY)
    assert [(await read(house, day)).state for day in (MONDAY, TUESDAY)] == [DayState.CLOSED] * 2
    assert wednesday.asked_by == "clerk"
    assert (wednesday.postings, held(wednesday)) == (
        0,
        {WECHAT: (150, 0, 0, 150), PATIENT: (-150, 0, 0, -150)},
    )
    await take(house, "payment:3", 7)
    await work(house)
    assert held(await read(house, WEDNESDAY + timedelta(days=1)))[WECHAT] == (150, 7, 0, 157)
    assert await closing.ask(house.ctx, house.institution_id, MONDAY, "another") == []


async def _a_close_against_a_long_transaction(house: House) -> DayBooks:
    """A transaction chose Monday, and commits long after the day takes no more."""
    await take(house, "payment:1", 100)
    await work(house)
    at(house, BOOKED_UNTIL - timedelta(seconds=1))
    posting = taken(house, "payment:2", 11, MIDNIGHT - timedelta(seconds=1))
    async with transaction(house.ctx.pool) as slow:
        await ledger.post(slow, house.ctx, posting)
        house.clock.advance(timedelta(seconds=1))
        await closing.ask(house.ctx, house.institution_id, MONDAY, "clerk")
        for _ in range(5):
            house.clock.advance(timedelta(minutes=10))
            await work(house)
    return await close(house, MONDAY)


async def test_a_close_waits_for_a_transaction_that_may_still_post_to_the_day(
    house: House,
) -> None:
    found = await _a_close_against_a_long_transaction(house)
    assert (found.postings, held(found)[WECHAT]) == (2, (0, 111, 0, 111))
    assert await closing.check_day(house.ctx, house.institution_id, MONDAY) is not None
    assert await reasons(house) == []


async def test_without_the_horizon_such_a_posting_would_enter_a_closed_day_and_is_found(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_days, "OLDEST_TRANSACTION", "select 9223372036854775807")
    found = await _a_close_against_a_long_transaction(house)
    assert held(found)[WECHAT] == (0, 100, 0, 100)
    await work(house)
    await closing.check_day(house.ctx, house.institution_id, MONDAY)
    assert await reasons(house) == ["ledger-closed-day-changed"]


async def test_a_server_restored_from_a_copy_closes_too(house: House) -> None:
    """Its transactions may be numbered lower than the horizon."""
    await take(house, "payment:1")
    await work(house)
    at(house, BOOKED_UNTIL)
    (row,) = await closing.ask(house.ctx, house.institution_id, MONDAY, "clerk")
    far = books.sign_day(house.ctx, msgspec.structs.replace(row, horizon=2**62))
    async with connection(house.ctx.pool) as conn:
        assert await store_days.set_horizon(conn, far, row.row_mac)
    assert (await close(house, MONDAY)).postings == 1


async def test_entering_in_any_order_and_any_number_of_times_gives_the_same_books(
    house: House,
) -> None:
    for number in range(6):
        await take(house, f"payment:{number}", 1 << number)
        await take(house, f"payment:{number}", 1 << number)
    async with connection(house.ctx.pool) as conn:
        keys = await store_books.list_fed(conn)
    assert len(keys) == 12, "a cause that was posted already is fed once more, without a posting"
    await feeding.take_batch(house.ctx, keys[4:])
    async with connection(house.ctx.pool) as conn:
        await conn.executemany("insert into posting_feed values ($1, $2)", keys[6:9])
    await feeding.take_batch(house.ctx, keys[:7])
    await work(house)
    await feeding.feed_again(house.ctx, house.institution_id, MONDAY)
    found = await read(house, MONDAY)
    assert (found.postings, held(found)[WECHAT]) == (6, (0, 63, 0, 63))
    async with connection(house.ctx.pool) as conn:
        assert await store_books.list_fed(conn) == []


CHANGES: dict[str, tuple[str, str]] = {
    "an entry is lost": ("delete from ledger_entry where amount_fen = 11", "ledger-books-differ"),
    "an entry is changed": (
        "update ledger_entry set amount_fen = 12 where amount_fen = 11",
        "ledger-books-differ",
    ),
    "a posting is lost": ("delete from posting where amount_fen = 11", "ledger-closed-day-changed"),
    "a posting is moved": (
        "update posting set credit = 'hospital' where amount_fen = 11",
        "ledger-closed-day-changed",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
async def test_what_no_longer_agrees_with_a_closed_day_is_a_work_item(
    house: House, change: str
) -> None:
    await take(house, "payment:1", 100)
    await take(house, "payment:2", 11)
    await work(house)
    at(house, BOOKED_UNTIL)
    await close(house, MONDAY)
    sql, reason = CHANGES[change]
    async with connection(house.ctx.pool) as conn:
        await conn.execute(sql)
    checked = await closing.check_day(house.ctx, house.institution_id, MONDAY)
    assert checked is not None
    assert WECHAT in checked.differing or PATIENT in checked.differing
    assert await reasons(house) == [reason]
    async with connection(house.ctx.pool) as conn:
        evidence: dict[str, Any] = await conn.fetchval(
            "select evidence from work_item where closed_at is null"
        )
    assert evidence["day"] == "2026-03-02"
    if change == "an entry is lost":
        assert (evidence["posted_credit_fen"], evidence["held_credit_fen"]) == (111, 100)
        await feeding.feed_again(house.ctx, house.institution_id, MONDAY)
        await closing.check_day(house.ctx, house.institution_id, MONDAY)
        assert await reasons(house) == []


async def test_a_posting_changed_by_sql_never_enters_and_holds_up_the_close(house: House) -> None:
    await take(house, "payment:1", 100)
    await take(house, "payment:2", 11)
    async with connection(house.ctx.pool) as conn:
        await conn.execute("update posting set amount_fen = 12 where amount_fen = 11")
    await work(house)
    assert await reasons(house) == ["ledger-posting-changed"]
    assert held(await read(house, MONDAY))[WECHAT] == (0, 100, 0, 100)
    at(house, BOOKED_UNTIL)
    with pytest.raises(AssertionError, match="stays open"):
        await close(house, MONDAY)
    assert sorted(await reasons(house)) == ["ledger-books-differ", "ledger-posting-changed"]
    async with connection(house.ctx.pool) as conn:
        await conn.execute("update posting set amount_fen = 11 where amount_fen = 12")
    await feeding.feed_again(house.ctx, house.institution_id, MONDAY)
    assert held(await close(house, MONDAY))[WECHAT] == (0, 111, 0, 111)
    assert await reasons(house) == ["ledger-posting-changed"]


async def test_a_closing_changed_by_sql_is_refused(house: House) -> None:
    await take(house, "payment:1", 100)
    await work(house)
    at(house, BOOKED_UNTIL)
    await close(house, MONDAY)
    async with connection(house.ctx.pool) as conn:
        await conn.execute("update ledger_day set asked_by = 'nobody'")
    with pytest.raises(RowTampered):
        await read(house, MONDAY)


async def test_the_worker_closes_a_day_that_nobody_closes(house: House) -> None:
    await take(house, "payment:1", 100)
    await work(house)
    at(house, MIDNIGHT + timedelta(hours=18, seconds=-1))
    await closing.ask_overdue(house.ctx)
    assert (await read(house, MONDAY)).state is DayState.OPEN
    house.clock.advance(timedelta(seconds=1))
    await closing.ask_overdue(house.ctx)
    assert (await close(house, MONDAY)).asked_by == closing.BY_WORKER
