"""At the counter the patient says whether his insurance account pays, and may change his mind."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import NewPage
from tests.support.counter_steps import SLOW_MS, signed_in_cashier
from tests.support.page_steps import (
    choose_payment,
    enter,
    fen_of,
    keep_picture,
    parts_of,
    symbol_on,
)
from tests.support.running import RunningSystem, running_system
from tests.support.running_twins import spend_what_is_saved

NAME, NUMBER, PERSON_NO = "测试甲", "990001198001010019", "990000000000000000001001"

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    with running_system(
        tmp_path_factory.mktemp("counter"), YIMATONG_RETRY_AFTER_S="1", YIMATONG_POLL_EVERY_S="1"
    ) as running:
        yield running


def test_the_patient_keeps_his_account_at_the_counter(
    new_page: NewPage, system: RunningSystem
) -> None:
    spend_what_is_saved(system, PERSON_NO)
    phone = new_page(390, 844)
    phone.set_default_timeout(SLOW_MS)
    enter(phone, system, NAME, NUMBER)
    choose_payment(phone)
    counter = signed_in_cashier(new_page, system, {})
    counter.get_by_label("扫码或输入码上的字").fill(symbol_on(phone))
    counter.keyboard.press("Enter")
    counter.locator(".choice").first.click(timeout=SLOW_MS)
    pay, account = counter.locator(".pay"), counter.locator("[data-part=account_fen]")
    expect(pay).to_have_attribute("data-state", "PRESETTLED", timeout=SLOW_MS)
    first = parts_of(counter)
    assert first["account_fen"] > 0

    counter.get_by_role("button", name="不用个人账户的钱").click()
    expect(account).to_have_text("¥0.00", timeout=SLOW_MS)
    expect(pay).to_have_attribute("data-state", "PRESETTLED")
    kept = parts_of(counter)
    assert (kept["total_fen"], kept["fund_fen"]) == (first["total_fen"], first["fund_fen"])
    assert kept["cash_fen"] == first["cash_fen"] + first["account_fen"]
    keep_picture(counter, "counter-own-account.png")

    counter.get_by_role("button", name="用个人账户的钱", exact=True).click()
    expect(account).not_to_have_text("¥0.00", timeout=SLOW_MS)
    expect(pay).to_have_attribute("data-state", "PRESETTLED")
    assert parts_of(counter) == first
    counter.get_by_role("button", name="不用个人账户的钱").click()
    expect(account).to_have_text("¥0.00", timeout=SLOW_MS)
    expect(pay).to_have_attribute("data-state", "PRESETTLED")

    owed = fen_of(counter.locator(".owed .amount").text_content())
    assert owed == kept["cash_fen"]
    counter.get_by_label("本次收取").fill("1.00")
    counter.get_by_label("收到现金").fill("1.00")
    counter.get_by_role("button", name="现金入账").click()
    expect(counter.locator(".is-taken")).to_be_visible(timeout=SLOW_MS)
    expect(counter.get_by_role("button", name="用个人账户的钱")).to_have_count(0)
    counter.get_by_label("收到现金").fill(f"{(owed - 1_00) // 100}.{(owed - 1_00) % 100:02d}")
    counter.get_by_role("button", name="现金入账").click()
    expect(counter.locator(".receipt")).to_contain_text("现金", timeout=SLOW_MS)
    assert fen_of(counter.locator(".receipt .is-own .amount").text_content()) == owed
