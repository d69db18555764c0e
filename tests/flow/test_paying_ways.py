"""Paying by a shown code at the kiosk and on the provider's page by phone, at both providers.

The real adapters stand before the strict twins; the answers get lost, payers wait and are late.
"""

import itertools
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from tests.contract import wechat_rig
from tests.support.database import DatabaseServer
from tests.support.settlement_street import (
    SINGLE_FEN,
    AlipayTill,
    NoticingTill,
    Street,
    Till,
    a_street,
)

SECONDS = timedelta(seconds=1)
NUMBERS = itertools.count(1)
TAKING = {"wechatpay": "/codepay", "alipay": "alipay.trade.pay"}


@pytest.fixture(params=[NoticingTill, AlipayTill])
async def street(
    postgres: DatabaseServer, migrated: str, request: pytest.FixtureRequest
) -> AsyncIterator[Street]:
    till: Till = request.param()
    async with postgres.database(migrated) as dsn, a_street(dsn, till=till) as made:
        yield made


def a_code(street: Street, kind: str) -> str:
    """A payment code of the till's provider; the twins know by its last digits what it does."""
    number = next(NUMBERS)
    if street.till.provider == "alipay":
        end = {"pays": "1", "waits": "5", "bad": "7"}[kind]
        return f"28{number:015d}{end}"
    return f"13{number:014d}{ {'pays': '00', 'waits': '11', 'bad': '33'}[kind] }"


async def to_pay(street: Street) -> str:
    """The kiosk's path of a settlement without insurance."""
    bill_id = await street.push_bill()
    base = f"/v1/terminal/scans/{street.scan['scan_id']}/settlements"
    body = {"bill_id": bill_id, "use_account": False, "insured": False}
    started = await street.ask(street.kiosk, "POST", base, body)
    await street.work()
    return f"{base}/{started['settlement_id']}"


async def show(street: Street, path: str, code: str) -> dict[str, Any]:
    """A payer holds his code to the scanner."""
    body = {"provider": street.till.provider, "way": "code", "code": code}
    return await street.ask(street.kiosk, "POST", f"{path}/payment", body)


async def seen(street: Street, path: str, after: timedelta = 0 * SECONDS) -> dict[str, Any]:
    await street.run_for(after, step=5 * SECONDS)
    return await street.ask(street.kiosk, "GET", path)


async def trades(street: Street) -> list[dict[str, Any]]:
    book = await street.till.book()
    return list(book["trades"] if street.till.provider == "alipay" else book["orders"])


async def kept_fen(street: Street) -> int:
    """What payers are out of pocket, by the provider's own book."""
    if street.till.provider == "alipay":
        paid = [one for one in await trades(street) if one.get("gmt_payment")]
        return sum(one["total_fen"] - one["refunded_fen"] for one in paid)
    states = [one["trade_state"] for one in await trades(street)]
    return SINGLE_FEN * states.count("SUCCESS")


class Since:
    """What the provider's book has more than at a moment."""

    def __init__(self, street: Street, placed: int, kept: int) -> None:
        self._street, self._placed, self._kept = street, placed, kept

    @classmethod
    async def now(cls, street: Street) -> "Since":
        return cls(street, len(await trades(street)), await kept_fen(street))

    async def change(self) -> tuple[int, int]:
        """(trades, money kept in fen)."""
        kept = await kept_fen(self._street) - self._kept
        return len(await trades(self._street)) - self._placed, kept


async def waiting(street: Street) -> dict[str, Any]:
    """The one trade that waits for its payer's password."""
    states = {"USERPAYING", "WAIT_BUYER_PAY"}
    (trade,) = (
        one
        for one in await trades(street)
        if one.get("trade_state", one.get("trade_status")) in states
    )
    return trade


async def confirms(street: Street, trade: dict[str, Any]) -> None:
    """The payer enters his password, if he still may."""
    if street.till.provider == "alipay":
        await street.till.control("pay", trade_no=trade["trade_no"])
    else:
        number = trade["out_trade_no"]
        await street.till.control("confirm", mchid=wechat_rig.MCHID, out_trade_no=number)


