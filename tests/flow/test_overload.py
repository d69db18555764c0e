"""More requests than the server can do: refused at once, and the watchers still get answers."""

import asyncio

import httpx
import pytest

from service.kernel.entry import Entry, Message, Receive, Scope, Send
from service.kernel.limits import BoundedQueue
from service.kernel.metrics import Metrics
from tests.support.app import a_client


class Gate:
    """An application that answers only when it is let."""

    def __init__(self) -> None:
        self.opened = asyncio.Event()
        self.full = asyncio.Event()
        self.running = 0

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        if scope["path"] != "/healthz":
            self.running += 1
            if self.running == 2:
                self.full.set()
            await self.opened.wait()
        start: Message = {"type": "http.response.start", "status": 200, "headers": []}
        await send(start)
        await send({"type": "http.response.body", "body": b"done"})


@pytest.fixture
def gate() -> Gate:
    return Gate()


async def test_what_is_too_much_is_refused_at_once_and_the_rest_is_done(gate: Gate) -> None:
    metrics = Metrics()
    entry = Entry(gate, queue=BoundedQueue(running=2, waiting=3, patience_s=5), metrics=metrics)
    async with a_client(entry) as client:
        taken = [asyncio.create_task(client.get("/v1/me")) for _ in range(5)]
        await gate.full.wait()
        await asyncio.sleep(0.01)
        refused = await asyncio.gather(*(client.get("/v1/me") for _ in range(20)))
        assert {answer.status_code for answer in refused} == {503}
        first = refused[0]
        assert first.headers["content-type"] == "application/problem+json"
        assert first.headers["retry-after"] == "1"
        assert first.json()["instance"].endswith(first.headers["x-request-id"])
        assert first.json()["code"] == "overloaded"
        assert first.json()["retryable"] is True
        assert len({answer.json()["instance"] for answer in refused}) == 20
        assert (await client.get("/healthz")).status_code == 200
        gate.opened.set()
        done: list[httpx.Response] = await asyncio.gather(*taken)
        assert [answer.status_code for answer in done] == [200] * 5
        assert (await client.get("/v1/me")).status_code == 200
    assert b'yimatong_requests_total{operation="shed",status="503"} 20.0' in metrics.text()


async def test_what_waited_too_long_is_refused_while_the_rest_is_done(gate: Gate) -> None:
    metrics = Metrics()
    entry = Entry(gate, queue=BoundedQueue(running=2, waiting=20, patience_s=0.2), metrics=metrics)
    async with a_client(entry) as client:
        taken = [asyncio.create_task(client.get("/v1/me")) for _ in range(2)]
        await gate.full.wait()
        late = await asyncio.gather(*(client.get("/v1/me") for _ in range(10)))
        assert {answer.status_code for answer in late} == {503}
        assert {answer.headers["retry-after"] for answer in late} == {"1"}
        assert (await client.get("/healthz")).status_code == 200
        assert gate.running == 2, "what was refused was never begun"
        gate.opened.set()
        assert [answer.status_code for answer in await asyncio.gather(*taken)] == [200] * 2
        assert (await client.get("/v1/me")).status_code == 200
    assert b'yimatong_requests_total{operation="shed",status="503"} 10.0' in metrics.text()
