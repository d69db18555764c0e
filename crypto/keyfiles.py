"""Key files: PEM to SM2 keys and back. Reads text, touches no files.

Reads PKCS#8 (plain, and PBES2 with AES-CBC or SM4-CBC), SEC1 under both headers in use
("EC PRIVATE KEY" and "SM2 PRIVATE KEY"), and SubjectPublicKeyInfo. Only the SM2 curve. Everything
wrong is ``BadKey``; a wrong password is one of the wrong things.
"""

import hmac

from cryptography.hazmat.primitives import hashes, padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

from crypto import der
from crypto import pem as pem_text
from crypto.errors import BadCiphertext, BadEncoding, BadKey
from crypto.sm2 import PrivateKey, PublicKey
from crypto.sm2_backend import Sm2Backend
from crypto.sm4 import cbc_decrypt

PEM_MAX = 1 << 14
ROUNDS_MAX = 2_000_000
_EC_PUBLIC_KEY = bytes.fromhex("2a8648ce3d0201")
_SM2_CURVE = bytes.fromhex("2a811ccf5501822d")
_ALGORITHM = der.write(der.OID, _EC_PUBLIC_KEY) + der.write(der.OID, _SM2_CURVE)
_PBES2 = bytes.fromhex("2a864886f70d01050d")
_PBKDF2 = bytes.fromhex("2a864886f70d01050c")
_SM4_CBC = bytes.fromhex("2a811ccf55016802")
_AES_CBC = {
    bytes.fromhex("608648016503040102"): 16,
    bytes.fromhex("608648016503040116"): 24,
    bytes.fromhex("60864801650304012a"): 32,
}
_PRF: dict[bytes, hashes.HashAlgorithm] = {
    bytes.fromhex("2a864886f70d0207"): hashes.SHA1(),  # noqa: S303  the standard's default
    bytes.fromhex("2a864886f70d0209"): hashes.SHA256(),
    bytes.fromhex("2a811ccf550183110301"): hashes.SM3(),
}
_DEFAULT_PRF = bytes.fromhex("2a864886f70d0207")


def load_private_pem(
    pem: str, password: bytes | None = None, *, backend: Sm2Backend | None = None
) -> PrivateKey:
    """The private key in ``pem``; a public half inside must fit it."""
    try:
        label, blob = _pem_block(pem, {"EC PARAMETERS"})
        if label == "ENCRYPTED PRIVATE KEY":
            if password is None:
                raise BadKey("the key file needs a password")
            label, blob = "PRIVATE KEY", _open_pbes2(blob, password)
        if label == "PRIVATE KEY":
            d, point = _read_pkcs8(blob)
        elif label in {"EC PRIVATE KEY", "SM2 PRIVATE KEY"}:
            d, point = _read_sec1(blob)
        else:
            raise BadKey("not a private key file")
    except (BadEncoding, BadCiphertext):
        raise BadKey("the key file was refused") from None
    key = PrivateKey.from_bytes(d, backend=backend)
    if point is not None and not hmac.compare_digest(point, key.public.to_bytes()):
        raise BadKey("the public half does not fit")
    return key


def load_public_pem(pem: str, *, backend: Sm2Backend | None = None) -> PublicKey:
    """The public key in a SubjectPublicKeyInfo ``pem``."""
    try:
        label, blob = _pem_block(pem, set())
        if label != "PUBLIC KEY":
            raise BadKey("not a public key file")
        return load_public_der(blob, backend=backend)
    except BadEncoding:
        raise BadKey("the key file was refused") from None


def load_public_der(blob: bytes, *, backend: Sm2Backend | None = None) -> PublicKey:
    """The public key in a SubjectPublicKeyInfo."""
    try:
        algorithm, bits = der.only(der.read_whole(blob, der.SEQUENCE), der.SEQUENCE, der.BITS)
    except BadEncoding:
        raise BadKey("the key file was refused") from None
    if algorithm != _ALGORITHM or len(bits) != 66 or bits[0]:
        raise BadKey("not an SM2 public key")
    return PublicKey.from_bytes(bits[1:], backend=backend)


def write_public_der(key: PublicKey) -> bytes:
    """SubjectPublicKeyInfo."""
    bits = der.write(der.BITS, b"\0" + key.to_bytes())
    return der.write(der.SEQUENCE, der.write(der.SEQUENCE, _ALGORITHM) + bits)


