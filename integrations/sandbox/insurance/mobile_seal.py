"""The SM2/SM4 envelope from the centre's side (dossier 5.4), written apart from any adapter.

Sign first, over the plain data; then encipher. Who opens does it the other way round.
"""

import base64
import binascii
import json
from typing import Any

import msgspec

from crypto.errors import CryptoError
from crypto.sm2 import PrivateKey, PublicKey
from crypto.sm4 import ecb_pkcs7_decrypt, ecb_pkcs7_encrypt

NOT_SIGNED = ("signData", "encData", "extra")
EMPTY: tuple[object, ...] = (None, "", {}, [])


class NotOpened(Exception):
    """Not an envelope of this application: the text says what does not hold."""


class MobileApp(msgspec.Struct, frozen=True, kw_only=True):
    """An institution's application at the centre."""

    app_id: str
    app_secret: str
    public_key_hex: str
    institution: str

    def __repr__(self) -> str:
        return f"MobileApp({self.app_id!r})"


class MobileKeys(msgspec.Struct, frozen=True, kw_only=True):
    """The centre's own key, and the applications it knows."""

    private_key_hex: str
    apps: tuple[MobileApp, ...]

    def __repr__(self) -> str:
        return "MobileKeys()"


def without_empties(value: Any) -> Any:
    """Empty values go at every depth; False and 0 stay."""
    if isinstance(value, dict):
        pairs = ((name, without_empties(value[name])) for name in sorted(value))
        return {name: inner for name, inner in pairs if not _empty(inner)}
    if isinstance(value, list):
        return [kept for kept in (without_empties(inner) for inner in value) if not _empty(kept)]
    return value


def _empty(value: Any) -> bool:
    return any(value == nothing and type(value) is type(nothing) for nothing in EMPTY)


def compact(value: Any) -> str:
    """Compact JSON in order of names, text unescaped."""
    return json.dumps(without_empties(value), ensure_ascii=False, separators=(",", ":"))


def text_to_sign(message: dict[str, Any], secret: str) -> bytes:
    """Names in order, joined; the secret last."""
    parts = []
    for name in sorted(set(message) - set(NOT_SIGNED)):
        value = without_empties(message[name])
        if _empty(value):
            continue
        if isinstance(value, bool):
            value = "true" if value else "false"
        parts.append(f"{name}={compact(value) if isinstance(value, dict | list) else value}")
    return "&".join([*parts, f"key={secret}"]).encode()


def sm4_key(app: MobileApp) -> bytes:
    """16 characters of hex: the secret enciphered under the head of the application's id."""
    return (
        ecb_pkcs7_encrypt(app.app_id[:16].encode(), app.app_secret.encode())
        .hex()
        .upper()[:16]
        .encode()
    )


def seal(app: MobileApp, key: PrivateKey, outer: dict[str, Any], data: Any) -> dict[str, Any]:
    """A signed message; ``data`` None or empty travels not at all."""
    message = {**outer, "appId": app.app_id}
    signed = message if data is None else {**message, "data": data}
    signature = key.sign(text_to_sign(signed, app.app_secret))
    message["signData"] = base64.b64encode(signature).decode()
    if data is not None:
        plain = compact(data).encode()
        message["encData"] = ecb_pkcs7_encrypt(sm4_key(app), plain).hex().upper()
    return message


def open_message(app: MobileApp, message: dict[str, Any]) -> dict[str, Any]:
    """The data of a request. Raises ``NotOpened``."""
    try:
        signature = base64.b64decode(str(message.get("signData", "")), validate=True)
        plain = ecb_pkcs7_decrypt(sm4_key(app), bytes.fromhex(str(message.get("encData", ""))))
        data = json.loads(plain.decode(), parse_float=str)
        key = PublicKey.from_bytes(bytes.fromhex(app.public_key_hex))
        signed = text_to_sign({**message, "data": data}, app.app_secret)
        if len(signature) != 64 or not key.verify(signed, signature):
            raise NotOpened("signature")
    except (CryptoError, ValueError, binascii.Error, RecursionError) as fault:
        raise NotOpened("envelope") from fault
    if not isinstance(data, dict):
        raise NotOpened("data")
    return data
