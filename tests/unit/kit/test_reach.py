"""Addresses that hospitals name: what is refused as text, as address, and at the connection."""

from ipaddress import ip_address, ip_network

import httpx
import pytest

from integrations.his_generic.courier import open_courier
from integrations.kit.reach import GuardedTransport, is_allowed, read_target
from integrations.ports.events_out import Reach, UrlRefused, read_networks

PUBLIC = Reach()
SANDBOX = Reach(networks=(ip_network("127.0.0.0/8"),), plain_http=True)


@pytest.mark.parametrize(
    "url",
    [
        "https://his.example.cn/events",
        "https://his.example.cn:8443/a/b?site=1&x=%2F",
        "https://203.0.113.7/",
        "https://[2001:db8::1]:8443/x",
    ],
)
def test_addresses_of_the_one_form_are_read(url: str) -> None:
    target = read_target(url, PUBLIC)
    assert f"https://{target.netloc}{target.target}" == url


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://his.example.cn/events", "not-https"),
        ("ftp://his.example.cn/events", "not-https"),
        ("file:///etc/passwd", "not-https"),
        ("//his.example.cn/events", "not-https"),
        ("https://user:secret@his.example.cn/events", "names-a-user"),
        ("https://his.example.cn@evil.example/events", "names-a-user"),
        ("https://HIS.example.cn/events", "not-an-address"),
        ("https://his.example.cn", "not-an-address"),
        ("https://his.example.cn:443/events", "not-an-address"),
        ("https://his.example.cn:0/events", "not-an-address"),
        ("https://his.example.cn:99999/events", "not-an-address"),
        ("https://his.example.cn/a/../b", "not-an-address"),
        ("https://his.example.cn//b", "not-an-address"),
        ("https://his.example.cn/a b", "not-an-address"),
        ("https://his.example.cn/a\r\nX: y", "not-an-address"),
        ("https://his.example.cn/a%zz", "not-an-address"),
        ("https://his.example.cn/a#b", "not-an-address"),
        ("https://his.example.cn/a?", "not-an-address"),
        ("https://医院.example.cn/", "not-an-address"),
        ("https:///events", "not-an-address"),
        ("https://[::1/events", "not-an-address"),
        ("https://[0:0:0:0:0:0:0:1]/events", "not-an-address"),
        ("https://his.example.cn\\@evil.example/", "names-a-user"),
        ("https://his.example.cn/" + "a" * 400, "not-an-address"),
    ],
)
def test_other_texts_are_refused(url: str, why: str) -> None:
    with pytest.raises(UrlRefused) as caught:
        read_target(url, PUBLIC)
    assert caught.value.why == why


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "0.0.0.0",  # noqa: S104 - as an address to refuse
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fd00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::",
        "2001:0:0:0:0:0:80ff:fffe",
    ],
)
def test_addresses_inside_are_refused(address: str) -> None:
    assert not is_allowed(ip_address(address), PUBLIC, "https")


def test_named_networks_and_the_internet_are_allowed() -> None:
    named = Reach(networks=read_networks("10.20.0.0/16, fd00:1::/64"))
    assert is_allowed(ip_address("10.20.3.4"), named, "https")
    assert is_allowed(ip_address("fd00:1::5"), named, "https")
    assert not is_allowed(ip_address("10.21.3.4"), named, "https")
    assert is_allowed(ip_address("8.8.8.8"), PUBLIC, "https")
    assert is_allowed(ip_address("2606:4700::1111"), PUBLIC, "https")
    assert not is_allowed(ip_address("8.8.8.8"), SANDBOX, "http"), "without TLS over the internet"


async def test_a_name_that_resolves_inside_in_part_is_refused_at_registration() -> None:
    async def resolve(_host: str, _port: int) -> list[str]:
        return ["8.8.8.8", "10.0.0.1"]

    async with open_courier(PUBLIC, resolve=resolve) as courier:
        with pytest.raises(UrlRefused, match="address-not-allowed"):
            await courier.check("https://his.example.cn/events")


async def test_a_name_that_changes_its_mind_reaches_nothing() -> None:
    answers = [["8.8.8.8"], ["127.0.0.1"]]

    async def resolve(_host: str, _port: int) -> list[str]:
        return answers.pop(0)

    async with open_courier(PUBLIC, resolve=resolve) as courier:
        await courier.check("https://his.example.cn/events")
        posted = await courier.post("https://his.example.cn/events", {}, b"{}")
    assert posted.why == "address-not-allowed"
    assert not posted.answered


class Inner(httpx.AsyncBaseTransport):
    """Notes where a connection would go."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str]] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        name = request.extensions["sni_hostname"]
        self.asked.append((str(request.url), request.headers["host"], name))
        if request.url.host == "8.8.4.4":
            raise httpx.ConnectError("down", request=request)
        return httpx.Response(204)


async def test_the_connection_goes_to_the_address_that_was_looked_at() -> None:
    inner = Inner()

    async def resolve(_host: str, _port: int) -> list[str]:
        return ["8.8.4.4", "2606:4700::1111"]

    guard = GuardedTransport(inner, PUBLIC, resolve)
    async with httpx.AsyncClient(transport=guard) as client:
        answer = await client.post("https://his.example.cn:8443/events?a=1", content=b"{}")
    assert answer.status_code == 204
    name = "his.example.cn"
    assert inner.asked == [
        ("https://8.8.4.4:8443/events?a=1", "his.example.cn:8443", name),
        ("https://[2606:4700::1111]:8443/events?a=1", "his.example.cn:8443", name),
    ]


async def test_a_name_that_nobody_knows_is_told() -> None:
    async def resolve(_host: str, _port: int) -> list[str]:
        raise OSError("unknown")

    async with open_courier(PUBLIC, resolve=resolve) as courier:
        with pytest.raises(UrlRefused, match="not-resolved"):
            await courier.check("https://his.example.cn/events")
        posted = await courier.post("https://his.example.cn/events", {}, b"{}")
    assert posted.why == "not-resolved"
