"""The whole journey in a browser on the real system: phone, kiosk, bureau, payment, hospital.

Everything is the product's own: processes, PostgreSQL, twins over HTTP. The code goes from the
phone's screen to the kiosk through a decoder that is not ours.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.page_steps import scan, symbol_on
from tests.support.running import RunningSystem, running_system

PHONE = {"width": 390, "height": 844}
KIOSK = {"width": 1080, "height": 1920}
NAME, NUMBER, PERSON_NO = "测试乙", "990001195502020027", "990000000000000000001002"


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[RunningSystem]:
    with running_system(tmp_path_factory.mktemp("pages"), YIMATONG_RETRY_AFTER_S="1") as running:
        yield running


@pytest.fixture
def phone(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport=PHONE, device_scale_factor=2, locale="zh-CN")
    context.set_default_timeout(20_000)
    yield context.new_page()
    context.close()


@pytest.fixture
def kiosk(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport=KIOSK, locale="zh-CN")
    context.set_default_timeout(20_000)
    yield context.new_page()
    context.close()


def activation_code(system: RunningSystem) -> str:
    """What ``run`` printed for a new kiosk."""
    found = re.search(r"/kiosk#([A-Z2-9]{16})", system.text_since_start())
    assert found is not None
    return found[1]


def spend_what_is_saved(system: RunningSystem) -> None:
    """So that fund, account and own money all pay a share of the first bill."""
    httpx.post(
        f"{system.twin_url}/insurance/sandbox/counters",
        json={
            "psn_no": PERSON_NO,
            "moves": {"op.dedc": 50_000, "balance": -3_000, "mutual": -9_000},
        },
        trust_env=False,
    ).raise_for_status()


def pay_by_scanning(system: RunningSystem, qr_text: str) -> None:
    """The payer's phone scans the kiosk's payment code and pays at the payment twin."""
    assert qr_text.startswith("weixin://wxpay/bizpayurl?pr=")
    answer = httpx.post(
        f"{system.twin_url}/wechatpay/sandbox/pay",
        json={"code_url": qr_text, "openid": "somebody-at-the-kiosk"},
        trust_env=False,
    )
    assert answer.status_code == 200, answer.text


def keep_picture(page: Page, name: str) -> None:
    """Save a picture for the README when asked: YIMATONG_TEST_PICTURES names the folder."""
    folder = os.environ.get("YIMATONG_TEST_PICTURES")
    if folder:
        page.screenshot(path=str(Path(folder) / name))


def test_from_the_phone_to_the_receipt_at_the_kiosk(
    system: RunningSystem, phone: Page, kiosk: Page
) -> None:
    spend_what_is_saved(system)
    phone.goto(system.base_url + "/")
    phone.get_by_role("button", name="微信登录").click()
    phone.get_by_label("姓名").fill(NAME)
    phone.get_by_label("身份证号").fill(NUMBER)
    phone.get_by_role("button", name="提交并出码").click()
    expect(phone.locator(".code-picture img")).to_be_visible()
    shown = phone.locator("#code-text").text_content()
    phone.locator("input[value=pay]").check()
    expect(phone.locator("#code-text")).not_to_have_text(shown or "")
    keep_picture(phone, "resident.png")
    text = symbol_on(phone)
    assert text.startswith("YM1:")

    kiosk.goto(f"{system.base_url}/kiosk")
    kiosk.get_by_label("激活码").fill(activation_code(system))
    kiosk.get_by_role("button", name="激活", exact=True).click()
    expect(kiosk.get_by_role("heading", name="请扫码")).to_be_visible()
    scan(kiosk, text)
    expect(kiosk.locator(".check")).to_have_attribute("data-state", "PRESETTLED")
    expect(kiosk.locator(".person-name")).to_contain_text("*")
    assert NAME not in (kiosk.content())
    keep_picture(kiosk, "kiosk.png")

    cash = kiosk.locator("[data-part=cash_fen]").text_content() or ""
    kiosk.get_by_role("button", name=f"去付款 {cash}").click()
    expect(kiosk.locator(".pay-left")).to_have_text(re.compile(r"付款码剩余 \d+:\d\d"))
    pay_by_scanning(system, symbol_on(kiosk))
    expect(kiosk.get_by_role("heading", name="缴费成功")).to_be_visible(timeout=30_000)
    expect(kiosk.locator(".receipt")).to_contain_text("微信支付")
    keep_picture(kiosk, "kiosk-receipt.png")
