"""A bill paid by phone at the insurance's payment centre: HTTP, worker, adapters and twins."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from service.kernel.clock import business_day
from service.kernel.database import connection
from service.reconcile import actions as reconciling
from service.reconcile.model import Outcome
from tests.support.database import DatabaseServer
from tests.support.settlement_street import HOSPITAL, PERSON_NO, SINGLE_FEN, Street, a_street

MINUTE = timedelta(minutes=1)
NOTICES = f"/v1/notices/insurance/{HOSPITAL}"


@pytest.fixture
async def street(postgres: DatabaseServer, migrated: str) -> AsyncIterator[Street]:
    async with (
        postgres.database(migrated) as dsn,
        a_street(dsn, with_centre=True) as made,
    ):
        yield made


async def split(street: Street) -> dict[str, Any]:
    """A settlement begun on the phone whose division is known."""
    moves = {"op.dedc": 50_000}
    await street.bureau.control("counters", {"psn_no": PERSON_NO, "moves": moves})
    bill_id = await street.push_bill()
    body = {"use_account": False, "insured": True}
    started = await street.mine("POST", f"/v1/me/bills/{bill_id}/settlements", body)
    await street.work()
    seen = await mine(street, started)
    assert seen["state"] == "PRESETTLED", seen
    assert 0 < seen["cash_fen"] < SINGLE_FEN, "both have a part"
    return seen


async def mine(street: Street, row: dict[str, Any]) -> dict[str, Any]:
    return await street.mine("GET", f"/v1/me/settlements/{row['settlement_id']}")


async def allow(street: Street) -> str:
    """The payer says yes in the national insurance app."""
    said = await street.bureau.control("mobile/authorisations", {"psn_no": PERSON_NO})
    return str(said["pay_auth_no"])


async def order_at_centre(
    street: Street, row: dict[str, Any], authorisation: str | None = None
) -> dict[str, Any]:
    """The payer chooses the centre; gives the settlement once the worker told it there."""
    body = {
        "provider": "mobile_centre",
        "way": "authorised",
        "authorisation": authorisation or await allow(street),
        "location": "106.71,26.57",
    }
    await street.mine("POST", f"/v1/me/settlements/{row['settlement_id']}/payment", body)
    await street.work()
    return await mine(street, row)


async def orders(street: Street) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = await street.bureau.control("mobile/orders")
    return found


async def pay_there(street: Street) -> None:
    """The payer pays his own part of the newest order at the centre."""
    newest = (await orders(street))[-1]
    await street.bureau.control(f"mobile/orders/{newest['payOrdId']}/own-money", {})


async def paid(street: Street) -> dict[str, Any]:
    """A settlement paid at the centre and settled; the hospital has to post it."""
    row = await split(street)
    await order_at_centre(street, row)
    await pay_there(street)
    await street.run_for(MINUTE)
    seen = await mine(street, row)
    assert seen["state"] == "POSTING", seen
    return seen


async def items(street: Street) -> set[str]:
    async with connection(street.ctx.pool) as conn:
        rows = await conn.fetch("select reason from work_item where closed_at is null")
    return {one["reason"] for one in rows}


async def refunds(street: Street) -> list[tuple[str, int]]:
    async with connection(street.ctx.pool) as conn:
        rows = await conn.fetch("select state, amount_fen from refund order by created_at")
    return [(one["state"], one["amount_fen"]) for one in rows]


async def post(street: Street, row: dict[str, Any]) -> dict[str, Any]:
    path = f"/v1/institution/settlements/{row['settlement_id']}/posting"
    return await street.ask(street.his, "POST", path, {"hospital_ref": "HIS-1"})


async def test_paid_at_the_centre_settled_and_posted(street: Street) -> None:
    row = await split(street)
    offered = await street.mine("GET", f"/v1/me/settlements/{row['settlement_id']}/ways")
    assert {"provider": "mobile_centre", "way": "authorised"} in offered["ways"]
    seen = await order_at_centre(street, row)
    assert (seen["state"], seen["payment"]["state"]) == ("AWAITING_PAYER", "AWAITING_PAYER")
    [there] = await orders(street)
    assert there["ordStas"] == "2"
    assert b"106.71" not in b"".join(content for _, content in street.bureau.line.sent)
    assert there["ownPayAmt"] == f"{row['cash_fen'] / 100:.2f}"
    await pay_there(street)
    await street.run_for(MINUTE)
    seen = await mine(street, row)
    assert (seen["state"], seen["paid_fen"]) == ("POSTING", row["cash_fen"])
    for part in ("fund_fen", "account_fen", "cash_fen", "hospital_fen"):
        assert seen[part] == row[part], part
    [there] = await orders(street)
    assert there["ordStas"] == "6"
    posted = await post(street, row)
    assert posted["insurance_ref"] == there["setl_id"]
    await street.work()
    receipt = await street.mine("GET", f"/v1/me/settlements/{row['settlement_id']}/receipt")
    assert receipt["insurance_ref"] == there["setl_id"]
    assert await street.insurance_book() == [("LIVE", row["cash_fen"])]
    assert await street.balances(row["settlement_id"]) == {
        "provider:mobile_centre": row["cash_fen"],
        "insurer": row["fund_fen"] + row["account_fen"],
        "hospital": -SINGLE_FEN,
    }
    assert await items(street) == set()


async def test_the_day_agrees_with_the_bureau_s_own_books(street: Street) -> None:
    row = await paid(street)
    await post(street, row)
    await street.work()
    day = business_day(street.ctx.clock.now())
    street.advance(timedelta(hours=23))
    _, bureau = await reconciling.reconcile_day(street.ctx, day)
    assert (bureau.provider, bureau.outcome) == ("insurance", Outcome.EXPLAINED)
    assert (bureau.here.trade_count, bureau.here.trade_fen) == (1, SINGLE_FEN)
    words = {"bill_version": 1, "reason": "退号", "asked_by": "2002", "bill_after": "OPEN"}
    path = f"/v1/institution/settlements/{row['settlement_id']}/return"
    await street.ask(street.his, "POST", path, words)
    await street.run_for(2 * MINUTE)
    await street.phone.log_in()
    assert (await mine(street, row))["state"] == "REVERSED"
    street.advance(timedelta(hours=23))
    _, bureau = await reconciling.reconcile_day(street.ctx, day + timedelta(days=1))
    assert bureau.outcome is Outcome.EXPLAINED
    assert bureau.here.trade_fen == -SINGLE_FEN
    assert await items(street) == set()


async def test_nobody_pays_in_time_and_the_bill_is_free_again(street: Street) -> None:
    row = await split(street)
    await order_at_centre(street, row)
    await street.run_for(40 * MINUTE, MINUTE)
    seen = await mine(street, row)
    assert (seen["state"], seen["reason"]) == ("REVERSED", "deadline-passed")
    [there] = await orders(street)
    assert there["ordStas"] == "12"
    assert await street.insurance_book() == []
    assert await items(street) == set()
    assert (await street.mine("GET", "/v1/me/bills"))["bills"][0]["state"] == "OPEN"


async def test_given_up_on_the_phone_while_the_centre_waits(street: Street) -> None:
    row = await split(street)
    await order_at_centre(street, row)
    await street.mine("POST", f"/v1/me/settlements/{row['settlement_id']}/abandonment", {})
    await street.run_for(5 * MINUTE)
    seen = await mine(street, row)
    assert (seen["state"], seen["reason"]) == ("REVERSED", "abandoned")
    assert [one["ordStas"] for one in await orders(street)] == ["12"]


async def test_an_authorisation_that_is_not_valid_ends_it_with_the_centre_s_words(
    street: Street,
) -> None:
    row = await split(street)
    seen = await order_at_centre(street, row, "AUTH000000000000000000000001")
    assert (seen["state"], seen["reason"]) == ("REVERSED", "centre-refused")
    assert "授权" in seen["reason_text"]
    assert await orders(street) == []
    again = await split(street)
    assert (await order_at_centre(street, again))["state"] == "AWAITING_PAYER"


@pytest.mark.parametrize("infno", ["6201", "6202", "6301"])
@pytest.mark.parametrize("fault", ["drop_before", "drop_after", "garble", "unsigned", "forge"])
async def test_an_answer_that_is_lost_or_not_theirs_moves_nothing_twice(
    street: Street, infno: str, fault: str
) -> None:
    await street.plan(fault, infno)
    row = await split(street)
    await order_at_centre(street, row)
    await street.run_for(MINUTE)
    await pay_there(street)
    await street.run_for(2 * MINUTE)
    seen = await mine(street, row)
    assert (seen["state"], seen["paid_fen"]) == ("POSTING", row["cash_fen"])
    assert [one["ordStas"] for one in await orders(street)] == ["6"]
    assert await street.insurance_book() == [("LIVE", row["cash_fen"])]


async def test_all_of_it_is_given_back_and_lines_alone_are_not(street: Street) -> None:
    row = await paid(street)
    await post(street, row)
    await street.work()
    base = f"/v1/institution/settlements/{row['settlement_id']}"
    words = {"bill_version": 1, "reason": "未做检查", "asked_by": "2002"}
    lines = [{"line_no": "1", "quantity_e4": 5_000}]
    refused = await street.his.send(
        "POST", f"{base}/corrections", {**words, "lines": lines}, key="once-0001"
    )
    assert (refused.status_code, refused.json()["code"]) == (409, "only-as-a-whole")
    await street.ask(street.his, "POST", f"{base}/return", {**words, "bill_after": "WITHDRAWN"})
    await street.run_for(2 * MINUTE)
    seen = await mine(street, row)
    assert seen["state"] == "REVERSED", seen
    assert [one["ordStas"] for one in await orders(street)] == ["7"]
    assert await refunds(street) == [("REFUNDED", row["cash_fen"])]
    assert [state for state, _ in await street.insurance_book()] == ["REVERSED"]
    assert await street.balances(row["settlement_id"]) == {}
    assert await items(street) == set()


async def test_a_notice_makes_it_ask_at_once_and_says_nothing_itself(street: Street) -> None:
    row = await split(street)
    await order_at_centre(street, row)
    await pay_there(street)
    [there] = await orders(street)
    sealed = await street.bureau.control(f"mobile/orders/{there['payOrdId']}/notice")
    for _ in range(2):
        taken = await street.client.post(NOTICES, json=sealed)
        assert (taken.status_code, taken.json()["success"]) == (200, True)
    assert (await mine(street, row))["state"] == "AWAITING_PAYER", "a notice is no fact"
    await street.work()
    assert (await mine(street, row))["state"] == "POSTING"


async def test_a_notice_that_is_forged_or_not_ours_moves_nothing(street: Street) -> None:
    row = await split(street)
    await order_at_centre(street, row)
    await pay_there(street)
    [there] = await orders(street)
    sealed = await street.bureau.control(f"mobile/orders/{there['payOrdId']}/notice")
    forged = {**sealed, "signData": sealed["signData"][::-1]}
    for body in (forged, {"appId": 1}, []):
        refused = await street.client.post(NOTICES, json=body)
        assert (refused.status_code, refused.json()["success"]) == (200, False)
    elsewhere = await street.client.post("/v1/notices/insurance/H99000999999", json=sealed)
    assert elsewhere.status_code == 404
    async with connection(street.ctx.pool) as conn:
        await conn.execute(
            "update payment_number set partner_no = 'x' || partner_no where kind = 'trade'"
        )
    unknown = await street.client.post(NOTICES, json=sealed)
    assert unknown.json()["success"] is False
    assert await items(street) == {"unknown-number"}
    await street.work()
    assert (await mine(street, row))["state"] == "AWAITING_PAYER"


@pytest.mark.parametrize("fault", ["unknown_state", "other_order", "break_identity"])
async def test_what_cannot_be_true_is_looked_at_by_a_person_or_asked_again(
    street: Street, fault: str
) -> None:
    row = await split(street)
    await order_at_centre(street, row)
    await street.plan(fault, "6301")
    await pay_there(street)
    await street.run_for(2 * MINUTE)
    seen = await mine(street, row)
    if fault == "unknown_state":
        assert seen["state"] == "POSTING", "an unlisted state is unknown, and asked again"
    else:
        assert (seen["state"], seen["paid_fen"]) == ("NEEDS_REVIEW", 0)
        assert await items(street) == {"centre-sides-differ"}


async def test_a_division_that_moved_meanwhile_is_not_paid(street: Street) -> None:
    row = await split(street)
    moves = {"op.dedc": -20_000}
    await street.bureau.control("counters", {"psn_no": PERSON_NO, "moves": moves})
    await order_at_centre(street, row)
    await street.run_for(MINUTE)
    seen = await mine(street, row)
    assert (seen["state"], seen["reason"], seen["paid_fen"]) == ("REVERSED", "amounts-moved", 0)
    assert [one["ordStas"] for one in await orders(street)] == ["12"]


async def test_a_payer_who_was_faster_than_his_giving_up_has_paid(street: Street) -> None:
    row = await split(street)
    await order_at_centre(street, row)
    await pay_there(street)
    await street.mine("POST", f"/v1/me/settlements/{row['settlement_id']}/abandonment", {})
    await street.run_for(2 * MINUTE)
    seen = await mine(street, row)
    assert (seen["state"], seen["paid_fen"]) == ("POSTING", row["cash_fen"])
    assert [one["ordStas"] for one in await orders(street)] == ["6"]


async def test_no_other_way_and_no_second_order_beside_the_centre_s(street: Street) -> None:
    row = await split(street)
    await order_at_centre(street, row)
    path = f"/v1/me/settlements/{row['settlement_id']}/payment"
    other = {"provider": "wechatpay", "way": "h5"}
    headers = {"authorization": f"Bearer {street.phone.token}", "idempotency-key": "another-way"}
    refused = await street.client.post(path, json=other, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (409, "payment-still-open")
    again = await order_at_centre(street, row)
    assert again["state"] == "AWAITING_PAYER"
    assert len(await orders(street)) == 1


async def returned(street: Street) -> dict[str, Any]:
    """A posted settlement of which the hospital wants all given back."""
    row = await paid(street)
    await post(street, row)
    await street.work()
    words = {"bill_version": 1, "reason": "退号", "asked_by": "2002", "bill_after": "OPEN"}
    path = f"/v1/institution/settlements/{row['settlement_id']}/return"
    await street.ask(street.his, "POST", path, words)
    return row


@pytest.mark.parametrize("fault", ["drop_before", "drop_after", "garble", "forge"])
async def test_a_lost_answer_to_a_refund_gives_back_once(street: Street, fault: str) -> None:
    row = await paid(street)
    await post(street, row)
    await street.work()
    for _ in range(2):
        await street.plan(fault, "6203")
    words = {"bill_version": 1, "reason": "退号", "asked_by": "2002", "bill_after": "OPEN"}
    path = f"/v1/institution/settlements/{row['settlement_id']}/return"
    await street.ask(street.his, "POST", path, words)
    await street.run_for(3 * MINUTE)
    assert (await mine(street, row))["state"] == "REVERSED"
    assert [one["ordStas"] for one in await orders(street)] == ["7"]
    assert await refunds(street) == [("REFUNDED", row["cash_fen"])]
    assert await street.balances(row["settlement_id"]) == {}


async def test_one_side_gave_back_and_the_other_not(street: Street) -> None:
    """EXP is asked about and shown to a person; it is never sent again."""
    await street.plan("uneven_refund", "6203")
    row = await returned(street)
    await street.run_for(10 * MINUTE)
    assert (await mine(street, row))["state"] == "REVERSING"
    assert [one["ordStas"] for one in await orders(street)] == ["14"]
    assert len(street.bureau.sent("refund_Order")) == 1
    assert await refunds(street) == [("CREATED", row["cash_fen"])]
    assert "centre-sides-differ" in await items(street)


async def test_a_refund_that_the_centre_refuses_goes_on_once_the_payer_allows_it_again(
    street: Street,
) -> None:
    row = await returned(street)
    async with connection(street.ctx.pool):
        street.bureau.twin.book.run("delete from authorisation")
    await street.run_for(2 * MINUTE)
    seen = await mine(street, row)
    assert seen["state"] == "REVERSING"
    assert "授权" in seen["reason_text"]
    assert await items(street) == {"refund-refused-at-centre"}
    path = f"/v1/me/settlements/{row['settlement_id']}/authorisation"
    await street.mine("POST", path, {"authorisation": await allow(street)})
    await street.run_for(MINUTE)
    assert (await mine(street, row))["state"] == "REVERSED"
    assert await items(street) == set()
    assert await refunds(street) == [("REFUNDED", row["cash_fen"])]
    headers = {"authorization": f"Bearer {street.phone.token}"}
    late = await street.client.post(path, json={"authorisation": "AUTH1234"}, headers=headers)
    assert late.status_code == 409


@pytest.mark.parametrize(
    "deviation",
    [
        {"location": "here"},
        {"location": "106.71"},
        {"location": "106.71,26.57,0"},
        {"authorisation": "AUTH'; drop"},
        {"authorisation": None},
        {"way": "h5"},
    ],
)
async def test_a_request_that_is_no_order_is_refused(
    street: Street, deviation: dict[str, Any]
) -> None:
    row = await split(street)
    good = {"provider": "mobile_centre", "way": "authorised", "authorisation": "AUTH00000001"}
    body = {name: value for name, value in {**good, **deviation}.items() if value is not None}
    path = f"/v1/me/settlements/{row['settlement_id']}/payment"
    headers = {"authorization": f"Bearer {street.phone.token}", "idempotency-key": "no-order"}
    refused = await street.client.post(path, json=body, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (400, "malformed-request")
    assert (await mine(street, row))["state"] == "PRESETTLED"
