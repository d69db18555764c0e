"""The whole journey in a browser on the real system: phone, kiosk, bureau, payment, hospital.

Everything is the product's own: processes, PostgreSQL, twins over HTTP. The code goes from the
phone's screen to the kiosk through a decoder that is not ours.
"""

import asyncio
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import asyncpg
import httpx
import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

from crypto.healthcode import text as code_text
from crypto.healthcode.layout import BoundCode, OnceCode, Purpose, parse
from crypto.healthcode.trustfile import read_trust_file
from crypto.healthcode.verify import CodeVerifier, Reader
from crypto.sm3 import sm3
from service.web.assets import HOLDER, load_assets
from tests.e2e.conftest import NewPage
from tests.support.counter_steps import (
    agree,
    all_given_back,
    find_posted,
    printed_cashier,
    refused_by_another,
    second_person,
    signed_in_cashier,
    withdrawn_from_the_list,
)
from tests.support.page_steps import (
    UNREACHED,
    choose_payment,
    enter,
    fen_of,
    keep_picture,
    open_the_bill,
    parts_of,
    scan,
    scan_by_keys,
    symbol_on,
)
from tests.support.running import RunningSystem, running_system
from tests.support.running_twins import alipay_book, pay_by_scanning, spend_what_is_saved

PHONE: ViewportSize = {"width": 390, "height": 844}
KIOSK: ViewportSize = {"width": 1080, "height": 1920}
NAME, NUMBER, PERSON_NO = "测试乙", "990001195502020027", "990000000000000000001002"
EMPLOYEE, EMPLOYEE_NO = ("测试甲", "990001198001010019"), "990000000000000000001001"
OTHER_EMPLOYEE = ("测试丙", "990001199203030039")
CIVIL_SERVANT = ("测试戊", "990001197005050056")
SLOW_MS = 60_000

pytestmark = pytest.mark.timeout(900)
PAYMENT_CODE = "131234567890123400"
"""Of a payer at the twin of WeChat Pay: pays at once."""


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[RunningSystem]:
    with running_system(
        tmp_path_factory.mktemp("pages"), YIMATONG_RETRY_AFTER_S="1", YIMATONG_POLL_EVERY_S="1"
    ) as running:
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


@pytest.fixture(scope="module")
def kept() -> dict[str, str]:
    """What the activated kiosk keeps; the printed code works once."""
    return {}


def activation_code(system: RunningSystem) -> str:
    """What ``run`` printed for a new kiosk."""
    found = re.search(r"/kiosk#([A-Z2-9]{16})", system.text_since_start())
    assert found is not None
    return found[1]


def test_from_the_phone_to_the_receipt_at_the_kiosk(
    system: RunningSystem, phone: Page, kiosk: Page, kept: dict[str, str]
) -> None:
    spend_what_is_saved(system, PERSON_NO, balance=-3_000, mutual=-9_000)
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
    # Where the phone's module is built, the kiosk reads a code that the phone itself signed.
    is_own = HOLDER in load_assets().files
    assert isinstance(parse(code_text.decode(text)), BoundCode if is_own else OnceCode)

    kiosk.goto(f"{system.base_url}/kiosk")
    kiosk.get_by_label("激活码").fill(activation_code(system))
    kiosk.get_by_role("button", name="激活", exact=True).click()
    expect(kiosk.get_by_role("heading", name="请扫码")).to_be_visible()
    kept["identity"] = kiosk.evaluate("localStorage.getItem('yimatong.terminal')")
    scan_by_keys(kiosk, text)
    expect(kiosk.locator(".check")).to_have_attribute("data-state", "PRESETTLED")
    expect(kiosk.locator(".person-name")).to_contain_text("*")
    assert NAME not in (kiosk.content())
    keep_picture(kiosk, "kiosk.png")

    cash = kiosk.locator("[data-part=cash_fen]").text_content() or ""
    kiosk.get_by_role("button", name=f"去付款 {cash}").click()
    kiosk.get_by_role("button", name="微信支付").click()
    expect(kiosk.locator(".pay-left")).to_have_text(re.compile(r"付款码剩余 \d+:\d\d"))
    pay_by_scanning(system, symbol_on(kiosk))
    expect(kiosk.get_by_role("heading", name="缴费成功")).to_be_visible(timeout=30_000)
    expect(kiosk.locator(".receipt")).to_contain_text("微信支付")
    keep_picture(kiosk, "kiosk-receipt.png")


