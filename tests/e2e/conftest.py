"""A browser, a system to look at, and ears for whatever a page must never do."""

import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.support.page_backend import PageBackend, StandIn

CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WATCH_SHIFTS = """
window.shifts = 0;
window.shifted = [];
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) {
    if (entry.hadRecentInput) continue;
    window.shifts += entry.value;
    window.shifted.push(...entry.sources.map((source) =>
      source.node?.className ?? source.node?.parentNode?.className ?? "gone"));
  }
}).observe({ type: "layout-shift", buffered: true });
"""

NewPage = Callable[..., Page]

# A page that a busy machine draws late is not a wrong page; what is there at once costs nothing.
expect.set_options(timeout=45_000)


def chromium_path() -> str | None:
    """The browser's program: named by CHROMIUM, else found on the path.

    Rather Chromium without its own windows: the same pages for 0.6 of the processor's time.
    """
    found = (shutil.which(name) for name in ("chromium-headless-shell", "chromium"))
    return os.environ.get("CHROMIUM") or next(filter(None, found), None)


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_served(url: str) -> None:
    """Until the page answers, at most ten seconds."""
    for _ in range(100):
        try:
            with urlopen(url, timeout=2):  # noqa: S310 - our own loopback address
                return
        except URLError:
            time.sleep(0.1)
    raise TimeoutError(url)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser a module: Playwright's loop must be gone before an asynchronous test runs."""
    path = chromium_path()
    if path is None:
        if os.environ.get("YIMATONG_REQUIRE_BROWSER"):
            pytest.fail("no chromium: set CHROMIUM or install it")
        pytest.skip("PAGES NOT TESTED: no chromium; set CHROMIUM or install it")
    with sync_playwright() as play:
        found = play.chromium.launch(executable_path=path, args=CHROMIUM_FLAGS)
        yield found
        found.close()


@pytest.fixture(scope="session")
def backend() -> Iterator[PageBackend]:
    """The stand-in; the same tests take any ``PageBackend``."""
    standing = StandIn(port=free_port(), twin_port=free_port())
    standing.start()
    wait_until_served(standing.base_url + "/")
    yield standing
    standing.stop()


@pytest.fixture
def new_page(browser: Browser, backend: PageBackend) -> Iterator[NewPage]:
    """Opens pages of a size on devices of their own. Fails the test on console errors, on CSP
    violations and on any request that leaves the system."""
    contexts: list[BrowserContext] = []
    heard: list[str] = []
    allowed = ("http://127.0.0.1:", "data:")

    def open_page(
        width: int,
        height: int,
        *,
        quiet: tuple[str, ...] = (),
        scale: int = 2,
        stubs: bool = False,
    ) -> Page:
        """``stubs``: the test answers routes in the system's place, so no worker may take them."""
        if stubs:
            quiet = (*quiet, "Service Worker registration blocked")
        context = browser.new_context(
            viewport={"width": width, "height": height},
            device_scale_factor=scale,
            locale="zh-CN",
            reduced_motion="reduce",
            service_workers="block" if stubs else "allow",
        )
        contexts.append(context)
        context.add_init_script(WATCH_SHIFTS)
        context.set_default_timeout(45_000)
        page = context.new_page()
        page.on(
            "console",
            lambda said: (
                heard.append(said.text)
                if said.type in ("error", "warning") and not any(q in said.text for q in quiet)
                else None
            ),
        )
        page.on("pageerror", lambda fault: heard.append(str(fault)))
        page.on(
            "request",
            lambda asked: heard.append(asked.url) if not asked.url.startswith(allowed) else None,
        )
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert heard == []
