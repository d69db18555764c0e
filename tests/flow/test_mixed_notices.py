"""Notices of orders of two legs: what is not WeChat's, or says what is not so, moves nothing."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from service.kernel.database import connection
from tests.contract import wechat_rig
from tests.flow.test_mixed_order import attempts, choose, confirm, till
from tests.flow.test_payment_centre import items, mine, split
from tests.support.database import DatabaseServer
from tests.support.settlement_street import Street, a_street

MINUTE = timedelta(minutes=1)


@pytest.fixture
async def street(postgres: DatabaseServer, migrated: str) -> AsyncIterator[Street]:
    async with (
        postgres.database(migrated) as dsn,
        a_street(dsn, with_centre=True) as made,
    ):
        yield made


@pytest.mark.parametrize("fault", ["notice-forged", "notice-stale"])
async def test_a_notice_that_is_forged_or_stale_moves_nothing(street: Street, fault: str) -> None:
    row = await split(street)
    await choose(street, row)
    for _ in range(6):
        await till(street).fault(fault)
    await confirm(street)
    await till(street).deliver()
    assert (await mine(street, row))["state"] == "AWAITING_PAYER"
    assert (await attempts(street))[0][0] == "AWAITING_PAYER"
    assert refused_notices(street) > 0, "the cause is visible"
    await street.run_for(2 * MINUTE)
    assert (await mine(street, row))["state"] == "POSTING", "questions find it"


def refused_notices(street: Street) -> float:
    counter = street.ctx.metrics.outcomes.labels("wechatpay", "mixed-notice", "refused")
    return float(counter._value.get())


async def mixed_notice(street: Street) -> tuple[dict[str, str], bytes]:
    await till(street).deliver()
    return next(one for one in till(street).posts if b"MEDICAL_INSURANCE" in one[1])


async def send(street: Street, headers: dict[str, str], body: bytes, account: str = "") -> int:
    path = f"/v1/notices/payment/wechatpay/{account or wechat_rig.MCHID}/mixed"
    answer = await street.client.post(path, content=body, headers=headers)
    return answer.status_code


async def test_a_notice_makes_it_ask_at_once_and_a_replay_changes_nothing(street: Street) -> None:
    row = await split(street)
    await choose(street, row)
    await confirm(street)
    headers, body = await mixed_notice(street)
    assert (await mine(street, row))["state"] == "AWAITING_PAYER", "a notice is no fact"
    assert await send(street, headers, body) == 200
    await street.work()
    assert (await mine(street, row))["state"] == "POSTING"
    assert await send(street, headers, body) == 200
    await street.run_for(MINUTE)
    assert await attempts(street) == [("PAID", row["cash_fen"])]
    assert await items(street) == set()


async def test_a_notice_without_signature_or_for_another_merchant_is_refused(
    street: Street,
) -> None:
    row = await split(street)
    await choose(street, row)
    await confirm(street)
    till(street).merchant_down = True
    till(street).posts.clear()
    headers, body = {}, b"{}"
    assert await send(street, headers, body) >= 400
    till(street).merchant_down = False
    headers, body = await mixed_notice(street)
    bare = {name: value for name, value in headers.items() if "signature" not in name.lower()}
    assert await send(street, bare, body) >= 400
    assert await send(street, headers, body + b" ") >= 400
    assert await send(street, headers, body, account="1900000999") == 404
    assert [state for state, _ in await attempts(street)] == ["AWAITING_PAYER"]


async def test_a_notice_of_an_order_that_is_not_ours_is_shown_to_a_person(street: Street) -> None:
    row = await split(street)
    await choose(street, row)
    async with connection(street.ctx.pool) as conn:
        await conn.execute("update payment_number set partner_no = 'x' || partner_no")
    await confirm(street)
    await till(street).deliver()
    assert await items(street) == {"unknown-number"}
    assert [state for state, _ in await attempts(street)] == ["AWAITING_PAYER"]


@pytest.mark.parametrize(
    "changes", [{"wechat_pay_cash_fee": 1}, {"total_fee": 1}, {"mix_trade_no": "MIX1"}]
)
async def test_a_notice_with_other_amounts_or_another_order_is_shown_to_a_person(
    street: Street, changes: dict[str, Any]
) -> None:
    row = await split(street)
    await choose(street, row)
    trading = till(street).app.state.twin.trading
    inner = trading.queue

    def queue(signer: str, number: str, url: str, kind: Any, told: Any, now: int) -> None:
        inner(signer, number, url, kind, told | changes, now)

    till(street).app.state.twin.mixed._trading.queue = queue
    await confirm(street)
    await till(street).deliver()
    assert [state for state, _ in await attempts(street)] == ["AWAITING_PAYER"]
    assert await items(street) == {"notice-contradicts"}
    await street.work()
    assert (await mine(street, row))["state"] == "POSTING", "the question says what is true"