def kiosk_page(
    new_page: NewPage, system: RunningSystem, kept: dict[str, str], quiet: tuple[str, ...] = ()
) -> Page:
    """A kiosk at its first screen, from the address that ``yimatong run`` prints."""
    page = new_page(1280, 800, scale=1, quiet=quiet)
    page.set_default_timeout(SLOW_MS)
    if kept:
        page.add_init_script(f"localStorage.setItem('yimatong.terminal', {kept['identity']!r})")
    page.goto(f"{system.base_url}/kiosk#{activation_code(system)}")
    if not kept:
        page.get_by_role("button", name="激活", exact=True).click()
    expect(page.get_by_role("heading", name="请扫码")).to_be_visible(timeout=SLOW_MS)
    assert "#" not in page.url, "the activation code does not stay in the address"
    kept["identity"] = page.evaluate("localStorage.getItem('yimatong.terminal')")
    return page


def scanned(
    new_page: NewPage, system: RunningSystem, kept: dict[str, str], person: tuple[str, str]
) -> tuple[Page, Page]:
    """(phone, kiosk) once the hospital's bill for the scanned person is split."""
    phone = new_page(390, 844)
    phone.set_default_timeout(SLOW_MS)
    enter(phone, system, *person)
    choose_payment(phone)
    kiosk = kiosk_page(new_page, system, kept)
    scan(kiosk, symbol_on(phone))
    expect(kiosk.locator(".check")).to_have_attribute("data-state", "PRESETTLED", timeout=SLOW_MS)
    return phone, kiosk


def test_cancelled_at_the_kiosk_then_paid_by_a_relative_on_her_own_phone(
    new_page: NewPage, system: RunningSystem, kept: dict[str, str]
) -> None:
    phone, kiosk = scanned(new_page, system, kept, OTHER_EMPLOYEE)
    total = parts_of(kiosk)["total_fen"]
    kiosk.get_by_role("button", name="取消").click()
    expect(kiosk.get_by_role("heading", name="请扫码")).to_be_visible()

    expect(phone.locator(".badge").first).to_contain_text("扫码后关联医保")
    open_the_bill(phone)
    phone.get_by_label("先用医保个人账户的钱").uncheck()
    phone.get_by_role("button", name="去结算").click()
    expect(phone.locator(".paying")).to_have_attribute("data-state", "PRESETTLED", timeout=SLOW_MS)
    parts = parts_of(phone)
    assert parts["total_fen"] == parts["fund_fen"] + parts["cash_fen"] == total
    taken_over_and_back(phone, kiosk, parts)
    phone.get_by_role("button", name="请亲友付款").click()
    link = symbol_on(phone)
    keep_picture(phone, "resident-ask.png")
    phone.get_by_role("button", name="返回").click()
    relative = new_page(390, 844)
    relative.set_default_timeout(SLOW_MS)
    relative.goto(link)
    relative.get_by_role("button", name="微信登录").click()
    expect(relative.locator(".helping")).to_contain_text("测*丙")
    assert fen_of(relative.locator(".helping .amount").text_content()) == parts["cash_fen"]
    assert OTHER_EMPLOYEE[0] not in relative.content()
    keep_picture(relative, "relative.png")
    relative.get_by_role("button", name="支付").click()
    relative.get_by_role("button", name="立即支付").click()
    expect(relative.locator(".helping .state")).to_contain_text("已经付清", timeout=SLOW_MS)
    phone.get_by_role("button", name="查看凭条").click(timeout=SLOW_MS)
    assert fen_of(phone.locator(".receipt .is-own .amount").text_content()) == parts["cash_fen"]
    phone.get_by_role("link", name="健康码").click()
    expect(phone.locator(".badge").first).to_contain_text("已关联医保")