async def a_good_code_pays_the_bill_at_once(street: Street) -> None:
    path, since = await to_pay(street), await Since.now(street)
    offered = await street.ask(street.kiosk, "GET", f"{path}/ways")
    shape = offered["ways"][0].pop("shape")
    code = a_code(street, "pays")
    assert shape["least"] <= len(code) <= shape["most"]
    assert code.startswith(tuple(shape["starts"]))
    assert offered["ways"] == [
        {"provider": street.till.provider, "way": way} for way in ("code", "native")
    ]
    paid = await show(street, path, a_code(street, "pays"))
    assert (paid["payment"]["state"], paid["paid_fen"]) == ("PAID", SINGLE_FEN)
    settled = await seen(street, path, 10 * SECONDS)
    assert settled["state"] == "POSTING"
    account = f"provider:{street.till.provider}"
    assert (await street.balances(settled["settlement_id"]))[account] == SINGLE_FEN
    assert await since.change() == (1, SINGLE_FEN)


async def a_bad_code_says_so_and_the_next_one_pays(street: Street) -> None:
    path = await to_pay(street)
    refused = await show(street, path, a_code(street, "bad"))
    assert refused["state"] == "PRESETTLED"
    payment = refused["payment"]
    assert (payment["state"], payment["refusal"]) == ("FAILED", "code-invalid")
    assert (await show(street, path, a_code(street, "pays")))["paid_fen"] == SINGLE_FEN


async def a_lost_answer_is_asked_for_and_never_paid_again(street: Street, fault: str) -> None:
    path, since = await to_pay(street), await Since.now(street)
    await street.till.fault(fault, path=TAKING[street.till.provider])
    unclear = await show(street, path, a_code(street, "pays"))
    assert unclear["payment"]["state"] == "CREATED"
    # The payer is nervous and shows a new code; then he wants the QR.
    again = await show(street, path, a_code(street, "pays"))
    assert again["payment"]["state"] == "CREATED"
    body = {"provider": street.till.provider, "way": "native"}
    answer = await street.kiosk.send("POST", f"{path}/payment", body, key="another-way")
    assert answer.json()["code"] == "payment-still-open"
    settled = await seen(street, path, 30 * SECONDS)
    assert (settled["state"], settled["paid_fen"]) == ("POSTING", SINGLE_FEN)
    assert await since.change() == (1, SINGLE_FEN)


async def whatever_is_unheard_to_the_end_is_reversed(street: Street) -> None:
    path, since = await to_pay(street), await Since.now(street)
    await street.till.fault("notice-lost")
    await street.till.fault("drop-after", path=TAKING[street.till.provider])
    busy = "cancel-again" if street.till.provider == "alipay" else "reverse-busy"
    await street.till.fault(busy)
    await show(street, path, a_code(street, "pays"))
    # The provider is out of reach for as long as a payer waits.
    await street.till.fault("error-before", times=10)
    unclear = await seen(street, path, 40 * SECONDS)
    assert unclear["payment"]["state"] == "CREATED"
    payable = await seen(street, path, 60 * SECONDS)
    assert (payable["state"], payable["payment"]["state"]) == ("PRESETTLED", "CLOSED")
    assert await since.change() == (1, 0)
    assert (await show(street, path, a_code(street, "pays")))["paid_fen"] == SINGLE_FEN
    assert await since.change() == (2, SINGLE_FEN)


async def a_payer_who_confirms_in_time_has_paid(street: Street) -> None:
    path = await to_pay(street)
    asked = await show(street, path, a_code(street, "waits"))
    assert asked["payment"]["state"] == "AWAITING_PAYER"
    trade = await waiting(street)
    await street.run_for(20 * SECONDS, step=5 * SECONDS)
    await confirms(street, trade)
    assert (await seen(street, path, 10 * SECONDS))["paid_fen"] == SINGLE_FEN


