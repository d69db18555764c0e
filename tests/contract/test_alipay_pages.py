"""The twin's pages: a cashier that pays one trade, and the book with its fault form."""

import httpx
import pytest

from integrations.ports.outcomes import Accepted
from integrations.ports.payments import PaymentStatus
from integrations.sandbox.alipay.pages import allowed_return
from tests.contract.alipay_rig import Rig, an_order


async def test_the_cashier_shows_a_trade_escaped_and_says_when_it_is_paid() -> None:
    rig = Rig()
    qr_code = await rig.placed(way="native", payer=None, description="<script>alert(1)</script>")
    page = await rig.client.get("/sandbox/cashier", params={"qr_code": qr_code})
    assert page.status_code == 200
    assert "¥123.45" in page.text
    assert "<script>alert" not in page.text
    assert "script-src 'nonce-" in page.headers["content-security-policy"]
    await rig.control("pay", qr_code=qr_code)
    after = await rig.client.get("/sandbox/cashier", params={"qr_code": qr_code})
    assert "已支付" in after.text
    assert "disabled" in after.text


async def test_an_unknown_code_has_no_cashier() -> None:
    gone = await Rig().client.get("/sandbox/cashier", params={"qr_code": "https://elsewhere/x"})
    assert gone.status_code == 404


async def test_a_try_that_fails_leaves_the_trade_waiting() -> None:
    rig = Rig()
    qr_code = await rig.placed(way="native", payer=None)
    failed = await rig.control("pay-fail", qr_code=qr_code)
    assert failed["trade_status"] == "WAIT_BUYER_PAY"
    assert await rig.deliver() == 0


async def test_the_book_page_shows_what_is_there_and_what_will_go_wrong() -> None:
    rig = Rig()
    await rig.paid(description="<b>x</b>")
    await rig.fault("notice-lost", number="TRADE0002")
    page = (await rig.client.get("/sandbox/")).text
    for text in ("TRADE0001", "TRADE_SUCCESS", "notice-lost", '<option value="bill-cut">'):
        assert text in page
    assert "<b>x</b>" not in page


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("http://127.0.0.1:8080/pay", True),
        ("https://sandbox.test/back", True),
        ("https://elsewhere.test/", False),
        ("javascript:alert(1)", False),
        ("https://127.0.0.1@elsewhere.test/", False),
        ("https://sandbox.test\\@elsewhere.test/", False),
        ("//sandbox.test/", False),
        ("https://[", False),
        (None, False),
    ],
)
def test_the_way_back_leads_home_only(url: str | None, allowed: bool) -> None:
    assert (allowed_return(url, "sandbox.test") is not None) is allowed


@pytest.mark.parametrize("protocol", ["gateway", "v3"])
async def test_a_browser_pays_on_the_page_of_its_signed_address(protocol: str) -> None:
    rig = Rig(protocol=protocol)
    back = "http://127.0.0.1:9/?settlement=S"
    placed = await rig.gateway.place(
        an_order("TRADE0001", rig.clock(), way="h5", payer=None, return_url=back)
    )
    assert isinstance(placed, Accepted)
    link = placed.value.link or ""
    assert isinstance(await rig.gateway.query("TRADE0001"), Accepted)
    assert (await rig.book())["trades"] == [], "no trade before the payer is there"
    forged = await rig.client.get(link.replace("123.45", "000.01"))
    assert forged.status_code == 400
    opened = await rig.client.get(link)
    asked = httpx.URL(opened.headers["location"]).params
    assert (opened.status_code, asked["return_url"]) == (303, back)
    cashier = await rig.client.get("/sandbox/cashier", params=dict(asked))
    assert "¥123.45" in cashier.text
    await rig.control("pay", qr_code=asked["qr_code"])
    assert await rig.deliver() == 1
    told = await rig.gateway.query("TRADE0001")
    assert isinstance(told, Accepted)
    assert (told.value.status, told.value.amount_fen) == (PaymentStatus.PAID, 12_345)
    late = await rig.client.get(link)
    assert late.status_code == 400, "a paid order is not paid again"