def taken_over_and_back(phone: Page, kiosk: Page, parts: dict[str, int]) -> None:
    """What the phone began goes on at the kiosk, and on the phone again."""
    place = phone.url
    phone.get_by_role("link", name="健康码").click()
    choose_payment(phone)
    scan(kiosk, symbol_on(phone))
    expect(kiosk.locator(".check .state")).to_contain_text("正在手机缴纳", timeout=SLOW_MS)
    keep_picture(kiosk, "kiosk-elsewhere.png")
    kiosk.get_by_role("button", name="改在这里缴").click()
    pay = kiosk.get_by_role("button", name="去付款")
    expect(pay).to_be_enabled(timeout=SLOW_MS)
    assert parts_of(kiosk) == parts
    phone.goto(place)
    expect(phone.locator(".paying .state")).to_contain_text("已转到自助机办理", timeout=SLOW_MS)
    assert phone.get_by_role("button", name="请亲友付款").is_hidden()
    keep_picture(phone, "resident-taken-over.png")
    pay.click()
    kiosk.get_by_role("button", name="微信支付").click()
    expect(kiosk.locator(".pay-box.is-code img")).to_be_visible(timeout=SLOW_MS)
    phone.get_by_role("button", name="改回手机上缴").click()
    expect(kiosk.get_by_role("heading", name="已转到别处办理")).to_be_visible(timeout=SLOW_MS)
    keep_picture(kiosk, "kiosk-taken-over.png")
    expect(phone.get_by_role("button", name="重新付款")).to_be_enabled(timeout=SLOW_MS)


def rows_of(system: RunningSystem, question: str, *given: object) -> list[dict[str, object]]:
    """What stands in the database; asked in a thread, for this one holds the browser's loop."""

    async def ask() -> list[dict[str, object]]:
        conn = await asyncpg.connect((system.state_dir / "database-url").read_text())
        try:
            return [dict(row) for row in await conn.fetch(question, *given)]
        finally:
            await conn.close()

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, ask()).result()


