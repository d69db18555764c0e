"""Steps that several page tests take: enter, show a code, read it off the screen, scan, pay."""

import io
import os
import time
from pathlib import Path
from typing import Any, Protocol

import pytest
import zxingcpp
from PIL import Image, ImageOps
from playwright.sync_api import Page, expect

from tests.support.page_backend import PageBackend, StandIn
from tests.support.page_world import World

LINES = [
    ("普通门诊诊查费", 1, 1_200),
    ("血常规（五分类）", 1, 1_800),
    ("心电图检查", 1, 2_400),
    ("苯磺酸氨氯地平片 5mg×28", 2, 3_260),
]
WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
UNREACHED = "Failed to load resource"
"""What the browser itself logs when a request fails; expected where a test makes one fail."""


PORTRAIT = (1080, 1920)
LANDSCAPE = (1280, 800)
SHAPES = pytest.mark.parametrize("shape", [PORTRAIT, LANDSCAPE], ids=["portrait", "landscape"])
"""A kiosk's screens."""


class Addressed(Protocol):
    """Any system with an address."""

    base_url: str


def world_of(backend: PageBackend) -> World:
    """What the stand-in knows. A test that looks or reaches inside is skipped on a real system."""
    if not isinstance(backend, StandIn):
        pytest.skip("needs the stand-in")
    return backend.world


def fen_of(text: str | None) -> int:
    """`−¥77.48` as 7748: the size of an amount shown."""
    return int("".join(char for char in text or "" if char.isdigit()))


def parts_of(page: Page) -> dict[str, int]:
    """The split as shown."""
    keys = ("total_fen", "fund_fen", "account_fen", "cash_fen")
    return {key: fen_of(page.locator(f"[data-part={key}]").text_content()) for key in keys}


def await_true(page: Page, expression: str) -> None:
    """Until the expression's promise gives true: ``wait_for_function`` takes a promise for true."""
    until_s = time.monotonic() + 45
    while not page.evaluate(expression):
        assert time.monotonic() < until_s, expression
        page.wait_for_timeout(50)


def invented_number(serial: int) -> str:
    """An ID number of nobody: region 990001 is not assigned."""
    body = f"99000119590412{serial:03d}"
    total = sum(weight * int(digit) for weight, digit in zip(WEIGHTS, body, strict=True))
    return body + "10X98765432"[total % 11]


def enter(page: Page, backend: Addressed, name: str = "林秋实", number: str = "") -> None:
    """Log in, register, and stand before the code: three taps."""
    page.goto(backend.base_url + "/")
    page.get_by_role("button", name="微信登录").click()
    page.get_by_label("姓名").click()
    page.keyboard.type(name)
    page.keyboard.press("Tab")
    page.keyboard.type(number or invented_number(1))
    page.get_by_role("button", name="提交并出码").click()
    expect(page.locator(".code-picture img")).to_be_visible()


def log_out(page: Page) -> None:
    """Log out: asked, and confirmed."""
    page.get_by_role("button", name="退出登录").click()
    page.get_by_role("button", name="确认退出").click()


def choose_payment(page: Page) -> None:
    """Show a code that may pay."""
    shown = page.locator("#code-text").text_content()
    page.locator("input[value=pay]").check()
    expect(page.locator("#code-text")).not_to_have_text(shown or "")


def open_the_bill(phone: Page) -> None:
    """The person's one bill to pay, once the phone has heard of it."""
    phone.get_by_role("link", name="账单").last.click()
    bill = phone.locator(".bill", has_text="待缴")
    for _ in range(20):
        if bill.count() == 1:
            break
        phone.get_by_role("button", name="刷新").click()
        phone.wait_for_timeout(500)
    bill.click()


def symbol_on(page: Page) -> str:
    """The text of the one QR symbol on the screen, by a decoder that is not ours."""
    until_s, found = time.monotonic() + 30, []
    while len(found) != 1 and time.monotonic() < until_s:
        # A busy machine's browser paints when it comes to it.
        page.wait_for_timeout(150)
        picture = Image.open(io.BytesIO(page.screenshot()))
        found = symbols_in(picture) or symbols_in(ImageOps.scale(picture, 2))
    assert len(found) == 1, f"{len(found)} symbols on the screen of {page.url}: {found}"
    return found[0]


def symbols_in(picture: Image.Image) -> list[str]:
    """The texts of the QR symbols; other kinds are asked for by nobody, and random modules
    now and then read as one of the many linear kinds."""
    read = zxingcpp.read_barcodes(picture, formats=zxingcpp.BarcodeFormat.QRCode)
    return [str(symbol.text) for symbol in read]


def activate(page: Page, backend: PageBackend) -> None:
    """Bring a new kiosk to its first screen."""
    page.goto(backend.base_url + "/kiosk")
    page.get_by_label("激活码").fill(backend.new_activation_code())
    page.get_by_role("button", name="激活", exact=True).click()
    expect(page.get_by_role("heading", name="请扫码")).to_be_visible()


def scan(page: Page, text: str) -> None:
    """The key events of a scanner gun, made inside the page: each real key is two messages to the
    browser, and a busy machine can hold one up for longer than any gun does."""
    page.evaluate(
        """(text) => [...text, "Enter"].forEach((key) => document.activeElement.dispatchEvent(
          new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true })))""",
        text,
    )


