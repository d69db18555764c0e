"""The gateway's header signature (dossier 1.3). It covers no byte of the body."""

import hashlib
import hmac
from datetime import datetime


def tif_signature(timestamp: str, secret: str, nonce: str) -> str:
    """Lower-case hex SHA-256 over ``timestamp, secret, nonce, timestamp`` without separators."""
    return hashlib.sha256(f"{timestamp}{secret}{nonce}{timestamp}".encode()).hexdigest()


def tif_signature_matches(*, timestamp: str, secret: str, nonce: str, signature: str) -> bool:
    """Compare in constant time."""
    expected = tif_signature(timestamp, secret, nonce)
    return hmac.compare_digest(expected.encode(), signature.encode())


class TifSigner:
    """Makes the ``x-tif`` headers of one connected party. Its secret shows in no repr."""

    def __init__(self, *, party: str, secret: str, service: str | None) -> None:
        self._party = party
        self._secret = secret
        self._service = service

    def headers(self, at: datetime, nonce: str) -> dict[str, str]:
        """The headers of one request; ``nonce`` is never used twice."""
        timestamp = str(int(at.timestamp()))
        found = {
            "x-tif-paasid": self._party,
            "x-tif-timestamp": timestamp,
            "x-tif-nonce": nonce,
            "x-tif-signature": tif_signature(timestamp, self._secret, nonce),
        }
        if self._service is not None:
            found["x-tif-serviceId"] = self._service
        return found
