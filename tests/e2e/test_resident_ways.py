"""On the phone a person chooses by whom to pay, as far as its browser can."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import NewPage
from tests.support.page_backend import PageBackend
from tests.support.page_steps import LINES, enter, shifts, sideways, sizes_of, world_of
from tests.support.page_world import World

BOTH = [(name, way) for name in ("alipay", "wechatpay") for way in ("h5", "jsapi")]
CAUGHT = """
window.opened = [];
HTMLAnchorElement.prototype.click = function () { opened.push([this.href, this.referrerPolicy]); };
"""


@pytest.fixture
def world(backend: PageBackend) -> Iterator[World]:
    """A hospital that both providers collect for."""
    found = world_of(backend)
    before, found.ways = found.ways, BOTH
    yield found
    found.ways = before


def picture(page: Page, name: str) -> None:
    """Kept for people to look at, where they ask for it."""
    if folder := os.environ.get("YIMATONG_TEST_PICTURES"):
        width = page.evaluate("innerWidth")
        page.screenshot(path=str(Path(folder) / f"{name}-{width}.png"), full_page=True)


def at_payment(page: Page, backend: PageBackend) -> None:
    """Bring a new person's phone to the payment of one bill."""
    enter(page, backend)
    backend.bill_the_newest_person(LINES)
    page.goto(backend.base_url + "/#/bills")
    page.locator(".bill").first.click()
    page.get_by_role("button", name="去结算").click()
    expect(page.get_by_role("button", name="支付 ¥")).to_be_enabled()


def test_alipay_is_chosen_and_its_page_opened(
    new_page: NewPage, backend: PageBackend, world: World
) -> None:
    page = new_page(390, 844)
    page.add_init_script(CAUGHT)
    at_payment(page, backend)
    expect(page.get_by_role("group", name="付款方式")).to_be_visible()
    for width, height in ((320, 568), (844, 390), (390, 844)):
        page.set_viewport_size({"width": width, "height": height})
        assert sideways(page) == 0
        assert [one for one in sizes_of(page, ".pay-ways label") if one["height"] < 44] == []
        picture(page, "resident-ways")
    expect(page.get_by_label("微信支付")).to_be_checked()
    page.get_by_label("支付宝").check()
    with page.expect_request("**/payment") as asked:
        page.get_by_role("button", name="支付 ¥").click()
    assert asked.value.post_data_json == {"provider": "alipay", "way": "h5"}
    expect(page.locator(".paying")).to_have_attribute("data-state", "AWAITING_PAYER")
    newest = list(world.settlements)[-1]
    page.wait_for_function("opened.length === 1")
    assert page.evaluate("opened") == [[f"https://pages.invalid/?pr={newest}", "origin"]]
    # The page comes back; a reload keeps what was chosen.
    page.goto(f"{backend.base_url}/?settlement={newest}&sign=whatever")
    expect(page.get_by_label("支付宝")).to_be_checked()
    assert page.url == f"{backend.base_url}/#/settlement/{newest}"
    world.take_payment(newest)
    expect(page.locator(".state")).to_contain_text("缴费成功")
    assert page.locator(".pay-ways").is_hidden()


def test_inside_wechat_only_its_own_call_is_made(
    new_page: NewPage, backend: PageBackend, world: World
) -> None:
    page = new_page(390, 844)
    page.add_init_script(
        "Object.defineProperty(navigator, 'userAgent', { value: 'Mobile MicroMessenger/8.0' });"
    )
    at_payment(page, backend)
    assert page.locator(".pay-ways").is_hidden()
    with page.expect_request("**/payment") as asked:
        page.get_by_role("button", name="支付 ¥").click()
    assert asked.value.post_data_json == {"provider": "wechatpay", "way": "jsapi"}


def test_where_nothing_can_be_paid_it_is_said_before_any_order(
    new_page: NewPage, backend: PageBackend, world: World
) -> None:
    world.ways = [("wechatpay", "native")]
    page = new_page(320, 568)
    at_payment(page, backend)
    page.get_by_role("button", name="支付 ¥").click()
    expect(page.get_by_role("alert")).to_contain_text("这里不能付款")
    assert sideways(page) == 0
    assert "payment" not in list(world.settlements.values())[-1]
    assert shifts(page)[0] < 0.1
