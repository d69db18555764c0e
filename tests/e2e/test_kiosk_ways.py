"""At the kiosk a person chooses by whom to pay, or holds a payment code to the scanner."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import NewPage
from tests.support.page_backend import PageBackend
from tests.support.page_steps import (
    LANDSCAPE,
    LINES,
    PORTRAIT,
    UNREACHED,
    activate,
    assert_fits,
    choose_payment,
    enter,
    scan,
    shifts,
    symbol_on,
    world_of,
)
from tests.support.page_world import World

BOTH = [(name, way) for name in ("wechatpay", "alipay") for way in ("native", "code")]
WECHAT_CODE, ALIPAY_CODE, BEAN_CODE = "131234567890123456", "281234567890123456", "7712345678901234"


@pytest.fixture
def world(backend: PageBackend) -> Iterator[World]:
    """A hospital that both providers collect for."""
    found = world_of(backend)
    before = found.ways
    found.ways = BOTH
    found.taken_codes.clear()
    yield found
    found.ways = before
    found.names = {}
    found.code_outcomes.clear()


def picture(page: Page, name: str) -> None:
    """Kept for people to look at, where they ask for it."""
    if folder := os.environ.get("YIMATONG_TEST_PICTURES"):
        page.screenshot(path=str(Path(folder) / f"{name}-{page.viewport_size['width']}.png"))  # type: ignore[index]


def to_the_check(new_page: NewPage, backend: PageBackend, page: Page) -> None:
    """Bring a kiosk to the split of a new person's bill."""
    phone = new_page(390, 844)
    enter(phone, backend)
    choose_payment(phone)
    text = symbol_on(phone)
    backend.bill_the_newest_person(LINES)
    activate(page, backend)
    scan(page, text)
    expect(page.locator(".check")).to_have_attribute("data-state", "PRESETTLED")


def at_choice(new_page: NewPage, backend: PageBackend, page: Page) -> None:
    """Bring a kiosk to the choice for a new person's bill."""
    to_the_check(new_page, backend, page)
    page.get_by_role("button", name="去付款").click()
    expect(page.get_by_role("heading", name="请选择付款方式")).to_be_visible()


def fits_both(page: Page, name: str) -> None:
    """The screen as it stands, on a kiosk of either shape."""
    for shape in (LANDSCAPE, PORTRAIT):
        page.set_viewport_size({"width": shape[0], "height": shape[1]})
        assert_fits(page, shape)
        picture(page, name)


def test_one_bill_is_paid_by_alipay(new_page: NewPage, backend: PageBackend, world: World) -> None:
    page = new_page(*PORTRAIT, scale=1)
    at_choice(new_page, backend, page)
    page.get_by_role("button", name="微信支付").click()
    expect(page.get_by_role("heading", name="请用微信扫码付款")).to_be_visible()
    assert symbol_on(page).startswith("weixin://")
    page.get_by_role("button", name="换一种付款").click()
    page.get_by_role("button", name="支付宝").click()
    expect(page.get_by_role("heading", name="请用支付宝扫码付款")).to_be_visible()
    expect(page.locator(".pay-left")).to_have_text(re.compile(r"付款码剩余 \d:\d\d"))
    shown = symbol_on(page)
    assert shown.startswith("https://qr.alipay")
    assert_fits(page, PORTRAIT)
    backend.pay_qr(shown)
    expect(page.get_by_role("heading", name="缴费成功")).to_be_visible()
    expect(page.locator(".receipt")).to_contain_text("支付宝")
    assert shifts(page) == (0, [])


def test_a_provider_the_page_never_heard_of_is_payable_by_its_own_name(
    new_page: NewPage, backend: PageBackend, world: World
) -> None:
    world.ways = [*BOTH, ("beanpay", "native")]
    world.names = {"beanpay": {"name": {"zh": "豆付", "en": "BeanPay"}}}
    page = new_page(*PORTRAIT, scale=1)
    at_choice(new_page, backend, page)
    fits_both(page, "kiosk-choice-of-three")
    page.set_viewport_size({"width": PORTRAIT[0], "height": PORTRAIT[1]})
    page.get_by_role("button", name="豆付").click()
    expect(page.get_by_role("heading", name="请用豆付扫码付款")).to_be_visible()
    backend.pay_qr(symbol_on(page))
    expect(page.get_by_role("heading", name="缴费成功")).to_be_visible()
    expect(page.locator(".receipt")).to_contain_text("豆付")


