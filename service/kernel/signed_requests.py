"""Signed requests and signed answers, for hospitals' systems and for terminals.

The text to sign has eight lines, each ended by a line feed::

    caller id        the public id of the application or terminal
    METHOD           upper case
    host             the Host header, lower case
    path?query       exactly as on the wire
    timestamp        Unix seconds
    nonce            16 to 32 letters and digits
    idempotency key  the Idempotency-Key header, or nothing
    body             the bytes as sent

and travels as ``Authorization: YIMATONG-SM2-SM3 id="…",timestamp="…",nonce="…",signature="…"``
(base64 of r and s, user id 1234567812345678) or ``YIMATONG-HMAC-SM3 …`` (base64 of the MAC).
The answer is signed over ``status LF nonce LF body`` in ``Yimatong-Signature``, so two answers
cannot be swapped; ``Yimatong-Key`` names our key.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import msgspec

from service.kernel.problems import NotAuthenticated, TimestampOutsideWindow

SCHEME_APPLICATION = "YIMATONG-SM2-SM3"
SCHEME_TERMINAL = "YIMATONG-HMAC-SM3"
WINDOW = timedelta(minutes=5)

_ITEM = re.compile(r'([a-z]{2,9})="([A-Za-z0-9+/=_-]{1,200})"', re.ASCII)
_NONCE = re.compile(r"[A-Za-z0-9]{16,32}", re.ASCII)
_ITEMS = {"id", "timestamp", "nonce", "signature"}


class Claimed(msgspec.Struct, frozen=True, kw_only=True):
    """What an Authorization header says, not yet proved."""

    scheme: str
    caller_id: str
    timestamp: int
    nonce: str
    signature: bytes


def read_authorization(header: str) -> Claimed:
    """Parse the header strictly. Raises ``NotAuthenticated``."""
    if len(header) > 600:
        raise NotAuthenticated("Authorization: too long")
    scheme, _, rest = header.partition(" ")
    if scheme not in (SCHEME_APPLICATION, SCHEME_TERMINAL):
        raise NotAuthenticated("Authorization: unknown scheme")
    items: dict[str, str] = {}
    for part in rest.split(","):
        found = _ITEM.fullmatch(part.strip())
        if found is None or found[1] in items:
            raise NotAuthenticated("Authorization: not of the documented form")
        items[found[1]] = found[2]
    if set(items) != _ITEMS or _NONCE.fullmatch(items["nonce"]) is None:
        raise NotAuthenticated("Authorization: not of the documented form")
    if not re.fullmatch(r"[0-9]{10}", items["timestamp"], re.ASCII):
        raise NotAuthenticated("Authorization: timestamp is Unix seconds")
    try:
        signature = base64.b64decode(items["signature"], validate=True)
    except (binascii.Error, ValueError):
        raise NotAuthenticated("Authorization: signature is base64") from None
    return Claimed(
        scheme=scheme,
        caller_id=items["id"],
        timestamp=int(items["timestamp"]),
        nonce=items["nonce"],
        signature=signature,
    )


def check_window(claimed: Claimed, now: datetime) -> None:
    """Raises ``TimestampOutsideWindow`` when the timestamp is five minutes off or more."""
    at = datetime.fromtimestamp(claimed.timestamp, UTC)
    if abs(now - at) >= WINDOW:
        raise TimestampOutsideWindow(server_time=int(now.timestamp()))


def text_to_sign(
    *,
    caller_id: str,
    method: str,
    host: str,
    target: str,
    timestamp: int,
    nonce: str,
    idempotency_key: str,
    body: bytes,
) -> bytes:
    """The eight lines. ``target`` is the path with its query."""
    head = [caller_id, method.upper(), host.lower(), target, str(timestamp), nonce, idempotency_key]
    return "".join(f"{line}\n" for line in head).encode() + body + b"\n"


def answer_to_sign(*, status: int, nonce: str, body: bytes) -> bytes:
    """The three parts that our signature on an answer covers."""
    return f"{status}\n{nonce}\n".encode() + body


def authorization(scheme: str, caller_id: str, timestamp: int, nonce: str, signature: bytes) -> str:
    """The header text; used by our own clients and by ``yimatong sign-debug``."""
    encoded = base64.b64encode(signature).decode()
    return (
        f'{scheme} id="{caller_id}",timestamp="{timestamp}",nonce="{nonce}",signature="{encoded}"'
    )


def header_of(headers: Mapping[bytes, bytes], name: bytes) -> str:
    """A header's text, or nothing."""
    return headers.get(name, b"").decode("latin-1")
