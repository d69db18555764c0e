"""The kiosk as a person with a phone, a scanner gun and little time meets it."""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

from playwright.sync_api import Page, Route, expect

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
    scan_by_keys,
    shifts,
    symbol_on,
    world_of,
)

COUNT_SCREENS = """
window.screens = [];
addEventListener("DOMContentLoaded", () => {
  const main = document.getElementById("main");
  new MutationObserver(() => screens.push(main.firstElementChild?.className)).observe(
    main, { childList: true });
});
"""


def a_shown_code(new_page: NewPage, backend: PageBackend) -> str:
    """A new person's payment code, read off the phone's screen."""
    phone = new_page(390, 844)
    enter(phone, backend)
    choose_payment(phone)
    return symbol_on(phone)


def at_check(new_page: NewPage, backend: PageBackend, page: Page) -> None:
    """Bring a kiosk to the split of a new person's one bill."""
    text = a_shown_code(new_page, backend)
    backend.bill_the_newest_person(LINES)
    activate(page, backend)
    scan(page, text)
    expect(page.locator(".check")).to_have_attribute("data-state", "PRESETTLED")


def at_payment(new_page: NewPage, backend: PageBackend, page: Page) -> None:
    """Bring a kiosk to the payment code."""
    at_check(new_page, backend, page)
    page.get_by_role("button", name="去付款").click()
    expect(page.locator(".pay-box.is-code img")).to_be_visible()


@SHAPES
def test_journey_from_scan_to_receipt_in_three_screens(
    new_page: NewPage, backend: PageBackend, shape: tuple[int, int]
) -> None:
    text = a_shown_code(new_page, backend)
    backend.bill_the_newest_person(LINES)
    page = new_page(*shape, scale=1)
    page.add_init_script(COUNT_SCREENS)
    page.goto(backend.base_url + "/kiosk")
    assert_fits(page, shape)
    activate(page, backend)
    assert_fits(page, shape)
    page.evaluate("screens.length = 0; shifts = 0; shifted.length = 0; 0")

    with page.expect_request("**/v1/terminal/scans") as asked:
        scan_by_keys(page, text)
    assert asked.value.post_data_json["text"] == text
    expect(page.locator(".check")).to_have_attribute("data-state", "PRESETTLED")
    expect(page.locator(".person-name")).to_contain_text("*")
    cash = page.locator("[data-part=cash_fen]").text_content() or ""
    assert page.locator("#main .button.is-main").count() == 1
    assert_fits(page, shape)

    page.get_by_role("button", name=f"去付款 {cash}").click()
    expect(page.locator(".pay-left")).to_have_text(re.compile(r"付款码剩余 \d:\d\d"))
    assert_fits(page, shape)
    qr_text = symbol_on(page)
    backend.pay_qr(qr_text)
    expect(page.get_by_role("heading", name="已收到付款")).to_be_visible()
    assert page.get_by_role("button", name="正在办理").get_attribute("aria-disabled") == "true"
    assert_fits(page, shape)

    expect(page.get_by_role("heading", name="缴费成功")).to_be_visible()
    expect(page.locator(".receipt")).to_contain_text("微信支付")
    expect(page.locator(".receipt")).to_contain_text("代码 99010126 号码 0000000001")
    assert_fits(page, shape)
    # The scan screen stood already: two more make three, the result included.
    assert page.evaluate("screens") == ["check", "pay"]
    assert shifts(page) == (0, [])
    page.evaluate("window.printed = 0; window.print = () => { printed += 1; }; 0")
    page.get_by_role("button", name="打印凭条").click()
    assert page.evaluate("printed") == 1
    page.emulate_media(media="print")
    assert not page.locator(".pay-side").is_visible()
    assert page.locator(".receipt").is_visible()
    page.emulate_media(media="screen")
    page.get_by_role("button", name="完成").click()
    expect(page.get_by_role("heading", name="请扫码")).to_be_visible()


def test_the_kiosk_stays_activated_and_its_code_works_once(
    new_page: NewPage, backend: PageBackend
) -> None:
    page = new_page(*LANDSCAPE, scale=1)
    activate(page, backend)
    page.reload()
    expect(page.get_by_role("heading", name="请扫码")).to_be_visible()
    other = new_page(*LANDSCAPE, scale=1, quiet=(UNREACHED,))
    other.goto(backend.base_url + "/kiosk")
    other.get_by_label("激活码").fill("0000")
    other.keyboard.press("Enter")
    expect(other.get_by_role("alert")).to_have_attribute("data-code", "activation-refused")
    assert_fits(other, LANDSCAPE)
    other.get_by_role("button", name="English").click()
    other.get_by_role("button", name="Activate", exact=True).click()
    expect(other.get_by_text("Enter the activation code", exact=True)).to_be_visible()
    assert_fits(other, LANDSCAPE)