def test_a_payment_code_before_the_scanner_pays(
    new_page: NewPage, backend: PageBackend, world: World
) -> None:
    page = new_page(*PORTRAIT, scale=1)
    at_choice(new_page, backend, page)
    fits_both(page, "kiosk-choice")
    scan(page, "990001195904120019")
    expect(page.get_by_role("alert")).to_contain_text("这不是可以付款的码")
    world.code_outcomes = ["FAILED", "AWAITING_PAYER"]
    scan(page, WECHAT_CODE)
    expect(page.get_by_role("alert")).to_contain_text("付款码已失效")
    fits_both(page, "kiosk-code-refused")
    page.get_by_role("button", name="English").click()
    expect(page.get_by_role("heading", name="Choose how to pay")).to_be_visible()
    fits_both(page, "kiosk-choice-english")
    page.get_by_role("button", name="中文").click()
    scan(page, ALIPAY_CODE)
    expect(page.get_by_role("heading", name="请在手机上确认付款")).to_be_visible()
    fits_both(page, "kiosk-code-confirm")
    scan(page, WECHAT_CODE[:-1] + "7")
    newest = list(world.settlements)[-1]
    world.take_payment(newest)
    expect(page.get_by_role("heading", name="缴费成功")).to_be_visible()
    assert world.taken_codes == [WECHAT_CODE, ALIPAY_CODE], "while one is open no other is sent"
    kept = page.evaluate("JSON.stringify([{...sessionStorage}, {...localStorage}])")
    assert ALIPAY_CODE not in kept


def test_the_code_of_such_a_provider_is_known_before_the_scanner(
    new_page: NewPage, backend: PageBackend, world: World
) -> None:
    world.ways = [*BOTH, ("beanpay", "code")]
    world.names = {"beanpay": {"name": {"zh": "豆付", "en": "BeanPay"}}}
    page = new_page(*PORTRAIT, scale=1)
    at_choice(new_page, backend, page)
    scan(page, BEAN_CODE)
    expect(page.get_by_role("heading", name="缴费成功")).to_be_visible()
    expect(page.locator(".receipt")).to_contain_text("豆付")
    assert world.taken_codes == [BEAN_CODE]


def test_one_provider_alone_needs_no_choice(
    new_page: NewPage, backend: PageBackend, world: World
) -> None:
    world.ways = []
    page = new_page(*LANDSCAPE, scale=1, quiet=(UNREACHED,))
    to_the_check(new_page, backend, page)
    page.get_by_role("button", name="去付款").click()
    expect(page.get_by_role("alert")).to_contain_text("暂不支持这种付款")
    world.ways = [("wechatpay", "native"), ("wechatpay", "code")]
    page.get_by_role("button", name="去付款").click()
    expect(page.locator(".state")).to_contain_text("也可以把手机上的付款码对准扫码口")
    fits_both(page, "kiosk-wechat")
    scan(page, ALIPAY_CODE)
    expect(page.get_by_role("alert")).to_contain_text("这不是可以付款的码")
    scan(page, WECHAT_CODE)
    expect(page.get_by_role("heading", name="缴费成功")).to_be_visible()
    assert world.taken_codes == [WECHAT_CODE]


def test_an_unclear_payment_by_code_is_waited_for_and_can_be_cancelled(
    new_page: NewPage, backend: PageBackend, world: World
) -> None:
    page = new_page(*PORTRAIT, scale=1)
    at_choice(new_page, backend, page)
    world.code_outcomes = ["CREATED"]
    scan(page, ALIPAY_CODE)
    expect(page.get_by_role("heading", name="正在确认付款结果")).to_be_visible()
    expect(page.locator(".state")).to_contain_text("请不要换码重付")
    page.get_by_role("button", name="取消").click()
    expect(page.get_by_role("heading", name="已取消")).to_be_visible()
