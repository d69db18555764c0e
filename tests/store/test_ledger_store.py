"""Postings on a real database: once a cause, never changed unseen."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta

import msgspec
import pytest

from service.kernel.database import transaction
from service.kernel.problems import InvariantBroken, RowTampered
from service.ledger import actions as ledger
from service.ledger.model import HOSPITAL, INSURER, PATIENT, NewPosting
from tests.support.money import House, a_house


@pytest.fixture
async def house(fresh_database: str) -> AsyncIterator[House]:
    async with a_house(fresh_database) as made:
        yield made


def a_posting(house: House, **changes: object) -> NewPosting:
    new = NewPosting(
        record_id=house.record_id,
        settlement_id=7,
        institution_id=house.institution_id,
        cause="payment:1",
        debit="provider:wechatpay",
        credit=PATIENT,
        amount_fen=100,
    )
    return msgspec.structs.replace(new, **changes)


async def _post(house: House, *postings: NewPosting) -> None:
    async with transaction(house.ctx.pool) as conn:
        for new in postings:
            await ledger.post(conn, house.ctx, new)


async def _is_balanced(house: House) -> bool:
    """Whether the patient owes nothing and is owed nothing."""
    return (await ledger.balances(house.ctx, house.record_id, 7)).get(PATIENT, 0) == 0


async def test_a_cause_posts_once(house: House) -> None:
    await _post(house, a_posting(house), a_posting(house))
    await _post(house, a_posting(house))
    balances = await ledger.balances(house.ctx, house.record_id, 7)
    assert balances == {"provider:wechatpay": 100, PATIENT: -100}


@pytest.mark.parametrize("changes", [{"amount_fen": 101}, {"credit": HOSPITAL}, {"debit": INSURER}])
async def test_a_cause_with_other_content_is_refused(
    house: House, changes: dict[str, object]
) -> None:
    await _post(house, a_posting(house))
    with pytest.raises(InvariantBroken):
        await _post(house, a_posting(house, **changes))


async def test_a_settlement_is_balanced_when_its_patient_owes_nothing(house: House) -> None:
    assert await _is_balanced(house)
    await _post(house, a_posting(house))
    assert not await _is_balanced(house)
    await _post(house, a_posting(house, cause="settled", debit=PATIENT, credit=HOSPITAL))
    assert await _is_balanced(house)
    await _post(house, a_posting(house, settlement_id=8))
    assert await _is_balanced(house), "another settlement is another matter"


async def test_the_day_of_a_posting_is_the_day_in_china(house: House) -> None:
    house.clock.advance(datetime(2026, 3, 2, 15, 59, 59, tzinfo=UTC) - house.clock.now())
    await _post(house, a_posting(house, cause="a"))
    house.clock.advance(timedelta(seconds=1))
    await _post(house, a_posting(house, cause="b"))
    async with transaction(house.ctx.pool) as conn:
        rows = await ledger.list_postings(conn, house.ctx, house.record_id, 7)
    assert [row.day for row in rows] == [date(2026, 3, 2), date(2026, 3, 3)]


async def test_a_posting_changed_by_sql_is_refused(house: House) -> None:
    await _post(house, a_posting(house))
    async with transaction(house.ctx.pool) as conn:
        await conn.execute(
            "update posting set amount_fen = 1 where record_id = $1", house.record_id
        )
    with pytest.raises(RowTampered):
        await ledger.balances(house.ctx, house.record_id, 7)
    with pytest.raises(RowTampered):
        await _post(house, a_posting(house))
