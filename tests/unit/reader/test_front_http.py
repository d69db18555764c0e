"""The front machine's HTTP: what a client sends badly, slowly or in another shape."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.front_machine.app import FrontMachine
from service.front_machine.http_server import BODY_MAX, HEAD_MAX, HttpServer, Reply, Request
from service.front_machine.serving import FrontSettings, tls_of
from tests.support.clock import FakeClock

HEAD = b"POST /echo HTTP/1.1\r\nhost: front\r\n"
GET = b"GET /echo HTTP/1.1\r\nhost: front\r\n\r\n"


def echo(requests: Sequence[Request]) -> list[Reply]:
    return [
        Reply(200, json.dumps([part.decode("latin-1") for part in request]).encode())
        for request in requests
    ]


def refuse(status: int) -> Reply:
    """As the front machine itself says it; its reader is not asked."""
    reader: Any = None
    return FrontMachine(reader, FakeClock(), None).refuse(status)


class Ends:
    """A client's two ends."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, *parts: bytes) -> None:
        """Each part on its way before the next."""
        for part in parts:
            self.writer.write(part)
            await self.writer.drain()
            await asyncio.sleep(0)

    async def head(self) -> tuple[int, dict[str, str]]:
        """Status and headers of the next answer."""
        text = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        line, *headers = text.removesuffix("\r\n\r\n").split("\r\n")
        return int(line.split()[1]), dict(header.split(": ", 1) for header in headers)

    async def answer(self) -> tuple[int, Any]:
        """Status and body of the next answer."""
        status, headers = await self.head()
        return status, json.loads(await self.reader.readexactly(int(headers["content-length"])))

    async def is_over(self) -> bool:
        """Whether the server ended it, with nothing more said."""
        async with asyncio.timeout(30):
            return await self.reader.read() == b""


@asynccontextmanager
async def served(**bounds: float) -> AsyncIterator[HttpServer]:
    connections_max = int(bounds.pop("connections_max", 512))
    server = HttpServer(echo, refuse, connections_max=connections_max, **bounds)
    await server.listen("127.0.0.1", 0)
    sweeping = asyncio.create_task(server.sweep())
    try:
        yield server
    finally:
        sweeping.cancel()
        server.close()


