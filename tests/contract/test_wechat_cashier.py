"""The twin's cashier page, and the twin against hostile requests."""

import contextlib
import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.sandbox.wechatpay.cashier import allowed_return
from integrations.sandbox.wechatpay.model import Refused
from integrations.sandbox.wechatpay.seal import parse_authorization
from tests.contract.wechat_rig import Rig


@pytest.fixture
def rig() -> Rig:
    return Rig()


async def test_the_page_shows_what_is_paid_and_its_button_pays(rig: Rig) -> None:
    code_url = await rig.placed(way="native", payer=None, description="<b>挂号费</b>")
    page = await rig.client.get("/sandbox/cashier", params={"code_url": code_url})
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    for text in ("沙箱", "第一医院", "¥123.45", html.escape("<b>挂号费</b>"), "立即支付"):
        assert text in page.text
    assert "<b>" not in page.text
    nonces = set(re.findall(r'nonce="([^"]+)"', page.text))
    assert len(nonces) == 1
    assert f"'nonce-{nonces.pop()}'" in page.headers["content-security-policy"]
    assert f'"code_url": "{code_url}"' in page.text
    await rig.control("pay", code_url=code_url)
    done = await rig.client.get("/sandbox/cashier", params={"code_url": code_url})
    assert "已支付" in done.text
    assert 'id="pay" disabled' in done.text


async def test_the_page_for_nothing_says_so(rig: Rig) -> None:
    for query in ({}, {"prepay_id": "wx1"}, {"code_url": "weixin://other"}):
        page = await rig.client.get("/sandbox/cashier", params=query)
        assert page.status_code == 404
        assert "没有这笔订单" in page.text


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("http://127.0.0.1:8000/bill/1?done=1", True),
        ("http://localhost/x", True),
        ("https://twin.test/after", True),
        ("https://evil.test/", False),
        ("//evil.test/", False),
        ("javascript:alert(1)", False),
        ("http://127.0.0.1@evil.test/", False),
        ("http://localhost.evil.test/", False),
        ("http://localhost\\@evil.test/", False),
        ("http://twin.test@evil.test", False),
        ("https://[::1", False),
        ("", False),
    ],
)
async def test_only_this_host_or_machine_is_returned_to(rig: Rig, url: str, allowed: bool) -> None:
    assert (allowed_return(url, "twin.test") == url) is allowed
    prepay_id = await rig.placed()
    page = await rig.client.get(
        "/sandbox/cashier", params={"prepay_id": prepay_id, "return_url": url}
    )
    assert ("返回商户" in page.text) is allowed


@given(st.text(max_size=200) | st.from_regex(r'[A-Z0-9-]{0,30} ([a-z_]+="[^"]*",?){0,7}'))
def test_any_authorization_is_five_items_or_refused(line: str) -> None:
    with contextlib.suppress(Refused):
        assert len(parse_authorization(line)) == 5


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[", b"[" * 50_000, b'{"appid":1}', b"\xff", b'{"times":0}']
)
async def test_hostile_control_bodies_are_refused(rig: Rig, body: bytes) -> None:
    for path in ("pay", "pay-fail", "faults", "faults/random", "probe", "refunds/end"):
        answer = await rig.client.post(f"/sandbox/{path}", content=body)
        assert (answer.status_code, answer.json()["code"]) == (400, "PARAM_ERROR")


async def test_an_unsigned_request_is_refused_and_changes_nothing(rig: Rig) -> None:
    for path in ("/v3/pay/transactions/jsapi", "/v3/refund/domestic/refunds"):
        answer = await rig.client.post(path, content=b"{}")
        assert (answer.status_code, answer.json()["code"]) == (401, "SIGN_ERROR")
    assert (await rig.book())["orders"] == []
