"""A relative pays: by a link for one settlement, through HTTP, worker and WeChat Pay's twin."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from tests.support.database import DatabaseServer
from tests.support.identity_rig import Phone
from tests.support.settlement_street import ID_NO, NAME, Street, a_street

PAYER_A, PAYER_B = "oRELATIVE-A", "oRELATIVE-B"


@pytest.fixture
async def street(postgres: DatabaseServer, migrated: str) -> AsyncIterator[Street]:
    async with postgres.database(migrated) as dsn, a_street(dsn) as made:
        yield made


async def relative(street: Street, subject: str) -> Phone:
    """Somebody with a login and nothing else; the provider knows him by his login."""
    phone = Phone(street.client, subject)
    await phone.log_in()
    return phone


async def owed(street: Street, at_kiosk: bool = False) -> dict[str, Any]:
    """A settlement of which the division is known, begun by the patient on his phone or shown at
    the kiosk."""
    wishes = {"use_account": False, "insured": True}
    bill_id = await street.push_bill()
    if at_kiosk:
        base = f"/v1/terminal/scans/{street.scan['scan_id']}/settlements"
        begun = await street.ask(street.kiosk, "POST", base, {"bill_id": bill_id, **wishes})
    else:
        begun = await street.mine("POST", f"/v1/me/bills/{bill_id}/settlements", wishes)
    await street.work()
    return await street.mine("GET", f"/v1/me/settlements/{begun['settlement_id']}")


async def link_to(street: Street, settlement: dict[str, Any]) -> str:
    """What the patient sends to a relative."""
    path = f"/v1/me/settlements/{settlement['settlement_id']}/pay-link"
    made = await street.mine("POST", path, {})
    assert made["url"] == f"https://yimatong.test/#/help/{made['link']}"
    return str(made["link"])


async def send(phone: Phone, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """(status, body) of a keyed call."""
    headers = {"authorization": f"Bearer {phone.token}", "idempotency-key": secrets.token_hex(8)}
    answer = await phone.client.request("POST", path, json=body, headers=headers)
    return answer.status_code, answer.json()


async def look(phone: Phone, link: str) -> dict[str, Any]:
    """What the holder of a link sees."""
    status, shown = await send(phone, "/v1/me/pay-link", {"link": link})
    assert status == 200, shown
    return shown


async def order(phone: Phone, link: str) -> tuple[int, dict[str, Any]]:
    """Place the relative's own order, inside his app."""
    body = {"link": link, "provider": "wechatpay", "way": "jsapi"}
    return await send(phone, "/v1/me/pay-link/payment", body)


async def pay_at_till(street: Street, shown: dict[str, Any], subject: str) -> int:
    """The provider's app takes the money of one person; the status that his app gets."""
    package = shown["payment"]["client_parameters"]["package"]
    body = {"prepay_id": package.removeprefix("prepay_id="), "openid": subject}
    answer = await street.till.client.post("/sandbox/pay", json=body)
    return answer.status_code


async def kept(street: Street) -> list[tuple[str, int]]:
    """(payer, fen) of each order that WeChat Pay's twin took money for, less what it gave back."""
    book = await street.till.book()
    back: dict[str, int] = {}
    for one in book["refunds"]:
        assert one["status"] == "SUCCESS"
        back[one["out_trade_no"]] = back.get(one["out_trade_no"], 0) + one["refund_fen"]
    return [
        (one["payer"]["openid"], one["total_fen"] - back.get(one["out_trade_no"], 0))
        for one in book["orders"]
        if one["trade_state"] in ("SUCCESS", "REFUND")
    ]


async def test_a_relative_pays_sees_nothing_else_and_gets_his_own_money_back(
    street: Street,
) -> None:
    settlement = await owed(street)
    link = await link_to(street, settlement)
    phone = await relative(street, PAYER_A)
    cash_fen = settlement["cash_fen"]
    shown = await look(phone, link)
    ends = shown.pop("expires_at")
    assert ends > street.ctx.clock.now().isoformat()
    assert shown == {
        "masked_name": "测*甲",
        "institution_name": "测试市第一人民医院",
        "state": "OPEN",
        "owed_fen": cash_fen,
        "in_progress": False,
        "ways": [
            {"provider": "wechatpay", "way": "h5"},
            {"provider": "wechatpay", "way": "jsapi"},
        ],
    }
    ids = (settlement["settlement_id"], settlement["bill_id"])
    for path in (f"/v1/me/settlements/{ids[0]}", f"/v1/me/bills/{ids[1]}", "/v1/me/bills"):
        assert (await phone.ask("GET", path)).status_code in (403, 404, 409)
    status, ordered = await order(phone, link)
    assert status == 200, ordered
    told = str(ordered)
    assert not any(secret in told for secret in (*ids, NAME, ID_NO, street.phone.subject))
    assert await pay_at_till(street, ordered, PAYER_A) == 200
    await street.work()
    after = await look(phone, link)
    assert (after["state"], after["owed_fen"], after["in_progress"]) == ("PAID", 0, False)
    mine = await street.mine("GET", f"/v1/me/settlements/{ids[0]}")
    assert mine["state"] == "POSTING"
    assert PAYER_A not in str(mine)
    assert [(one["provider"], one["amount_fen"]) for one in mine["tenders"]] == [
        ("wechatpay", cash_fen)
    ]
    assert await kept(street) == [(PAYER_A, cash_fen)]

    path = f"/v1/institution/settlements/{ids[0]}"
    await street.ask(street.his, "POST", f"{path}/posting", {"hospital_ref": "HIS-1"})
    await street.work()
    body = {"bill_version": 1, "bill_after": "WITHDRAWN", "reason": "退号", "asked_by": "A017"}
    await street.ask(street.his, "POST", f"{path}/return", body)
    await street.run_for(timedelta(minutes=3))
    assert await kept(street) == [(PAYER_A, 0)], "it went to the relative who paid it"
    assert (await look(phone, link))["state"] == "OVER"
    assert await street.balances(ids[0]) == {}


