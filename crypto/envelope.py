"""Enciphered columns, wrapped data keys and row MACs. Bytes in, bytes out.

Each record has a data key of its own; the ring wraps it, so destroying the wrapped key forgets
the record. Whatever a value belongs to (table, column, row) goes in as authenticated parts, so a
value copied to another place does not open. SM4-GCM, random 96-bit nonce, 16-byte tag.

    column    01 | nonce 12 | ciphertext | tag 16
    data key  01 | KEK version 1 | nonce 12 | ciphertext 16 | tag 16
"""

import hmac
import secrets
from collections.abc import Sequence
from datetime import datetime

from crypto.canonical import Value, encode_parts
from crypto.errors import BadCiphertext, BadEncoding, CryptoError
from crypto.keyring import Key, KeyKind, KeyView
from crypto.sm3 import hmac_sm3
from crypto.sm4 import KEY_SIZE, NONCE_SIZE, TAG_SIZE, gcm_decrypt, gcm_encrypt

VERSION = 1
PLAINTEXT_MAX = 1 << 20
OVERHEAD = 1 + NONCE_SIZE + TAG_SIZE
WRAPPED_SIZE = 2 + NONCE_SIZE + KEY_SIZE + TAG_SIZE
_COLUMN = b"YM column\0"
_DATA_KEY = b"YM data key\0"
_ROW = b"YM row mac\0"


def seal(data_key: bytes, plaintext: bytes, aad_parts: Sequence[Value]) -> bytes:
    """Encipher at most 1 MiB, bound to ``aad_parts`` (such as table, column, record id)."""
    if len(plaintext) > PLAINTEXT_MAX:
        raise BadEncoding("a column value has at most 1 MiB")
    head = bytes((VERSION,))
    nonce = secrets.token_bytes(NONCE_SIZE)
    aad = _COLUMN + head + encode_parts(aad_parts)
    return head + nonce + gcm_encrypt(data_key, nonce, plaintext, aad)


def open(data_key: bytes, sealed: bytes, aad_parts: Sequence[Value]) -> bytes:  # noqa: A001
    """The plaintext; ``BadCiphertext`` for another key, place, version or any changed bit."""
    if not OVERHEAD <= len(sealed) <= OVERHEAD + PLAINTEXT_MAX or sealed[0] != VERSION:
        raise BadCiphertext
    aad = _COLUMN + sealed[:1] + encode_parts(aad_parts)
    return gcm_decrypt(data_key, sealed[1 : 1 + NONCE_SIZE], sealed[1 + NONCE_SIZE :], aad)


def new_data_key() -> bytes:
    """16 random bytes."""
    return secrets.token_bytes(KEY_SIZE)


def wrap_data_key(
    ring: KeyView, data_key: bytes, aad_parts: Sequence[Value], now: datetime
) -> bytes:
    """The data key under the ring's current column key, bound to its record."""
    if len(data_key) != KEY_SIZE:
        raise BadEncoding("a data key has 16 bytes")
    key = ring.current(KeyKind.COLUMN, now)
    head = bytes((VERSION, key.version))
    nonce = secrets.token_bytes(NONCE_SIZE)
    aad = _DATA_KEY + head + encode_parts(aad_parts)
    return head + nonce + gcm_encrypt(key.material, nonce, data_key, aad)


def wrapped_under(wrapped: bytes) -> int:
    """The column key version a wrapped data key needs: what to rewrap before destroying one."""
    if len(wrapped) != WRAPPED_SIZE or wrapped[0] != VERSION:
        raise BadCiphertext
    return wrapped[1]


def unwrap_data_key(
    ring: KeyView, wrapped: bytes, aad_parts: Sequence[Value], now: datetime
) -> bytes:
    """The data key; ``BadCiphertext`` when anything differs, its key version included."""
    version = wrapped_under(wrapped)
    try:
        key: Key = ring.accepted(KeyKind.COLUMN, version, now)
    except CryptoError:
        raise BadCiphertext from None
    aad = _DATA_KEY + wrapped[:2] + encode_parts(aad_parts)
    return gcm_decrypt(key.material, wrapped[2 : 2 + NONCE_SIZE], wrapped[2 + NONCE_SIZE :], aad)


def row_mac(key: bytes, table: str, parts: Sequence[Value]) -> bytes:
    """32 bytes over a table's name and a row's values, in the order the caller fixes."""
    return hmac_sm3(key, _ROW + encode_parts((table, *parts)))


def is_row_mac(key: bytes, table: str, parts: Sequence[Value], mac: bytes) -> bool:
    """True if ``mac`` is the row's, compared in constant time."""
    return hmac.compare_digest(row_mac(key, table, parts), mac)
