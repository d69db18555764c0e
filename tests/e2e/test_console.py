"""The console in a real browser on the running system: a steward clears a twin case."""

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from service.casework import actions as casework
from service.casework.model import Evidence, NewItem
from service.kernel.context import Context
from service.kernel.database import transaction
from tests.e2e.conftest import NewPage
from tests.support.console_rig import HOME, register_twins
from tests.support.console_steps import Steward, in_the_system
from tests.support.page_steps import contrasts, keep_picture
from tests.support.running import RunningSystem, running_system

pytestmark = pytest.mark.timeout(600)
TWINS = "同一天出生、同一个家，名字不同：是双胞胎，还是写错了名字？"
QUIET = ("401 (Unauthorized)", "403 (Forbidden)", "409 (Conflict)")


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    with running_system(tmp_path_factory.mktemp("console")) as running:
        yield running


@pytest.fixture(scope="module")
def steward(system: RunningSystem) -> Steward:
    return Steward(system, "li.na", "steward")


@pytest.fixture(scope="module")
def twins(system: RunningSystem) -> tuple[str, str]:
    """The public ids of two records that the index asks about."""
    return in_the_system(system, register_twins)


def reason(page: Page, words: str) -> None:
    page.locator(".decide").get_by_label("理由").fill(words)


def test_a_steward_clears_a_twin_case(
    new_page: NewPage, steward: Steward, twins: tuple[str, str]
) -> None:
    page = new_page(1280, 900, scale=1, quiet=QUIET)
    steward.sign_in(page)
    expect(page.get_by_role("heading", name="待核对")).to_be_visible()
    keep_picture(page, "console-queue.png")
    page.get_by_role("link", name="疑似双胞胎 已等").click()
    expect(page.get_by_role("heading", name=TWINS)).to_be_visible()
    name = page.locator(".compare tr", has=page.get_by_role("rowheader", name="姓名", exact=True))
    expect(name).to_have_class("is-different")
    assert sorted(name.locator("mark").all_text_contents()) == ["春", "秋"]
    expect(name.locator(".verdict")).to_contain_text("姓名只差一个字")
    expect(page.locator(".grounds.for")).to_contain_text("出生日期相同")
    expect(page.locator(".grounds.against li")).to_have_count(2)
    expect(page.locator(".grounds.against")).to_contain_text("常常是双胞胎")
    expect(page.locator(".person-card")).to_have_count(2)
    assert not any(one in page.url for one in ("欧阳", "%E6"))
    keep_picture(page, "console-twins.png")

    page.get_by_role("button", name="是同一个人，合并").click()
    expect(page.get_by_role("alert")).to_have_text("请先写明理由")
    reason(page, "看错了")
    page.get_by_role("button", name="是同一个人，合并").click()
    expect(page.get_by_role("status").filter(has_text="已合并")).to_be_visible()
    expect(page.locator(".person-card")).to_have_count(1)
    expect(page.locator(".person-card")).to_contain_text("2 条登记")
    expect(page.locator(".standing")).to_contain_text("裁定是同一个人：看错了")
    keep_picture(page, "console-merged.png")

    page.locator(".changes").get_by_label("理由").fill("合并错了")
    page.get_by_role("button", name="撤销这次操作").click()
    expect(page.get_by_role("status").filter(has_text="已撤销")).to_be_visible()
    expect(page.locator(".person-card")).to_have_count(2)
    expect(page.locator(".standing")).to_have_text("现在算两个人。")

    page.get_by_role("link", name="返回待核对").click()
    page.get_by_role("link", name="疑似双胞胎 已等").click()
    reason(page, "已核对两份出生医学证明")
    page.get_by_role("button", name="是两个人，分开").click()
    expect(page.get_by_role("status").filter(has_text="已分开")).to_be_visible()
    expect(page.get_by_role("button", name="下一条")).to_be_focused()
    page.get_by_role("button", name="下一条").click()
    expect(page.get_by_text("现在没有待核对的事项。")).to_be_visible()
    page.get_by_role("link", name="已处理").click()
    expect(page.get_by_role("link", name="疑似双胞胎").first).to_contain_text("已分开")