def test_a_revoked_kiosk_says_so_and_can_be_activated_again(
    new_page: NewPage, backend: PageBackend
) -> None:
    page = new_page(*LANDSCAPE, scale=1, quiet=(UNREACHED,))
    activate(page, backend)
    world_of(backend).terminals.clear()
    scan(page, "YM1:ABCDEFGHJK")
    expect(page.get_by_role("heading", name="系统不认识本机的密钥")).to_be_visible()
    page.get_by_role("button", name="重新激活").click()
    page.get_by_label("激活码").fill(backend.new_activation_code())
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="请扫码")).to_be_visible()


def test_a_kiosk_with_a_wrong_clock_mends_its_timestamps(
    new_page: NewPage, backend: PageBackend
) -> None:
    page = new_page(*LANDSCAPE, scale=1, quiet=(UNREACHED,))
    page.clock.set_fixed_time(datetime.now(UTC) - timedelta(minutes=20))
    activate(page, backend)
    scan(page, "YM1:ABCDEFGHJK")
    expect(page.get_by_role("alert")).to_have_attribute("data-code", "code-malformed")


def test_a_refused_code_is_explained_and_the_next_scan_works(
    new_page: NewPage, backend: PageBackend
) -> None:
    phone = new_page(390, 844)
    enter(phone, backend)
    choose_payment(phone)
    page = new_page(*PORTRAIT, scale=1, quiet=(UNREACHED,))
    activate(page, backend)
    text = symbol_on(phone)
    five_minutes_ago = world_of(backend).codes[text]["ends"] - timedelta(minutes=5)
    refusals: tuple[tuple[dict[str, Any], str], ...] = (
        ({"ends": five_minutes_ago}, "这个码已过期"),
        ({"used": True}, "这个码已经用过"),
        ({"purpose": "identify"}, "这个码不是缴费用的"),
    )
    for changed, words in refusals:
        world_of(backend).codes[text] |= changed
        scan(page, text)
        expect(page.get_by_role("alert")).to_contain_text(words)
        assert_fits(page, PORTRAIT)
        phone.get_by_role("button", name="换一张").click()
        expect(phone.locator("#code-text")).not_to_have_text(text)
        text = symbol_on(phone)
    scan(page, text)
    expect(page.locator(".person-name")).to_be_visible()


def test_a_bill_that_comes_after_the_scan_is_waited_for(
    new_page: NewPage, backend: PageBackend
) -> None:
    text = a_shown_code(new_page, backend)
    page = new_page(*PORTRAIT, scale=1)
    activate(page, backend)
    scan(page, text)
    expect(page.get_by_text("正在向医院查询费用")).to_be_visible()
    assert_fits(page, PORTRAIT)
    backend.bill_the_newest_person(LINES)
    expect(page.locator(".check")).to_have_attribute("data-state", "PRESETTLED")


def test_several_bills_are_chosen_from(new_page: NewPage, backend: PageBackend) -> None:
    text = a_shown_code(new_page, backend)
    backend.bill_the_newest_person(LINES)
    backend.bill_the_newest_person([("挂号费", 1, 500)])
    page = new_page(*LANDSCAPE, scale=1)
    activate(page, backend)
    scan(page, text)
    expect(page.locator(".choice-bill")).to_have_count(2)
    assert_fits(page, LANDSCAPE)
    page.locator(".choice-bill").nth(1).click()
    expect(page.locator("[data-part=total_fen]")).to_have_text("¥5.00")
    expect(page.locator(".check")).to_have_attribute("data-state", "PRESETTLED")


def test_a_bill_that_insurance_covers_is_confirmed_without_payment(
    new_page: NewPage, backend: PageBackend
) -> None:
    text = a_shown_code(new_page, backend)
    backend.bill_the_newest_person([("挂号费", 1, 500)])
    page = new_page(*LANDSCAPE, scale=1)
    activate(page, backend)
    scan(page, text)
    page.get_by_role("button", name="确认结算").click()
    expect(page.get_by_role("heading", name="缴费成功")).to_be_visible()
    expect(page.locator(".pay-amount")).to_have_text("¥0.00")


def test_a_person_may_keep_the_insurance_account(new_page: NewPage, backend: PageBackend) -> None:
    page = new_page(*LANDSCAPE, scale=1)
    at_check(new_page, backend, page)
    account = page.locator("[data-part=account_fen]")
    expect(account).to_have_text("−¥30.00")
    assert_fits(page, LANDSCAPE)
    page.get_by_role("button", name="不用个人账户的钱").click()
    expect(account).to_have_text("¥0.00")
    expect(page.locator("[data-part=cash_fen]")).to_have_text("¥41.72")
    expect(page.get_by_role("button", name="用个人账户的钱")).to_be_visible()
    assert shifts(page) == (0, [])