def test_a_phone_without_a_network_approves_one_bill_at_the_kiosk(
    new_page: NewPage, system: RunningSystem, kept: dict[str, str]
) -> None:
    if HOLDER not in load_assets().files:
        pytest.skip("OFFERS NOT TESTED: run `make clients` (Node 18 or newer, npm)")
    phone = new_page(390, 844, quiet=(UNREACHED,))
    phone.set_default_timeout(SLOW_MS)
    enter(phone, system, *CIVIL_SERVANT)
    expect(phone.locator(".code-source")).to_contain_text("本机出码")
    phone.evaluate("navigator.serviceWorker.ready.then(() => {})")
    # A code shown to identify is first refused for paying: the browser logs that.
    kiosk = kiosk_page(new_page, system, kept, quiet=(UNREACHED,))
    scan(kiosk, symbol_on(phone))
    expect(kiosk.locator(".pay-box.is-code img")).to_be_visible(timeout=SLOW_MS)
    total = kiosk.locator(".pay-amount").text_content() or ""
    keep_picture(kiosk, "kiosk-offer.png")

    phone.goto(symbol_on(kiosk))
    expect(phone.locator(".offer-amount")).to_have_text(total)
    phone.context.set_offline(True)
    phone.reload()
    expect(phone.locator(".offer-amount")).to_have_text(total)
    phone.get_by_role("button", name="同意并出码").click()
    expect(phone.locator(".code-picture img")).to_be_visible()
    with (
        kiosk.expect_response("**/v1/terminal/scans") as answered,
        kiosk.expect_request("**/settlements") as started,
    ):
        scan(kiosk, symbol_on(phone))
    bill_id = started.value.post_data_json["bill_id"]
    approved = {"bill_id": sm3(bill_id.encode())[:16].hex(), "amount_fen": fen_of(total)}
    assert answered.value.json()["bound_to"] == approved
    expect(kiosk.locator(".check")).to_have_attribute("data-state", "PRESETTLED", timeout=SLOW_MS)
    # Other wishes for the bill that was approved need no second approval.
    kiosk.get_by_role("button", name="不用个人账户的钱").click()

    kiosk.get_by_role("button", name="去付款").click()
    expect(kiosk.get_by_role("heading", name="请选择付款方式")).to_be_visible(timeout=SLOW_MS)
    scan(kiosk, PAYMENT_CODE)
    expect(kiosk.get_by_role("heading", name="缴费成功")).to_be_visible(timeout=SLOW_MS)
    [settled] = rows_of(
        system,
        "select scan.purpose, scan.bound_amount_fen, settlement.total_fen, settlement.state"
        " from scan join settlement using (record_id)"
        " where scan.bound_bill_id = $1 and settlement.state <> 'REVERSED'",
        bytes.fromhex(approved["bill_id"]),
    )
    assert settled.pop("state") in ("SETTLED", "POSTING", "POSTED")
    assert settled == {
        "purpose": Purpose.PAY.value,
        "bound_amount_fen": fen_of(total),
        "total_fen": fen_of(total),
    }
    [certified] = rows_of(
        system, "select count(*) from audit_entry where action = 'till.certified'"
    )
    assert certified["count"] >= 1


def test_the_code_of_a_phone_without_a_network_is_read_by_the_published_list(
    browser: Browser, system: RunningSystem
) -> None:
    if HOLDER not in load_assets().files:
        pytest.skip("PHONES' OWN CODES NOT TESTED: run `make clients` (Node 18 or newer, npm)")
    trust_file = httpx.get(f"{system.base_url}/v1/lists/trust", trust_env=False).text
    context = browser.new_context(viewport=PHONE, device_scale_factor=2, locale="zh-CN")
    context.set_default_timeout(20_000)
    page = context.new_page()
    enter(page, system, "测试己", "990001194806060066")
    expect(page.locator(".code-source")).to_contain_text("本机出码")
    page.evaluate("navigator.serviceWorker.ready.then(() => {})")
    context.set_offline(True)
    page.reload()
    expect(page.locator(".code-source")).to_contain_text("本机出码")
    verifier = CodeVerifier(read_trust_file(trust_file))
    assert verifier.verify(symbol_on(page), Reader(), datetime.now(UTC)).refusal is None
    context.close()


LEDGER = """
select account, sum(fen)::bigint as fen from (
  select debit as account, amount_fen as fen, record_id, settlement_id from posting
  union all select credit, -amount_fen, record_id, settlement_id from posting
) moved join settlement using (record_id, settlement_id) join bill using (record_id, bill_id)
where bill.bill_no = $1 group by account having sum(fen) <> 0
"""


