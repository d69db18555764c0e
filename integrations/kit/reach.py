"""Addresses that others name: which texts and networks are allowed, and a transport bound to that.

A hospital says where it wants its events. Without bounds that would be a way to make this server
speak to itself and to its neighbours. So the text is bounded, every address that the name resolves
to must be allowed, and the connection goes to the very address that was looked at: a name that
changes its mind in between gains nothing.
"""

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit

import httpx
import msgspec

from integrations.ports.events_out import Reach, UrlRefused

Address = IPv4Address | IPv6Address
Resolve = Callable[[str, int], Awaitable[list[str]]]
"""(host, port) -> addresses as text. Raises ``OSError``."""

URL_MAX = 400
ADDRESSES_TRIED = 2
"""Of one name; more would outlast the deadline of the call."""
RESOLVERS = 16
PORTS = {"https": 443, "http": 80}

_HOST = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9.-]*[a-z0-9])?", re.ASCII)
_TARGET = re.compile(r"/(?:[A-Za-z0-9._~&+,;=:@/?-]|%[0-9A-F]{2})*", re.ASCII)
_TRANSLATED = ip_network("64:ff9b::/96")
"""IPv4 behind a translator (RFC 6052): looks global, leads anywhere."""


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """An address taken apart. ``netloc`` is the Host header, ``target`` the path with its query."""

    scheme: str
    host: str
    port: int
    netloc: str
    target: str


def read_target(url: str, reach: Reach) -> Target:
    """Take an address apart. One form only, so that the signed text never differs from the wire.

    Raises ``UrlRefused``.
    """
    if len(url) > URL_MAX or not url.isascii() or "#" in url:
        raise UrlRefused("not-an-address")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise UrlRefused("not-an-address") from None
    host = parts.hostname or ""
    if parts.scheme not in (("https", "http") if reach.plain_http else ("https",)):
        raise UrlRefused("not-https")
    if "@" in parts.netloc:
        raise UrlRefused("names-a-user")
    if port in (0, PORTS[parts.scheme]) or not _is_host(host):
        raise UrlRefused("not-an-address")
    netloc = f"[{host}]" if ":" in host else host
    netloc += f":{port}" if port is not None else ""
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    whole = f"{parts.scheme}://{netloc}{target}"
    dotted = any(step in (".", "..") for step in parts.path.split("/"))
    if url != whole or _TARGET.fullmatch(target) is None or dotted or target.startswith("//"):
        raise UrlRefused("not-an-address")
    if str(httpx.URL(url)) != url:
        raise UrlRefused("not-an-address")
    return Target(
        scheme=parts.scheme,
        host=host,
        port=port or PORTS[parts.scheme],
        netloc=netloc,
        target=target,
    )


def _is_host(host: str) -> bool:
    if ":" not in host:
        return _HOST.fullmatch(host) is not None
    try:
        return str(ip_address(host)) == host
    except ValueError:
        return False


def is_allowed(address: Address, reach: Reach, scheme: str) -> bool:
    """Whether a connection may go there: the public internet, or a network that is named."""
    inner = _inner(address)
    if any(inner in network for network in reach.networks):
        return True
    return scheme == "https" and inner.is_global and not inner.is_multicast


def _inner(address: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for, or the address itself."""
    if isinstance(address, IPv4Address):
        return address
    if address in _TRANSLATED:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    tunnelled = address.teredo[1] if address.teredo else None
    return address.ipv4_mapped or address.sixtofour or tunnelled or address


class GuardedTransport(httpx.AsyncBaseTransport):
    """Resolves, checks, and connects to what it checked; certificates are the name's all the same.

    ``inner`` must keep no connection alive: it tells connections apart by address, not by name.
    """

    def __init__(self, inner: httpx.AsyncBaseTransport, reach: Reach, resolve: Resolve) -> None:
        self.reach = reach
        self._inner = inner
        self._resolve = resolve

    async def addresses(self, target: Target) -> list[str]:
        """Every address of the target, all of them allowed. Raises ``UrlRefused``."""
        try:
            found = [ip_address(text) for text in await self._resolve(target.host, target.port)]
        except (OSError, UnicodeError, ValueError):
            raise UrlRefused("not-resolved") from None
        if not found:
            raise UrlRefused("not-resolved")
        if not all(is_allowed(address, self.reach, target.scheme) for address in found):
            raise UrlRefused("address-not-allowed")
        return list(dict.fromkeys(str(address) for address in found))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send to the first address that takes the connection."""
        try:
            target = read_target(str(request.url), self.reach)
            addresses = await self.addresses(target)
        except UrlRefused as refused:
            raise httpx.ConnectError(refused.why, request=request) from refused
        fault: httpx.TransportError = httpx.ConnectError("no address", request=request)
        for address in addresses[:ADDRESSES_TRIED]:
            pinned = httpx.Request(
                request.method,
                request.url.copy_with(host=address),
                headers=request.headers,
                stream=request.stream,
                extensions={**request.extensions, "sni_hostname": target.host},
            )
            try:
                return await self._inner.handle_async_request(pinned)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                fault = error
        raise fault

    async def aclose(self) -> None:
        """Close what was opened."""
        await self._inner.aclose()


class SystemResolver:
    """The system's resolver, in threads of its own: a slow name holds up nothing else."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(RESOLVERS, thread_name_prefix="resolve")

    async def __call__(self, host: str, port: int) -> list[str]:
        """Addresses of a name. Raises ``OSError``."""
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(
            self._threads, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        )
        return [str(entry[4][0]) for entry in found]

    def close(self) -> None:
        """Wait for no thread."""
        self._threads.shutdown(wait=False, cancel_futures=True)
