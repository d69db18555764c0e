"""Strict decoding of request bodies.

The framework binds leniently (``"10"`` would pass as 10). This hook decodes the body against the
handler's declared ``data`` type first and refuses what is not exactly of that type.
"""

import re
from functools import lru_cache
from typing import Any

import msgspec
from litestar import Request

from service.kernel.problems import BodyTooLarge, MalformedRequest

BODY_MAX = 1_048_576


@lru_cache(maxsize=512)
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind, strict=True)


async def decode_strictly(request: Request[Any, Any, Any]) -> None:
    """Litestar ``before_request`` hook. Raises ``MalformedRequest`` or ``BodyTooLarge``."""
    field = request.route_handler.parsed_data_field
    if field is None or field.annotation is bytes:
        return
    body = await request.body()
    if len(body) > BODY_MAX:
        raise BodyTooLarge
    try:
        try:
            _decoder(field.annotation).decode(body)
        except msgspec.ValidationError as fault:
            # Whether it is JSON at all is told before what is wrong with it.
            _decoder(msgspec.Raw).decode(body)
            raise MalformedRequest(_safe_text(fault)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise MalformedRequest("not JSON") from None


_PLACE = re.compile(r" - at `\$[^`]*`\Z", re.ASCII)


def _safe_text(fault: msgspec.ValidationError) -> str:
    """msgspec names types and places; where it quotes what was sent, only the place is kept."""
    text = str(fault)
    if "unknown field" in text:
        place = _PLACE.search(text)
        return "unknown member" + (place[0] if place else "")
    if text.startswith(("Invalid enum value", "Invalid value")):
        place = _PLACE.search(text)
        return "not one of the listed values" + (place[0] if place else "")
    return text[:200]
