"""Public ids: a version letter and 26 base32 characters, opaque and routing to one shard.

The 16 bytes inside are one SM4 block: record id 8, local id 8, enciphered under a key of its own
for each kind of object, so ids tell neither order nor volume nor whose they are, and an id of one
kind read as another gives a record that does not exist. Base32 is Crockford's alphabet in upper
case (no I, L, O, U), without padding; exactly one text per id: the two spare bits are zero.
The letter says the key version: A is 1, B is 2, up to Z.
"""

from datetime import datetime

from crypto.errors import BadEncoding, CryptoError
from crypto.keyring import Key, KeyKind, KeyView
from crypto.sm3 import hmac_sm3
from crypto.sm4 import BlockCipher

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LENGTH = 27
_PAIRS = tuple(first + second for first in ALPHABET for second in ALPHABET)
_SHIFTS = tuple(range(120, -1, -10))
_LETTERS = frozenset(ALPHABET)
_TO_BASE_32 = str.maketrans(ALPHABET, "0123456789ABCDEFGHIJKLMNOPQRSTUV")
"""To the digits that ``int`` reads."""


def _object_cipher(key: Key, kind: str) -> BlockCipher:
    """One SM4 key per version and kind of object."""
    label = b"YM public id\0" + bytes((key.version,)) + kind.encode()
    return BlockCipher(hmac_sm3(key.material, label)[:16])


class PublicIds:
    """Makes and reads the public ids of one kind of object, such as ``bill``."""

    __slots__ = ("_ciphers", "_kind", "_ring")

    def __init__(self, ring: KeyView, kind: str) -> None:
        self._ring = ring
        self._kind = kind
        self._ciphers: dict[tuple[int, bytes], BlockCipher] = {}

    def _cipher(self, key: Key) -> BlockCipher:
        at = key.version, key.material
        known = self._ciphers.get(at)
        if known is None:
            known = self._ciphers[at] = _object_cipher(key, self._kind)
        return known

    def encode(self, record_id: bytes, local_id: bytes, now: datetime) -> str:
        """The text of (record id, local id), 8 bytes each, under the current key."""
        if len(record_id) != 8 or len(local_id) != 8:
            raise BadEncoding("record id and local id have 8 bytes each")
        key = self._ring.current(KeyKind.PUBLIC_ID, now)
        if key.version > 26:
            raise BadEncoding("no version letter left")
        number = int.from_bytes(self._cipher(key).encrypt(record_id + local_id), "big") << 2
        return chr(64 + key.version) + "".join([_PAIRS[number >> at & 1023] for at in _SHIFTS])

    def decode(self, text: str, now: datetime) -> tuple[bytes, bytes]:
        """(record id, local id); ``BadEncoding`` for anything but the one canonical text."""
        if len(text) != LENGTH or not "A" <= text[0] <= "Z":
            raise BadEncoding("not a public id")
        digits = text[1:]
        if not _LETTERS.issuperset(digits):
            raise BadEncoding("not a public id")
        number = int(digits.translate(_TO_BASE_32), 32)
        if number & 3:
            raise BadEncoding("not a public id")
        try:
            key = self._ring.accepted(KeyKind.PUBLIC_ID, ord(text[0]) - 64, now)
        except CryptoError:
            raise BadEncoding("not a public id") from None
        block = self._cipher(key).decrypt((number >> 2).to_bytes(16, "big"))
        return block[:8], block[8:]
