"""What the resident's page says and offers when something is over, wrong or out of reach."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from crypto.healthcode.layout import Purpose
from crypto.healthcode.verify import CodeVerifier, Reader
from tests.e2e.test_phone_offline import (
    ONLINE,
    OWN,
    RECORD,
    desk_of,
    enrolled,
    keep_picture,
    reads,
    shown_text,
    system,
)
from tests.e2e.test_phone_ways import await_trust
from tests.support.page_backend import StandIn
from tests.support.page_steps import LINES, enter, log_out, sideways, sizes_of

__all__ = ["system"]

SCREENS = ((390, 844), (320, 568), (844, 390))


@pytest.fixture
def phone(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, locale="zh-CN", reduced_motion="reduce"
    )
    context.set_default_timeout(45_000)
    yield context
    context.close()


def opened_offline(phone: BrowserContext, system: StandIn) -> Page:
    """A phone that was online once, opened again with no network."""
    page = enrolled(phone, system)
    await_trust(page)
    page.close()
    phone.set_offline(True)
    page = phone.new_page()
    page.goto(system.base_url + "/")
    expect(page.locator(".code-source")).to_have_text(OWN)
    return page


def test_a_phone_enrolled_late_shows_its_own_code_at_once(
    phone: BrowserContext, system: StandIn
) -> None:
    page = phone.new_page()
    held: list[Route] = []
    asked: list[str] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/v1/me/phones/challenge", hold)
    page.on("request", lambda request: asked.append(request.url.rpartition("/v1")[2]))
    enter(page, system)
    expect(page.locator(".code-source")).to_have_text(ONLINE)
    held[0].continue_()
    expect(page.locator(".code-source")).to_have_text(OWN)
    # Not only when the online code was over.
    assert asked.count("/me/codes") == 1
    await_trust(page)


def test_one_tap_never_logs_out(phone: BrowserContext, system: StandIn) -> None:
    page = enrolled(phone, system)
    for width, height in SCREENS:
        page.set_viewport_size({"width": width, "height": height})
        page.get_by_role("button", name="退出登录").click()
        expect(page.get_by_role("alert")).to_contain_text("退出登录，并删除本机的健康码？")
        [tabs] = sizes_of(page, ".tabs")
        answers = sizes_of(page, ".question .button")
        assert [one["text"] for one in answers] == ["返回", "确认退出"]
        assert [one for one in answers if one["bottom"] > tabs["top"]] == [], (width, height)
        page.get_by_role("button", name="返回").click()
        expect(page.get_by_role("button", name="退出登录")).to_be_visible()
    assert page.evaluate(RECORD) is not None
    page.reload()
    expect(page.locator(".code-source")).to_have_text(OWN)
    reads(system, shown_text(page))


def test_one_tap_never_stops_a_phone(phone: BrowserContext, system: StandIn) -> None:
    page = enrolled(phone, system)
    mine = desk_of(system).phones[page.evaluate(RECORD)["phoneId"]]
    desk_of(system).phones["OTHER"] = {**mine, "phone_id": "OTHER", "label": "旧手机"}
    other = desk_of(system).phones["OTHER"]
    page.get_by_text("我的手机").click()
    rows = (("旧手机", "须在那部手机上重新登录"), ("本机", "之后没有网络就不能出码"))
    for (width, height), (row, costs) in product(SCREENS, rows):
        page.set_viewport_size({"width": width, "height": height})
        page.locator(".phone").filter(has_text=row).get_by_role("button", name="停用").click()
        asked = page.get_by_role("alert").filter(has_text=f"停用“{row}”？")
        expect(asked).to_contain_text(costs)
        keep_picture(page, f"stop-{'this' if row == '本机' else 'other'}-{width}.png")
        [tabs] = sizes_of(page, ".tabs")
        answers = sizes_of(page, ".fold .question .button")
        assert [one["text"] for one in answers] == ["返回", "确认停用"]
        assert [one for one in answers if one["bottom"] > tabs["top"]] == [], (width, height)
        assert sideways(page) == 0
        # A second tap at the same place, and Enter, change nothing.
        expect(page.get_by_role("button", name="返回")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.locator(".phone")).to_have_count(2)
    assert (mine["state"], other["state"]) == ("ACTIVE", "ACTIVE")
    page.locator(".phone").filter(has_text="旧手机").get_by_role("button", name="停用").click()
    page.get_by_role("button", name="确认停用").click()
    expect(page.locator(".phone")).to_have_count(1)
    assert (mine["state"], other["state"]) == ("ACTIVE", "REVOKED")


def test_logging_out_without_a_network_is_warned_of_and_then_said(
    phone: BrowserContext, system: StandIn
) -> None:
    page = opened_offline(phone, system)
    page.get_by_role("button", name="退出登录").click()
    expect(page.get_by_role("alert")).to_contain_text("现在没有网络")
    assert page.evaluate(RECORD) is not None
    page.get_by_role("button", name="确认退出").click()
    expect(page.get_by_role("status").filter(has_text="已退出登录")).to_be_visible()
    expect(page.get_by_role("alert")).to_contain_text("连上网才能登录")
    expect(page.get_by_role("alert")).to_contain_text("打印的健康码")
    # One word for one state: the bar says nothing beside it.
    expect(page.locator("#reach")).to_have_text("")
    keep_picture(page, "logged-out-offline.png")
    assert page.evaluate(RECORD) is None
    # Once the network is back the way in opens by itself.
    phone.set_offline(False)
    expect(page.get_by_role("button", name="微信登录")).to_be_visible()
    expect(page.get_by_role("status").filter(has_text="已退出登录")).to_be_visible()
    page.get_by_role("button", name="微信登录").click()
    expect(page.locator(".code-source")).to_have_text(OWN)
    log_out(page)
    expect(page.get_by_role("status").filter(has_text="已退出登录")).to_be_visible()


def test_where_no_money_moves_nothing_is_said_of_charges(
    phone: BrowserContext, system: StandIn
) -> None:
    page = opened_offline(phone, system)
    page.get_by_role("link", name="账单").click()
    expect(page.get_by_role("alert")).to_contain_text("请检查网络后重试")
    assert "扣费" not in (page.get_by_role("alert").text_content() or "")


def test_where_money_moves_a_lost_network_charges_nothing_twice(
    phone: BrowserContext, system: StandIn
) -> None:
    page = phone.new_page()
    enter(page, system)
    system.bill_the_newest_person(LINES)
    page.get_by_role("link", name="账单").click()
    page.locator(".bill").click()
    expect(page.get_by_role("button", name="去结算")).to_be_visible()
    phone.set_offline(True)
    page.get_by_role("button", name="去结算").click()
    expect(page.get_by_role("alert")).to_contain_text("不会重复扣费")


def test_paper_is_not_offered_where_none_can_be_made(
    phone: BrowserContext, system: StandIn
) -> None:
    page = opened_offline(phone, system)
    page.get_by_role("link", name="打印健康码").click()
    expect(page.get_by_role("alert")).to_contain_text("已经打印的照常可用")
    assert "扣费" not in (page.get_by_role("alert").text_content() or "")
    make = page.get_by_role("button", name="做一张新的")
    expect(make).to_have_count(0)
    phone.set_offline(False)
    expect(make).to_be_visible()


def test_an_offer_that_is_over_is_not_tried_again(phone: BrowserContext, system: StandIn) -> None:
    page = phone.new_page()
    page.clock.install()
    enter(page, system)
    expect(page.locator(".code-source")).to_have_text(OWN)
    _, text = desk_of(system).offer(100)
    page.goto(f"{system.base_url}/#/offer/{text}")
    page.get_by_role("button", name="同意并出码").click()
    expect(page.locator(".code-picture img")).to_be_visible()
    page.clock.run_for(320_000)
    expect(page.get_by_role("alert")).to_contain_text("这次请求已过期")
    expect(page.get_by_role("button", name="重试")).to_have_count(0)
    expect(page.get_by_role("button", name="重新扫码")).to_be_visible()


def test_a_mistyped_offer_is_no_fraud(phone: BrowserContext, system: StandIn) -> None:
    page = opened_offline(phone, system)
    _, text = desk_of(system).offer(100)
    for typed in ("YMO1:000", "YMO1:" + "0" * 372, text[:-9]):
        page.goto(system.base_url + "/#/")
        page.get_by_role("link", name="扫收费处的码").click()
        page.get_by_label("收费处的文字码或网址").fill(typed)
        page.get_by_role("button", name="下一步").click()
        alert = page.get_by_role("alert")
        expect(alert).to_contain_text("不完整，或者填错了")
        assert "工作人员" not in (alert.text_content() or "")
        expect(page.get_by_role("button", name="重试")).to_have_count(0)
        expect(page.get_by_role("button", name="同意并出码")).to_have_count(0)


def test_after_consent_nothing_is_covered_by_the_bar(
    phone: BrowserContext, system: StandIn
) -> None:
    page = opened_offline(phone, system)
    for width, height in SCREENS:
        page.set_viewport_size({"width": width, "height": height})
        _, text = desk_of(system).offer(26_634)
        page.goto(f"{system.base_url}/#/offer/{text}")
        page.get_by_role("button", name="同意并出码").click()
        expect(page.locator(".code-picture img")).to_be_visible()
        [tabs] = sizes_of(page, ".tabs")
        parts = sizes_of(page, ".code-frame, .code-foot, .code-source, main .button, main summary")
        assert len(parts) == 5
        assert [part for part in parts if part["bottom"] > tabs["top"] or part["top"] < 0] == []
        assert sideways(page) == 0
        keep_picture(page, f"bound-{width}.png")


def test_a_code_for_an_offer_has_its_text_and_says_how_long_the_offer_lives(
    phone: BrowserContext, system: StandIn
) -> None:
    page = phone.new_page()
    page.clock.install()
    enter(page, system)
    expect(page.locator(".code-source")).to_have_text(OWN)
    offer, text = desk_of(system).offer(26_634)
    page.goto(f"{system.base_url}/#/offer/{text}")
    page.get_by_role("button", name="同意并出码").click()
    lives = page.locator(".code-source")
    expect(lives).to_have_text(re.compile(r"^这次请求剩余 (5:00|4:5\d)$"))
    page.clock.run_for(60_000)
    expect(lives).to_have_text(re.compile(r"^这次请求剩余 (4:00|3:[45]\d)$"))
    page.get_by_text("扫不上怎么办").click()
    expect(page.get_by_role("button", name="复制")).to_be_visible()
    due = Reader(wanted=Purpose.PAY, context=offer.context(), context_required=True)
    # The page's clock runs ahead of the test's by what it was moved.
    now = datetime.now(UTC) + timedelta(seconds=60)
    assert CodeVerifier(desk_of(system).trust_list()).verify(shown_text(page), due, now).holds
    for width, height in SCREENS:
        page.set_viewport_size({"width": width, "height": height})
        assert sideways(page) == 0
        keep_picture(page, f"bound-text-{width}.png")


@pytest.mark.parametrize("insured", [True, False])
def test_the_card_is_whole_above_the_bar(
    phone: BrowserContext, system: StandIn, insured: bool
) -> None:
    system.world.insured = insured
    try:
        page = enrolled(phone, system)
        page.reload()
        expect(page.locator(".code-source")).to_have_text(OWN)
        expect(page.locator(".badge").first).to_contain_text("已关联" if insured else "扫码后关联")
    finally:
        system.world.insured = True
    for width, height in ((360, 640), *SCREENS):
        page.set_viewport_size({"width": width, "height": height})
        assert_card_is_whole(page, lying=width > height)


def assert_card_is_whole(page: Page, *, lying: bool) -> None:
    """The card ends above the bar, its two lines are not broken, its ways are one height."""
    [tabs], [source] = sizes_of(page, ".tabs"), sizes_of(page, ".code-source")
    assert source["bottom"] <= tabs["top"]
    assert sideways(page) == 0
    lines = page.evaluate(
        """() => [".code-source", ".person-badge > span:last-child"].map((selector) => {
          const range = document.createRange();
          range.selectNodeContents(document.querySelector(selector));
          return new Set([...range.getClientRects()].map((box) => Math.round(box.top / 8))).size;
        })"""
    )
    assert lines == [1, 1]
    ways = sizes_of(page, ".ways .button")
    if lying:
        assert [way for way in ways if way["bottom"] > tabs["top"]] == []
    assert {round(way["height"]) for way in ways} == {58}


def test_a_phone_stopped_from_another_one_says_so_and_shows_no_code(
    phone: BrowserContext, system: StandIn
) -> None:
    page = enrolled(phone, system)
    subject = desk_of(system).phones[page.evaluate(RECORD)["phoneId"]]["subject"]
    system.world.tokens["another phone"] = subject
    stopped = page.request.delete(
        f"{system.base_url}/v1/me/phones", headers={"authorization": "Bearer another phone"}
    )
    assert stopped.status == 204
    page.reload()
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("本机已在另一部手机上停用")
    expect(alert).to_contain_text("已作废并删除")
    expect(page.locator(".code-picture")).to_have_count(0)
    assert "这张码仍可出示" not in (page.locator("body").text_content() or "")
    assert page.evaluate(RECORD).get("phoneId") is None
    for width, height in SCREENS:
        page.set_viewport_size({"width": width, "height": height})
        assert sideways(page) == 0
        keep_picture(page, f"stopped-{width}.png")
    # Neither does it show one after a reload with no network, nor by itself after a login.
    phone.set_offline(True)
    page.reload()
    expect(page.get_by_role("alert")).to_contain_text("没有登录，也没有网络")
    expect(page.locator(".code-picture")).to_have_count(0)
    phone.set_offline(False)
    page.get_by_role("button", name="微信登录").click()
    expect(page.locator(".code-source")).to_have_text(ONLINE)
    expect(page.get_by_role("alert")).to_contain_text("本机已停用")
    page.get_by_role("button", name="在本机重新出码").click()
    expect(page.locator(".code-source")).to_have_text(OWN)
    reads(system, shown_text(page))


def test_a_login_that_only_ended_goes_on_showing_its_code(
    phone: BrowserContext, system: StandIn
) -> None:
    page = enrolled(phone, system)
    system.world.tokens.clear()
    page.reload()
    expect(page.locator(".code-source")).to_have_text(OWN)
    expect(page.locator(".notice")).to_contain_text("这张码仍可出示")
    assert page.evaluate(RECORD)["phoneId"] is not None
