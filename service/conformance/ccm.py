"""SM4-CCM (RFC 3610, RFC 8998) composed over SM4-ECB, for conformance alone: nothing here
serves traffic, and the cipher library offers no CCM for SM4."""

import hmac

from crypto.errors import BadCiphertext, BadEncoding
from crypto.sm4 import ctr_xor, ecb_encrypt

TAG_SIZE = 16


def _padded(b: bytes) -> bytes:
    return b + bytes(-len(b) % 16)


def _mac(key: bytes, nonce: bytes, plain: bytes, aad: bytes) -> bytes:
    size = 15 - len(nonce)
    flags = (0x40 if aad else 0) | (TAG_SIZE - 2) // 2 << 3 | (size - 1)
    blocks = bytes((flags,)) + nonce + len(plain).to_bytes(size, "big")
    if aad:
        blocks += _padded(len(aad).to_bytes(2, "big") + aad)
    blocks += _padded(plain)
    tag = bytes(16)
    for at in range(0, len(blocks), 16):
        block = int.from_bytes(tag, "big") ^ int.from_bytes(blocks[at : at + 16], "big")
        tag = ecb_encrypt(key, block.to_bytes(16, "big"))
    return tag


def _counter(nonce: bytes, number: int) -> bytes:
    size = 15 - len(nonce)
    return bytes((size - 1,)) + nonce + number.to_bytes(size, "big")


def _check(nonce: bytes, plain: bytes, aad: bytes) -> None:
    if not 7 <= len(nonce) <= 13 or len(plain) >> 8 * (15 - len(nonce)) or len(aad) >= 0xFF00:
        raise BadEncoding("CCM: sizes out of range")


def ccm_encrypt(key: bytes, nonce: bytes, plain: bytes, aad: bytes) -> bytes:
    """Ciphertext with its 16-byte tag behind it."""
    _check(nonce, plain, aad)
    tag = ctr_xor(key, _counter(nonce, 0), _mac(key, nonce, plain, aad))
    return ctr_xor(key, _counter(nonce, 1), plain) + tag


def ccm_decrypt(key: bytes, nonce: bytes, body: bytes, aad: bytes) -> bytes:
    """The plaintext, or ``BadCiphertext``."""
    if len(body) < TAG_SIZE:
        raise BadCiphertext
    _check(nonce, body[:-TAG_SIZE], aad)
    plain = ctr_xor(key, _counter(nonce, 1), body[:-TAG_SIZE])
    tag = ctr_xor(key, _counter(nonce, 0), _mac(key, nonce, plain, aad))
    if not hmac.compare_digest(tag, body[-TAG_SIZE:]):
        raise BadCiphertext
    return plain
