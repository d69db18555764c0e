"""The resident's page as a person with a phone meets it."""

import json
import re

from playwright.sync_api import Page, Route, expect

from integrations.ports.money import yuan_text
from tests.e2e.conftest import NewPage
from tests.support.page_backend import PageBackend
from tests.support.page_steps import (
    LINES,
    UNREACHED,
    choose_payment,
    contrasts,
    enter,
    fen_of,
    invented_number,
    shifts,
    sideways,
    sizes_of,
    symbol_on,
    texts_sizes,
    world_of,
)


def test_first_time_resident_sees_the_code_after_three_taps(
    new_page: NewPage, backend: PageBackend
) -> None:
    page = new_page(390, 844)
    page.add_init_script("window.taps = 0; addEventListener('click', () => { taps += 1; }, true)")
    enter(page, backend)
    # A click on a label or a submit by key would count too: this is all a person does.
    assert page.evaluate("taps") == 3
    assert symbol_on(page) == page.locator("#code-text").text_content()
    assert "*" in (page.locator(".person-name").text_content() or "")
    assert "已关联医保" in (page.locator(".badge").first.text_content() or "")


def test_a_code_is_whole_on_the_smallest_phone_and_renews_by_itself(
    new_page: NewPage, backend: PageBackend
) -> None:
    page = new_page(320, 568)
    page.clock.install()
    enter(page, backend)
    first = symbol_on(page)
    expect(page.locator(".code-left")).to_have_text(re.compile("秒后自动更新"))
    page.clock.fast_forward(56_000)
    expect(page.locator("#code-text")).not_to_have_text(first)
    assert symbol_on(page) != first


def test_a_person_renews_the_code_by_hand(new_page: NewPage, backend: PageBackend) -> None:
    page = new_page(390, 844)
    enter(page, backend)
    first = symbol_on(page)
    page.get_by_role("button", name="换一张").click()
    expect(page.locator("#code-text")).not_to_have_text(first)
    assert symbol_on(page) != first


def test_journey_from_bill_to_receipt(new_page: NewPage, backend: PageBackend) -> None:
    page = new_page(390, 844)
    enter(page, backend)
    backend.bill_the_newest_person(LINES)
    page.get_by_role("link", name="账单").click()
    expect(page.locator(".total .amount")).to_have_text("¥119.20")
    page.locator(".bill").click()
    expect(page.locator(".lines tbody tr")).to_have_count(4)
    page.get_by_role("button", name="去结算").click()
    paying = page.locator(".paying")
    expect(paying).to_have_attribute("data-state", "PRESETTLED")
    total, fund, account, cash = (
        fen_of(page.locator(f"[data-part={key}]").text_content())
        for key in ("total_fen", "fund_fen", "account_fen", "cash_fen")
    )
    assert total == fund + account + cash == 11_920
    assert fund > 0
    assert shifts(page) == (0, [])
    page.get_by_role("button", name=f"支付 ¥{yuan_text(cash)}").click()
    page.get_by_role("button", name="支付", exact=True).click()
    expect(page.locator(".paying")).to_have_attribute("data-state", "POSTED")
    expect(page.get_by_role("status").filter(has_text="缴费成功")).to_be_visible()
    assert shifts(page) == (0, [])
    page.get_by_role("button", name="查看凭条").click()
    expect(page.locator(".receipt")).to_contain_text("微信支付")
    expect(page.locator(".receipt .split-row.is-own")).to_contain_text(f"¥{yuan_text(cash)}")
    page.emulate_media(media="print")
    assert not page.locator(".tabs").is_visible()
    assert page.locator(".receipt").is_visible()


def test_giving_up_before_payment_undoes_the_settlement(
    new_page: NewPage, backend: PageBackend
) -> None:
    page = new_page(360, 740)
    enter(page, backend)
    backend.bill_the_newest_person(LINES)
    page.get_by_role("link", name="账单").click()
    page.locator(".bill").click()
    page.get_by_role("button", name="去结算").click()
    expect(page.locator(".paying")).to_have_attribute("data-state", "PRESETTLED")
    page.get_by_role("button", name="不付了").click()
    expect(page.locator(".paying")).to_have_attribute("data-state", "REVERSED")
    expect(page.locator(".state")).to_contain_text("没有扣费")


def assert_narrow(page: Page) -> None:
    """On no phone is the page, or its code, wider than the screen."""
    for width in (320, 360, 430, 1280):
        page.set_viewport_size({"width": width, "height": 740})
        assert sideways(page) == 0, width
        for part in sizes_of(page, ".code-picture img"):
            assert part["left"] >= 0
            assert part["right"] <= width


