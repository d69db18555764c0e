"""Signature and packing of the fiscal e-invoice platform (dossier section 8). Pure.

The partner prescribes MD5; it guards nothing against a determined forger, so answers are believed
only over a private line.
"""

import base64
import binascii
import hashlib
import hmac
import json
from typing import Any

import msgspec

VERSION = "1.0"
SUCCESS = "S0000"
DATA_CHARS_MAX = 8 * 1024 * 1024


class InvoiceUnreadable(ValueError):
    """The message is forged, damaged or of another shape."""


class InvoiceMessage(msgspec.Struct, kw_only=True):
    """The outer message both ways, spelled as the partner does."""

    appid: str
    data: str
    noise: str
    version: str
    sign: str


class InvoiceAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """``result`` is the code (``S0000`` is success), ``content`` the decoded business node."""

    result: str
    content: Any


def sign_string(message: InvoiceMessage, key: str) -> str:
    """Names in alphabetical order; the key sits between ``noise`` and ``version``."""
    return (
        f"appid={message.appid}&data={message.data}&noise={message.noise}"
        f"&key={key}&version={message.version}"
    )


def signature(message: InvoiceMessage, key: str) -> str:
    """Upper-case hex MD5 of the string."""
    digest = hashlib.md5(sign_string(message, key).encode(), usedforsecurity=False)
    return digest.hexdigest().upper()


def pack(*, appid: str, key: str, noise: str, plain: Any) -> InvoiceMessage:
    """Base64 of compact UTF-8 JSON, in the order given, signed."""
    text = json.dumps(plain, ensure_ascii=False, separators=(",", ":"))
    data = base64.b64encode(text.encode()).decode()
    message = InvoiceMessage(appid=appid, data=data, noise=noise, version=VERSION, sign="")
    message.sign = signature(message, key)
    return message


def verified(message: InvoiceMessage, key: str) -> bool:
    """Does the signature hold? Compared in constant time."""
    return hmac.compare_digest(signature(message, key).encode(), message.sign.encode())


def unpack(message: InvoiceMessage, key: str) -> Any:
    """The verified plain node. Raises ``InvoiceUnreadable``."""
    if not verified(message, key):
        raise InvoiceUnreadable("signature")
    return _decode(message.data)


def read_answer(message: InvoiceMessage, key: str) -> InvoiceAnswer:
    """The verified answer; a refusal's ``message`` may be JSON or text in Base64, or plain."""
    plain = unpack(message, key)
    if not isinstance(plain, dict) or not isinstance(plain.get("result"), str):
        raise InvoiceUnreadable("answer without result")
    inner = plain.get("message")
    if not isinstance(inner, str):
        raise InvoiceUnreadable("answer without message")
    try:
        content = _decode(inner)
    except InvoiceUnreadable:
        if plain["result"] == SUCCESS:
            raise
        content = _text(inner)
    return InvoiceAnswer(result=plain["result"], content=content)


def _text(inner: str) -> str:
    try:
        return base64.b64decode(inner, validate=True).decode()
    except (ValueError, binascii.Error):
        return inner


def _decode(text: str) -> Any:
    if len(text) > DATA_CHARS_MAX:
        raise InvoiceUnreadable("too large")
    try:
        return json.loads(base64.b64decode(text, validate=True), parse_float=str)
    except (ValueError, binascii.Error, RecursionError) as fault:
        raise InvoiceUnreadable("not Base64 of JSON") from fault
