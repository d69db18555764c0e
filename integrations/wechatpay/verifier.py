"""Did WeChat say this? The rules of payments.md 1.4, in their order, over raw bytes.

Three set-ups: public key only, platform certificates only, or both during a migration. Holds keys
by serial; never parses a body and never fetches certificates itself.
"""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta

from integrations.wechatpay.signing import RSA_SCHEME, SM_SCHEME, FieldKey, answer_message

WINDOW = timedelta(minutes=5)
"""Exactly five minutes counts as stale."""

SIGNATURE_HEADERS = (
    "wechatpay-timestamp",
    "wechatpay-nonce",
    "wechatpay-signature",
    "wechatpay-serial",
)
PROBE_PREFIX = "WECHATPAY/SIGNTEST/"
"""WeChat sends such signatures on purpose, to see them refused."""

SCHEMES = frozenset({RSA_SCHEME, SM_SCHEME})
"""Only a contradiction counts: which value the header has under RSA is not documented (1.7)."""

_TIMESTAMP = re.compile(r"[0-9]{1,12}", re.ASCII)


class SignatureRefused(Exception):
    """Not provably WeChat's. ``reason`` is a fixed word."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def lower_names(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers by lower-case name."""
    return {name.lower(): value for name, value in headers.items()}


class Verifier:
    """Known WeChat keys by serial or ``PUB_KEY_ID_…``. The first one is what we name."""

    def __init__(self, keys: Mapping[str, FieldKey]) -> None:
        self._keys: dict[str, FieldKey] = {}
        self._named = ""
        self.wants_more = False
        """An unknown serial was met: new certificates may be out."""
        self.learn(keys)

    @property
    def named(self) -> str:
        """What requests put into ``Wechatpay-Serial`` (1.3); empty while no key is known."""
        return self._named

    @property
    def field_key(self) -> FieldKey | None:
        """The named key, which sensitive fields are sealed for."""
        return self._keys.get(_normal(self._named))

    def learn(self, keys: Mapping[str, FieldKey]) -> None:
        """Know these keys too; the name stays with a public key, else goes to the newest."""
        self._keys |= {_normal(serial): key for serial, key in keys.items()}
        if keys and not self._named.startswith("PUB_KEY_ID_"):
            self._named = next(iter(keys))

    def check(self, headers: Mapping[str, str], body: bytes, at: datetime) -> None:
        """Accept silently or raise ``SignatureRefused``.

        Reasons, in the order checked: ``signature-missing``, ``timestamp-stale``,
        ``serial-unknown``, ``signature-probe``, ``scheme-differs``, ``signature-wrong``.
        """
        found = lower_names(headers)
        values = [found.get(name, "") for name in SIGNATURE_HEADERS]
        if not all(values):
            raise SignatureRefused("signature-missing")
        timestamp, nonce, signature, serial = values
        if not _is_fresh(timestamp, at):
            raise SignatureRefused("timestamp-stale")
        key = self._keys.get(_normal(serial))
        if key is None:
            self.wants_more = True
            raise SignatureRefused("serial-unknown")
        if signature.startswith(PROBE_PREFIX):
            raise SignatureRefused("signature-probe")
        named = found.get("wechatpay-signature-type")
        if named in SCHEMES and named != key.scheme:
            raise SignatureRefused("scheme-differs")
        if not key.verify(answer_message(timestamp=timestamp, nonce=nonce, body=body), signature):
            raise SignatureRefused("signature-wrong")


def _normal(serial: str) -> str:
    """Hex serials are written with and without a leading zero; key ids are taken as they are."""
    return serial if serial.startswith("PUB_KEY_ID_") else serial.upper().lstrip("0")


def is_signed(headers: Mapping[str, str]) -> bool:
    """Whether the answer claims a signature at all."""
    found = lower_names(headers)
    return any(found.get(name) for name in SIGNATURE_HEADERS)


def _is_fresh(timestamp: str, at: datetime) -> bool:
    if _TIMESTAMP.fullmatch(timestamp) is None:
        return False
    return abs(at.timestamp() - int(timestamp)) < WINDOW.total_seconds()
