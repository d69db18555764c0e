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
from crypto.sm4 import ecb_decrypt, ecb_encrypt

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LENGTH = 27
_VALUES = {letter: value for value, letter in enumerate(ALPHABET)}


def _object_key(key: Key, kind: str) -> bytes:
    """One SM4 key per version and kind of object."""
    return hmac_sm3(key.material, b"YM public id\0" + bytes((key.version,)) + kind.encode())[:16]


class PublicIds:
    """Makes and reads the public ids of one kind of object, such as ``bill``."""

    __slots__ = ("_keys", "_kind", "_ring")

    def __init__(self, ring: KeyView, kind: str) -> None:
        self._ring = ring
        self._kind = kind
        self._keys: dict[tuple[int, bytes], bytes] = {}

    def _key(self, key: Key) -> bytes:
        at = key.version, key.material
        known = self._keys.get(at)
        if known is None:
            known = self._keys[at] = _object_key(key, self._kind)
        return known

    def encode(self, record_id: bytes, local_id: bytes, now: datetime) -> str:
        """The text of (record id, local id), 8 bytes each, under the current key."""
        if len(record_id) != 8 or len(local_id) != 8:
            raise BadEncoding("record id and local id have 8 bytes each")
        key = self._ring.current(KeyKind.PUBLIC_ID, now)
        if key.version > 26:
            raise BadEncoding("no version letter left")
        number = int.from_bytes(ecb_encrypt(self._key(key), record_id + local_id), "big") << 2
        digits = (ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))
        return chr(64 + key.version) + "".join(digits)

    def decode(self, text: str, now: datetime) -> tuple[bytes, bytes]:
        """(record id, local id); ``BadEncoding`` for anything but the one canonical text."""
        if len(text) != LENGTH or not "A" <= text[0] <= "Z":
            raise BadEncoding("not a public id")
        number = 0
        for letter in text[1:]:
            value = _VALUES.get(letter)
            if value is None:
                raise BadEncoding("not a public id")
            number = number << 5 | value
        if number & 3:
            raise BadEncoding("not a public id")
        try:
            key = self._ring.accepted(KeyKind.PUBLIC_ID, ord(text[0]) - 64, now)
        except CryptoError:
            raise BadEncoding("not a public id") from None
        block = ecb_decrypt(self._key(key), (number >> 2).to_bytes(16, "big"))
        return block[:8], block[8:]