async def test_a_link_that_is_not_ours_or_too_old_opens_nothing(street: Street) -> None:
    settlement = await owed(street)
    link = await link_to(street, settlement)
    phone = await relative(street, PAYER_A)
    ident, ends, mac = link.split(".")
    other = (await owed(street))["settlement_id"]
    forged = [
        f"{other}.{ends}.{mac}",
        f"{ident}.{int(ends) + 1}.{mac}",
        f"{ident}.{ends}.{'A' * 44}",
        f"{ident.lower()}.{ends}.{mac}",
        f"{ident}.{ends}",
        link + "\n",
        "x",
    ]
    for text in forged:
        status, told = await send(phone, "/v1/me/pay-link", {"link": text})
        assert (status, told["code"]) == (404, "pay-link-not-valid"), text
        assert (await order(phone, text))[1]["code"] == "pay-link-not-valid"
    path = f"/v1/me/settlements/{settlement['settlement_id']}/pay-link"
    assert (await send(phone, path, {}))[1]["code"] == "registration-needed"
    answer = await street.client.post("/v1/me/pay-link", json={"link": link})
    assert answer.status_code == 401
    street.advance(timedelta(minutes=31))
    assert (await send(phone, "/v1/me/pay-link", {"link": link}))[1]["code"] == "pay-link-expired"
    assert (await order(phone, link))[1]["code"] == "pay-link-expired"
    assert await kept(street) == []


async def test_of_two_relatives_one_pays(street: Street) -> None:
    settlement = await owed(street)
    link = await link_to(street, settlement)
    first, second = await relative(street, PAYER_A), await relative(street, PAYER_B)
    placed = (await order(first, link))[1]
    assert (await look(second, link))["in_progress"] is True
    again = (await order(first, link))[1]
    prepay = placed["payment"]["client_parameters"]["package"]
    assert again["payment"]["client_parameters"]["package"] == prepay, "his order still stands"
    status, replaced = await order(second, link)
    assert status == 200, replaced
    assert replaced["payment"]["client_parameters"]["package"] != prepay
    assert await pay_at_till(street, placed, PAYER_A) != 200, "closed for the first"
    both = await asyncio.gather(order(first, link), order(second, link))
    assert {told.get("code") for _, told in both} <= {None, "payment-still-open"}
    for phone, subject in ((first, PAYER_A), (second, PAYER_B)):
        status, told = await order(phone, link)
        if status == 200 and told.get("payment"):
            await pay_at_till(street, told, subject)
            await street.work()
    [(payer, fen)] = await kept(street)
    assert (payer in (PAYER_A, PAYER_B), fen) == (True, settlement["cash_fen"])
    assert (await look(first, link))["state"] == (await look(second, link))["state"] == "PAID"
    late = await order(second, link)
    assert (late[0], late[1]["code"]) == (409, "settlement-not-payable")


async def test_a_relative_and_the_kiosk_never_both_take_the_money(street: Street) -> None:
    settlement = await owed(street, at_kiosk=True)
    link = await link_to(street, settlement)
    phone = await relative(street, PAYER_A)
    base = f"/v1/terminal/scans/{street.scan['scan_id']}/settlements"
    kiosk = f"{base}/{settlement['settlement_id']}/payment"
    body = {"provider": "wechatpay", "way": "native"}
    placed = (await order(phone, link))[1]
    shown = await street.ask(street.kiosk, "POST", kiosk, body)
    assert await pay_at_till(street, placed, PAYER_A) != 200, "the kiosk's code took its place"
    replaced = (await order(phone, link))[1]
    refused = await street.till.client.post(
        "/sandbox/pay", json={"code_url": shown["payment"]["qr_text"]}
    )
    assert refused.status_code != 200, "and the relative's the kiosk's"
    assert await pay_at_till(street, replaced, PAYER_A) == 200
    # Before any notice came: the kiosk asks, hears that it is paid, and places nothing.
    answered = await street.ask(street.kiosk, "POST", kiosk, body)
    assert answered["paid_fen"] == settlement["cash_fen"]
    assert "client_parameters" not in str(answered)
    await street.work()
    assert await kept(street) == [(PAYER_A, settlement["cash_fen"])]
    assert (await look(phone, link))["state"] == "PAID"