def paid_by_alipay(
    new_page: NewPage, system: RunningSystem, kept: dict[str, str]
) -> tuple[Page, dict[str, int], str]:
    """(phone, parts, Alipay's code) of a bill that the employee paid alone at the kiosk."""
    spend_what_is_saved(system, EMPLOYEE_NO)
    phone, kiosk = scanned(new_page, system, kept, EMPLOYEE)
    with_account = parts_of(kiosk)
    assert with_account["account_fen"] > 0
    kiosk.get_by_role("button", name="不用个人账户的钱").click()
    expect(kiosk.locator("[data-part=account_fen]")).to_have_text("¥0.00", timeout=SLOW_MS)
    own = parts_of(kiosk)
    assert own["total_fen"] == own["fund_fen"] + own["cash_fen"] == with_account["total_fen"]
    kiosk.get_by_role("button", name="去付款").click()
    kiosk.get_by_role("button", name="支付宝").click()
    expect(kiosk.locator(".pay-box.is-code img")).to_be_visible(timeout=SLOW_MS)
    code = symbol_on(kiosk)
    pay_by_scanning(system, code)
    expect(kiosk.get_by_role("heading", name="缴费成功")).to_be_visible(timeout=SLOW_MS)
    expect(kiosk.locator(".receipt")).to_contain_text("支付宝", timeout=SLOW_MS)
    assert fen_of(kiosk.locator(".receipt .is-own .amount").text_content()) == own["cash_fen"]
    return phone, own, code


def test_paid_alone_by_alipay_at_the_kiosk_and_a_line_given_back_at_the_counter(
    new_page: NewPage, system: RunningSystem, kept: dict[str, str]
) -> None:
    with ThreadPoolExecutor(1) as beside:
        hired = beside.submit(second_person, system)
        phone, before, code = paid_by_alipay(new_page, system, kept)
        second = number, pin = hired.result()
    assert alipay_book(system, code) == (before["cash_fen"], [])
    counter = signed_in_cashier(new_page, system, kept)
    withdrawn_from_the_list(phone, counter)
    refused_by_another(phone, counter, printed_cashier(system)[1:], second)
    assert alipay_book(system, code) == (before["cash_fen"], []), "nothing went back"
    find_posted(phone, counter)
    bill_no = counter.locator(".giving .note").first.text_content()
    line = counter.locator(".give-lines tbody tr").nth(1)
    line_fen = fen_of(line.locator(".amount").text_content())
    line_name = line.locator("th").text_content() or ""
    line.locator("input").fill("9999")
    counter.get_by_label("退费原因").fill("未做检查")
    counter.get_by_role("button", name="下一步").click()
    expect(counter.get_by_role("alert")).to_contain_text("退数量有误")
    line.get_by_role("button", name="全退").click()
    counter.get_by_role("button", name="下一步").click()
    check = counter.locator(".check")
    expect(check).to_contain_text(line_name)
    assert fen_of(check.locator(".owed .amount").text_content()) == line_fen
    expect(check.locator(".where")).to_contain_text("支付宝，原路退回")
    keep_picture(counter, "counter-give-back.png")
    counter.get_by_role("button", name="确认退费").click()

    expect(counter.locator(".giving")).to_have_attribute("data-state", "AWAITING_APPROVAL")
    keep_picture(counter, "counter-approval.png")
    agree(counter, "1001", pin)
    expect(counter.get_by_role("alert")).to_contain_text("申请人不能自己同意")
    assert alipay_book(system, code) == (before["cash_fen"], []), "nothing before both agree"
    agree(counter, number, pin)
    expect(counter.locator(".giving")).to_have_attribute("data-state", "DONE", timeout=SLOW_MS)
    expect(counter.locator(".refunds")).to_contain_text("已退回", timeout=SLOW_MS)
    keep_picture(counter, "counter-given-back.png")
    shown_fen = fen_of(counter.locator(".refunds .amount").text_content())

    [after] = rows_of(
        system,
        "select settlement.total_fen, fund_fen, account_fen, cash_fen from settlement"
        " join bill using (record_id, bill_id) where bill_no = $1 and settlement.state = 'POSTED'",
        bill_no,
    )
    own_part_fen = before["cash_fen"] - int(str(after["cash_fen"]))
    assert 0 < own_part_fen < line_fen, "the insurance had paid a share of the line"
    assert after["total_fen"] == before["total_fen"] - line_fen
    assert alipay_book(system, code) == (before["cash_fen"], [own_part_fen])
    assert shown_fen == own_part_fen
    assert {str(one["account"]): one["fen"] for one in rows_of(system, LEDGER, bill_no)} == {
        "provider:alipay": after["cash_fen"],
        "insurer": after["fund_fen"],
        "hospital": -int(str(after["total_fen"])),
    }
    expect(counter.locator(".top .who")).to_have_text("收费员 1001")
    all_given_back(phone, counter, second)
    rest_fen = int(str(after["cash_fen"]))
    assert alipay_book(system, code) == (before["cash_fen"], [own_part_fen, rest_fen])
    assert rows_of(system, LEDGER, bill_no) == []
    [gone] = rows_of(system, "select state from bill where bill_no = $1", bill_no)
    assert gone["state"] == "WITHDRAWN"


