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
    SHAPES,
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
WECHAT_CODE, ALIPAY_CODE = "131234567890123456", "281234567890123456"


@pytest.fixture
def world(backend: PageBackend) -> Iterator[World]:
    """A hospital that both providers collect for."""
    found = world_of(backend)
    before = found.ways
    found.ways = BOTH
    found.taken_codes.clear()
    yield found
    found.ways = before
    found.code_outcomes.clear()


def picture(page: Page, name: str) -> None:
    """Kept for people to look at, where they ask for it."""
    if folder := os.environ.get("YIMATONG_TEST_PICTURES"):
        page.screenshot(path=str(Path(folder) / f"{name}-{page.viewport_size['width']}.png"))  # type: ignore[index]


def at_choice(new_page: NewPage, backend: PageBackend, page: Page) -> None:
    """Bring a kiosk to the choice for a new person's bill."""
    phone = new_page(390, 844)
    enter(phone, backend)
    choose_payment(phone)
    text = symbol_on(phone)
    backend.bill_the_newest_person(LINES)
    activate(page, backend)
    scan(page, text)
    page.get_by_role("button", name="去付款").click()
    expect(page.get_by_role("heading", name="请选择付款方式")).to_be_visible()


@SHAPES
def test_one_bill_is_paid_by_alipay(
    new_page: NewPage, backend: PageBackend, world: World, shape: tuple[int, int]
) -> None:
    page = new_page(*shape, scale=1)
    at_choice(new_page, backend, page)
    assert_fits(page, shape)
    picture(page, "kiosk-choice")
    page.get_by_role("button", name="微信支付").click()
    expect(page.get_by_role("heading", name="请用微信扫码付款")).to_be_visible()
    assert symbol_on(page).startswith("weixin://")
    assert_fits(page, shape)
    picture(page, "kiosk-wechat")
    page.get_by_role("button", name="换一种付款").click()
    page.get_by_role("button", name="支付宝").click()
    expect(page.get_by_role("heading", name="请用支付宝扫码付款")).to_be_visible()
    expect(page.locator(".pay-left")).to_have_text(re.compile(r"付款码剩余 \d:\d\d"))
    shown = symbol_on(page)
    assert shown.startswith("https://qr.alipay")
    backend.pay_qr(shown)
    expect(page.get_by_role("heading", name="缴费成功")).to_be_visible()
    expect(page.locator(".receipt")).to_contain_text("支付宝")
    assert shifts(page) == (0, [])


@SHAPES
def test_a_payment_code_before_the_scanner_pays(
    new_page: NewPage, backend: PageBackend, world: World, shape: tuple[int, int]
) -> None:
    page = new_page(*shape, scale=1)
    at_choice(new_page, backend, page)
    scan(page, "990001195904120019")
    expect(page.get_by_role("alert")).to_contain_text("这不是可以付款的码")
    assert_fits(page, shape)
    world.code_outcomes = ["FAILED", "AWAITING_PAYER"]
    scan(page, WECHAT_CODE)
    expect(page.get_by_role("alert")).to_contain_text("付款码已失效")
    assert_fits(page, shape)
    picture(page, "kiosk-code-refused")
    scan(page, ALIPAY_CODE)
    expect(page.get_by_role("heading", name="请在手机上确认付款")).to_be_visible()
    assert_fits(page, shape)
    picture(page, "kiosk-code-confirm")
    scan(page, WECHAT_CODE[:-1] + "7")
    newest = list(world.settlements)[-1]
    world.take_payment(newest)
    expect(page.get_by_role("heading", name="缴费成功")).to_be_visible()
    assert world.taken_codes == [WECHAT_CODE, ALIPAY_CODE], "while one is open no other is sent"
    kept = page.evaluate("JSON.stringify([{...sessionStorage}, {...localStorage}])")
    assert ALIPAY_CODE not in kept
    assert shifts(page) == (0, [])


def test_a_payment_code_pays_where_a_qr_is_shown_too(
    new_page: NewPage, backend: PageBackend, world: World
) -> None:
    world.ways = [("wechatpay", "native"), ("wechatpay", "code")]
    page = new_page(*LANDSCAPE, scale=1)
    phone = new_page(390, 844)
    enter(phone, backend)
    choose_payment(phone)
    text = symbol_on(phone)
    backend.bill_the_newest_person(LINES)
    activate(page, backend)
    scan(page, text)
    page.get_by_role("button", name="去付款").click()
    expect(page.locator(".state")).to_contain_text("也可以把手机上的付款码对准扫码口")
    assert_fits(page, LANDSCAPE)
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


def test_a_hospital_without_any_account_says_so(
    new_page: NewPage, backend: PageBackend, world: World
) -> None:
    world.ways = []
    phone = new_page(390, 844)
    enter(phone, backend)
    choose_payment(phone)
    text = symbol_on(phone)
    backend.bill_the_newest_person(LINES)
    page = new_page(*LANDSCAPE, scale=1, quiet=(UNREACHED,))
    activate(page, backend)
    scan(page, text)
    page.get_by_role("button", name="去付款").click()
    expect(page.get_by_role("alert")).to_contain_text("暂不支持这种付款")


def test_the_choice_in_english(new_page: NewPage, backend: PageBackend, world: World) -> None:
    page = new_page(*PORTRAIT, scale=1)
    at_choice(new_page, backend, page)
    page.get_by_role("button", name="English").click()
    expect(page.get_by_role("heading", name="Choose how to pay")).to_be_visible()
    assert_fits(page, PORTRAIT)
    page.get_by_role("button", name="Alipay").click()
    expect(page.get_by_role("heading", name="Scan with Alipay to pay")).to_be_visible()
    assert_fits(page, PORTRAIT)
