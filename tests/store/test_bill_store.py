"""Bills on a real database: pushed, amended, withdrawn, held by one, ended in time."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import asyncpg
import msgspec
import pytest

from service.bill import actions as bill
from service.bill import jobs
from service.bill.model import AmendBill, Bill, BillContent
from service.bill.problems import (
    BillLocked,
    BillNotPayable,
    BillNumberExists,
    BillPartsDoNotSum,
    BillRefused,
    BillVersionStale,
)
from service.bill.states import BillState
from service.kernel.claims import run_once
from service.kernel.database import transaction
from service.kernel.problems import NotFound, RowTampered
from tests.support.money import House, a_content, a_house, a_line, a_push

HOLDER, OTHER = 71, 72


@pytest.fixture
async def house(fresh_database: str) -> AsyncIterator[House]:
    async with a_house(fresh_database) as made:
        yield made


async def _push(house: House, bill_no: str = "B1", content: BillContent | None = None) -> Bill:
    return await bill.push(house.ctx, a_push(house, bill_no, content))


async def _amend(house: House, replaces: int, content: BillContent, bill_no: str = "B1") -> Bill:
    pushed = msgspec.structs.asdict(a_push(house, bill_no, content))
    return await bill.amend(house.ctx, AmendBill(**pushed, replaces=replaces))


async def _withdraw(house: House, bill_no: str = "B1") -> Bill:
    return await bill.withdraw(house.ctx, house.institution_id, 5, bill_no)


async def _lock(house: House, one: Bill, holder: int = HOLDER, version: int = 1) -> Bill:
    async with transaction(house.ctx.pool) as conn:
        return await bill.lock(conn, house.ctx, one.record_id, one.bill_id, holder, version)


async def _release(house: House, one: Bill, holder: int = HOLDER) -> None:
    async with transaction(house.ctx.pool) as conn:
        await bill.release(conn, house.ctx, one.record_id, one.bill_id, holder)


async def _mark_paid(house: House, one: Bill, holder: int = HOLDER) -> None:
    async with transaction(house.ctx.pool) as conn:
        await bill.mark_paid(conn, house.ctx, one.record_id, one.bill_id, holder)


async def _state(house: House, one: Bill) -> BillState:
    return (await bill.read(house.ctx, one.record_id, one.bill_id)).state


async def test_a_pushed_bill_is_read_as_it_was_sent(house: House) -> None:
    content = a_content(a_line("1"), a_line("2", name="复诊费"))
    pushed = await _push(house, content=content)
    assert (pushed.version, pushed.state, pushed.total_fen) == (1, BillState.OPEN, 4938)
    read = await bill.read(house.ctx, pushed.record_id, pushed.bill_id)
    assert read == pushed
    assert (read.visit, read.lines) == (content.visit, content.lines)
    assert await bill.list_payable(house.ctx, house.record_id, None) == [read]
    assert await bill.list_payable(house.ctx, house.record_id, house.institution_id) == [read]
    assert await bill.list_payable(house.ctx, house.record_id, 1) == []


async def test_the_same_push_again_is_the_same_bill(house: House) -> None:
    first = await _push(house)
    assert await _push(house) == first
    await _amend(house, 1, a_content(a_line("1"), a_line("2")))
    assert (await _push(house)).version == 2, "a repeat of the first push tells how the bill stands"


async def test_a_number_is_used_for_one_bill(house: House) -> None:
    await _push(house)
    with pytest.raises(BillNumberExists):
        await _push(house, content=a_content(a_line("9")))
    await house.admit()
    with pytest.raises(BillNumberExists):
        await _push(house)


async def test_many_equal_pushes_at_once_make_one_bill(house: House) -> None:
    pushed = await asyncio.gather(*(_push(house) for _ in range(6)))
    assert len({one.bill_id for one in pushed}) == 1


async def test_an_unknown_patient_gets_no_bill(house: House) -> None:
    command = msgspec.structs.replace(a_push(house, "B1"), patient="0" * 32)
    with pytest.raises(NotFound):
        await bill.push(house.ctx, command)


async def test_a_bill_that_does_not_hold_is_not_taken(house: House) -> None:
    with pytest.raises(BillPartsDoNotSum):
        await _push(house, content=a_content(a_line(amount_fen=1)))
    with pytest.raises(BillRefused):
        await _push(house, content=a_content(pay_until=house.clock.now()))
    with pytest.raises(NotFound):
        await bill.read_number(house.ctx, house.institution_id, "B1")


async def test_an_amendment_replaces_the_version_it_names(house: House) -> None:
    await _push(house)
    second = a_content(a_line("1"), a_line("2"))
    amended = await _amend(house, 1, second)
    assert (amended.version, amended.total_fen) == (2, 4938)
    assert await _amend(house, 1, second) == amended, "a repeat is the same"
    with pytest.raises(BillVersionStale):
        await _amend(house, 1, a_content(a_line("3")))
    with pytest.raises(BillVersionStale):
        await _amend(house, 3, a_content(a_line("3")))
    with pytest.raises(BillPartsDoNotSum):
        await _amend(house, 2, a_content(a_line(amount_fen=1)))
    assert (await bill.read_number(house.ctx, house.institution_id, "B1")).version == 2
    async with transaction(house.ctx.pool) as conn:
        kept = await conn.fetchval(
            "select count(*) from bill_version where record_id = $1", house.record_id
        )
    assert kept == 2


async def test_a_bill_keeps_its_patient(house: House) -> None:
    await _push(house)
    await house.admit()
    with pytest.raises(BillNumberExists):
        await _amend(house, 1, a_content())


async def test_one_holder_at_a_time(house: House) -> None:
    one = await _push(house)
    locked = await _lock(house, one)
    assert (locked.state, locked.holder_id) == (BillState.LOCKED, HOLDER)
    assert await _lock(house, one) == locked, "the holder may lock again"
    with pytest.raises(BillLocked):
        await _lock(house, one, OTHER)
    await _release(house, one, OTHER)
    assert await _state(house, one) is BillState.LOCKED, "a stranger gives nothing back"
    await _release(house, one)
    assert (await _lock(house, one, OTHER)).holder_id == OTHER


async def test_two_holders_at_once_and_one_wins(house: House) -> None:
    one = await _push(house)
    outcomes = await asyncio.gather(
        *(_lock(house, one, holder) for holder in range(60, 68)), return_exceptions=True
    )
    won = [outcome for outcome in outcomes if isinstance(outcome, Bill)]
    assert len(won) == 1
    assert all(isinstance(o, BillLocked) for o in outcomes if not isinstance(o, Bill))


async def test_an_amendment_and_a_lock_at_once(house: House) -> None:
    one = await _push(house)
    outcomes = await asyncio.gather(
        _lock(house, one), _amend(house, 1, a_content(a_line("2"))), return_exceptions=True
    )
    assert sum(isinstance(outcome, Bill) for outcome in outcomes) == 1
    now = await bill.read(house.ctx, one.record_id, one.bill_id)
    assert (now.state, now.version) in {(BillState.LOCKED, 1), (BillState.OPEN, 2)}


async def test_a_held_bill_is_not_changed(house: House) -> None:
    one = await _push(house)
    await _lock(house, one)
    for paid in (False, True):
        if paid:
            await _mark_paid(house, one)
        with pytest.raises(BillLocked):
            await _withdraw(house)
        with pytest.raises(BillLocked):
            await _amend(house, 1, a_content(a_line("2")))


async def test_paying_and_undoing(house: House) -> None:
    one = await _push(house)
    with pytest.raises(BillLocked):
        await _mark_paid(house, one)
    await _lock(house, one)
    with pytest.raises(BillLocked):
        await _mark_paid(house, one, OTHER)
    for _ in range(2):
        await _mark_paid(house, one)
    assert await bill.list_payable(house.ctx, house.record_id, None) == []
    with pytest.raises(BillNotPayable):
        await _lock(house, one, OTHER)
    for _ in range(2):
        await _release(house, one)
    assert await _state(house, one) is BillState.OPEN


async def test_what_cannot_be_held(house: House) -> None:
    one = await _push(house)
    with pytest.raises(BillVersionStale):
        await _lock(house, one, version=2)
    with pytest.raises(NotFound):
        await _lock(house, msgspec.structs.replace(one, bill_id=1))
    for _ in range(2):
        assert (await _withdraw(house)).state is BillState.WITHDRAWN
    with pytest.raises(BillNotPayable):
        await _lock(house, one)
    with pytest.raises(BillNotPayable):
        await _amend(house, 1, a_content())


async def test_an_unpaid_bill_ends_and_its_hospital_may_open_it_again(house: House) -> None:
    one = await _push(house)
    held = await _push(house, "B2")
    await _lock(house, held)
    house.clock.advance(timedelta(days=1))
    assert await bill.list_payable(house.ctx, house.record_id, None) == [
        await bill.read(house.ctx, held.record_id, held.bill_id)
    ]
    with pytest.raises(BillNotPayable):
        await _lock(house, one)
    for _ in range(2):
        for source in jobs.sources(house.ctx):
            await run_once(source, house.clock, house.ctx.metrics)
    assert await _state(house, one) is BillState.EXPIRED
    assert await _state(house, held) is BillState.LOCKED, "who pays may finish"
    again = a_content(pay_until=house.clock.now() + timedelta(days=1))
    assert (await _amend(house, 1, again)).state is BillState.OPEN


@pytest.mark.parametrize(
    "change",
    [
        "update bill set total_fen = 1 where record_id = $1",
        "update bill set state = 'WITHDRAWN' where record_id = $1",
        "update bill set pay_until = pay_until + interval '1 day' where record_id = $1",
        "update bill_version set sealed = sealed || 'x' where record_id = $1",
    ],
)
async def test_a_row_changed_by_sql_is_refused(house: House, change: str) -> None:
    one = await _push(house)
    async with transaction(house.ctx.pool) as conn:
        await conn.execute(change, house.record_id)
    with pytest.raises(RowTampered):
        await bill.read(house.ctx, one.record_id, one.bill_id)
    with pytest.raises(RowTampered):
        await _lock(house, one)


async def test_nothing_of_a_visit_is_readable_in_the_rows(house: House) -> None:
    await _push(house)
    async with transaction(house.ctx.pool) as conn:
        rows: list[asyncpg.Record] = [
            *await conn.fetch("select * from bill"),
            *await conn.fetch("select * from bill_version"),
        ]
    dump = repr([tuple(row.values()) for row in rows])
    assert "B1" in dump
    for secret in ("试验药片", "试医生", "J00", "内科"):
        assert secret not in dump
        assert repr(secret.encode())[2:-1] not in dump