def certified(folder: Path) -> FrontSettings:
    """Settings with a certificate for 127.0.0.1 and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    address = x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .add_extension(address, critical=False)
        .sign(key, SHA256())
    )
    (folder / "cert").write_bytes(certificate.public_bytes(Encoding.PEM))
    form = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "key").write_bytes(key.private_bytes(*form))
    return FrontSettings(
        folder=folder,
        host="127.0.0.1",
        port=0,
        secret_file=None,
        tls_cert=folder / "cert",
        tls_key=folder / "key",
    )


async def test_over_tls_it_is_the_same_and_a_plain_client_is_let_go(tmp_path: Path) -> None:
    settings = certified(tmp_path)
    server = HttpServer(echo, refuse)
    await server.listen(settings.host, 0, tls_of(settings))
    trusting = ssl.create_default_context(cafile=settings.tls_cert)
    try:
        async with httpx.AsyncClient(verify=trusting) as client:
            url = f"https://127.0.0.1:{server.port}/echo"
            for _ in range(2):
                answer = await client.post(url, content=b"A" * BODY_MAX)
                assert (answer.status_code, answer.json()[3]) == (200, "A" * BODY_MAX)
            assert (await client.post(url, content=b"A" * 20_000)).status_code == 413
        async with connected(server) as ends:
            await ends.send(GET)
            assert not (await ends.reader.read()).startswith(b"HTTP")
    finally:
        server.close()


def test_a_certificate_that_does_not_fit_is_said(tmp_path: Path) -> None:
    settings = certified(tmp_path)
    (tmp_path / "key").write_text("nonsense")
    with pytest.raises(ValueError, match="--tls-cert and --tls-key"):
        tls_of(settings)


@asynccontextmanager
async def connected(server: HttpServer) -> AsyncIterator[Ends]:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        yield Ends(reader, writer)
    finally:
        writer.close()


def with_length(body: bytes, *headers: bytes) -> bytes:
    more = b"".join(header + b"\r\n" for header in headers)
    return HEAD + more + b"content-length: %d\r\n\r\n" % len(body) + body


def in_chunks(pieces: Iterable[bytes]) -> bytes:
    written = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return HEAD + b"transfer-encoding: chunked\r\n\r\n" + written + b"0\r\n\r\n"


async def test_one_connection_carries_many_requests() -> None:
    async with served() as server, connected(server) as ends:
        for number in range(3):
            await ends.send(with_length(b"%d" % number, b"Authorization: Bearer x"))
            assert await ends.answer() == (200, ["POST", "/echo", "Bearer x", str(number)])
        await ends.send(GET * 5)
        for _ in range(5):
            assert await ends.answer() == (200, ["GET", "/echo", "", ""])
        assert len(server.connections) == 1


async def test_what_came_in_one_turn_is_answered_together() -> None:
    together: list[list[bytes]] = []

    def noted(requests: Sequence[Request]) -> list[Reply]:
        together.append([request.body for request in requests])
        return echo(requests)

    async with served() as server, connected(server) as one, connected(server) as two:
        server.answer_all = noted
        one.writer.write(with_length(b"1a") + with_length(b"1b"))
        two.writer.write(with_length(b"2a") + with_length(b"2b"))
        for ends, number in ((one, 1), (two, 2)):
            assert [(await ends.answer())[1][3] for _ in "ab"] == [f"{number}a", f"{number}b"]
    assert together == [[b"1a"], [b"1b", b"2a"], [b"2b"]], "of each client one at a time"


async def test_whoever_sent_his_last_word_still_gets_his_answers() -> None:
    async with served() as server, connected(server) as ends:
        await ends.send(GET)
        ends.writer.write_eof()
        assert (await ends.answer())[0] == 200
        assert await ends.is_over()
    async with served() as server, connected(server) as ends:
        await ends.send(GET + b"nonsense\r\n\r\n")
        assert [(await ends.answer())[0] for _ in range(2)] == [200, 400]
        assert await ends.is_over()


async def test_a_request_may_come_in_any_pieces() -> None:
    whole = with_length("码".encode())
    async with served() as server, connected(server) as ends:
        await ends.send(*(whole[at : at + 1] for at in range(len(whole))))
        assert (await ends.answer())[1][3] == "码".encode().decode("latin-1")
        await ends.send(in_chunks([b"a", b"bc", b"def"]))
        assert (await ends.answer())[1][3] == "abcdef"


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (b"/echo?x=1", "/echo"),
        (b"http://front:8095/echo?x", "/echo"),
        (b"/%65cho", "/%65cho"),
    ],
)
async def test_the_path_is_what_stands_before_the_question(target: bytes, path: str) -> None:
    async with served() as server, connected(server) as ends:
        await ends.send(b"GET " + target + b" HTTP/1.1\r\nhost: front\r\n\r\n")
        assert (await ends.answer())[1][1] == path


async def test_a_head_gets_no_body_and_an_expectant_client_is_told_to_go_on() -> None:
    async with served() as server, connected(server) as ends:
        await ends.send(GET.replace(b"GET", b"HEAD"))
        status, headers = await ends.head()
        assert (status, int(headers["content-length"]) > 0) == (200, True)
        await ends.send(HEAD + b"expect: 100-continue\r\ncontent-length: 2\r\n\r\n")
        assert (await ends.head())[0] == 100
        await ends.send(b"ok")
        assert (await ends.answer())[1][3] == "ok"


@pytest.mark.parametrize(
    ("request_bytes", "is_kept"),
    [
        (GET, True),
        (GET.replace(b"1.1", b"1.0"), False),
        (GET.replace(b"host", b"connection: close\r\nhost"), False),
        (GET.replace(b"host", b"connection: upgrade\r\nupgrade: h2c\r\nhost"), False),
        (with_length(b"x", b"connection: upgrade, x", b"upgrade: h2c"), False),
    ],
)
async def test_a_connection_ends_where_the_client_or_the_protocol_says(
    request_bytes: bytes, is_kept: bool
) -> None:
    async with served() as server, connected(server) as ends:
        await ends.send(request_bytes)
        status, headers = await ends.head()
        assert (status, headers.get("connection")) == (200, None if is_kept else "close")
        await ends.reader.readexactly(int(headers["content-length"]))
        if is_kept:
            await ends.send(GET)
            assert (await ends.answer())[0] == 200
        else:
            assert await ends.is_over()


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (b"nonsense\r\n\r\n", 400, "malformed-request"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(40), 400, "malformed-request"),
        (HEAD + b"content-length: 1\r\ncontent-length: 2\r\n\r\nxx", 400, "malformed-request"),
        (HEAD + b"content-length: -1\r\n\r\n", 400, "malformed-request"),
        (
            HEAD + b"content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
            "malformed-request",
        ),
        (HEAD + b"transfer-encoding: chunked\r\n\r\nzz\r\n", 400, "malformed-request"),
        (HEAD + b"bad header\r\n\r\n", 400, "malformed-request"),
        (HEAD + b"content-length: %d\r\n\r\n" % (BODY_MAX + 1), 413, "body-too-large"),
        (HEAD + b"content-length: 999999999999\r\n\r\n", 413, "body-too-large"),
        (in_chunks([b"A" * 9000] * 9), 413, "body-too-large"),
        (HEAD + b"x: " + b"y" * (2 * HEAD_MAX + BODY_MAX), 431, "head-too-large"),
        (HEAD + b"x: y\r\n" * 20_000, 431, "head-too-large"),
        (b"GET /" + b"a" * 100_000, 431, "head-too-large"),
    ],
)
async def test_what_cannot_be_read_is_answered_and_ended(
    sent: bytes, status: int, code: str
) -> None:
    async with served() as server, connected(server) as ends:
        await ends.send(sent)
        got, problem = await ends.answer()
        assert (got, problem["status"], problem["code"]) == (status, status, code)
        assert await ends.is_over()
        async with connected(server) as another:
            await another.send(GET)
            assert (await another.answer())[0] == 200


async def test_a_client_that_goes_on_sending_still_hears_why_it_was_refused() -> None:
    async with served() as server, connected(server) as ends:
        body = b"A" * 1_000_000
        await ends.send(HEAD + b"content-length: 1000000\r\n\r\n", body[:300_000], body[300_000:])
        assert (await ends.answer())[0] == 413


async def test_a_request_that_does_not_end_is_ended() -> None:
    async with served(request_within_s=0.1) as server, connected(server) as ends:
        await ends.send(HEAD + b"content-length: 10\r\n\r\nabc")
        status, problem = await ends.answer()
        assert (status, problem["code"]) == (408, "request-too-slow")
        assert await ends.is_over()


async def test_an_idle_connection_is_ended_without_a_word() -> None:
    async with served(idle_s=0.1) as server, connected(server) as ends:
        await ends.send(GET)
        assert (await ends.answer())[0] == 200
        assert await ends.is_over()


@pytest.mark.parametrize("asked", [1, 20])
async def test_a_client_that_takes_no_answers_is_let_go(asked: int) -> None:
    given: list[Request] = []

    def answer_all(requests: Sequence[Request]) -> list[Reply]:
        given.extend(requests)
        return [Reply(200, b"x" * 8_000_000) for _ in requests]

    async with served(request_within_s=0.1) as server:
        server.answer_all = answer_all
        async with connected(server) as ends:
            ends.writer.transport.pause_reading()  # type: ignore[attr-defined]
            await ends.send(GET * asked)
            async with asyncio.timeout(30):
                while server.connections or not given:  # noqa: ASYNC110 - it has no event for it
                    await asyncio.sleep(0.02)
    assert len(given) == 1, "what nobody takes is not computed"


async def test_no_more_clients_than_it_can_carry() -> None:
    async with (
        served(connections_max=2) as server,
        connected(server) as one,
        connected(server) as two,
    ):
        for ends in (one, two):
            await ends.send(GET)
            assert (await ends.answer())[0] == 200
        async with connected(server) as third:
            status, problem = await third.answer()
            assert (status, problem["code"]) == (503, "too-many-connections")
            assert await third.is_over()
        await one.send(GET)
        assert (await one.answer())[0] == 200


async def test_at_the_end_every_connection_is_closed() -> None:
    async with served() as server, connected(server) as ends:
        await ends.send(GET)
        assert (await ends.answer())[0] == 200
        server.close()
        assert await ends.is_over()


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=60),
            st.sampled_from([GET, HEAD, b"\r\n\r\n", b"content-length: 5\r\n", b"a: b\r\n"]),
        ),
        max_size=12,
    )
)
def test_no_bytes_do_it_harm(parts: list[bytes]) -> None:
    async def run() -> None:
        async with served(request_within_s=0.05) as server:
            async with connected(server) as ends:
                await ends.send(*parts)
            async with connected(server) as another:
                await another.send(GET)
                assert (await another.answer())[0] == 200

    asyncio.run(run())
