"""A lean HTTP/1.1 client in a process of its own, so that the server's CPU is all that is counted.

Each connection sends one request after the other; there is no pause between them.
"""

import asyncio
import base64
import multiprocessing
import os
import secrets
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import msgspec

from crypto.sm3 import hmac_sm3

CONNECTIONS = 8
ANSWER_WITHIN_S = 30.0


class Sent(msgspec.Struct, kw_only=True):
    """What came back. ``bodies`` are those of successes, in no order."""

    statuses: dict[int, int]
    bodies: list[bytes]
    latencies_ms: list[float]
    took_s: float

    def and_then(self, later: "Sent") -> "Sent":
        """Two sendings as one."""
        statuses = dict(self.statuses)
        for status, count in later.statuses.items():
            statuses[status] = statuses.get(status, 0) + count
        return Sent(
            statuses=statuses,
            bodies=self.bodies + later.bodies,
            latencies_ms=self.latencies_ms + later.latencies_ms,
            took_s=self.took_s + later.took_s,
        )

    def count(self, status: int) -> int:
        """Answers with this status."""
        return self.statuses.get(status, 0)

    def percentile_ms(self, part: float) -> float:
        """Of the latencies, in milliseconds."""
        ordered = sorted(self.latencies_ms)
        return round(ordered[min(len(ordered) - 1, int(len(ordered) * part))], 1)


class TerminalKey(msgspec.Struct, kw_only=True):
    """A terminal that scans."""

    terminal_id: str
    key: bytes


def get_health(base_url: str, count: int) -> Sent:
    """``GET /healthz``: the floor under every request."""
    request = http_request("GET", base_url, "/healthz", [], b"")
    return _elsewhere(_send_all, base_url, [request] * count)


def issue(base_url: str, tokens: list[str], each: int) -> Sent:
    """``each`` codes for the holder of every token, in turn."""
    body = msgspec.json.encode({"purpose": "pay", "symbol": False})
    requests = [
        http_request("POST", base_url, "/v1/me/codes", [f"authorization: Bearer {token}"], body)
        for token in tokens
    ]
    return _elsewhere(_send_all, base_url, requests * each)


def send_all(base_url: str, requests: list[bytes]) -> Sent:
    """Requests made before."""
    return _elsewhere(_send_all, base_url, requests)


def scan(base_url: str, texts: list[str], terminals: list[TerminalKey]) -> Sent:
    """Each text once, by the terminals in turn."""
    return _elsewhere(_send_scans, base_url, texts, terminals)


def get_ready() -> None:
    """Until the client's process runs: what a server does meanwhile is no part of what is sent."""
    _client().submit(os.getpid).result()


@cache
def _client() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(
        1, mp_context=multiprocessing.get_context("spawn"), initializer=_import_all
    )


def _import_all() -> None:
    """Nothing more: to find this function the client has imported this module."""


def _elsewhere(work: Callable[..., Coroutine[Any, Any, Sent]], *args: Any) -> Sent:
    return _client().submit(_run, work, *args).result()


def _run(work: Callable[..., Coroutine[Any, Any, Sent]], *args: Any) -> Sent:
    return asyncio.run(work(*args))


def http_request(method: str, base_url: str, target: str, headers: list[str], body: bytes) -> bytes:
    """The bytes of one HTTP/1.1 request with a JSON body."""
    lines = [
        f"{method} {target} HTTP/1.1",
        f"host: {urlsplit(base_url).netloc}",
        "content-type: application/json",
        f"content-length: {len(body)}",
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


def signed_scan(base_url: str, text: str, terminal: TerminalKey, purpose: str = "pay") -> bytes:
    """The request by which a terminal resolves a text, good for five minutes."""
    target, key = "/v1/terminal/scans", secrets.token_hex(8)
    body = msgspec.json.encode({"text": text, "purpose": purpose})
    timestamp, nonce = str(int(time.time())), secrets.token_hex(12)
    host = urlsplit(base_url).netloc
    lines = [terminal.terminal_id, "POST", host, target, timestamp, nonce, key]
    signed = "".join(f"{line}\n" for line in lines).encode() + body + b"\n"
    signature = base64.b64encode(hmac_sm3(terminal.key, signed)).decode()
    headers = [
        (
            f'authorization: YIMATONG-HMAC-SM3 id="{terminal.terminal_id}",'
            f'timestamp="{timestamp}",nonce="{nonce}",signature="{signature}"'
        ),
        f"idempotency-key: {key}",
    ]
    return http_request("POST", base_url, target, headers, body)


async def _send_all(base_url: str, requests: list[bytes]) -> Sent:
    return await _drive(base_url, iter(requests))


async def _send_scans(base_url: str, texts: list[str], terminals: list[TerminalKey]) -> Sent:
    turns = ((text, terminals[turn % len(terminals)]) for turn, text in enumerate(texts))
    return await _drive(base_url, (signed_scan(base_url, *turn) for turn in turns))


async def _drive(base_url: str, requests: Iterable[bytes]) -> Sent:
    """Send by several connections until the requests are used up."""
    sent = Sent(statuses={}, bodies=[], latencies_ms=[], took_s=0.0)
    waiting = iter(requests)
    began = time.perf_counter()
    await asyncio.gather(*(_one_connection(base_url, waiting, sent) for _ in range(CONNECTIONS)))
    sent.took_s = time.perf_counter() - began
    return sent


async def _one_connection(base_url: str, waiting: Iterable[bytes], sent: Sent) -> None:
    parts = urlsplit(base_url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        async for status, body, took_s in _exchanges(reader, writer, waiting):
            sent.statuses[status] = sent.statuses.get(status, 0) + 1
            sent.latencies_ms.append(took_s * 1000)
            if status < 300:
                sent.bodies.append(body)
    finally:
        writer.close()


async def _exchanges(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, waiting: Iterable[bytes]
) -> AsyncIterator[tuple[int, bytes, float]]:
    for request in waiting:
        began = time.perf_counter()
        writer.write(request)
        async with asyncio.timeout(ANSWER_WITHIN_S):
            head = await reader.readuntil(b"\r\n\r\n")
            body = await reader.readexactly(_length(head))
        yield int(head[9:12]), body, time.perf_counter() - began


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    raise ValueError("the answer tells no length")
