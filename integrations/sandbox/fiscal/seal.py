"""The twin's own reading of the outer message: MD5 over five named texts, Base64 of JSON."""

import base64
import binascii
import hashlib
import hmac
import json
from typing import Any

import msgspec

from integrations.sandbox.fiscal.model import Outer, TwinInstitution


class NotAdmitted(Exception):
    """The caller is nobody, or the message is none: answered by HTTP status alone."""


def signature(key: str, appid: str, data: str, noise: str, version: str) -> str:
    """Upper-case hex MD5; names in alphabetical order, the key among them by its own name."""
    named = {"appid": appid, "data": data, "key": key, "noise": noise, "version": version}
    order = ("appid", "data", "noise", "key", "version")
    text = "&".join(f"{name}={named[name]}" for name in order)
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest().upper()


def read_outer(body: bytes) -> Outer:
    """The outer message. Raises ``NotAdmitted``."""
    try:
        return msgspec.json.decode(body, type=Outer)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise NotAdmitted from None


def holds(outer: Outer, key: str) -> bool:
    """Whether the signature is over exactly this message."""
    made = signature(key, outer.appid, outer.data, outer.noise, outer.version)
    return hmac.compare_digest(made.encode(), outer.sign.encode())


def open_node(data: str) -> Any:
    """The business node, or None where there is none."""
    try:
        return json.loads(base64.b64decode(data, validate=True))
    except (ValueError, binascii.Error, RecursionError):
        return None


def sealed_answer(
    institution: TwinInstitution, noise: str, result: str, content: dict[str, Any] | str
) -> bytes:
    """An answer: content in Base64, with its result in Base64 again, signed."""
    inner = content if isinstance(content, str) else _json(content)
    plain = {"result": result, "message": base64.b64encode(inner.encode()).decode()}
    data = base64.b64encode(_json(plain).encode()).decode()
    sign = signature(institution.key, institution.appid, data, noise, "1.0")
    return msgspec.json.encode(
        Outer(appid=institution.appid, data=data, noise=noise, version="1.0", sign=sign)
    )


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
