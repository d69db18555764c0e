"""At the kiosk a person sees what a commercial insurer bears, or that it bears nothing."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import NewPage
from tests.e2e.test_kiosk_ways import BOTH, fits_both, to_the_check
from tests.support.page_backend import PageBackend
from tests.support.page_steps import LANDSCAPE, PORTRAIT, symbol_on, world_of
from tests.support.page_world import World


@pytest.fixture
def world(backend: PageBackend) -> Iterator[World]:
    """A hospital that both providers collect for."""
    found = world_of(backend)
    before = found.ways
    found.ways = BOTH
    yield found
    found.ways, found.cover = before, {}


def test_what_the_insurer_bears_is_a_line_of_its_own(
    new_page: NewPage, backend: PageBackend, world: World
) -> None:
    world.cover = {"cover_fen": 600}
    page = new_page(*PORTRAIT, scale=1)
    to_the_check(new_page, backend, page)
    expect(page.locator("[data-part=cover_fen]")).to_have_text("−¥6.00")
    fits_both(page, "kiosk-cover")
    page.set_viewport_size({"width": PORTRAIT[0], "height": PORTRAIT[1]})
    page.get_by_role("button", name="去付款").click()
    page.get_by_role("button", name="支付宝").click()
    backend.pay_qr(symbol_on(page))
    expect(page.get_by_role("heading", name="缴费成功")).to_be_visible()
    expect(page.locator(".receipt")).to_contain_text("商业保险")


def test_an_insurer_that_bears_nothing_is_told_and_holds_nobody_up(
    new_page: NewPage, backend: PageBackend, world: World
) -> None:
    world.cover = {"cover_fen": 0, "cover_declined": "unreachable"}
    page = new_page(*PORTRAIT, scale=1)
    to_the_check(new_page, backend, page)
    expect(page.locator("[data-part=cover_fen]")).to_have_text("¥0.00")
    expect(page.locator(".split-more")).to_have_text("商业保险这次不能直接赔付，可事后自行理赔")
    fits_both(page, "kiosk-cover-declined")
    page.set_viewport_size({"width": LANDSCAPE[0], "height": LANDSCAPE[1]})
    state = page.locator(".check .state").bounding_box()
    button = page.locator(".check-right .button.is-main").bounding_box()
    assert state is not None
    assert button is not None
    assert state["y"] + state["height"] <= button["y"]
    expect(page.get_by_role("button", name="去付款")).to_be_enabled()


def test_without_an_insurer_there_is_no_such_line(
    new_page: NewPage, backend: PageBackend, world: World
) -> None:
    page = new_page(*PORTRAIT, scale=1)
    to_the_check(new_page, backend, page)
    expect(page.locator("[data-part=cover_fen]")).to_be_hidden()
