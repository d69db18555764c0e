"""A phone's codes beyond showing them: several phones, tills, paper, small screens."""

import io
import re
from collections.abc import Iterator

import pytest
import zxingcpp
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, expect

from crypto.healthcode.layout import Kind, Purpose, parse
from crypto.healthcode.text import decode
from tests.e2e.test_phone_offline import (
    DUE,
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
from tests.support.page_backend import StandIn
from tests.support.page_steps import await_true, enter, log_out, sideways, sizes_of

__all__ = ["system"]

TRUST_KEPT = """() => new Promise((done) => {
  const asked = indexedDB.open("yimatong");
  asked.onsuccess = () => {
    const got = asked.result.transaction("phone").objectStore("phone").get("phone");
    got.onsuccess = () => { asked.result.close(); done(Boolean(got.result?.trust)); };
  };
})"""


def await_trust(page: Page) -> None:
    """Until the phone keeps a trust list."""
    await_true(page, TRUST_KEPT)


@pytest.fixture
def phone(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, locale="zh-CN", reduced_motion="reduce"
    )
    context.set_default_timeout(45_000)
    yield context
    context.close()


def ready_for_offers(phone: BrowserContext, system: StandIn) -> Page:
    """A person's phone that was online once, and is cut off before it saw any offer."""
    page = enrolled(phone, system)
    await_trust(page)
    phone.set_offline(True)
    return page


def test_logging_out_frees_the_phones_place_and_ends_the_login(
    phone: BrowserContext, system: StandIn
) -> None:
    page = enrolled(phone, system)
    for _ in range(6):
        phone_id = page.evaluate(RECORD)["phoneId"]
        token = page.evaluate("localStorage.getItem('yimatong.token')")
        log_out(page)
        expect(page.get_by_role("button", name="微信登录")).to_be_visible()
        assert desk_of(system).phones[phone_id]["state"] == "REVOKED"
        assert token not in system.world.tokens
        page.get_by_role("button", name="微信登录").click()
        expect(page.locator(".code-source")).to_have_text(OWN)


def test_a_sixth_phone_says_so_and_takes_the_place_of_one_removed(
    phone: BrowserContext, system: StandIn
) -> None:
    page = enrolled(phone, system)
    mine = page.evaluate(RECORD)["phoneId"]
    desk = desk_of(system)
    for at in range(5):
        desk.phones[f"H{at}"] = {**desk.phones[mine], "phone_id": f"H{at}", "label": f"旧手机{at}"}
    del desk.phones[mine]
    page.evaluate(
        "new Promise((done) => { indexedDB.deleteDatabase('yimatong').onsuccess = done; })"
    )
    page.reload()
    expect(page.locator(".code-source")).to_have_text(ONLINE)
    expect(page.get_by_role("alert")).to_contain_text("已有 5 部")
    page.get_by_role("button", name="查看我的手机").click()
    expect(page.locator(".phone")).to_have_count(5)
    page.locator(".phone").filter(has_text="旧手机3").get_by_role("button", name="停用").click()
    expect(page.get_by_role("alert").filter(has_text="停用“旧手机3”？")).to_be_visible()
    page.get_by_role("button", name="确认停用").click()
    expect(page.locator(".code-source")).to_have_text(OWN)
    expect(page.get_by_role("alert")).to_have_count(0)
    assert desk.phones["H3"]["state"] == "REVOKED"
    reads(system, shown_text(page))
    this = page.locator(".phone").filter(has_text="本机")
    expect(this).to_have_count(1)
    expect(this.locator(".phone-name")).to_contain_text("Chrome")


def test_without_a_network_nothing_contradicts_the_code_that_works(
    phone: BrowserContext, system: StandIn
) -> None:
    page = enrolled(phone, system)
    phone.set_offline(True)
    page.goto(f"{system.base_url}/#/bills")
    page.reload()
    expect(page.get_by_role("alert")).to_contain_text("网络不通")
    assert "没有有效的健康码" not in (page.locator("body").text_content() or "")
    expect(page.locator("#reach")).to_have_text("网络不通，健康码照常可用")
    page.get_by_role("link", name="健康码").click()
    expect(page.locator(".code-source")).to_have_text(OWN)


def test_a_code_for_registering_registers_and_does_not_pay(
    phone: BrowserContext, system: StandIn
) -> None:
    page = enrolled(phone, system)
    first = shown_text(page)
    page.get_by_label("挂号").check()
    expect(page.locator("#code-text")).not_to_have_text(first)
    code = reads(system, shown_text(page), Purpose.REGISTER)
    assert code.purpose_byte == Purpose.REGISTER


def test_a_phone_cut_off_after_its_first_opening_takes_a_tills_code_by_hand(
    phone: BrowserContext, system: StandIn
) -> None:
    page = ready_for_offers(phone, system)
    own = shown_text(page)
    page.get_by_role("link", name="扫收费处的码").click()
    field = page.get_by_label("收费处的文字码或网址")
    for wrong in (
        "",
        own,
        "https://example.invalid/#/offer/",
        f"{own} {own}",
        "ymo1 000",
    ):
        field.fill(wrong)
        page.get_by_role("button", name="下一步").click()
        expect(page.locator(".hint")).to_contain_text("不是收费处的确认码")
    _, text = desk_of(system).offer(4_321)
    field.fill(f"  {system.base_url}/#/offer/{text}\n")
    page.get_by_role("button", name="下一步").click()
    expect(page.locator(".offer-amount")).to_have_text("¥43.21")
    # As people copy: a blank, small letters, full width.
    wide = "".join(chr(ord(letter) + 0xFEE0) for letter in text)
    for typed in (f"{text[:60]} {text[60:]}", text.lower(), wide):
        page.go_back()
        page.get_by_label("收费处的文字码或网址").fill(typed)
        page.get_by_role("button", name="下一步").click()
        expect(page.locator(".offer-amount")).to_have_text("¥43.21")
    page.get_by_role("button", name="同意并出码").click()
    expect(page.locator(".code-picture img")).to_be_visible()


def test_the_camera_takes_a_tills_code_and_is_closed_afterwards(
    phone: BrowserContext, system: StandIn
) -> None:
    _, text = desk_of(system).offer(1_000)
    page = phone.new_page()
    page.add_init_script(
        "window.BarcodeDetector = class { async detect() {"
        "  return [{ rawValue: window.seen ?? 'something else' }]; } };"
        "navigator.mediaDevices.getUserMedia = async () => {"
        "  window.stream = document.createElement('canvas').captureStream(); return stream; };"
        "HTMLVideoElement.prototype.play = async () => {};"
    )
    enter(page, system)
    expect(page.locator(".code-source")).to_have_text(OWN)
    page.get_by_role("link", name="扫收费处的码").click()
    page.get_by_role("button", name="打开相机").click()
    expect(page.locator(".hint")).to_contain_text("不是收费处的确认码")
    page.evaluate("(text) => { window.seen = text; }", f"{system.base_url}/#/offer/{text}")
    expect(page.locator(".offer-amount")).to_have_text("¥10.00")
    assert page.evaluate("stream.getTracks().map((track) => track.readyState)") == ["ended"]
    policy = page.request.get(system.base_url + "/").headers["permissions-policy"]
    assert "camera=(self)" in policy
    kiosk = page.request.get(system.base_url + "/kiosk").headers["permissions-policy"]
    assert "camera=()" in kiosk


def test_an_offer_that_fails_can_be_tried_again_and_left(
    phone: BrowserContext, system: StandIn
) -> None:
    page = ready_for_offers(phone, system)
    _, text = desk_of(system).offer(100)
    page.goto(f"{system.base_url}/#/offer/{text[:-3]}000")
    expect(page.get_by_role("alert")).to_contain_text("不能证明对方是谁")
    page.get_by_role("button", name="重试").click()
    expect(page.get_by_role("alert")).to_be_visible()
    page.get_by_role("button", name="重新扫码").click()
    expect(page.get_by_label("收费处的文字码或网址")).to_be_visible()
    page.get_by_role("link", name="回首页").click()
    expect(page.locator(".code-source")).to_have_text(OWN)


def test_the_greatest_amount_stays_on_the_screen(phone: BrowserContext, system: StandIn) -> None:
    page = enrolled(phone, system)
    _, text = desk_of(system).offer((1 << 63) - 1)
    page.goto(f"{system.base_url}/#/offer/{text}")
    expect(page.locator(".offer-amount")).to_have_text("¥92,233,720,368,547,758.07")
    for width in (320, 390):
        page.set_viewport_size({"width": width, "height": 700})
        assert sideways(page) == 0
        [amount] = sizes_of(page, ".offer-amount")
        assert amount["left"] >= 0
        assert amount["right"] <= width


def symbol_of(picture: bytes) -> str:
    [found] = zxingcpp.read_barcodes(Image.open(io.BytesIO(picture)))
    return str(found.text)


def test_a_code_is_made_for_paper_printed_and_withdrawn(
    phone: BrowserContext, system: StandIn
) -> None:
    page = enrolled(phone, system)
    page.evaluate("void (window.print = () => { window.prints = (window.prints ?? 0) + 1; })")
    page.get_by_role("link", name="打印健康码").click()
    expect(page.get_by_text("还没有打印的健康码")).to_be_visible()
    page.get_by_role("button", name="做一张新的").click()
    paper = page.locator(".paper")
    expect(paper).to_contain_text("不能付款")
    text = symbol_of(paper.screenshot())
    assert parse(decode(text)).head.kind is Kind.PRINTED
    sheets = {"打印卡片": (85.6, 54.0), "打印 A4": (210.0, 297.0)}
    for name, size_mm in sheets.items():
        page.get_by_role("button", name=name).click()
        page.emulate_media(media="print")
        [symbol] = sizes_of(page, ".paper-symbol img")
        # 49 modules of 57 are the symbol, the rest its quiet zone: at least 30 mm of it.
        assert symbol["width"] * 49 / 57 * 25.4 / 96 >= 30
        assert symbol_of(paper.screenshot()) == text
        assert sizes_of(page, ".tabs, .button, h1") == []
        page.emulate_media(media="null")
        sheet = page.pdf(prefer_css_page_size=True)
        boxes = re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", sheet)
        assert [[round(float(side) / 72 * 25.4) for side in box] for box in boxes] == [
            [round(side) for side in size_mm]
        ]
    assert page.evaluate("window.prints") == 2
    # Printed by the browser's own menu it is the sheet too.
    page.emulate_media(media="print")
    assert sizes_of(page, ".tabs, .button, h1, .lead") == []
    page.emulate_media(media="null")
    page.get_by_role("button", name="作废", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("作废编号")
    expect(page.get_by_role("button", name="返回")).to_be_focused()
    page.get_by_role("button", name="返回").click()
    page.get_by_role("button", name="作废", exact=True).click()
    keep_picture(page, "withdraw-asked.png")
    assert system.printing.withdrawn == []
    page.get_by_role("button", name="确认作废").click()
    expect(page.get_by_text("还没有打印的健康码")).to_be_visible()
    expect(paper).to_have_count(0)
    assert len(system.printing.withdrawn) == 1


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_code_is_whole_and_large_enough_on_every_screen(
    phone: BrowserContext, system: StandIn, language: str
) -> None:
    page = enrolled(phone, system)
    if language == "en":
        page.get_by_role("button", name="English").click()
        expect(page.locator(".code-source")).to_contain_text("Works offline")
    for width, height in ((390, 844), (320, 568), (844, 390)):
        page.set_viewport_size({"width": width, "height": height})
        assert_code_is_whole(page, first_look=(width, height) == (390, 844))
        reads(system, symbol_of(page.screenshot()))


def assert_code_is_whole(page: Page, *, first_look: bool) -> None:
    """The symbol is as large as a gun wants it, and nothing on the card hides under the tabs."""
    [picture] = sizes_of(page, ".code-picture img")
    [tabs] = sizes_of(page, ".tabs")
    # 45 mm of symbol and four modules of quiet zone on each side of its 57.
    assert picture["width"] >= 170 * 65 / 57
    assert picture["top"] >= 0
    assert picture["bottom"] <= tabs["top"]
    assert sideways(page) == 0
    for selector in (".switch", ".code-left"):
        [seen] = sizes_of(page, selector)
        assert seen["bottom"] <= tabs["top"]
    # What begins above the tabs is not cut through by them.
    cut = [
        box
        for box in sizes_of(page, ".home-more .button, .home-more summary")
        if box["top"] + 8 < tabs["top"] < box["bottom"] - 8
    ]
    assert cut == [] or not first_look


def test_a_phone_stopped_from_another_asks_the_person_before_it_makes_codes_again(
    phone: BrowserContext, system: StandIn
) -> None:
    page = enrolled(phone, system)
    former = page.evaluate(RECORD)["phoneId"]
    desk_of(system).phones[former]["state"] = "REVOKED"
    page.evaluate(DUE)
    for _ in range(2):
        page.reload()
        expect(page.get_by_role("alert")).to_contain_text("本机已停用")
        expect(page.locator(".code-source")).to_have_text(ONLINE)
    keep_picture(page, "stopped.png")
    assert page.evaluate(RECORD)["phoneId"] is None
    page.get_by_role("button", name="在本机重新出码").click()
    expect(page.locator(".code-source")).to_have_text(OWN)
    expect(page.get_by_role("alert")).to_have_count(0)
    assert page.evaluate(RECORD)["phoneId"] not in (None, former)
    reads(system, shown_text(page))


def test_a_phone_that_stops_itself_does_not_come_back_by_itself(
    phone: BrowserContext, system: StandIn
) -> None:
    page = enrolled(phone, system)
    known = set(desk_of(system).phones)
    page.get_by_text("我的手机").click()
    this = page.locator(".phone").filter(has_text="本机")
    this.get_by_role("button", name="停用").click()
    page.get_by_role("button", name="确认停用").click()
    expect(page.get_by_role("alert")).to_contain_text("本机已停用")
    page.reload()
    expect(page.get_by_role("alert")).to_contain_text("本机已停用")
    expect(page.locator(".code-source")).to_have_text(ONLINE)
    assert set(desk_of(system).phones) == known
