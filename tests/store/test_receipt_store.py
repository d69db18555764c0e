"""Receipts on a real database: one a settlement, sealed, saying what the bill says."""

import re
from collections.abc import AsyncIterator

import msgspec
import pytest

from service.bill import actions as bill
from service.kernel.database import transaction
from service.kernel.outbox import Event
from service.kernel.problems import InvariantBroken, NotFound, RowTampered
from service.receipt import actions as receipt
from service.receipt import orders
from service.receipt.jobs import HANDLERS
from service.receipt.model import PostedFacts, Receipt
from tests.support.money import House, a_house, a_push


@pytest.fixture
async def house(fresh_database: str) -> AsyncIterator[House]:
    async with a_house(fresh_database) as made:
        yield made


async def _facts(house: House, **changes: object) -> PostedFacts:
    pushed = await bill.push(house.ctx, a_push(house, "B1"))
    facts = PostedFacts(
        bill_id=house.ctx.public_ids.text(pushed.record_id, pushed.bill_id),
        institution_id=house.institution_id,
        total_fen=2469,
        fund_fen=1000,
        account_fen=469,
        cash_fen=900,
        hospital_fen=100,
        paid_by="wechatpay",
        provider_ref="P1",
        insurance_ref="I1",
    )
    return msgspec.structs.replace(facts, **changes)


def _event(house: House, facts: PostedFacts) -> Event:
    return Event(
        record_id=house.record_id,
        event_id=1,
        topic="settlement.posted",
        subject_id=7,
        body=msgspec.to_builtins(facts),
        attempts=0,
    )


async def _issue(house: House, facts: PostedFacts) -> Receipt:
    settled = await orders.read_settled(house.ctx, facts)
    return await receipt.issue(house.ctx, house.record_id, 7, facts, settled)


async def test_a_posted_settlement_gets_one_receipt(house: House) -> None:
    facts = await _facts(house)
    assert await receipt.find(house.ctx, house.record_id, 7) is None
    for _ in range(2):
        await HANDLERS["settlement.posted"](house.ctx, _event(house, facts))
    issued = await receipt.get(house.ctx, house.record_id, 7)
    assert (issued.institution_name, issued.bill_no) == ("测试医院", "B1")
    assert [line.name for line in issued.lines] == ["试验药片"]
    assert (issued.total_fen, issued.cash_fen, issued.paid_by) == (2469, 900, "wechatpay")
    assert re.fullmatch(r"H[0-9]{11}20260302[0-9A-Z]{12}", issued.receipt_no)
    assert await _issue(house, facts) == issued


async def test_there_is_no_receipt_before_the_hospital_posted(house: House) -> None:
    with pytest.raises(NotFound):
        await receipt.get(house.ctx, house.record_id, 7)


@pytest.mark.parametrize("changes", [{"total_fen": 2468}, {"cash_fen": 901}])
async def test_a_receipt_says_what_the_bill_says(house: House, changes: dict[str, int]) -> None:
    facts = await _facts(house, **changes)
    with pytest.raises(InvariantBroken):
        await _issue(house, facts)


async def test_a_receipt_is_not_readable_nor_changed_unseen(house: House) -> None:
    await _issue(house, await _facts(house))
    async with transaction(house.ctx.pool) as conn:
        row = await conn.fetchrow("select * from receipt where record_id = $1", house.record_id)
        assert "试验药片".encode() not in row["sealed"]
        await conn.execute(
            "update receipt set receipt_no = 'X' where record_id = $1", house.record_id
        )
    with pytest.raises(RowTampered):
        await receipt.get(house.ctx, house.record_id, 7)