def scan_by_keys(page: Page, text: str) -> None:
    """The same with real keys, which also do what the page does not prevent."""
    page.keyboard.type(text, delay=2)
    page.keyboard.press("Enter")


def keep_picture(page: Page, name: str) -> None:
    """Save a picture when asked: YIMATONG_TEST_PICTURES names the folder."""
    folder = os.environ.get("YIMATONG_TEST_PICTURES")
    if folder:
        page.screenshot(path=str(Path(folder) / name))


def sizes_of(page: Page, selector: str) -> list[dict[str, Any]]:
    """Text, box and font size of every visible element."""
    measured: list[dict[str, Any]] = page.evaluate(
        """(selector) => [...document.querySelectorAll(selector)]
          .filter((node) => node.checkVisibility(
            { visibilityProperty: true, opacityProperty: true }))
          .map((node) => {
            const box = node.getBoundingClientRect();
            return { text: node.textContent.trim().slice(0, 20), width: box.width,
              height: box.height, left: box.left, right: box.right, top: box.top,
              bottom: box.bottom, font: parseFloat(getComputedStyle(node).fontSize) };
          })""",
        selector,
    )
    return measured


def texts_sizes(page: Page) -> list[tuple[str, float]]:
    """Every visible piece of text and its size in pixels."""
    found: list[tuple[str, float]] = page.evaluate(
        """() => {
          const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
          const found = [];
          for (let node = walker.nextNode(); node; node = walker.nextNode()) {
            const holder = node.parentElement;
            if (node.data.trim() === "" || holder.closest(".unseen, .skip, noscript")) continue;
            if (!holder.checkVisibility({ visibilityProperty: true })) continue;
            found.push([node.data.trim(), parseFloat(getComputedStyle(holder).fontSize)]);
          }
          return found;
        }"""
    )
    return [(text, size) for text, size in found]


def contrasts(page: Page) -> list[tuple[str, float]]:
    """Every visible text with the contrast of its colour to the nearest painted ground."""
    found: list[tuple[str, float]] = page.evaluate(
        """() => {
          const parse = (text) => text.match(/[\\d.]+/g).map(Number);
          const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
            .map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
            .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
          const ground = (node) => {
            for (let at = node; at; at = at.parentElement) {
              const colour = parse(getComputedStyle(at).backgroundColor);
              if (colour.length < 4 || colour[3] > 0) return colour;
            }
            return [255, 255, 255];
          };
          const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
          const found = [];
          for (let node = walker.nextNode(); node; node = walker.nextNode()) {
            const holder = node.parentElement;
            if (node.data.trim() === "" || holder.closest(".unseen, .skip, noscript")) continue;
            if (!holder.checkVisibility({ visibilityProperty: true })) continue;
            const [a, b] = [parse(getComputedStyle(holder).color), ground(holder)].map(light);
            found.push([node.data.trim(), (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)]);
          }
          return found;
        }"""
    )
    return [(text, ratio) for text, ratio in found]


def sideways(page: Page) -> int:
    """By how many pixels the page is wider than the screen."""
    return int(
        page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    )


def shifts(page: Page) -> tuple[float, list[str]]:
    """The sum of layout shifts that no touch explains, and the classes of what moved."""
    total, moved = page.evaluate("[window.shifts, window.shifted]")
    return float(total), list(moved)


def cut_off(page: Page) -> list[str]:
    """Texts that leave the kiosk's main part, where nothing scrolls but what is meant to."""
    found: list[str] = page.evaluate(
        """() => {
          const main = document.getElementById("main").getBoundingClientRect();
          const walker = document.createTreeWalker(
            document.getElementById("main"), NodeFilter.SHOW_TEXT);
          const found = [];
          for (let node = walker.nextNode(); node; node = walker.nextNode()) {
            const holder = node.parentElement;
            if (node.data.trim() === "" || holder.closest(".unseen, .scroll, .choices")) continue;
            if (!holder.checkVisibility({ visibilityProperty: true })) continue;
            const box = holder.getBoundingClientRect();
            const notices = holder.closest(".notices");
            const scrolls = notices && notices.scrollHeight > notices.clientHeight + 1;
            const outside = box.top < main.top || box.bottom > main.bottom
              || box.left < main.left || box.right > main.right;
            if (outside || scrolls) found.push(node.data.trim());
          }
          return found;
        }"""
    )
    return found


def assert_fits(page: Page, shape: tuple[int, int]) -> None:
    """Nothing is cut, small or pale: what every screen of the kiosk must keep."""
    width, height = shape
    page.wait_for_timeout(250)  # colours take 160 ms to change
    assert sideways(page) == 0
    assert page.evaluate("document.documentElement.scrollHeight") == height
    targets = sizes_of(page, "button, input, a, summary")
    assert [t for t in targets if min(t["width"], t["height"]) < 80] == []
    inside = [t for t in targets if t["left"] >= 0 and t["right"] <= width]
    assert inside == targets
    assert [t for t in targets if t["bottom"] > height] == []
    assert cut_off(page) == []
    assert [text for text, size in texts_sizes(page) if size < 24] == []
    assert [text for text, ratio in contrasts(page) if ratio < 7] == []
