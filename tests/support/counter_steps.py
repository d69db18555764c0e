"""What a cashier does at the counter's page, step by step."""

import re
from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.support.page_steps import keep_picture, symbol_on
from tests.support.running import RunningSystem

SLOW_MS = 60_000


def printed_cashier(system: RunningSystem) -> tuple[str, str, str]:
    """Activation code, number and PIN of the counter that ``run`` prints."""
    found = re.search(
        r"/counter#([A-Z2-9]{16})\s+cashier (\d+), PIN (\d+)", system.text_since_start()
    )
    assert found is not None
    return found[1], found[2], found[3]


def second_person(system: RunningSystem) -> tuple[str, str]:
    """Number and PIN of somebody who must agree to whatever is given back."""
    place = ("--institution", "H99000100001")
    system.run("settlement", "approval-limit", *place, "--above-fen", "1").check_returncode()
    added = system.run("staff", "add", *place, "--number", "2002").stdout
    found = re.search(r"PIN (\d+)", added)
    assert found is not None, added
    return "2002", found[1]


def find_posted(phone: Page, counter: Page) -> None:
    """The person is scanned at the counter, and what he paid is chosen."""
    phone.reload()
    counter.get_by_label("扫码或输入码上的字").fill(symbol_on(phone))
    counter.keyboard.press("Enter")
    counter.locator(".posted .choice").click()


def ask_for_all(counter: Page, reason: str) -> None:
    """All of the bill shall go back; another person must agree."""
    counter.get_by_role("button", name="整单退").click()
    counter.get_by_label("退费原因").fill(reason)
    counter.get_by_role("button", name="下一步").click()
    expect(counter.locator(".check")).to_contain_text("作废")
    counter.get_by_role("button", name="确认退费").click()
    expect(counter.locator(".giving")).to_have_attribute("data-state", "AWAITING_APPROVAL")


def withdrawn_from_the_list(phone: Page, counter: Page) -> None:
    """Asked for by mistake: found in the list of what waits for a second person, and refused."""
    find_posted(phone, counter)
    ask_for_all(counter, "点错了")
    counter.get_by_role("button", name="班次").click()
    counter.get_by_role("button", name="收费").click()
    listed = counter.locator(".awaiting .choice")
    expect(listed).to_contain_text("1001 申请：点错了", timeout=SLOW_MS)
    keep_picture(counter, "counter-awaiting.png")
    listed.click()
    counter.get_by_role("button", name="撤回申请").click()
    expect(counter.locator(".giving")).to_have_attribute("data-state", "REFUSED")
    expect(counter.locator(".progress")).to_have_text("没有退费，账单不变")
    with counter.expect_response("**/shift/corrections"):
        counter.get_by_role("button", name="下一位").click()
    expect(counter.locator(".pay-pane .empty")).to_be_visible()
    expect(listed).to_have_count(0)


def sign_in(counter: Page, staff_no: str, pin: str) -> None:
    """Whoever was signed in leaves the desk to somebody else."""
    counter.get_by_role("button", name="退出").click()
    # Until then the fields of the screen that is left have names like these.
    expect(counter.get_by_role("heading", name="收费员登录")).to_be_visible()
    counter.get_by_label("工号").fill(staff_no)
    counter.get_by_label("密码").fill(pin)
    counter.get_by_role("button", name="登录").click()


def refused_by_another(
    phone: Page, counter: Page, asker: tuple[str, str], second: tuple[str, str]
) -> None:
    """A second person, who keeps no drawer, signs in at the desk and says no to what was asked."""
    find_posted(phone, counter)
    ask_for_all(counter, "患者改主意")
    sign_in(counter, *second)
    expect(counter.get_by_role("button", name="开班")).to_be_visible()
    listed = counter.locator(".awaiting .choice")
    expect(listed).to_contain_text("1001 申请：患者改主意", timeout=SLOW_MS)
    keep_picture(counter, "counter-awaiting-no-shift.png")
    listed.click()
    expect(counter.get_by_label("同意人工号")).to_have_count(0)
    counter.get_by_role("button", name="不同意").click()
    expect(counter.locator(".giving")).to_have_attribute("data-state", "REFUSED")
    expect(counter.locator(".correction .note")).to_contain_text("2002 未同意")
    counter.get_by_role("button", name="下一位").click()
    expect(counter.get_by_role("button", name="开班")).to_be_visible()
    expect(listed).to_have_count(0)
    sign_in(counter, *asker)
    expect(counter.get_by_label("扫码或输入码上的字")).to_be_focused()


def agree(counter: Page, staff_no: str, pin: str) -> None:
    """Somebody types number and PIN beside the asker."""
    counter.get_by_label("同意人工号").fill(staff_no)
    counter.get_by_label("密码").fill(pin)
    counter.get_by_role("button", name="同意退费").click()


def all_given_back(phone: Page, counter: Page, second: tuple[str, str]) -> None:
    """What is left of the bill goes back as a whole, and another person agrees."""
    counter.get_by_role("button", name="下一位").click()
    find_posted(phone, counter)
    ask_for_all(counter, "整单退号")
    agree(counter, *second)
    expect(counter.locator(".giving")).to_have_attribute("data-state", "DONE", timeout=SLOW_MS)
    expect(counter.locator(".refunds")).to_contain_text("已退回", timeout=SLOW_MS)


def signed_in_cashier(
    new_page: Callable[..., Page], system: RunningSystem, kept: dict[str, str]
) -> Page:
    """A counter with an open shift, from what ``yimatong run`` prints."""
    code, number, pin = printed_cashier(system)
    counter = new_page(1280, 800, scale=1, quiet=("409 (Conflict)",))
    counter.set_default_timeout(SLOW_MS)
    if "counter" in kept:
        counter.add_init_script(f"localStorage.setItem('yimatong.terminal', {kept['counter']!r})")
    counter.goto(f"{system.base_url}/counter#{code}")
    assert "#" not in counter.url, "the activation code does not stay in the address"
    if "counter" not in kept:
        counter.get_by_role("button", name="激活").click()
    counter.get_by_label("工号").fill(number)
    counter.get_by_label("密码").fill(pin)
    counter.get_by_role("button", name="登录").click()
    if "counter" not in kept:
        counter.get_by_label("备用金").fill("100")
        counter.get_by_role("button", name="开班").click()
    expect(counter.get_by_label("扫码或输入码上的字")).to_be_focused()
    kept["counter"] = counter.evaluate("localStorage.getItem('yimatong.terminal')")
    return counter
