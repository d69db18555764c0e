"""What is still needed of API V2 (payments.md 2.5): signature, flat XML, the sealed refund notice.

Pure functions; MD5 and ECB are the partner's, used nowhere else.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from integrations.kit.signing import sorted_pairs

HMAC = "HMAC-SHA256"
XML_BYTES_MAX = 64 * 1024
_MEMBER = re.compile(r"<([a-z][a-z0-9_]{0,63})>(?:<!\[CDATA\[([^\]]*)\]\]>|([^<&]*))</\1>\s*")


class V2Refused(ValueError):
    """A V2 text cannot be read, or a sign type is unknown."""


def sign_v2(fields: Mapping[str, str], key: str, sign_type: str = "MD5") -> str:
    """Upper-case hex over the sorted non-empty fields with ``&key=`` behind them."""
    text = f"{sorted_pairs(fields, without=frozenset({'sign'}))}&key={key}".encode()
    if sign_type == "MD5":
        return hashlib.md5(text, usedforsecurity=False).hexdigest().upper()
    if sign_type == "HMAC-SHA256":
        return hmac.new(key.encode(), text, hashlib.sha256).hexdigest().upper()
    raise V2Refused("unknown sign type")


def verify_v2(fields: Mapping[str, str], key: str, sign_type: str = "MD5") -> bool:
    """Whether ``sign`` fits the other fields."""
    expected = sign_v2(fields, key, sign_type)
    return hmac.compare_digest(expected.encode(), fields.get("sign", "").encode())


def write_xml(fields: Mapping[str, str]) -> bytes:
    """``<xml>`` with a member a field, each text in CDATA. Raises ``V2Refused``."""
    if any("]]>" in value for value in fields.values()):
        raise V2Refused("a text ends its CDATA")
    members = "".join(f"<{name}><![CDATA[{value}]]></{name}>" for name, value in fields.items())
    return f"<xml>{members}</xml>".encode()


def read_xml(body: bytes) -> dict[str, str]:
    """The members of a flat ``<xml>``. Reads no entities, attributes or nesting. ``V2Refused``."""
    if len(body) > XML_BYTES_MAX:
        raise V2Refused("too large")
    try:
        text = body.decode().strip()
    except UnicodeDecodeError:
        raise V2Refused("not UTF-8") from None
    if not (text.startswith("<xml>") and text.endswith("</xml>")):
        raise V2Refused("not the documented XML")
    inner = text[len("<xml>") : -len("</xml>")].strip()
    place, found = 0, dict[str, str]()
    while place < len(inner):
        member = _MEMBER.match(inner, place)
        if member is None or member[1] in found:
            raise V2Refused("a member is malformed or stands twice")
        found[member[1]] = member[2] if member[2] is not None else member[3]
        place = member.end()
    return found


def refund_notice_key(key: str) -> bytes:
    """AES key of ``req_info``: the lower-case hex of MD5 over the V2 key, as ASCII."""
    return hashlib.md5(key.encode(), usedforsecurity=False).hexdigest().encode()


def ecb_encrypt(key: bytes, plain: bytes) -> bytes:
    """AES-256-ECB with PKCS#7."""
    padder = PKCS7(128).padder()
    encryptor = _ecb(key).encryptor()
    return encryptor.update(padder.update(plain) + padder.finalize()) + encryptor.finalize()


def ecb_decrypt(key: bytes, sealed: bytes) -> bytes:
    """The reverse. Raises ``V2Refused``."""
    decryptor, unpadder = _ecb(key).decryptor(), PKCS7(128).unpadder()
    try:
        padded = decryptor.update(sealed) + decryptor.finalize()
        return unpadder.update(padded) + unpadder.finalize()
    except ValueError:
        raise V2Refused("the ciphertext does not open") from None


def _ecb(key: bytes) -> Cipher[modes.ECB]:
    if len(key) != 32:
        raise V2Refused("the key has not 32 bytes")
    return Cipher(algorithms.AES256(key), modes.ECB())  # noqa: S305 - the partner's mode
