"""Every way a call can end: the exception table, deadlines, bounds, an open transaction."""

import asyncio
from collections.abc import AsyncIterator, Callable

import httpx
import pytest

from integrations.kit.transport import (
    ProviderAnswerInvalid,
    ProviderAnswerLost,
    ProviderFault,
    ProviderNotReached,
    TransactionOpen,
    Transport,
    outcome_of,
)
from integrations.ports.outcalls import transaction_open
from integrations.ports.outcomes import NotSent, Unknown

URL = "https://partner.test/orders"


def transport_over(handler: Callable[[httpx.Request], httpx.Response], **options: int) -> Transport:
    client = httpx.AsyncClient(transport=httpx.MockTransport(handler))
    return Transport(client, 2.0, **options)


async def post(transport: Transport) -> object:
    return await transport.send(method="POST", url=URL, headers={"X-A": "1"}, content=b"{}")


REQUEST = httpx.Request("POST", URL)

TABLE: list[tuple[Exception, type[ProviderFault]]] = [
    (httpx.ConnectError("x"), ProviderNotReached),
    (httpx.ConnectTimeout("x"), ProviderNotReached),
    (httpx.PoolTimeout("x"), ProviderNotReached),
    (httpx.UnsupportedProtocol("x"), ProviderNotReached),
    (httpx.ReadTimeout("x"), ProviderAnswerLost),
    (httpx.ReadError("x"), ProviderAnswerLost),
    (httpx.WriteTimeout("x"), ProviderAnswerLost),
    (httpx.WriteError("x"), ProviderAnswerLost),
    (httpx.CloseError("x"), ProviderAnswerLost),
    (httpx.RemoteProtocolError("x"), ProviderAnswerLost),
    (httpx.LocalProtocolError("x"), ProviderAnswerLost),
    (httpx.ProxyError("x"), ProviderAnswerLost),
    (httpx.DecodingError("x", request=REQUEST), ProviderAnswerLost),
    (httpx.TooManyRedirects("x"), ProviderAnswerLost),
    (httpx.InvalidURL("x"), ProviderAnswerLost),
    (OSError("x"), ProviderAnswerLost),
    (TimeoutError("x"), ProviderAnswerLost),
    (RuntimeError("x"), ProviderAnswerLost),
]


@pytest.mark.parametrize(("error", "fault"), TABLE, ids=lambda row: getattr(row, "__name__", None))
async def test_each_exception_is_the_fault_the_table_names(
    error: Exception, fault: type[ProviderFault]
) -> None:
    def handler(_: httpx.Request) -> httpx.Response:
        raise error

    with pytest.raises(fault) as caught:
        await post(transport_over(handler))
    assert type(caught.value) is fault


@pytest.mark.parametrize("status", [200, 204, 302, 404, 429, 500, 503])
async def test_an_answer_of_any_status_comes_back_raw(status: int) -> None:
    answer = await post(
        transport_over(lambda _: httpx.Response(status, content=b"\xff{", headers={"A-B": "c"}))
    )
    assert (answer.status, answer.body, answer.headers["a-b"]) == (status, b"\xff{", "c")


async def test_the_bytes_and_headers_given_are_the_ones_sent() -> None:
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200)

    await post(transport_over(handler))
    assert (seen[0].content, seen[0].headers["x-a"]) == (b"{}", "1")


async def test_an_answer_above_the_bound_is_lost() -> None:
    big = transport_over(lambda _: httpx.Response(200, content=b"x" * 101), answer_bytes_max=100)
    with pytest.raises(ProviderAnswerLost):
        await post(big)
    fits = transport_over(lambda _: httpx.Response(200, content=b"x" * 100), answer_bytes_max=100)
    assert len((await post(fits)).body) == 100


async def test_an_answer_that_trickles_ends_at_the_deadline() -> None:
    class Trickle(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            while True:
                await asyncio.sleep(0.01)
                yield b"x"

    client = httpx.AsyncClient(
        transport=httpx.MockTransport(lambda _: httpx.Response(200, stream=Trickle()))
    )
    with pytest.raises(ProviderAnswerLost):
        await post(Transport(client, 0.1))


async def test_an_unreachable_port_is_not_reached() -> None:
    async with httpx.AsyncClient() as client:
        with pytest.raises(ProviderNotReached):
            await Transport(client, 2.0).send(
                method="GET", url="http://127.0.0.1:9/", headers={}, content=b""
            )


async def test_a_connection_dropped_after_the_request_is_lost() -> None:
    async def drop(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(drop, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, httpx.AsyncClient() as client:
        with pytest.raises(ProviderAnswerLost):
            await Transport(client, 2.0).send(
                method="GET", url=f"http://127.0.0.1:{port}/", headers={}, content=b""
            )


async def test_nothing_leaves_while_a_transaction_is_open_even_in_a_child_task() -> None:
    sent: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(200)

    transport = transport_over(handler)
    token = transaction_open.set(True)
    try:
        with pytest.raises(TransactionOpen):
            await post(transport)
        with pytest.raises(TransactionOpen):
            await asyncio.ensure_future(post(transport))
    finally:
        transaction_open.reset(token)
    assert sent == []
    await post(transport)
    assert len(sent) == 1


def test_faults_become_the_ports_words() -> None:
    assert outcome_of(ProviderNotReached("not-reached")) == NotSent("not-reached")
    assert outcome_of(ProviderAnswerLost("answer-lost")) == Unknown("answer-lost")
    assert outcome_of(ProviderAnswerInvalid("answer-invalid")) == Unknown("answer-invalid")