def test_no_screen_is_wider_than_the_phone(new_page: NewPage, backend: PageBackend) -> None:
    page = new_page(390, 740)
    page.goto(backend.base_url + "/")
    expect(page.get_by_role("button", name="微信登录")).to_be_visible()
    assert_narrow(page)
    enter(page, backend)
    assert_narrow(page)
    backend.bill_the_newest_person(LINES)
    page.get_by_role("link", name="账单").click()
    page.locator(".bill").click()
    expect(page.locator(".lines")).to_be_visible()
    assert_narrow(page)
    page.get_by_role("button", name="去结算").click()
    expect(page.locator(".paying")).to_have_attribute("data-state", "PRESETTLED")
    assert_narrow(page)


def test_targets_and_text_are_large_and_dark_enough(
    new_page: NewPage, backend: PageBackend
) -> None:
    page = new_page(360, 740)
    enter(page, backend)
    backend.bill_the_newest_person(LINES)
    for place in ("code", "bills"):
        page.goto(f"{backend.base_url}/#/{place}")
        expect(page.locator("h1")).to_be_attached()
        page.wait_for_timeout(300)
        targets = sizes_of(page, "button, a, label.choice, summary")
        small = [t for t in targets if t["height"] < 44 and t["text"] != "跳到正文"]
        assert small == []
        assert [text for text, size in texts_sizes(page) if size < 16] == []
        assert [text for text, ratio in contrasts(page) if ratio < 7] == []


def test_live_advice_on_the_identity_number(new_page: NewPage, backend: PageBackend) -> None:
    page = new_page(390, 844)
    page.goto(backend.base_url + "/")
    page.get_by_role("button", name="微信登录").click()
    number, hint = page.get_by_label("身份证号"), page.locator("#id_no-hint")
    right = invented_number(7)
    for typed, words in (
        (right[:6], "还差 12 位"),
        (right[:6] + "19591304", "出生日期"),
        (right[:17] + ("1" if right[17] != "1" else "2"), "校验位不对"),
        ("12ab", "只能是数字"),
        (right.lower() + "9", "多了 1 位"),
        (right.lower(), "格式正确"),
    ):
        number.fill(typed)
        expect(hint).to_contain_text(words)
    number.fill(right[:17])
    page.get_by_role("button", name="提交并出码").click()
    expect(page.locator("#name-hint")).to_contain_text("请填写")
    expect(page.get_by_label("姓名")).to_be_focused()


def test_english_is_a_switch_that_the_phone_remembers(
    new_page: NewPage, backend: PageBackend
) -> None:
    page = new_page(390, 844)
    page.goto(backend.base_url + "/")
    assert page.locator("html").get_attribute("lang") == "zh-CN"
    page.get_by_role("button", name="English").click()
    expect(page.get_by_role("button", name="Log in with WeChat")).to_be_visible()
    page.reload()
    expect(page.get_by_role("button", name="Log in with WeChat")).to_be_visible()
    assert page.locator("html").get_attribute("lang") == "en"
    assert page.title() == "Yimatong · health code"


def answer_problem(route: Route, status: int, **members: object) -> None:
    route.fulfill(status=status, content_type="application/problem+json", body=json.dumps(members))


def test_problems_are_said_in_plain_words(new_page: NewPage, backend: PageBackend) -> None:
    page = new_page(390, 844, quiet=(UNREACHED,), stubs=True)
    enter(page, backend)
    backend.bill_the_newest_person(LINES)
    page.get_by_role("link", name="账单").click()
    page.locator(".bill").click()
    problems: tuple[tuple[int, dict[str, str], str], ...] = (
        (409, {"code": "bill-locked", "title": "locked"}, "这笔费用正在别处缴纳"),
        (409, {"code": "bill-not-payable", "title": "x"}, "这笔费用现在不能缴"),
        (422, {"code": "not-known-here", "title": "Only a title"}, "Only a title"),
        (403, {"code": "code-frozen", "title": "x"}, "健康码已被冻结"),
    )
    waiting = list(problems)
    page.route(
        "**/settlements", lambda route: answer_problem(route, waiting[0][0], **waiting[0][1])
    )
    for _, members, words in problems:
        page.get_by_role("button", name="去结算").click()
        notice = page.get_by_role("alert")
        expect(notice).to_contain_text(words)
        assert notice.get_attribute("data-code") == members["code"]
        assert len((notice.text_content() or "").replace(words, "")) > 5
        waiting.pop(0)


