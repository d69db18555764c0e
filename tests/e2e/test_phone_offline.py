"""A phone that makes its own codes: enrolled online, shown with no network, renewed, forgotten."""

import json
import os
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from crypto.healthcode import text as code_text
from crypto.healthcode.layout import BoundCode, Purpose, code_id, parse
from crypto.healthcode.verify import CodeVerifier, Reader
from crypto.sm2 import PrivateKey
from service.web.assets import HOLDER, load_assets
from tests.e2e.conftest import free_port, wait_until_served
from tests.support.cut_off import run_cut_off
from tests.support.page_backend import StandIn
from tests.support.page_phones import PhoneDesk
from tests.support.page_steps import (
    await_true,
    contrasts,
    enter,
    invented_number,
    keep_picture,
    log_out,
    shifts,
    sideways,
    sizes_of,
    symbol_on,
    texts_sizes,
)

OWN, ONLINE = re.compile("本机出码"), re.compile("联网出码")
RECORD = """async () => {
  const asked = indexedDB.open("yimatong");
  const base = await new Promise((done) => { asked.onsuccess = () => done(asked.result); });
  const got = base.transaction("phone").objectStore("phone").get("phone");
  const record = await new Promise((done) => { got.onsuccess = () => done(got.result ?? null); });
  base.close();
  return record === null ? null : { lastRise: record.lastRise, phoneId: record.phoneId ?? null,
    clockOffset_s: record.clockOffset_s };
}"""

DUE = """async () => {
  const asked = indexedDB.open("yimatong");
  const base = await new Promise((done) => { asked.onsuccess = () => done(asked.result); });
  const act = base.transaction("phone", "readwrite");
  const place = act.objectStore("phone");
  const got = place.get("phone");
  got.onsuccess = () => place.put({ ...got.result, renewAfter_s: 1 }, "phone");
  await new Promise((done) => { act.oncomplete = done; });
  base.close();
}"""
"""Makes the phone's credential one to be renewed."""


@pytest.fixture(scope="module")
def system(browser: Browser) -> Iterator[StandIn]:
    """The stand-in with the built phone module."""
    if HOLDER not in load_assets().files:
        if os.environ.get("YIMATONG_REQUIRE_CLIENTS"):
            pytest.fail("the phone's module is not built: make clients")
        pytest.skip("PHONES' OWN CODES NOT TESTED: run `make clients` (Node 18 or newer, npm)")
    standing = StandIn(port=free_port(), twin_port=free_port(), phones=True)
    standing.start()
    wait_until_served(standing.base_url + "/")
    yield standing
    standing.stop()


