"""A key ring sealed under a passphrase, to be kept away from the machine that uses it.

    "YMKB" | version 1 | log2 of scrypt's N 1 | salt 16 | a keystore file's bytes

The keystore inside is sealed under the passphrase's key in place of a master key. Each changed
byte, the head's too, gives another key or does not open.
"""

import secrets

from crypto import keystore
from crypto.errors import BadCiphertext
from crypto.keyring import KeyRing
from crypto.passphrase import LOG2_N, LOG2_N_MAX, LOG2_N_MIN, SALT_SIZE, key_from_passphrase

_HEAD = b"YMKB\x01"
_BODY = len(_HEAD) + 1 + SALT_SIZE


def seal_backup(ring: KeyRing, passphrase: str, *, log2_n: int = LOG2_N) -> bytes:
    """The file's bytes. ``BadKey`` for a passphrase that is too short."""
    salt = secrets.token_bytes(SALT_SIZE)
    key = key_from_passphrase(passphrase, salt, log2_n)
    return _HEAD + bytes((log2_n,)) + salt + keystore.seal_ring(ring, key)


def open_backup(blob: bytes, passphrase: str) -> KeyRing:
    """The ring; ``BadCiphertext`` unless the file is whole and under this passphrase."""
    if not _BODY < len(blob) <= _BODY + keystore.FILE_MAX or not blob.startswith(_HEAD):
        raise BadCiphertext("not a backup of keys")
    log2_n = blob[len(_HEAD)]
    if not LOG2_N_MIN <= log2_n <= LOG2_N_MAX:
        raise BadCiphertext("not a backup of keys")
    key = key_from_passphrase(passphrase, blob[len(_HEAD) + 1 : _BODY], log2_n)
    try:
        return keystore.open_ring(blob[_BODY:], key)
    except BadCiphertext:
        raise BadCiphertext("the passphrase is wrong, or the backup is damaged") from None
