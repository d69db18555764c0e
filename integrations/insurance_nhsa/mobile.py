"""The SM2/SM4 envelope of the mobile payment centre (dossier 5.4).

The plain ``data`` is signed first, then enciphered; who opens deciphers first, then verifies. ECB
keeps nothing intact, so nothing is used before the signature holds.
"""

import base64
import binascii
import json
from typing import Any

import msgspec

from crypto.errors import CryptoError
from crypto.sm2 import PrivateKey, PublicKey
from crypto.sm4 import ecb_pkcs7_decrypt, ecb_pkcs7_encrypt
from integrations.insurance_nhsa.envelope import AnswerUnreadable, read_json

UNSIGNED = frozenset({"signData", "encData", "extra"})
ENC_HEX_MAX = 8 * 1024 * 1024
SIGNATURE_BYTES = 64


class EnvelopeRefused(ValueError):
    """The envelope is forged, damaged or not for us. ``reason`` is a fixed word."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Application(msgspec.Struct, frozen=True, kw_only=True):
    """Our application at the centre. The secret shows in no repr."""

    app_id: str
    app_secret: str

    def __repr__(self) -> str:
        return f"Application(app_id={self.app_id!r})"


def _is_empty(value: Any) -> bool:
    return value is None or value in ("", [], {})


def cleaned(value: Any) -> Any:
    """Without empty values, at any depth. False, 0 and "0" stay; emptied containers go too."""
    if isinstance(value, dict):
        kept = {name: cleaned(inner) for name, inner in value.items()}
        return {name: inner for name, inner in kept.items() if not _is_empty(inner)}
    if isinstance(value, list | tuple):
        return [inner for inner in map(cleaned, value) if not _is_empty(inner)]
    if isinstance(value, float):
        raise EnvelopeRefused("fraction-not-text")
    return value


def canonical_json(data: Any) -> str:
    """Compact, keys sorted at every depth, empty values gone, text unescaped.

    Raises ``EnvelopeRefused`` for a fraction, which parties write differently: send text.
    """
    return json.dumps(cleaned(data), ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def sign_string(body: dict[str, Any], app_secret: str) -> str:
    """What is signed: ``name=value`` joined by ``&`` in order of names, then ``&key=`` secret."""
    return _sign_string(
        {
            name: canonical_json(value) if isinstance(value, dict | list) else _plain(value)
            for name, value in body.items()
            if name not in UNSIGNED and not _is_empty(cleaned(value))
        },
        app_secret,
    )


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _sign_string(texts: dict[str, str], app_secret: str) -> str:
    parts = [f"{name}={texts[name]}" for name in sorted(texts)]
    return "&".join([*parts, f"key={app_secret}"])


def derive_key(application: Application) -> bytes:
    """The SM4 key: 16 characters of hex text, made from application id and secret."""
    first = application.app_id.encode()[:16]
    if len(first) != 16:
        raise EnvelopeRefused("application-id-short")
    return ecb_pkcs7_encrypt(first, application.app_secret.encode()).hex().upper()[:16].encode()


def encipher(application: Application, plain_json: str) -> str:
    """SM4-ECB with PKCS7, upper-case hex."""
    return ecb_pkcs7_encrypt(derive_key(application), plain_json.encode()).hex().upper()


def decipher(application: Application, enc_hex: str) -> str:
    """Back to the JSON text. Raises ``EnvelopeRefused``."""
    if len(enc_hex) > ENC_HEX_MAX:
        raise EnvelopeRefused("too-large")
    try:
        return ecb_pkcs7_decrypt(derive_key(application), bytes.fromhex(enc_hex)).decode()
    except (CryptoError, ValueError) as fault:
        raise EnvelopeRefused("not-deciphered") from fault


def load_public_key(text: str) -> PublicKey:
    """The centre's key as it is handed out: hex or Base64, with or without the leading 04.

    Raises ``EnvelopeRefused``.
    """
    try:
        raw = (
            bytes.fromhex(text)
            if len(text) in (128, 130)
            else base64.b64decode(text, validate=True)
        )
        return PublicKey.from_bytes(raw)
    except (CryptoError, ValueError, binascii.Error) as fault:
        raise EnvelopeRefused("key-unreadable") from fault


def seal(
    application: Application, outer: dict[str, str], data: Any, key: PrivateKey
) -> dict[str, Any]:
    """The message to send: ``outer`` with ``encData`` and ``signData`` in place of ``data``."""
    text = sign_string({**outer, "appId": application.app_id, "data": data}, application.app_secret)
    signature = key.sign(text.encode())
    return {
        **outer,
        "appId": application.app_id,
        "encData": encipher(application, canonical_json(data)),
        "signData": base64.b64encode(signature).decode(),
    }


def open_answer(application: Application, message: dict[str, Any], key: PublicKey) -> Any:
    """As ``open_envelope``; an answer without data, as refusals are, is verified and gives None."""
    if not _is_empty(message.get("encData")):
        return open_envelope(application, message, key)
    signature = _signed_for(application, message)
    if not _holds(application, message, [None], signature, key):
        raise EnvelopeRefused("signature")
    return None


def _signed_for(application: Application, message: dict[str, Any]) -> bytes:
    if message.get("appId") != application.app_id:
        raise EnvelopeRefused("other-application")
    return _signature(message.get("signData"))


def open_envelope(application: Application, message: dict[str, Any], key: PublicKey) -> Any:
    """The verified ``data`` of a received message. Raises ``EnvelopeRefused``."""
    signature = _signed_for(application, message)
    enc = message.get("encData")
    if not isinstance(enc, str):
        raise EnvelopeRefused("not-deciphered")
    plain = decipher(application, enc)
    try:
        data = read_json(plain)
    except AnswerUnreadable as fault:
        raise EnvelopeRefused("data-unreadable") from fault
    # Over the deciphered text as it came, else over its canonical form: senders differ.
    if not _holds(application, message, [plain, canonical_json(data)], signature, key):
        raise EnvelopeRefused("signature")
    return data


def _holds(
    application: Application,
    message: dict[str, Any],
    texts: list[str | None],
    signature: bytes,
    key: PublicKey,
) -> bool:
    """Is the message signed with one of these as its data?"""
    outer = {
        name: canonical_json(value) if isinstance(value, dict | list) else _plain(value)
        for name, value in message.items()
        if name not in UNSIGNED and name != "data" and not _is_empty(cleaned(value))
    }
    signed = [
        _sign_string(outer if text is None else {**outer, "data": text}, application.app_secret)
        for text in dict.fromkeys(texts)
    ]
    try:
        return any(key.verify(text.encode(), signature) for text in signed)
    except CryptoError:
        return False


def _signature(text: Any) -> bytes:
    """64 raw bytes in Base64; the ASN.1 form is refused."""
    try:
        raw = base64.b64decode(text, validate=True) if isinstance(text, str) else b""
    except (ValueError, binascii.Error) as fault:
        raise EnvelopeRefused("signature") from fault
    if len(raw) != SIGNATURE_BYTES:
        raise EnvelopeRefused("signature")
    return raw