def start_with_lost_answers(page: Page, backend: PageBackend, keys: list[str], lost: int) -> None:
    enter(page, backend)
    backend.bill_the_newest_person(LINES)
    page.get_by_role("link", name="账单").click()
    page.locator(".bill").click()

    def lose(route: Route) -> None:
        keys.append(route.request.headers["idempotency-key"])
        if len(keys) <= lost:
            route.fetch()
            route.abort()
        else:
            route.continue_()

    page.route("**/settlements", lose)
    page.get_by_role("button", name="去结算").click()


def test_a_lost_answer_is_asked_again_under_the_same_key(
    new_page: NewPage, backend: PageBackend
) -> None:
    page = new_page(390, 844, quiet=(UNREACHED,), stubs=True)
    keys: list[str] = []
    before = len(world_of(backend).posts)
    start_with_lost_answers(page, backend, keys, lost=2)
    expect(page.locator(".paying")).to_have_attribute("data-state", "PRESETTLED")
    assert len(keys) == 3
    assert len(set(keys)) == 1
    assert world_of(backend).posts[before:] == [("settlements", keys[0])]


def test_pressing_again_after_all_answers_were_lost_keeps_the_key(
    new_page: NewPage, backend: PageBackend
) -> None:
    page = new_page(390, 844, quiet=(UNREACHED,), stubs=True)
    keys: list[str] = []
    start_with_lost_answers(page, backend, keys, lost=4)
    expect(page.get_by_role("alert")).to_contain_text("网络不通")
    page.get_by_role("button", name="去结算").click()
    expect(page.locator(".paying")).to_have_attribute("data-state", "PRESETTLED")
    assert len(keys) == 5
    assert len(set(keys)) == 1


def test_offline_is_said_and_mended(new_page: NewPage, backend: PageBackend) -> None:
    page = new_page(390, 844, quiet=(UNREACHED,))
    enter(page, backend)
    first = page.locator("#code-text").text_content() or ""
    page.context.set_offline(True)
    expect(page.locator("#reach")).to_have_text("网络断开了，正在重连…")
    page.get_by_role("button", name="换一张").click()
    expect(page.get_by_role("alert")).to_contain_text("网络不通")
    assert page.locator("#code-text").text_content() == first
    page.context.set_offline(False)
    expect(page.locator("#reach")).to_have_text("网络已恢复")
    page.get_by_role("button", name="重试").click()
    expect(page.locator("#code-text")).not_to_have_text(first)


def test_an_answer_from_before_the_cut_does_not_say_that_the_network_is_back(
    new_page: NewPage, backend: PageBackend
) -> None:
    page = new_page(390, 844, quiet=(UNREACHED,), stubs=True)
    enter(page, backend)
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/v1/me/codes", hold)
    with page.expect_request("**/v1/me/codes"):
        page.get_by_role("button", name="换一张").click()
    page.context.set_offline(True)
    expect(page.locator("#reach")).to_have_text("网络断开了，正在重连…")
    before = page.locator("#code-text").text_content() or ""
    late = world_of(backend).new_code(next(iter(world_of(backend).people)), "visit")
    held[0].fulfill(json=late)
    expect(page.locator("#code-text")).not_to_have_text(before)
    expect(page.locator("#reach")).to_have_text("网络断开了，正在重连…")


def test_an_ended_login_leads_back_to_the_login(new_page: NewPage, backend: PageBackend) -> None:
    page = new_page(390, 844, quiet=(UNREACHED,))
    enter(page, backend)
    world_of(backend).tokens.clear()
    page.get_by_role("link", name="账单").click()
    expect(page.get_by_role("alert")).to_contain_text("登录已过期")
    expect(page.get_by_role("button", name="微信登录")).to_be_visible()


def test_the_keyboard_reaches_everything_in_order(new_page: NewPage, backend: PageBackend) -> None:
    page = new_page(390, 844)
    enter(page, backend)
    choose_payment(page)
    page.locator("#skip").focus()
    names = []
    for _ in range(9):
        page.keyboard.press("Tab")
        names.append(
            page.evaluate("document.activeElement.textContent || document.activeElement.value")
        )
    assert names == [
        "English",
        "pay",
        "换一张",
        "扫收费处的码",
        "打印健康码",
        "扫不上怎么办",
        "退出登录",
        "健康码",
        "账单",
    ]
