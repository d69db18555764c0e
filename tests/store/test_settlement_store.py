"""Settlement rows: compare-and-set, the lease, one open call, what is to post."""

import asyncio
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from msgspec.structs import replace

from service.settlement import store
from service.settlement.model import CallKind, Channel, InsuranceCall, Settlement
from service.settlement.states import SettlementState
from tests.support.settlement_rig import list_calls


class Late(Exception):
    """What is raised where nothing is written."""


AT = datetime(2026, 3, 2, tzinfo=UTC)
LEASE = timedelta(seconds=30)


def a_row(settlement_id: int = 2, **deviations: object) -> Settlement:
    row = Settlement(
        record_id=1,
        settlement_id=settlement_id,
        bill_id=3,
        bill_version=1,
        institution_id=4,
        channel=Channel.PHONE,
        terminal_id=None,
        account_id=5,
        insured=True,
        use_account=False,
        state=SettlementState.PRESETTLING,
        reason=None,
        total_fen=100,
        fund_fen=None,
        account_fen=None,
        cash_fen=None,
        hospital_fen=None,
        paid_fen=0,
        refunded_fen=0,
        sealed=b"s",
        settlement_ref=None,
        paid_by=None,
        provider_ref=None,
        hospital_ref=None,
        due_at=AT,
        deadline_at=AT + LEASE,
        tries=0,
        created_at=AT,
        updated_at=AT,
        settled_at=None,
        version=1,
        row_mac=b"m",
    )
    return replace(row, **deviations)


def a_call(call_id: int = 7, **deviations: object) -> InsuranceCall:
    call = InsuranceCall(
        record_id=1,
        call_id=call_id,
        settlement_id=2,
        kind=CallKind.SETTLE,
        message_no=f"H{call_id}",
        called_at=AT,
        outcome=None,
        undone_by=None,
        evidence=None,
    )
    return replace(call, **deviations)


@pytest.fixture
async def conn(connection: asyncpg.Connection) -> asyncpg.Connection:
    await store.insert_settlement(connection, a_row(), Late())
    return connection


async def test_a_row_comes_back_as_it_was_written(conn: asyncpg.Connection) -> None:
    assert await store.find_settlement(conn, 1, 2) == a_row()
    changed = a_row(
        state=SettlementState.PAID,
        reason="r",
        fund_fen=60,
        account_fen=0,
        cash_fen=40,
        hospital_fen=0,
        paid_fen=40,
        refunded_fen=5,
        sealed=b"t",
        settlement_ref="S1",
        paid_by="wechatpay",
        provider_ref="W1",
        hospital_ref="HIS",
        due_at=None,
        deadline_at=None,
        tries=3,
        updated_at=AT + LEASE,
        settled_at=AT + LEASE,
        version=2,
        row_mac=b"n",
    )
    await store.save_settlement(conn, changed, version=1, otherwise=Late())
    assert await store.find_settlement(conn, 1, 2) == changed


async def test_a_stale_version_writes_nothing(conn: asyncpg.Connection) -> None:
    await store.save_settlement(conn, a_row(version=2, tries=1), version=1, otherwise=Late())
    with pytest.raises(Late):
        await store.save_settlement(conn, a_row(version=2, tries=9), version=1, otherwise=Late())
    found = await store.find_settlement(conn, 1, 2)
    assert found is not None
    assert found.tries == 1


async def test_a_bill_has_one_settlement_that_is_not_undone(conn: asyncpg.Connection) -> None:
    with pytest.raises(Late):
        await store.insert_settlement(conn, a_row(9), Late())
    undone = a_row(state=SettlementState.REVERSED, version=2)
    await store.save_settlement(conn, undone, version=1, otherwise=Late())
    assert await store.find_live(conn, 1, 3) is None
    await store.insert_settlement(conn, a_row(9), Late())
    assert await store.find_live(conn, 1, 3) == a_row(9)


