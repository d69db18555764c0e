"""Ten times what the server can do, for a minute: how much of the possible is still done.

An open loop: requests leave on their schedule whether or not earlier ones were answered, as a
crowd's do. A request that finds no free connection is counted as not sent.
"""

import asyncio
import multiprocessing
import time
from collections import deque
from concurrent.futures import ProcessPoolExecutor
from typing import cast
from urllib.parse import urlsplit

import msgspec
import uvloop

from loadtests.sender import TerminalKey, signed_scan

CONNECTIONS = 2000
"""Far more than are served or told no in the time of one answer, as of a crowd."""
TICK_S = 0.01
ANSWERS_WITHIN_S = 15.0


class Offered(msgspec.Struct, kw_only=True):
    """What was offered, and how it ended."""

    per_s: float
    seconds: float
    sent: int
    not_sent: int
    statuses: dict[int, int]
    good_ms: list[float]
    unanswered: int
    client_cpu_s: float

    @property
    def goodput(self) -> float:
        """Successes a second."""
        return self.statuses.get(200, 0) / self.seconds

    def percentile_ms(self, part: float) -> float:
        """Of the successes' latencies, in milliseconds."""
        ordered = sorted(self.good_ms) or [0.0]
        return round(ordered[min(len(ordered) - 1, int(len(ordered) * part))], 1)


class _Exchange(asyncio.Protocol):
    """One connection: a request, then its whole answer; notes it and is free again."""

    def __init__(self, crowd: "_Crowd") -> None:
        self._crowd = crowd
        self._received = bytearray()
        self._began = 0.0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own is no subclass
        self._crowd.free.append(self)

    def send(self, request: bytes) -> None:
        assert self._transport is not None
        self._received.clear()
        self._began = time.perf_counter()
        self._transport.write(request)

    def data_received(self, piece: bytes) -> None:
        self._received += piece
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return
        head = bytes(self._received[:end]).lower()
        at = head.find(b"content-length:")
        size = int(head[at + 15 :].split(b"\r\n", 1)[0])
        if len(self._received) >= end + 4 + size:
            self._crowd.note(int(head[9:12]), time.perf_counter() - self._began)
            self._crowd.free.append(self)

    def connection_lost(self, _fault: Exception | None) -> None:
        self._crowd.lost += 1


class _Crowd:
    def __init__(self) -> None:
        self.free: deque[_Exchange] = deque()
        self.statuses: dict[int, int] = {}
        self.good_ms: list[float] = []
        self.lost = 0

    def note(self, status: int, took_s: float) -> None:
        self.statuses[status] = self.statuses.get(status, 0) + 1
        if status == 200:
            self.good_ms.append(took_s * 1000)


class PrintedScans(msgspec.Struct, frozen=True, kw_only=True):
    """Terminals that read printed codes: each may be read again and again, each request once."""

    base_url: str
    texts: list[str]
    terminals: list[TerminalKey]

    def make(self, count: int) -> list[bytes]:
        """So many signed requests, by all terminals in turn."""
        return [
            signed_scan(
                self.base_url,
                self.texts[turn % len(self.texts)],
                self.terminals[turn % len(self.terminals)],
                purpose="identify",
            )
            for turn in range(count)
        ]


def offer(
    scans: PrintedScans, *, per_s: float, seconds: float, connections: int = CONNECTIONS
) -> Offered:
    """Send at this rate from a process of its own, which makes its requests before it begins."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_offer, scans, per_s, seconds, connections).result()


def _offer(scans: PrintedScans, per_s: float, seconds: float, connections: int) -> Offered:
    requests = scans.make(int(per_s * seconds) + 1)
    return uvloop.run(_crowding(scans.base_url, requests, per_s, seconds, connections))


async def _crowding(
    base_url: str, requests: list[bytes], per_s: float, seconds: float, count: int
) -> Offered:
    loop, crowd, parts = asyncio.get_running_loop(), _Crowd(), urlsplit(base_url)
    connections = [
        (await loop.create_connection(lambda: _Exchange(crowd), parts.hostname, parts.port))[0]
        for _ in range(count)
    ]
    sent = not_sent = 0
    began, spent_s = time.perf_counter(), time.process_time()
    while (now := time.perf_counter() - began) < seconds:
        for turn in range(sent + not_sent, int(now * per_s)):
            if crowd.free:
                crowd.free.popleft().send(requests[turn % len(requests)])
                sent += 1
            else:
                not_sent += 1
        await asyncio.sleep(TICK_S)
    took_s, spent_s = time.perf_counter() - began, time.process_time() - spent_s
    in_time = dict(crowd.statuses)
    for _ in range(round(ANSWERS_WITHIN_S / TICK_S)):
        if sum(crowd.statuses.values()) >= sent:
            break
        await asyncio.sleep(TICK_S)
    for connection in connections:
        connection.close()
    return Offered(
        per_s=per_s,
        seconds=took_s,
        sent=sent,
        not_sent=not_sent,
        statuses=in_time,
        good_ms=crowd.good_ms,
        unanswered=sent - sum(crowd.statuses.values()),
        client_cpu_s=spent_s,
    )
