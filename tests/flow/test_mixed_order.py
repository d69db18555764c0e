"""Insurance and own part paid in one act inside WeChat: HTTP, worker, adapters and both twins."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from service.kernel.clock import business_day
from service.kernel.database import connection
from service.reconcile import actions as reconcile
from service.reconcile.model import Outcome
from tests.contract import wechat_rig
from tests.flow.test_payment_centre import allow, items, mine, orders, post, refunds, split
from tests.support.database import DatabaseServer
from tests.support.settlement_street import PERSON_NO, SINGLE_FEN, NoticingTill, Street, a_street

MINUTE = timedelta(minutes=1)
ORDERS, TOLD = "/v3/med-ins/orders", "/v3/med-ins/refunds/notify"


@pytest.fixture
async def street(postgres: DatabaseServer, migrated: str) -> AsyncIterator[Street]:
    async with (
        postgres.database(migrated) as dsn,
        a_street(dsn, with_centre=True) as made,
    ):
        yield made


def till(street: Street) -> NoticingTill:
    assert isinstance(street.till, NoticingTill)
    return street.till


async def choose(
    street: Street, row: dict[str, Any], authorisation: str | None = None
) -> dict[str, Any]:
    """The payer chooses one act for both; gives the settlement once the worker placed it."""
    body = {
        "provider": "wechatpay",
        "way": "mixed",
        "authorisation": authorisation or await allow(street),
    }
    await street.mine("POST", f"/v1/me/settlements/{row['settlement_id']}/payment", body)
    await street.work()
    return await mine(street, row)


async def mixed_orders(street: Street) -> list[dict[str, Any]]:
    return list((await till(street).book())["mixed"])


async def confirm(street: Street) -> dict[str, Any]:
    """The payer confirms the newest order in the mini-program."""
    newest = (await mixed_orders(street))[-1]
    found: dict[str, Any] = await till(street).control(
        "mixed/pay", mix_trade_no=newest["mix_trade_no"]
    )
    return found


async def paid(street: Street) -> dict[str, Any]:
    """A settlement paid in one act and settled; the hospital has to post it."""
    row = await split(street)
    await choose(street, row)
    await confirm(street)
    await street.run_for(MINUTE)
    seen = await mine(street, row)
    assert seen["state"] == "POSTING", seen
    return seen


async def attempts(street: Street) -> list[tuple[str, int]]:
    async with connection(street.ctx.pool) as conn:
        found = await conn.fetch(
            "select state, amount_fen from payment_attempt order by created_at"
        )
    return [(one["state"], one["amount_fen"]) for one in found]


async def give_back(street: Street, row: dict[str, Any]) -> None:
    await post(street, row)
    await street.work()
    words = {"bill_version": 1, "reason": "退号", "asked_by": "2002", "bill_after": "OPEN"}
    path = f"/v1/institution/settlements/{row['settlement_id']}/return"
    await street.ask(street.his, "POST", path, words)


async def test_paid_in_one_act_settled_and_posted(street: Street) -> None:
    row = await split(street)
    offered = await street.mine("GET", f"/v1/me/settlements/{row['settlement_id']}/ways")
    assert {"provider": "wechatpay", "way": "mixed"} in offered["ways"]
    seen = await choose(street, row)
    assert (seen["state"], seen["payment"]["state"]) == ("AWAITING_PAYER", "AWAITING_PAYER")
    call = seen["payment"]["client_parameters"]
    [there] = await mixed_orders(street)
    assert call["mixTradeNo"] == there["mix_trade_no"]
    assert call["package"].startswith("prepay_id=")
    assert call["paySign"]
    assert there["wechat_pay_cash_fee"] == row["cash_fen"]
    assert there["total_fee"] == SINGLE_FEN - row["hospital_fen"]
    await confirm(street)
    await street.run_for(MINUTE)
    seen = await mine(street, row)
    assert (seen["state"], seen["paid_fen"]) == ("POSTING", row["cash_fen"])
    [order] = await orders(street)
    assert order["ordStas"] == "6"
    posted = await post(street, row)
    assert posted["insurance_ref"] == order["setl_id"]
    await street.work()
    assert await street.insurance_book() == [("LIVE", row["cash_fen"])]
    assert await street.balances(row["settlement_id"]) == {
        "provider:wechatpay": row["cash_fen"],
        "insurer": row["fund_fen"] + row["account_fen"],
        "hospital": -SINGLE_FEN,
    }
    assert await items(street) == set()


async def test_what_the_payer_allowed_is_kept_no_longer_than_the_order_needs(
    street: Street,
) -> None:
    row = await split(street)
    allowed = await allow(street)
    await choose(street, row, allowed)
    async with connection(street.ctx.pool) as conn:
        found = await conn.fetchrow(
            "select record_id, attempt_id, client_sealed from payment_attempt"
        )
    assert found is not None
    async with connection(street.ctx.pool) as conn:
        key = await street.ctx.sealer.record_key(conn, found["record_id"])
    opened = street.ctx.sealer.open(
        key, "payment_attempt", "client", found["attempt_id"], found["client_sealed"]
    )
    assert b"mixed_ref" in opened
    assert allowed.encode() not in opened


async def test_a_bill_without_an_own_part_needs_no_order_of_two_legs(street: Street) -> None:
    bill_id = await street.push_bill()
    body = {"use_account": True, "insured": True}
    started = await street.mine("POST", f"/v1/me/bills/{bill_id}/settlements", body)
    await street.work()
    row = await mine(street, started)
    assert (row["state"], row["cash_fen"]) == ("PRESETTLED", 0)
    offered = await street.mine("GET", f"/v1/me/settlements/{row['settlement_id']}/ways")
    assert "mixed" not in {one["way"] for one in offered["ways"]}
    path = f"/v1/me/settlements/{row['settlement_id']}/confirmation"
    await street.mine("POST", path, {})
    await street.work()
    assert (await mine(street, row))["state"] == "POSTING"
    assert await mixed_orders(street) == []


async def test_cash_taken_and_insurance_refused_gives_the_cash_back_and_nothing_else(
    street: Street,
) -> None:
    row = await split(street)
    await choose(street, row)
    await till(street).fault("mixed-insurance-fails", path="mixed")
    whole = await confirm(street)
    assert (whole["mix_pay_status"], whole["self_pay_status"]) == (
        "MIX_PAY_FAIL",
        "SELF_PAY_SUCCESS",
    )
    await street.run_for(3 * MINUTE)
    seen = await mine(street, row)
    assert (seen["state"], seen["reason"], seen["paid_fen"]) == ("REVERSED", "payment-refused", 0)
    assert await attempts(street) == [("PAID_LATE", row["cash_fen"])]
    assert await refunds(street) == [("REFUNDED", row["cash_fen"])]
    assert [one["ordStas"] for one in await orders(street)] == ["12"]
    assert await street.insurance_book() == []
    assert await street.balances(row["settlement_id"]) == {}
    assert await items(street) == set()


async def test_a_bureau_that_divides_otherwise_meanwhile_refuses_at_the_provider(
    street: Street,
) -> None:
    row = await split(street)
    await choose(street, row)
    moves = {"op.dedc": -20_000}
    await street.bureau.control("counters", {"psn_no": PERSON_NO, "moves": moves})
    assert (await confirm(street))["mix_pay_status"] == "MIX_PAY_FAIL"
    await street.run_for(3 * MINUTE)
    assert (await mine(street, row))["state"] == "REVERSED"
    assert await refunds(street) == [("REFUNDED", row["cash_fen"])]
    assert [one["ordStas"] for one in await orders(street)] == ["15"]


async def test_insurance_settled_and_cash_failed_undoes_the_insurance(street: Street) -> None:
    row = await split(street)
    await choose(street, row)
    await till(street).fault("mixed-cash-fails", path="mixed")
    await confirm(street)
    assert [one["ordStas"] for one in await orders(street)] == ["6"]
    await street.run_for(3 * MINUTE)
    seen = await mine(street, row)
    assert (seen["state"], seen["paid_fen"]) == ("REVERSED", 0)
    assert [one["ordStas"] for one in await orders(street)] == ["8"]
    assert [state for state, _ in await street.insurance_book()] == ["REVERSED"]
    assert await attempts(street) == [("CLOSED", row["cash_fen"])]
    assert await refunds(street) == []
    assert await street.balances(row["settlement_id"]) == {}
    assert await items(street) == set()


async def test_notices_that_never_come_are_made_up_for_by_questions(street: Street) -> None:
    row = await split(street)
    await choose(street, row)
    till(street).merchant_down = True
    await confirm(street)
    await street.run_for(2 * MINUTE)
    assert (await mine(street, row))["state"] == "POSTING"


@pytest.mark.parametrize("path", [ORDERS, "/v3/pay/transactions/jsapi"])
@pytest.mark.parametrize("fault", ["drop-before", "drop-after", "answer-forged", "answer-garbled"])
async def test_a_lost_answer_to_the_placing_leaves_one_order(
    street: Street, path: str, fault: str
) -> None:
    await till(street).fault(fault, path=path)
    row = await split(street)
    await choose(street, row)
    await street.run_for(MINUTE)
    assert (await mine(street, row))["payment"]["state"] == "AWAITING_PAYER"
    assert len(await mixed_orders(street)) == 1
    await confirm(street)
    await street.run_for(MINUTE)
    assert (await mine(street, row))["state"] == "POSTING"
    assert await attempts(street) == [("PAID", row["cash_fen"])]


async def test_nobody_pays_in_time_and_the_bill_is_free_again(street: Street) -> None:
    row = await split(street)
    await choose(street, row)
    await street.run_for(40 * MINUTE, MINUTE)
    seen = await mine(street, row)
    assert (seen["state"], seen["reason"]) == ("REVERSED", "deadline-passed")
    assert [one["ordStas"] for one in await orders(street)] == ["12"]
    assert await attempts(street) == [("CLOSED", row["cash_fen"])]
    refused = await till(street).client.post(
        "/sandbox/mixed/pay",
        json={"mix_trade_no": (await mixed_orders(street))[-1]["mix_trade_no"]},
    )
    assert refused.status_code == 400, "the cash leg is closed, so the whole cannot be paid"
    assert await street.insurance_book() == []
    assert (await street.mine("GET", "/v1/me/bills"))["bills"][0]["state"] == "OPEN"


async def test_given_up_while_the_order_waits(street: Street) -> None:
    row = await split(street)
    await choose(street, row)
    await street.mine("POST", f"/v1/me/settlements/{row['settlement_id']}/abandonment", {})
    await street.run_for(3 * MINUTE)
    seen = await mine(street, row)
    assert (seen["state"], seen["reason"]) == ("REVERSED", "abandoned")
    assert [one["ordStas"] for one in await orders(street)] == ["12"]


async def test_a_payer_who_was_faster_than_his_giving_up_has_paid(street: Street) -> None:
    row = await split(street)
    await choose(street, row)
    till(street).merchant_down = True
    await confirm(street)
    await street.mine("POST", f"/v1/me/settlements/{row['settlement_id']}/abandonment", {})
    await street.run_for(2 * MINUTE)
    assert (await mine(street, row))["state"] == "POSTING"


async def test_an_authorisation_that_is_not_valid_places_nothing(street: Street) -> None:
    row = await split(street)
    seen = await choose(street, row, "AUTH000000000000000000000001")
    await street.work()
    seen = await mine(street, row)
    assert (seen["state"], seen["reason"]) == ("REVERSED", "centre-refused")
    assert await mixed_orders(street) == []


async def test_all_of_it_goes_back_in_its_order_though_the_telling_fails_twice(
    street: Street,
) -> None:
    row = await paid(street)
    for _ in range(2):
        await till(street).fault("error-before", path=TOLD)
    await give_back(street, row)
    await street.run_for(5 * MINUTE)
    seen = await mine(street, row)
    assert seen["state"] == "REVERSED", seen
    [whole] = await mixed_orders(street)
    assert whole["mix_pay_status"] == "MIX_PAY_REFUND"
    assert await refunds(street) == [("REFUNDED", row["cash_fen"])]
    assert [state for state, _ in await street.insurance_book()] == ["REVERSED"]
    assert [one["ordStas"] for one in await orders(street)] == ["8"]
    assert await street.balances(row["settlement_id"]) == {}
    async with connection(street.ctx.pool) as conn:
        kinds = await conn.fetch(
            "select kind, outcome, called_at from insurance_call"
            " where kind in ('return-insurance', 'tell', 'cancel') order by called_at, call_id"
        )
        money = await conn.fetchval("select created_at from refund")
    told = [one for one in kinds if one["kind"] == "tell"]
    assert len(told) == 3
    first = next(one for one in kinds if one["kind"] == "return-insurance")
    assert first["called_at"] <= money <= told[0]["called_at"]
    assert await items(street) == set()


async def test_lines_alone_are_not_given_back(street: Street) -> None:
    row = await paid(street)
    await post(street, row)
    await street.work()
    words = {"bill_version": 1, "reason": "未做检查", "asked_by": "2002"}
    lines = [{"line_no": "1", "quantity_e4": 5_000}]
    path = f"/v1/institution/settlements/{row['settlement_id']}/corrections"
    refused = await street.his.send("POST", path, {**words, "lines": lines}, key="once-0001")
    assert (refused.status_code, refused.json()["code"]) == (409, "only-as-a-whole")


async def test_an_authorisation_that_no_longer_serves_is_given_anew(street: Street) -> None:
    row = await paid(street)
    street.bureau.twin.book.run("delete from authorisation")
    await give_back(street, row)
    await street.run_for(2 * MINUTE)
    assert (await mine(street, row))["state"] == "REVERSING"
    assert await refunds(street) == [], "insurance first, then the money"
    assert await items(street) == {"refund-refused-at-centre"}
    path = f"/v1/me/settlements/{row['settlement_id']}/authorisation"
    await street.mine("POST", path, {"authorisation": await allow(street)})
    await street.run_for(3 * MINUTE)
    assert (await mine(street, row))["state"] == "REVERSED"
    [whole] = await mixed_orders(street)
    assert whole["mix_pay_status"] == "MIX_PAY_REFUND"


async def test_a_payer_who_looks_all_the_time_causes_few_questions(street: Street) -> None:
    row = await split(street)
    await choose(street, row)
    before = asked(street)
    for _ in range(24):
        await mine(street, row)
        await street.run_for(timedelta(seconds=5), timedelta(seconds=5))
    assert 2 <= asked(street) - before <= 5, "in two minutes one each half of one"


def asked(street: Street) -> float:
    counter = street.ctx.metrics.outcomes.labels("wechatpay", "query-mixed", "accepted")
    return float(counter._value.get())


@pytest.mark.parametrize("name", ["mix_pay_status", "self_pay_status", "med_ins_pay_status"])
async def test_a_status_that_no_table_lists_is_not_believed(street: Street, name: str) -> None:
    row = await split(street)
    await choose(street, row)
    twin = till(street).app.state.twin.mixed
    inner = twin.query
    twin.query = lambda *asked: inner(*asked) | {name: "UNKNOWN_STATUS"}
    await confirm(street)
    await street.run_for(2 * MINUTE)
    assert (await mine(street, row))["state"] == "AWAITING_PAYER"
    twin.query = inner
    await street.run_for(5 * MINUTE)
    assert (await mine(street, row))["state"] == "POSTING"


async def test_a_cash_leg_paid_by_itself_is_given_back_when_the_time_is_over(
    street: Street,
) -> None:
    """The parameters also fit the ordinary pay call, so a client could make that one."""
    row = await split(street)
    seen = await choose(street, row)
    prepay = seen["payment"]["client_parameters"]["package"].removeprefix("prepay_id=")
    await till(street).control("pay", prepay_id=prepay, openid=wechat_rig.PAYER)
    await street.run_for(2 * MINUTE)
    seen = await mine(street, row)
    assert (seen["state"], seen["paid_fen"]) == ("AWAITING_PAYER", 0)
    await street.run_for(40 * MINUTE, MINUTE)
    assert (await mine(street, row))["state"] == "REVERSED"
    assert await attempts(street) == [("PAID_LATE", row["cash_fen"])]
    assert await refunds(street) == [("REFUNDED", row["cash_fen"])]
    assert [one["ordStas"] for one in await orders(street)] == ["12"]
    assert await street.balances(row["settlement_id"]) == {}


@pytest.mark.parametrize("goes_back", [False, True])
async def test_the_day_agrees_on_all_three_sides(street: Street, goes_back: bool) -> None:
    row = await paid(street)
    if goes_back:
        await give_back(street, row)
        await street.run_for(3 * MINUTE)
        assert (await mine(street, row))["state"] == "REVERSED"
    day = business_day(street.ctx.clock.now())
    street.advance(timedelta(hours=23))
    provider, bureau = await reconcile.reconcile_day(street.ctx, day)
    assert (provider.outcome, provider.matched) == (Outcome.EXPLAINED, 1 + goes_back)
    assert (bureau.outcome, bureau.here.trade_count) == (Outcome.EXPLAINED, 1 + goes_back)
    assert await items(street) == set()


async def test_an_answer_with_other_amounts_goes_before_a_person(street: Street) -> None:
    row = await split(street)
    await choose(street, row)
    twin = till(street).app.state.twin.mixed
    inner = twin.query
    twin.query = lambda *asked: inner(*asked) | {"total_fee": 1}
    await confirm(street)
    await street.run_for(2 * MINUTE)
    assert (await mine(street, row))["state"] == "NEEDS_REVIEW"
    assert [state for state, _ in await attempts(street)] == ["NEEDS_REVIEW"]
    assert "amount-differs" in await items(street)