@pytest.mark.parametrize(
    "wrong",
    [
        {"fund_fen": 60, "account_fen": 0, "cash_fen": 41, "hospital_fen": 0},
        {"fund_fen": 60, "account_fen": 0, "cash_fen": 40},
        {"paid_fen": 1, "refunded_fen": 2},
        {"paid_fen": -1},
    ],
)
async def test_amounts_that_cannot_be_are_refused(
    conn: asyncpg.Connection, wrong: dict[str, object]
) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        await store.save_settlement(conn, a_row(version=2, **wrong), version=1, otherwise=Late())


async def test_a_lease_keeps_others_away_until_it_ends(conn: asyncpg.Connection) -> None:
    key = (1, 2)
    assert await store.list_due(conn, AT, 10) == [key]
    assert await store.claim_settlement(conn, key, b"a", AT, AT + LEASE)
    assert await store.list_due(conn, AT, 10) == []
    assert not await store.claim_settlement(conn, key, b"b", AT, AT + LEASE)
    await store.release_settlement(conn, key, b"b")
    assert await store.list_due(conn, AT, 10) == []
    after = AT + LEASE + timedelta(seconds=1)
    assert await store.claim_settlement(conn, key, b"b", after, after + LEASE)
    await store.release_settlement(conn, key, b"b")
    assert await store.list_due(conn, after, 10) == [key]


async def test_what_is_not_due_is_not_claimed(conn: asyncpg.Connection) -> None:
    later = a_row(due_at=AT + LEASE, version=2)
    await store.save_settlement(conn, later, version=1, otherwise=Late())
    assert await store.list_due(conn, AT, 10) == []
    assert not await store.claim_settlement(conn, (1, 2), b"a", AT, AT + LEASE)


async def test_one_call_is_open_at_a_time(conn: asyncpg.Connection) -> None:
    await store.insert_call(conn, a_call(), Late())
    with pytest.raises(Late):
        await store.insert_call(conn, a_call(8), Late())
    assert await store.find_open_call(conn, 1, 2) == a_call()
    await store.finish_call(conn, a_call(), "unknown:answer-lost", b"e", Late())
    with pytest.raises(Late):
        await store.finish_call(conn, a_call(), "accepted", None, Late())
    assert await store.find_open_call(conn, 1, 2) is None
    undo = a_call(8, kind=CallKind.UNDO, called_at=AT + LEASE)
    await store.insert_call(conn, undo, Late())
    await store.mark_undone(conn, 1, 2, "H7", 8)
    first = a_call(outcome="unknown:answer-lost", evidence=b"e", undone_by=8)
    assert await list_calls(conn, 1, 2) == [first, undo]


async def test_a_hospital_lists_what_it_has_to_post(conn: asyncpg.Connection) -> None:
    for number in (12, 11):
        row = a_row(number, settled_at=AT + timedelta(minutes=number))
        await store.insert_to_post(conn, row, f"B{number}")
        await store.insert_to_post(conn, row, f"B{number}")
    assert [one.bill_no for one in await store.list_to_post(conn, 4, 10)] == ["B11", "B12"]
    await store.mark_posted(conn, 4, 11, AT)
    assert [one.bill_no for one in await store.list_to_post(conn, 4, 10)] == ["B12"]
    assert [one.bill_no for one in await store.list_of_institution(conn, 4, 10)] == ["B12", "B11"]
    assert await store.find_to_post(conn, 5, 11) is None


async def test_of_two_writers_one_wins(fresh_database: str) -> None:
    one, two = [await asyncpg.connect(fresh_database) for _ in range(2)]
    try:
        await store.insert_settlement(one, a_row(50, record_id=9, bill_id=51), Late())
        second = a_row(50, record_id=9, bill_id=51, version=2)
        saved = await asyncio.gather(
            *(
                store.save_settlement(conn, second, version=1, otherwise=Late())
                for conn in (one, two)
            ),
            return_exceptions=True,
        )
        assert sorted(type(one) for one in saved if one) == [Late]
    finally:
        await one.execute("delete from settlement where record_id = 9")
        await one.close()
        await two.close()
