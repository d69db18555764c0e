"""Keys from passphrases: scrypt over the normalised text. Slow on purpose.

Parameters: N = 2**log2_n, r = 8, p = 1 (RFC 7914). The present 2**17 takes 128 MiB and about half
a second; what was sealed keeps its own number, within bounds.
"""

import unicodedata

from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from crypto.errors import BadKey

LENGTH_MIN = 16
LENGTH_MAX = 1024
SALT_SIZE = 16
LOG2_N = 17
LOG2_N_MIN = 14
LOG2_N_MAX = 20


def passphrase_bytes(text: str) -> bytes:
    """The UTF-8 bytes of the text without its line end, in NFC, so that every keyboard agrees.

    ``BadKey`` when it is shorter than 16 characters, absurdly long, or holds control characters.
    """
    plain = unicodedata.normalize("NFC", text.rstrip("\r\n"))
    if not LENGTH_MIN <= len(plain) <= LENGTH_MAX:
        raise BadKey(f"a passphrase has at least {LENGTH_MIN} characters")
    if any(unicodedata.category(letter) == "Cc" for letter in plain):
        raise BadKey("a passphrase holds no control characters")
    return plain.encode()


def key_from_passphrase(text: str, salt: bytes, log2_n: int) -> bytes:
    """32 bytes. ``BadKey`` for a passphrase, salt or cost out of bounds."""
    if len(salt) != SALT_SIZE or not LOG2_N_MIN <= log2_n <= LOG2_N_MAX:
        raise BadKey("salt or cost of a passphrase is out of bounds")
    return Scrypt(salt=salt, length=32, n=1 << log2_n, r=8, p=1).derive(passphrase_bytes(text))