async def open_refund(ctx: Context) -> None:
    """Something about money that waits for a person; a repeat adds nothing."""
    evidence: Evidence = {"refund": "R1", "amount_fen": 12_345, "state": "FAILED"}
    item = NewItem(
        record_id=1,
        kind="refund",
        subject_id=1,
        institution_id=None,
        reason="refund-failed",
        evidence=evidence,
    )
    async with transaction(ctx.pool) as conn:
        await casework.open_item(conn, ctx, item)


def wide_parts(page: Page) -> list[str]:
    """What sticks out of the screen to the right."""
    found: list[str] = page.evaluate(
        """() => [...document.querySelectorAll("body *")]
          .filter((node) => node.checkVisibility() && !node.closest(".unseen"))
          .filter((node) => node.getBoundingClientRect().right > innerWidth + 1)
          .map((node) => `${node.tagName}.${node.className}`)"""
    )
    return found


@pytest.mark.parametrize(("width", "height"), [(390, 844), (1280, 900)])
def test_every_screen_fits_a_phone_and_text_of_twice_the_size(
    new_page: NewPage, system: RunningSystem, twins: tuple[str, str], width: int, height: int
) -> None:
    in_the_system(system, open_refund)
    everyone = Steward(system, f"all.{width}", "steward", "finance", "auditor")
    page = new_page(width, height, scale=1, quiet=QUIET)
    page.goto(f"{system.base_url}/console")
    expect(page.get_by_label("用户名")).to_be_focused()
    keep_picture(page, f"console-sign-in-{width}.png")
    everyone.sign_in(page)
    screens = {
        "queue": "#/queue",
        "record": f"#/record/{twins[0]}",
        "figures": "#/figures",
        "money": "#/money",
        "acts": "#/acts",
        "operators": "#/operators",
    }
    for name, address in screens.items():
        page.evaluate("address => { location.hash = address; }", address)
        expect(page.locator("main")).to_have_attribute("data-screen", name)
        for size in ("100%", "200%"):
            page.evaluate("size => { document.documentElement.style.fontSize = size; }", size)
            assert wide_parts(page) == [], (name, size)
            keep_picture(page, f"console-{name}-{width}-{size.rstrip('%')}.png")
        assert [text for text, ratio in contrasts(page) if ratio < 4.5] == [], name
    page.evaluate("location.hash = '#/queue/closed'")
    page.get_by_role("link", name="疑似双胞胎").first.click()
    expect(page.locator(".compare")).to_be_visible()
    for size in ("100%", "200%"):
        page.evaluate("size => { document.documentElement.style.fontSize = size; }", size)
        assert wide_parts(page) == [], size
        keep_picture(page, f"console-question-{width}-{size.rstrip('%')}.png")
    assert [text for text, ratio in contrasts(page) if ratio < 4.5] == []


def test_the_keyboard_alone_is_enough(new_page: NewPage, system: RunningSystem) -> None:
    elsewhere = {"phone": "13812345678", "address": "测试市另一路二号", "guardian_name": "司马测试"}
    in_the_system(system, lambda ctx: register_twins(ctx, "司马", **elsewhere))
    page = new_page(1280, 900, scale=1, quiet=QUIET)
    someone = Steward(system, "keys", "steward")
    page.goto(f"{system.base_url}/console")
    expect(page.get_by_label("用户名")).to_be_focused()
    for text in (someone.name, someone.password, someone.code()):
        page.keyboard.type(text)
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("main h1")).to_have_text("待核对")

    def tab_to(words: str) -> None:
        for _ in range(60):
            page.keyboard.press("Tab")
            if words in page.evaluate("document.activeElement.textContent"):
                return
        raise AssertionError(f"not reached by the keyboard: {words}")

    tab_to("疑似双胞胎已等")
    page.keyboard.press("Enter")
    expect(page.locator("main h1")).to_have_text(TWINS)
    page.locator(".decide").get_by_label("理由").focus()
    page.keyboard.type("已核对两份出生医学证明")
    tab_to("是两个人，分开")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="下一条")).to_be_focused()


