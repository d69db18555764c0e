"""Did Alipay say this? The rules of payments.md 5.1, 5.2 and 5.7, over raw bytes.

Two set-ups: Alipay's public key, or its certificates by number. Takes a gateway answer apart only
as far as its signature goes; decodes no field and fetches no certificate.
"""

from collections.abc import Mapping

from integrations.alipay.signing import VerifyKey, notice_holds, v3_answer_message
from integrations.alipay.slices import AnswerSlices, SliceRefused, answer_slices

ERROR_NAME = "error_response"
ANSWER_BYTES_MAX = 256 * 1024
"""Far above any answer about one trade; the outer object is walked byte by byte."""


class SignatureRefused(Exception):
    """Not provably Alipay's. ``reason`` is a fixed word."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def answer_name(method: str) -> str:
    """``alipay.trade.query`` is answered under ``alipay_trade_query_response``."""
    return method.replace(".", "_") + "_response"


class Verifier:
    """Alipay's one public key, or its certificates' keys by number."""

    def __init__(self, *, public_key: VerifyKey | None, certificates: Mapping[str, VerifyKey]):
        self._public_key = public_key
        self._certificates = dict(certificates)

    def open_answer(self, body: bytes, method: str) -> bytes:
        """The signed object of a gateway answer to ``method``, byte for byte as it stood there.

        Raises ``SignatureRefused``: ``too-large``, ``unreadable``, ``signature-missing``,
        ``serial-unknown``, ``signature-wrong``.
        """
        slices = self._slices(body, method)
        if not slices.sign:
            raise SignatureRefused("signature-missing")
        if not self._key(slices.certificate_sn).verify(slices.content, slices.sign):
            raise SignatureRefused("signature-wrong")
        return slices.content

    def _slices(self, body: bytes, method: str) -> AnswerSlices:
        _check_bytes(body)
        try:
            return answer_slices(body, frozenset({answer_name(method), ERROR_NAME}))
        except SliceRefused:
            raise SignatureRefused("unreadable") from None

    def check_v3(self, headers: Mapping[str, str], body: bytes) -> None:
        """Accept a v3 answer silently or raise ``SignatureRefused`` as ``open_answer`` does."""
        _check_bytes(body)
        found = {name.lower(): value for name, value in headers.items()}
        timestamp, nonce, signature = (
            found.get(f"alipay-{name}", "") for name in ("timestamp", "nonce", "signature")
        )
        if not (timestamp and nonce and signature):
            raise SignatureRefused("signature-missing")
        message = v3_answer_message(timestamp=timestamp, nonce=nonce, body=body)
        if not self._key(found.get("alipay-sn")).verify(message, signature):
            raise SignatureRefused("signature-wrong")

    def check_notice(self, parameters: Mapping[str, str]) -> None:
        """Accept a notice's decoded parameters silently or raise ``SignatureRefused``.

        A notice names no certificate, so each known one is tried.
        """
        if not parameters.get("sign"):
            raise SignatureRefused("signature-missing")
        if parameters.get("sign_type") != "RSA2":
            raise SignatureRefused("algorithm-unlisted")
        keys = [self._public_key] if self._public_key else list(self._certificates.values())
        if not any(notice_holds(key, parameters) for key in keys):
            raise SignatureRefused("signature-wrong")

    def _key(self, certificate_sn: str | None) -> VerifyKey:
        if self._public_key is not None:
            return self._public_key
        key = self._certificates.get(certificate_sn or "")
        if key is None:
            raise SignatureRefused("serial-unknown")
        return key


def _check_bytes(body: bytes) -> None:
    """Size and charset: another one than was asked for could hide where a text ends."""
    if len(body) > ANSWER_BYTES_MAX:
        raise SignatureRefused("too-large")
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        raise SignatureRefused("unreadable") from None