def _pem_block(pem: str, skipped: set[str]) -> tuple[str, bytes]:
    """The one block that is not of a skipped label."""
    if len(pem) > PEM_MAX:
        raise BadKey("the key file is too long")
    found = [block for block in pem_text.read_blocks(pem) if block[0] not in skipped]
    if len(found) != 1:
        raise BadKey("a key file holds one key")
    return found[0]


def _read_pkcs8(blob: bytes) -> tuple[bytes, bytes | None]:
    inside = der.read_whole(blob, der.SEQUENCE)
    version, algorithm, key = der.only(inside, der.INTEGER, der.SEQUENCE, der.OCTETS)
    if version != b"\0" or algorithm != _ALGORITHM:
        raise BadKey("not an SM2 private key")
    return _read_sec1(key)


def _read_sec1(blob: bytes) -> tuple[bytes, bytes | None]:
    """``SEQUENCE { 1, d, [0] curve OPTIONAL, [1] point OPTIONAL }``."""
    found = der.elements(der.read_whole(blob, der.SEQUENCE))
    tags = [tag for tag, _, _ in found]
    if tags[:2] != [der.INTEGER, der.OCTETS] or found[0][1] != b"\1":
        raise BadKey("not an SM2 private key")
    rest = {tag: inner for tag, inner, _ in found[2:]}
    if tags[2:] != sorted(rest) or not set(rest) <= {0xA0, 0xA1} or len(found[1][1]) != 32:
        raise BadKey("not an SM2 private key")
    if 0xA0 in rest and rest[0xA0] != der.write(der.OID, _SM2_CURVE):
        raise BadKey("not an SM2 private key")
    point = None
    if 0xA1 in rest:
        bits = der.read_whole(rest[0xA1], der.BITS)
        if len(bits) != 66 or bits[0]:
            raise BadKey("the public half was refused")
        point = bits[1:]
    return found[1][1], point


def _open_pbes2(blob: bytes, password: bytes) -> bytes:
    algorithm, body = der.only(der.read_whole(blob, der.SEQUENCE), der.SEQUENCE, der.OCTETS)
    scheme, parameters = der.only(algorithm, der.OID, der.SEQUENCE)
    derivation, cipher = der.only(parameters, der.SEQUENCE, der.SEQUENCE)
    derivation_name, derivation_parameters = der.only(derivation, der.OID, der.SEQUENCE)
    cipher_name, iv = der.only(cipher, der.OID, der.OCTETS)
    if scheme != _PBES2 or derivation_name != _PBKDF2 or len(iv) != 16:
        raise BadKey("the key file's encryption is not known")
    size = 16 if cipher_name == _SM4_CBC else _AES_CBC.get(cipher_name)
    if size is None:
        raise BadKey("the key file's encryption is not known")
    key = _derive(derivation_parameters, password, size)
    if cipher_name == _SM4_CBC:
        return cbc_decrypt(key, iv, body)
    return _open_aes(key, iv, body)


def _derive(parameters: bytes, password: bytes, size: int) -> bytes:
    """PBKDF2 with the parameters ``salt, rounds [, key length] [, prf]``."""
    found = der.elements(parameters)
    tags = [tag for tag, _, _ in found]
    if tags[:2] != [der.OCTETS, der.INTEGER] or len(found) > 4:
        raise BadKey("the key file's encryption is not known")
    rounds = int.from_bytes(der.read_unsigned(found[1][2], 0, 4)[0], "big")
    name = _DEFAULT_PRF
    for tag, inner, _ in found[2:]:
        if tag == der.SEQUENCE:
            name = der.read(inner, 0, der.OID)[0]
        elif tag != der.INTEGER or int.from_bytes(inner, "big") != size:
            raise BadKey("the key file's encryption is not known")
    prf = _PRF.get(name)
    if prf is None or not 1 <= rounds <= ROUNDS_MAX:
        raise BadKey("the key file's encryption is not known")
    return PBKDF2HMAC(prf, size, found[0][1], rounds).derive(password)


def _open_aes(key: bytes, iv: bytes, body: bytes) -> bytes:
    if not body or len(body) % 16:
        raise BadCiphertext
    decryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).decryptor()
    padded = decryptor.update(body) + decryptor.finalize()
    unpadder = padding.PKCS7(128).unpadder()
    try:
        return unpadder.update(padded) + unpadder.finalize()
    except ValueError:
        raise BadCiphertext from None
