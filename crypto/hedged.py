"""The nonces of a phone's signatures: HMAC-SM3 in the shape of HMAC_DRBG (SP 800-90A, RFC 6979).

Mixed from the private key, the digest and 32 fresh random bytes, so that neither a broken random
source nor a repeated digest alone gives a key away. Not for servers: they sign by libcrypto.
docs/health-code-format.md, "Nonces of a phone".
"""

import secrets
from collections.abc import Callable, Iterable, Iterator

from crypto import curve
from crypto.errors import BadEncoding, CryptoError
from crypto.sm2 import PrivateKey, PublicKey
from crypto.sm2_purepy import sign_with_nonce
from crypto.sm3 import hmac_sm3

RandomBytes = Callable[[int], bytes]
_KEY_LABEL = b"YM1 holder key\0"


def candidates(key32: bytes, digest32: bytes, fresh32: bytes) -> Iterator[bytes]:
    """The generator's outputs of 32 bytes, without end; the first in [1, n-1] is the nonce.

    ``BadEncoding`` unless private key, digest and fresh random bytes have 32 bytes each.
    """
    seed = key32 + digest32 + fresh32
    if (len(key32), len(digest32), len(fresh32)) != (32, 32, 32):
        raise BadEncoding("key, digest and fresh bytes have 32 bytes each")
    k, v = bytes(32), b"\1" * 32
    for mark in (b"\0", b"\1"):
        k = hmac_sm3(k, v + mark + seed)
        v = hmac_sm3(k, v)
    while True:
        v = hmac_sm3(k, v)
        yield v
        k = hmac_sm3(k, v + b"\0")
        v = hmac_sm3(k, v)


def all_below(outputs: Iterable[bytes], limit: int) -> Iterator[int]:
    """The outputs in [1, limit - 1]; the rest is rejected, never reduced: none is favoured."""
    return (k for out in outputs if 0 < (k := int.from_bytes(out, "big")) < limit)


def first_below(outputs: Iterable[bytes], limit: int) -> int:
    """The first output in [1, limit - 1]."""
    return next(all_below(outputs, limit))


def nonce(key32: bytes, digest32: bytes, fresh32: bytes) -> int:
    """The nonce k in [1, n-1] for one signature. Never use the same fresh bytes twice."""
    return first_below(candidates(key32, digest32, fresh32), curve.N)


def mixed_key(fresh32: bytes, entropy32: bytes) -> PrivateKey:
    """A phone's new key from 32 bytes of its platform's randomness and the server's 32 bytes.

    As secret as the better of both: whoever knows only the server's bytes knows nothing.
    ``BadEncoding`` for other lengths.
    """
    if (len(fresh32), len(entropy32)) != (32, 32):
        raise BadEncoding("fresh bytes and entropy have 32 bytes each")
    outputs = (hmac_sm3(fresh32, _KEY_LABEL + entropy32 + bytes((i,))) for i in range(256))
    return PrivateKey.from_bytes(first_below(outputs, curve.N - 1).to_bytes(32, "big"))


class HedgedSigner:
    """A holder key that signs with hedged nonces. Software arithmetic, not constant-time: for the
    reference holder, tests and vectors, never for a key of the platform."""

    def __init__(self, key: PrivateKey, *, random_bytes: RandomBytes = secrets.token_bytes) -> None:
        self.public: PublicKey = key.public
        self._key = key
        self._random_bytes = random_bytes

    def sign(self, message: bytes) -> bytes:
        """64 bytes r || s, verified before they are let out.

        A nonce that gives no signature (r, s or r + k is 0 mod n) is passed over like an output
        out of range.
        """
        digest = self.public.digest(message)
        d = self._key.to_bytes()
        nonces = all_below(candidates(d, digest, self._random_bytes(32)), curve.N)
        made = (sign_with_nonce(int.from_bytes(d, "big"), digest, k) for k in nonces)
        signature = next(one for one in made if one is not None)
        if not self.public.verify_digest(digest, signature):
            raise CryptoError("the holder's signature did not verify: not released")
        return signature