def test_cancelling_at_the_payment_code_undoes_the_settlement(
    new_page: NewPage, backend: PageBackend
) -> None:
    page = new_page(*PORTRAIT, scale=1)
    at_payment(new_page, backend, page)
    page.get_by_role("button", name="取消").click()
    expect(page.get_by_role("heading", name="已取消")).to_be_visible()
    expect(page.locator(".state")).to_contain_text("没有扣费")
    assert list(world_of(backend).bills.values())[-1]["state"] == "OPEN"
    assert shifts(page) == (0, [])


def test_a_payment_that_beats_the_cancelling_is_shown_as_paid(
    new_page: NewPage, backend: PageBackend
) -> None:
    page = new_page(*PORTRAIT, scale=1)
    at_payment(new_page, backend, page)
    backend.pay_qr(symbol_on(page))
    page.get_by_role("button", name="取消").click()
    expect(page.get_by_role("heading", name="缴费成功")).to_be_visible()


def test_idle_counts_down_visibly_and_a_touch_extends_it(
    new_page: NewPage, backend: PageBackend
) -> None:
    page = new_page(*LANDSCAPE, scale=1)
    page.clock.install()
    at_check(new_page, backend, page)
    words = page.locator("#foot-words")
    page.clock.run_for(20_000)
    expect(words).to_have_text(re.compile(r"^(3\d|40) 秒无操作将返回首页$"))
    page.mouse.click(640, 400)
    expect(words).to_have_text(re.compile(r"^(60|59|58) 秒无操作将返回首页$"))
    page.clock.run_for(61_000)
    expect(page.get_by_role("heading", name="请扫码")).to_be_visible()
    page.wait_for_timeout(1_500)
    newest = list(world_of(backend).settlements)[-1]
    subject = world_of(backend).settlements[newest]["subject"]
    assert world_of(backend).read(subject, newest)["state"] in ("REVERSING", "REVERSED")


def test_an_unconfirmed_payment_is_never_left_without_a_word(
    new_page: NewPage, backend: PageBackend
) -> None:
    page = new_page(*PORTRAIT, scale=1)
    page.clock.install()
    at_payment(new_page, backend, page)
    page.clock.run_for(121_000)
    asked = page.get_by_role("dialog")
    expect(asked).to_contain_text("还在付款吗")
    expect(asked).to_contain_text(re.compile(r"\d+ 秒后自动取消这次付款"))
    assert_fits(page, PORTRAIT)
    page.get_by_role("button", name="继续付款").click()
    expect(page.locator(".pay-box.is-code img")).to_be_visible()
    page.clock.run_for(121_000)
    expect(asked).to_contain_text("还在付款吗")
    page.clock.run_for(31_000)
    expect(page.get_by_role("heading", name="正在确认")).to_be_visible()
    page.wait_for_timeout(800)
    page.clock.run_for(3_000)
    expect(page.get_by_role("heading", name="已取消")).to_be_visible()
    expect(page.locator("#foot-words")).to_have_text(re.compile("秒后返回首页"))


def test_an_answer_that_is_not_signed_back_is_not_believed(
    new_page: NewPage, backend: PageBackend
) -> None:
    page = new_page(*PORTRAIT, scale=1, quiet=(UNREACHED,))
    at_payment(new_page, backend, page)
    bill = {"state": "POSTED", "receipt": True, "cash_fen": 1, "total_fen": 1, "paid_fen": 1}

    def forge(route: Route) -> None:
        route.fulfill(status=200, content_type="application/json", body=json.dumps(bill))

    page.route(re.compile("/v1/terminal/.*/settlements/"), forge)
    expect(page.get_by_role("alert")).to_have_attribute("data-code", "unproved")
    expect(page.locator(".pay-box.is-code img")).to_be_visible()


def test_offline_at_the_payment_code_is_said_and_mended(
    new_page: NewPage, backend: PageBackend
) -> None:
    page = new_page(*PORTRAIT, scale=1, quiet=(UNREACHED,))
    at_payment(new_page, backend, page)
    qr_text = symbol_on(page)
    page.context.set_offline(True)
    expect(page.locator("#foot-words")).to_contain_text("网络断开")
    backend.pay_qr(qr_text)
    page.context.set_offline(False)
    expect(page.get_by_role("heading", name="缴费成功")).to_be_visible()


def test_help_and_english(new_page: NewPage, backend: PageBackend) -> None:
    page = new_page(*PORTRAIT, scale=1)
    at_check(new_page, backend, page)
    page.get_by_role("button", name="English").click()
    expect(page.get_by_role("button", name="Pay ¥")).to_be_visible()
    assert page.locator("html").get_attribute("lang") == "en"
    assert_fits(page, PORTRAIT)
    page.get_by_role("button", name="Help").click()
    expect(page.get_by_role("dialog")).to_contain_text("Help needed")
    page.get_by_role("button", name="No thanks").click()
    page.get_by_role("button", name="Cancel").click()
    # The next person starts in Chinese.
    expect(page.get_by_role("heading", name="请扫码")).to_be_visible()
    assert page.locator("html").get_attribute("lang") == "zh-CN"
