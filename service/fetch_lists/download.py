"""One bounded GET: so many bytes, so much time, no redirects, nothing unpacked."""

import asyncio

import httpx
import msgspec

TAG_MAX = 256


class Unreachable(Exception):
    """No answer, or not one that holds a list; the message says which."""


class TooLong(Exception):
    """More bytes than such a list can have."""


class Downloaded(msgspec.Struct, frozen=True, kw_only=True):
    """``content`` None: nothing newer than the entity tag that was sent."""

    content: bytes | None
    etag: str


class Downloader:
    """``client`` has the platform's address. A list is there within ``within_s``, whatever the
    other side does between the bytes, or not at all."""

    def __init__(self, client: httpx.AsyncClient, within_s: float) -> None:
        self._client = client
        self._within_s = within_s

    async def get(self, target: str, *, size_max: int, etag: str = "") -> Downloaded:
        """The body behind ``target``. Raises ``Unreachable`` or ``TooLong``."""
        try:
            async with asyncio.timeout(self._within_s):
                return await self._get(target, size_max, etag)
        except TimeoutError:
            raise Unreachable(f"not there within {self._within_s:.0f} s") from None
        except httpx.HTTPError as fault:
            raise Unreachable(type(fault).__name__) from None

    async def _get(self, target: str, size_max: int, etag: str) -> Downloaded:
        headers = {"accept-encoding": "identity"} | ({"if-none-match": etag} if etag else {})
        async with self._client.stream("GET", target, headers=headers) as answer:
            if answer.status_code == httpx.codes.NOT_MODIFIED and etag:
                return Downloaded(content=None, etag=etag)
            if answer.status_code != httpx.codes.OK:
                raise Unreachable(f"HTTP {answer.status_code}")
            if answer.headers.get("content-encoding", "identity") != "identity":
                raise Unreachable("the body is packed")
            content = bytearray()
            async for piece in answer.aiter_raw():
                content += piece
                if len(content) > size_max:
                    raise TooLong
            fresh = answer.headers.get("etag", "")
        is_plain = len(fresh) <= TAG_MAX and fresh.isascii() and fresh.isprintable()
        return Downloaded(content=bytes(content), etag=fresh if is_plain else "")