def test_what_is_refused_is_said_in_words_and_a_session_that_ended_asks_to_sign_in(
    new_page: NewPage, system: RunningSystem, twins: tuple[str, str]
) -> None:
    page = new_page(1280, 900, scale=1, quiet=QUIET)
    someone = Steward(system, "wang", "steward")
    page.goto(f"{system.base_url}/console#/record/{twins[0]}")
    someone.type_in(page, password="wrong")
    expect(page.get_by_role("alert")).to_contain_text("用户名、密码或验证码不对")
    expect(page.get_by_label("动态验证码")).to_have_value("")
    someone.type_in(page)
    expect(page.locator(".person-card")).to_contain_text("欧阳春晓")
    cookies = page.context.cookies()
    assert [(one["httpOnly"], one["secure"], one["sameSite"]) for one in cookies] == [
        (True, True, "Strict")
    ]
    assert page.evaluate("document.cookie") == ""
    kept = page.evaluate("JSON.stringify([{ ...localStorage }, { ...sessionStorage }])")
    assert cookies[0]["value"].partition(".")[2] not in kept
    assert "欧阳" not in kept
    page.reload()
    expect(page.locator(".person-card")).to_contain_text("欧阳春晓")
    page.get_by_role("button", name="English").click()
    expect(page.locator(".person-card")).to_contain_text("The person now")
    expect(page.get_by_role("link", name="Figures")).to_be_visible()
    page.get_by_role("button", name="中文").click()
    expect(page.locator(".person-card")).to_contain_text("现在的个人主索引")
    system.run("console", "suspend", "--name", "wang", "--by", "chief", "--because", "left")
    page.get_by_role("link", name="统计").click()
    expect(page.get_by_role("alert")).to_contain_text("登录已结束")
    expect(page.locator(".person-card")).to_have_count(0)


def test_a_screen_that_nobody_uses_shows_nobody(
    new_page: NewPage, system: RunningSystem, twins: tuple[str, str]
) -> None:
    page = new_page(1280, 900, scale=1, quiet=QUIET)
    page.clock.install()
    someone = Steward(system, "away", "steward")
    page.goto(f"{system.base_url}/console#/record/{twins[0]}")
    someone.type_in(page)
    expect(page.locator(".person-card")).to_be_visible()
    page.clock.fast_forward("14:00")
    expect(page.locator(".person-card")).to_be_visible()
    page.clock.fast_forward("01:30")
    expect(page.get_by_role("heading", name="登录控制台")).to_be_visible()
    expect(page.locator(".person-card")).to_have_count(0)


def test_nothing_that_a_steward_saw_is_in_the_logs(
    new_page: NewPage, system: RunningSystem, twins: tuple[str, str]
) -> None:
    someone = Steward(system, "log.reader", "steward")
    page = new_page(1280, 900, scale=1, quiet=QUIET)
    someone.sign_in(page)
    for record in twins:
        page.evaluate("address => { location.hash = address; }", f"#/record/{record}")
        expect(page.locator(".person-card")).to_be_visible()
    logs = "".join(path.read_text("utf-8") for path in (system.state_dir / "logs").iterdir())
    assert logs, "there are logs to look at"
    for secret in ("欧阳", HOME["phone"], HOME["address"], someone.password):
        assert secret not in logs
        assert json.dumps(secret).strip('"') not in logs


def test_a_role_sees_its_own_screens_alone(new_page: NewPage, system: RunningSystem) -> None:
    page = new_page(1280, 900, scale=1, quiet=QUIET)
    in_the_system(system, open_refund)
    Steward(system, "cai", "finance").sign_in(page)
    expect(page.get_by_role("heading", name="资金事项")).to_be_visible()
    page.get_by_text("退款 · 退款最终失败").click()
    expect(page.locator(".items")).to_contain_text("¥123.45")
    expect(page.locator("nav#nav a")).to_have_count(1)
    page.evaluate("location.hash = '#/queue'")
    expect(page.get_by_role("heading", name="资金事项")).to_be_visible()
    page.get_by_role("button", name="退出").click()
    expect(page.get_by_role("heading", name="登录控制台")).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", name="登录控制台")).to_be_visible()