async def a_payer_who_never_confirms_can_pay_another_way(street: Street) -> None:
    path = await to_pay(street)
    await show(street, path, a_code(street, "waits"))
    trade = await waiting(street)
    given_up = await seen(street, path, 60 * SECONDS)
    assert (given_up["state"], given_up["payment"]["state"]) == ("PRESETTLED", "CLOSED")
    with pytest.raises(AssertionError):
        await confirms(street, trade)
    body = {"provider": street.till.provider, "way": "native"}
    shown = await street.ask(street.kiosk, "POST", f"{path}/payment", body)
    assert shown["payment"]["qr_text"]


async def walking_away_from_a_shown_code_leaves_nothing_unclear(street: Street) -> None:
    path, since = await to_pay(street), await Since.now(street)
    await street.till.fault("drop-after", path=TAKING[street.till.provider])
    await show(street, path, a_code(street, "pays"))
    await street.ask(street.kiosk, "POST", f"{path}/abandonment", {})
    ended = await seen(street, path, 180 * SECONDS)
    assert ended["state"] in {"REVERSED", "POSTING"}
    kept = SINGLE_FEN if ended["state"] == "POSTING" else 0
    assert await since.change() == (1, kept)


class Counted:
    """Every call that a provider hears."""

    def __init__(self, street: Street) -> None:
        self.questions: list[Any] = []
        self._street = street
        street.till.client.event_hooks["request"].append(self._hear)

    async def _hear(self, request: httpx.Request) -> None:
        is_alipays = b"method=alipay.trade.query&" in request.content
        is_wechats = request.method == "GET" and "/out-trade-no/" in request.url.path
        if is_alipays or is_wechats:
            self.questions.append(self._street.ctx.clock.now())


async def nobody_can_make_us_ask(street: Street, way: str) -> None:
    path, since = await to_pay(street), await Since.now(street)
    counted = Counted(street)
    mine = f"/v1/me/settlements/{path.rpartition('/')[2]}"
    provider = street.till.provider
    for _ in range(6):
        if way == "h5":
            await street.mine("POST", f"{mine}/payment", {"provider": provider, "way": way})
        elif way == "code":
            await show(street, path, a_code(street, "waits"))
        else:
            body = {"provider": provider, "way": way}
            await street.ask(street.kiosk, "POST", f"{path}/payment", body)
        await street.ask(street.kiosk, "GET", path)
        await street.mine("GET", mine)
        await street.mine("GET", f"{mine}/ways")
        street.advance(4 * SECONDS)
    assert counted.questions == [], "all of that was answered from our own rows"
    placed, _ = await since.change()
    assert placed == (0 if (provider, way) == ("alipay", "h5") else 1)
    for _ in range(6):
        await street.client.post(
            f"{mine}/abandonment",
            json={},
            headers={"authorization": f"Bearer {street.phone.token}"},
        )
    assert len(counted.questions) <= 2, "the last one before a reversal, and the one after"


async def on_the_phone(street: Street) -> str:
    bill_id = await street.push_bill()
    body = {"use_account": False, "insured": False}
    started = await street.mine("POST", f"/v1/me/bills/{bill_id}/settlements", body)
    return f"/v1/me/settlements/{started['settlement_id']}"


async def open_page(street: Street, link: str) -> dict[str, str]:
    """The payer's browser follows the link; gives what the cashier's button sends."""
    if street.till.provider == "wechatpay":
        assert "&redirect_url=https%3A%2F%2Fyimatong.test%2F%3Fsettlement%3D" in link
        return {"code_url": link}
    opened = await street.till.client.get(link)
    assert opened.status_code == 303, opened.text
    asked = httpx.URL(opened.headers["location"]).params
    assert asked["return_url"].startswith("https://yimatong.test/?settlement=")
    return {"qr_code": asked["qr_code"]}