def test_a_cashier_takes_cash_and_a_card_and_closes_the_shift(
    new_page: NewPage, system: RunningSystem, kept: dict[str, str]
) -> None:
    name, number = "测试己", "990001194806060066"
    phone = new_page(390, 844)
    phone.set_default_timeout(SLOW_MS)
    enter(phone, system, name, number)
    choose_payment(phone)
    counter = signed_in_cashier(new_page, system, kept)
    counter.get_by_label("扫码或输入码上的字").fill(symbol_on(phone))
    counter.keyboard.press("Enter")
    expect(counter.locator(".person-name")).to_have_text(name)
    choice = counter.locator(".choice").first
    expect(choice).to_be_visible(timeout=SLOW_MS)
    open_the_bill(phone)
    phone.get_by_role("button", name="去结算").click()
    expect(phone.locator(".paying")).to_have_attribute("data-state", "PRESETTLED", timeout=SLOW_MS)
    choice.click()
    expect(counter.locator(".turn")).to_contain_text("患者正在手机缴纳", timeout=SLOW_MS)
    keep_picture(counter, "counter-elsewhere.png")
    counter.get_by_role("button", name="改在本窗口收").click()
    pay = counter.locator(".pay")
    expect(pay).to_have_attribute("data-state", "PRESETTLED", timeout=SLOW_MS)
    owed = fen_of(counter.locator(".owed .amount").text_content())
    counter.get_by_label("本次收取").fill("10.00")
    counter.get_by_label("收到现金").fill("50")
    expect(counter.locator(".change")).to_have_text("找零 ¥40.00")
    keep_picture(counter, "counter.png")
    counter.get_by_role("button", name="现金入账").click()
    expect(counter.locator(".is-taken")).to_contain_text("请找零 ¥40.00")
    expect(counter.locator(".owed .amount")).not_to_have_text(f"¥{owed // 100}.{owed % 100:02d}")
    assert fen_of(counter.locator(".owed .amount").text_content()) == owed - 10_00
    counter.get_by_label("签购单号").fill("000123")
    counter.get_by_label("POS 参考号").fill("88-1")
    counter.get_by_role("button", name="刷卡入账").click()
    expect(counter.locator(".receipt")).to_contain_text("现金、刷卡", timeout=SLOW_MS)
    assert fen_of(counter.locator(".receipt .is-own .amount").text_content()) == owed
    keep_picture(counter, "counter-receipt.png")

    counter.get_by_role("button", name="班次").click()
    counter.get_by_label("清点现金").fill("109.00")
    counter.get_by_label("清点签购单").fill(f"{(owed - 10_00) // 100}.{(owed - 10_00) % 100:02d}")
    keep_picture(counter, "counter-shift.png")
    counter.get_by_role("button", name="结束班次").click()
    expect(counter.locator("[data-code=shift-difference-unexplained]")).to_be_visible()
    counter.get_by_label("差额说明").fill("少收一元")
    counter.get_by_role("button", name="结束班次").click()
    expect(counter.get_by_role("heading", name="班次已结束")).to_be_visible()
    line = system.run("staff", "shifts", "--institution", "H99000100001").stdout
    assert "cash 110.00 counted 109.00" in line
    assert line.rstrip().endswith("少收一元")
