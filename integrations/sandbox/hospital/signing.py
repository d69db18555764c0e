"""Signs a request as docs/integration.md says, and checks the signature of the answer."""

import base64
import secrets
from datetime import datetime

import msgspec

from crypto.sm2 import PrivateKey, PublicKey


class HospitalKeys(msgspec.Struct, frozen=True, kw_only=True):
    """The application's id and SM2 key, and the platform's public keys, all in hexadecimal."""

    application_id: str
    private_key: str
    platform_keys: list[str]

    def __repr__(self) -> str:
        return f"HospitalKeys({self.application_id!r})"


class Signed(msgspec.Struct, frozen=True):
    """Headers of a signed request; the nonce comes back in the answer's signature."""

    headers: dict[str, str]
    nonce: str


class Signer:
    """Holds the loaded keys of one hospital."""

    def __init__(self, keys: HospitalKeys) -> None:
        self._application_id = keys.application_id
        self._key = PrivateKey.from_bytes(bytes.fromhex(keys.private_key))
        self._platform: list[PublicKey] = []
        self.believe(keys.platform_keys)

    def believe(self, platform_keys: list[str]) -> None:
        """From now on the platform signs with one of these, at most eight."""
        self._platform = [PublicKey.from_bytes(bytes.fromhex(key)) for key in platform_keys[-8:]]

    def sign(
        self, method: str, host: str, target: str, body: bytes, *, key: str, at: datetime
    ) -> Signed:
        """Eight lines: id, method, host, target, timestamp, nonce, idempotency key, body."""
        nonce = secrets.token_hex(12)
        timestamp = str(int(at.timestamp()))
        lines = [self._application_id, method, host, target, timestamp, nonce, key]
        text = "".join(f"{line}\n" for line in lines).encode() + body + b"\n"
        signature = base64.b64encode(self._key.sign(text)).decode()
        headers = {
            "authorization": (
                f'YIMATONG-SM2-SM3 id="{self._application_id}",timestamp="{timestamp}",'
                f'nonce="{nonce}",signature="{signature}"'
            ),
            "content-type": "application/json",
        }
        if key:
            headers["idempotency-key"] = key
        return Signed(headers, nonce)

    def answer_holds(self, status: int, nonce: str, body: bytes, signature: str) -> bool:
        """Whether the platform signed this answer to this request."""
        try:
            raw = base64.b64decode(signature, validate=True)
        except ValueError:
            return False
        return self.platform_signed(f"{status}\n{nonce}\n".encode() + body, raw)

    def platform_signed(self, text: bytes, raw: bytes) -> bool:
        """Whether one of the platform's keys made these 64 bytes over the text."""
        return len(raw) == 64 and any(key.verify(text, raw) for key in self._platform)