async def a_phone_pays_on_the_providers_page(street: Street) -> None:
    path = await on_the_phone(street)
    offered = await street.mine("GET", f"{path}/ways")
    own = ["h5"] if street.till.provider == "alipay" else ["h5", "jsapi"]
    assert [one["way"] for one in offered["ways"]] == own
    body = {"provider": street.till.provider, "way": "h5"}
    shown = await street.mine("POST", f"{path}/payment", body)
    again = await street.mine("POST", f"{path}/payment", body)
    assert again["payment"]["link"] == shown["payment"]["link"]
    at_kiosk = await seen(
        street, path.replace("/v1/me", f"/v1/terminal/scans/{street.scan['scan_id']}")
    )
    assert "link" not in at_kiosk["payment"], "a link pays for whoever opens it"
    await street.till.fault("notice-lost")
    await street.till.control("pay", **await open_page(street, shown["payment"]["link"]))
    await street.run_for(60 * SECONDS)
    settled = await street.mine("GET", path)
    assert (settled["state"], settled["paid_fen"]) == ("POSTING", SINGLE_FEN)


async def a_page_paid_too_late_gives_the_money_back(street: Street) -> None:
    path, since = await on_the_phone(street), await Since.now(street)
    body = {"provider": street.till.provider, "way": "h5"}
    shown = await street.mine("POST", f"{path}/payment", body)
    page = await open_page(street, shown["payment"]["link"])
    await street.till.fault("paid-before-close")
    await street.mine("POST", f"{path}/abandonment", {})
    if street.till.provider == "alipay":
        # Nobody had logged in there: no trade that could be closed, and the page still pays.
        await street.till.control("pay", **page)
    await street.run_for(300 * SECONDS)
    ended = await street.mine("GET", path)
    if ended["state"] == "POSTING":
        assert await since.change() == (1, SINGLE_FEN), "the payer was faster and paid the bill"
    else:
        assert (ended["state"], await since.change()) == ("REVERSED", (1, 0))


async def a_wrong_amount_moves_nothing(street: Street) -> None:
    path = await on_the_phone(street)
    body = {"provider": street.till.provider, "way": "h5"}
    shown = await street.mine("POST", f"{path}/payment", body)
    await street.till.fault("notice-wrong-amount")
    await street.till.control("pay", **await open_page(street, shown["payment"]["link"]))
    await street.run_for(10 * SECONDS)
    doubtful = await street.mine("GET", path)
    assert (doubtful["state"], doubtful["paid_fen"]) == ("NEEDS_REVIEW", 0)


async def what_is_no_way_here_is_refused(street: Street) -> None:
    path, since = await to_pay(street), await Since.now(street)
    mine = f"/v1/me/settlements/{path.rpartition('/')[2]}/payment"
    headers = {"authorization": f"Bearer {street.phone.token}", "idempotency-key": "k-1"}
    body = {"provider": street.till.provider, "way": "code"}
    on_phone = await street.client.post(mine, json=body, headers=headers)
    assert on_phone.json()["code"] == "payment-way-unknown"
    for wrong in (
        {"provider": street.till.provider, "way": "code"},
        {"provider": street.till.provider, "way": "native", "code": a_code(street, "pays")},
        {"provider": street.till.provider, "way": "code", "code": "12345"},
    ):
        answer = await street.kiosk.send("POST", f"{path}/payment", wrong, key=str(wrong))
        assert answer.status_code == 400
    assert (await since.change())[0] == 0


async def test_a_code_that_is_heard(street: Street) -> None:
    await a_good_code_pays_the_bill_at_once(street)
    await a_bad_code_says_so_and_the_next_one_pays(street)
    await what_is_no_way_here_is_refused(street)
    await a_payer_who_confirms_in_time_has_paid(street)
    await a_payer_who_never_confirms_can_pay_another_way(street)


async def test_a_code_that_is_not_heard(street: Street) -> None:
    await a_lost_answer_is_asked_for_and_never_paid_again(street, "drop-after")
    await a_lost_answer_is_asked_for_and_never_paid_again(street, "error-after")
    await whatever_is_unheard_to_the_end_is_reversed(street)
    await walking_away_from_a_shown_code_leaves_nothing_unclear(street)


async def test_no_client_can_make_us_ask_a_provider(street: Street) -> None:
    for way in ("native", "code", "h5"):
        await nobody_can_make_us_ask(street, way)


async def test_a_page_on_the_phone(street: Street) -> None:
    await a_phone_pays_on_the_providers_page(street)
    await a_wrong_amount_moves_nothing(street)
    await a_page_paid_too_late_gives_the_money_back(street)