@pytest.fixture
def phone(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(
        viewport={"width": 390, "height": 844},
        device_scale_factor=2,
        locale="zh-CN",
        reduced_motion="reduce",
    )
    context.set_default_timeout(45_000)
    yield context
    context.close()


def desk_of(system: StandIn) -> PhoneDesk:
    assert system.desk is not None
    return system.desk


def reads(system: StandIn, text: str, wanted: Purpose = Purpose.IDENTIFY) -> BoundCode:
    """What a reader without a network makes of a code; it must accept it."""
    verdict = CodeVerifier(desk_of(system).trust_list()).verify(
        text, Reader(wanted=wanted), datetime.now(UTC)
    )
    assert verdict.refusal is None
    assert isinstance(verdict.code, BoundCode)
    return verdict.code


def cut_off_reads(system: StandIn, text: str, folder: Path) -> dict[str, Any]:
    """What ``yimatong code verify`` says in a namespace with no route, from its two lists alone."""
    trust, revoked = folder / "trust.json", folder / "revoked"
    trust.write_text(desk_of(system).trust_file())
    revoked.write_bytes(desk_of(system).revocation_list())
    files = ["--trust", str(trust), "--revoked", str(revoked)]
    done = run_cut_off([sys.executable, "-m", "service", "code", "verify", *files], text + "\n")
    assert (done.returncode, done.stderr) == (0, "")
    return dict(json.loads(done.stdout))


def enrolled(phone: BrowserContext, system: StandIn) -> Page:
    """A registered person before a code of this phone, the page kept for later."""
    page = phone.new_page()
    enter(page, system)
    expect(page.locator(".code-source")).to_have_text(OWN)
    page.evaluate("navigator.serviceWorker.ready.then(() => {})")
    return page


def shown_text(page: Page) -> str:
    return page.locator("#code-text").text_content() or ""


def test_with_the_network_cut_the_page_opens_and_its_code_is_read(
    phone: BrowserContext, system: StandIn, tmp_path: Path
) -> None:
    page = enrolled(phone, system)
    online = reads(system, symbol_on(page))
    page.close()
    phone.set_offline(True)
    page = phone.new_page()
    page.goto(system.base_url + "/")
    expect(page.locator(".code-source")).to_have_text(OWN)
    assert "*" in (page.locator(".person-name").text_content() or "")
    text = next(text for text in iter(lambda: symbol_on(page), "") if text == shown_text(page))
    keep_picture(page, "offline.png")
    offline = reads(system, text)
    told = cut_off_reads(system, text, tmp_path)
    assert (told["valid"], told["kind"], told["code_id"]) == (
        True,
        "bound",
        code_id(offline).hex(),
    )
    assert (told["level"], told["marks"]) == ("present", [])
    assert offline.rise > online.rise
    assert offline.credential() == online.credential()
    expect(page.locator("#reach")).to_have_text("网络不通，健康码照常可用")
    page.reload()
    expect(page.locator(".code-source")).to_have_text(OWN)
    assert reads(system, symbol_on(page)).rise > offline.rise


def test_each_tap_and_each_step_gives_a_newer_code_without_asking_the_system(
    phone: BrowserContext, system: StandIn
) -> None:
    page = phone.new_page()
    page.clock.install()
    enter(page, system)
    expect(page.locator(".code-source")).to_have_text(OWN)
    before = len(desk_of(system).requests)
    first = reads(system, shown_text(page))
    page.get_by_role("button", name="换一张").click()
    expect(page.locator("#code-text")).not_to_have_text(code_text.encode(first.to_bytes()))
    second = reads(system, shown_text(page))
    assert second.rise > first.rise
    page.clock.run_for(31_000)
    expect(page.locator("#code-text")).not_to_have_text(code_text.encode(second.to_bytes()))
    third = parse(code_text.decode(shown_text(page)))
    assert isinstance(third, BoundCode)
    assert third.step == second.step + 1
    assert not page.locator(".code-picture").evaluate("node => node.matches('.is-stale')")
    page.locator("input[value=pay]").check()
    expect(page.locator("#code-text")).not_to_have_text(code_text.encode(third.to_bytes()))
    paying = parse(code_text.decode(shown_text(page)))
    assert isinstance(paying, BoundCode)
    assert paying.purpose_byte == Purpose.PAY
    assert len(desk_of(system).requests) == before


def test_a_wrong_clock_is_put_right_by_the_system(phone: BrowserContext, system: StandIn) -> None:
    page = phone.new_page()
    page.clock.install(time=datetime.now(UTC) - timedelta(hours=3))
    enter(page, system)
    expect(page.locator(".code-source")).to_have_text(OWN)
    reads(system, shown_text(page))
    assert page.evaluate(RECORD)["clockOffset_s"] == pytest.approx(10_800, abs=5)


def test_at_half_its_life_a_credential_is_renewed_with_one_request(
    phone: BrowserContext, system: StandIn
) -> None:
    page = enrolled(phone, system)
    former = reads(system, shown_text(page))
    phone_id = page.evaluate(RECORD)["phoneId"]
    desk_of(system).requests.clear()
    page.evaluate(DUE)
    page.reload()
    expect(page.locator(".code-source")).to_have_text(OWN)
    page.wait_for_function("document.querySelector('.code-left').textContent.length > 2")
    for _ in range(50):
        if desk_of(system).requests:
            break
        page.wait_for_timeout(100)
    page.wait_for_timeout(300)
    page.get_by_role("button", name="换一张").click()
    page.wait_for_timeout(200)
    renewed = reads(system, shown_text(page))
    assert renewed.holder_key != former.holder_key
    assert desk_of(system).requests == ["POST /v1/me/phones"]
    assert page.evaluate(RECORD)["phoneId"] == phone_id


def test_a_tills_offer_is_confirmed_and_the_code_pays_there_only(
    phone: BrowserContext, system: StandIn
) -> None:
    page = enrolled(phone, system)
    offer, text = desk_of(system).offer(12_345)
    page.goto(f"{system.base_url}/#/offer/{text}")
    expect(page.locator(".offer")).to_contain_text("青禾市第一人民医院 收费处")
    expect(page.locator(".offer-amount")).to_have_text("¥123.45")
    keep_picture(page, "offer.png")
    # The trust list is kept: another offer needs no network.
    phone.set_offline(True)
    offer, text = desk_of(system).offer(6_789)
    page.goto(f"{system.base_url}/#/offer/{text}")
    expect(page.locator(".offer-amount")).to_have_text("¥67.89")
    page.get_by_role("button", name="同意并出码").click()
    expect(page.locator(".code-picture img")).to_be_visible()
    keep_picture(page, "offer-code.png")
    shown = symbol_on(page)
    verifier, now = CodeVerifier(desk_of(system).trust_list()), datetime.now(UTC)
    due = Reader(wanted=Purpose.PAY, context=offer.context(), context_required=True)
    assert verifier.verify(shown, due, now).holds
    other = Reader(wanted=Purpose.PAY, context=bytes(31) + b"\1", context_required=True)
    assert verifier.verify(shown, other, now).refusal == "CONTEXT_MISMATCH"


def test_an_offer_that_nobody_vouches_for_is_not_shown(
    phone: BrowserContext, system: StandIn
) -> None:
    page = enrolled(phone, system)
    _, text = desk_of(system).offer(100, till_key=PrivateKey.generate())
    page.goto(f"{system.base_url}/#/offer/{text}")
    expect(page.get_by_role("alert")).to_contain_text("不能证明对方是谁")
    assert page.locator(".offer").count() == 0
    assert page.get_by_role("button", name="同意并出码").count() == 0


def test_logging_out_leaves_no_key_behind(phone: BrowserContext, system: StandIn) -> None:
    page = enrolled(phone, system)
    log_out(page)
    expect(page.get_by_role("button", name="微信登录")).to_be_visible()
    assert page.evaluate(RECORD) is None
    phone.set_offline(True)
    page.reload()
    expect(page.get_by_role("alert")).to_contain_text("没有网络")
    expect(page.get_by_role("alert")).to_contain_text("打印的健康码")
    assert page.locator(".code-picture").count() == 0


def test_a_lost_phone_stops_all_and_this_one_is_enrolled_anew(
    phone: BrowserContext, system: StandIn
) -> None:
    page = enrolled(phone, system)
    phone_id = page.evaluate(RECORD)["phoneId"]
    former = reads(system, shown_text(page))
    page.get_by_text("我的手机").click()
    expect(page.locator(".phone")).to_contain_text("本机")
    keep_picture(page, "phones.png")
    page.get_by_role("button", name="手机丢了，全部停用").click()
    # It says whose codes these are, and what to do about another login with the same number.
    expect(page.locator(".notice")).to_contain_text("停用这个微信登记的")
    expect(page.locator(".notice")).to_contain_text("服务台冻结")
    keep_picture(page, "lost.png")
    page.get_by_role("button", name="确认全部停用").click()
    expect(page.get_by_role("status").filter(has_text="本机已换新码")).to_be_visible()
    assert desk_of(system).phones[phone_id]["state"] == "REVOKED"
    assert page.evaluate(RECORD)["phoneId"] != phone_id
    expect(page.locator(".code-source")).to_have_text(OWN)
    assert reads(system, shown_text(page)).holder_key != former.holder_key


def test_where_it_cannot_be_enrolled_anew_a_stopped_phone_shows_one_time_codes(
    phone: BrowserContext, system: StandIn
) -> None:
    page = enrolled(phone, system)
    page.get_by_text("我的手机").click()
    page.get_by_role("button", name="手机丢了，全部停用").click()
    desk_of(system).refuses = True
    try:
        page.get_by_role("button", name="确认全部停用").click()
        stopped = page.get_by_role("status").filter(has_text="再次打开本页时")
        expect(stopped).to_be_visible()
    finally:
        desk_of(system).refuses = False
    expect(page.locator(".code-source")).to_have_text(ONLINE)
    assert page.evaluate(RECORD)["phoneId"] is None


def test_where_enrolling_is_refused_the_page_shows_one_time_codes(
    phone: BrowserContext, system: StandIn
) -> None:
    desk_of(system).refuses = True
    try:
        page = phone.new_page()
        enter(page, system)
        expect(page.locator(".code-source")).to_have_text(ONLINE)
        assert len(symbol_on(page)) == 154
    finally:
        desk_of(system).refuses = False


def test_without_the_platforms_randomness_no_key_is_made(
    phone: BrowserContext, system: StandIn
) -> None:
    page = phone.new_page()
    before = list(desk_of(system).requests)
    page.add_init_script(
        "const uuid = crypto.randomUUID.bind(crypto);"
        "localStorage.setItem('yimatong.twin-subject', uuid());"
        "Object.defineProperty(crypto, 'getRandomValues', { value: undefined });"
    )
    enter(page, system)
    expect(page.locator(".code-source")).to_have_text(ONLINE)
    assert desk_of(system).requests == before
    assert page.evaluate("crypto.getRandomValues") is None


def test_an_ended_login_does_not_take_the_code_away(phone: BrowserContext, system: StandIn) -> None:
    page = enrolled(phone, system)
    system.world.tokens.clear()
    page.reload()
    expect(page.locator(".code-source")).to_have_text(OWN)
    reads(system, shown_text(page))
    page.get_by_role("button", name="重新登录").click()
    page.get_by_role("button", name="微信登录").click()
    expect(page.locator(".code-source")).to_have_text(OWN)
    reads(system, shown_text(page))


def test_another_persons_login_never_shows_the_former_ones_code(
    phone: BrowserContext, system: StandIn
) -> None:
    page = enrolled(phone, system)
    former = reads(system, shown_text(page))
    system.world.tokens.clear()
    page.evaluate("localStorage.setItem('yimatong.twin-subject', 'somebody-else')")
    page.reload()
    page.get_by_role("button", name="重新登录").click()
    page.get_by_role("button", name="微信登录").click()
    page.get_by_label("姓名").fill("周遥")
    page.get_by_label("身份证号").fill(invented_number(9))
    page.get_by_role("button", name="提交并出码").click()
    expect(page.locator(".code-source")).to_have_text(OWN)
    assert reads(system, shown_text(page)).holder_key != former.holder_key
    assert "遥" in (page.locator(".person-name").text_content() or "")


def test_the_cache_holds_this_releases_files_and_no_answer_of_the_system(
    phone: BrowserContext, system: StandIn
) -> None:
    page = enrolled(phone, system)
    page.evaluate("caches.open('yimatong.page.000000000000')")
    names = page.evaluate("""async () => {
      const kept = {};
      for (const name of await caches.keys()) {
        const keys = await (await caches.open(name)).keys();
        kept[name] = keys.map((request) => new URL(request.url).pathname);
      }
      return kept;
    }""")
    version = load_assets().version
    held = names[f"yimatong.page.{version}"]
    assert "/" in held
    assert f"/static/{version}/{HOLDER}" in held
    assert [
        path for path in held if path != "/" and not path.startswith(f"/static/{version}/")
    ] == []
    # A worker that takes over clears what other releases left.
    page.evaluate("""async () => {
      const found = await navigator.serviceWorker.getRegistrations();
      await Promise.all(found.map((registration) => registration.unregister()));
    }""")
    page.reload()
    page.evaluate("navigator.serviceWorker.ready.then(() => {})")
    await_true(page, "caches.keys().then((names) => !names.includes('yimatong.page.000000000000'))")


def test_the_screen_is_whole_and_still(phone: BrowserContext, system: StandIn) -> None:
    page = enrolled(phone, system)
    keep_picture(page, "own.png")
    [picture] = sizes_of(page, ".code-picture img")
    assert picture["width"] >= 0.6 * 390
    assert picture["bottom"] <= 844
    assert sideways(page) == 0
    page.get_by_text("我的手机").click()
    expect(page.locator(".phone")).to_be_visible()
    small = [t for t in sizes_of(page, "button, a, label.choice, summary") if t["height"] < 44]
    assert [t for t in small if t["text"] != "跳到正文"] == []
    assert [text for text, size in texts_sizes(page) if size < 16] == []
    assert [text for text, ratio in contrasts(page) if ratio < 7] == []
    page.get_by_role("button", name="English").click()
    expect(page.locator(".code-source")).to_contain_text("Works offline until")
    keep_picture(page, "own-english.png")
    assert sideways(page) == 0


def test_nothing_moves_when_the_next_code_comes(phone: BrowserContext, system: StandIn) -> None:
    page = phone.new_page()
    page.add_init_script(
        "window.shifts = 0; window.shifted = []; new PerformanceObserver((list) => {"
        "for (const entry of list.getEntries()) if (!entry.hadRecentInput) shifts += entry.value;"
        "}).observe({ type: 'layout-shift', buffered: true });"
    )
    enter(page, system)
    expect(page.locator(".code-source")).to_have_text(OWN)
    page.wait_for_timeout(600)
    page.evaluate("shifts = 0")
    page.get_by_role("button", name="换一张").click()
    page.wait_for_timeout(700)
    assert shifts(page)[0] == 0
