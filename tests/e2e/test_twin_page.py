"""A twin's page as a person uses it: see a trade, script a fault, let the clock jump."""

import asyncio
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from granian.constants import Interfaces
from granian.server.embed import Server
from playwright.sync_api import Page, expect

from integrations.kit.transport import Transport
from integrations.ports.outcomes import Accepted, Outcome, Unknown
from integrations.ports.payments import Payment
from integrations.wechatpay.gateway import WechatPayGateway
from tests.contract.wechat_rig import Rig, counting_nonce, settings
from tests.e2e.conftest import NewPage, free_port, wait_until_served

SIZES = {"phone": (390, 844), "desk": (1280, 800)}


class Served:
    """A WeChat Pay twin with one paid trade, on a port of its own."""

    def __init__(self) -> None:
        self.rig = Rig()
        self.url = f"http://127.0.0.1:{free_port()}"
        self._loop = asyncio.new_event_loop()
        self._server = Server(
            self.rig.app,
            address="127.0.0.1",
            port=httpx.URL(self.url).port or 0,
            interface=Interfaces.ASGI,
            log_enabled=False,
        )
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        wait_until_served(f"{self.url}/sandbox/")

    def query(self) -> Outcome[Payment]:
        """What a merchant is told over the wire."""
        with ThreadPoolExecutor(1) as other:  # the browser's loop runs in this thread
            return other.submit(asyncio.run, self._query()).result()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._server.stop)
        self._thread.join(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self.rig.paid("TRADE0001"))
        self._loop.run_until_complete(self._server.serve())
        self._loop.close()

    async def _query(self) -> Outcome[Payment]:
        async with httpx.AsyncClient() as client:
            own = settings(base_url=self.url)
            gateway = WechatPayGateway(
                own, Transport(client, 5.0), self.rig.clock, counting_nonce()
            )
            return await gateway.query("TRADE0001")


@pytest.fixture
def served() -> Iterator[Served]:
    made = Served()
    yield made
    made.stop()


def fits(page: Page) -> bool:
    """No sideways scrolling of the page itself: wide tables scroll in their own frames."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= innerWidth"))


@pytest.mark.parametrize("size", SIZES)
def test_a_person_spoils_the_next_answer_about_a_trade(
    served: Served, new_page: NewPage, size: str
) -> None:
    page = new_page(*SIZES[size], scale=1)
    page.goto(f"{served.url}/sandbox/")
    expect(page.get_by_role("heading", level=1)).to_have_text("微信支付沙箱账本")
    orders = page.get_by_role("region", name="订单")
    expect(orders.get_by_role("cell", name="TRADE0001")).to_be_visible()
    page.locator("select[name=fault]").select_option("answer-forged")
    page.get_by_label("订单号或退款号（可空）").fill("TRADE0001")
    page.get_by_role("button", name="注入").click()
    waiting = page.get_by_role("region", name="待发生的故障")
    expect(waiting.get_by_role("cell", name="answer-forged")).to_be_visible()
    assert fits(page)
    if folder := os.environ.get("YIMATONG_TEST_PICTURES"):
        page.screenshot(path=str(Path(folder) / f"twin-{size}.png"), full_page=True)
    assert isinstance(served.query(), Unknown)
    assert isinstance(served.query(), Accepted)
    page.reload()
    expect(waiting).to_have_count(0)


def test_the_clock_jumps_and_a_wrong_number_is_told(served: Served, new_page: NewPage) -> None:
    page = new_page(*SIZES["phone"], scale=1, quiet=("400",))
    page.goto(f"{served.url}/sandbox/")
    now = page.locator(".now strong")
    before = now.text_content()
    page.locator("select[name=forward_s]").select_option("86400")
    page.get_by_role("button", name="拨快").click()
    expect(now).not_to_have_text(before or "")
    page.get_by_label("次数").fill("20000")
    page.get_by_role("button", name="注入").click()
    expect(page.get_by_text("请求参数不符合要求")).to_be_visible()
