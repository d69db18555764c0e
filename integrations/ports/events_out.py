"""How an event reaches a hospital's own system: one bounded POST to an address that it named."""

from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Protocol

import msgspec

Network = IPv4Network | IPv6Network


class UrlRefused(ValueError):
    """An address to which nothing is sent. ``why`` is a fixed word in kebab case."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class Reach(msgspec.Struct, frozen=True, kw_only=True):
    """Where events may go beside the public internet."""

    networks: tuple[Network, ...] = ()
    plain_http: bool = False
    """Whether ``http`` is spoken, and then only inside ``networks``."""


def read_networks(text: str) -> tuple[Network, ...]:
    """Networks with commas between, as ``10.20.0.0/16``. Raises ``ValueError``."""
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())


def host_and_target(url: str) -> tuple[str, str]:
    """The Host header and the path with its query of an address that a courier took."""
    scheme, _, rest = url.partition("://")
    netloc, slash, target = rest.partition("/")
    if not scheme or not slash:
        raise UrlRefused("not-an-address")
    return netloc, slash + target


class Posted(msgspec.Struct, frozen=True, kw_only=True):
    """How one POST ended."""

    why: str | None = None
    """A fixed word in kebab case for what went wrong; None: taken, by a whole 2xx answer."""
    answered: bool = True
    """False where no whole answer came: not reached, too slow, cut off, too large."""

    @property
    def is_taken(self) -> bool:
        """Whether the hospital has it for certain."""
        return self.why is None


class Courier(Protocol):
    """Carries events to addresses that others named, and to no address that is not allowed."""

    async def check(self, url: str) -> None:
        """Raises ``UrlRefused`` for a text or an address to which nothing would be sent."""

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Posted:
        """Send once. The address is checked again, at the connection. Never raises for a fault
        of the network or of the other side.
        """


class NoCourier:
    """The courier of a process that sends nothing."""

    async def check(self, _url: str) -> None:
        """Refuses everything."""
        raise UrlRefused("nothing-is-sent-here")

    async def post(self, _url: str, _headers: Mapping[str, str], _body: bytes) -> Posted:
        """Reaches nobody."""
        return Posted(why="nothing-is-sent-here", answered=False)
