"""Writes SM2 keys as partners hand them out; the product only reads such texts."""

from crypto import der, keyfiles, pem
from crypto.sm2 import PrivateKey, PublicKey

_ALGORITHM = bytes.fromhex("301306072a8648ce3d020106082a811ccf5501822d")
"""An elliptic curve's key, on the SM2 curve."""


def write_public_pem(key: PublicKey) -> str:
    """SubjectPublicKeyInfo as PEM."""
    return pem.write_block("PUBLIC KEY", keyfiles.write_public_der(key))


def write_private_pem(key: PrivateKey) -> str:
    """PKCS#8, not enciphered."""
    sec1 = (
        der.write(der.INTEGER, b"\1")
        + der.write(der.OCTETS, key.to_bytes())
        + der.write(0xA1, der.write(der.BITS, b"\0" + key.public.to_bytes()))
    )
    body = (
        der.write(der.INTEGER, b"\0")
        + _ALGORITHM
        + der.write(der.OCTETS, der.write(der.SEQUENCE, sec1))
    )
    return pem.write_block("PRIVATE KEY", der.write(der.SEQUENCE, body))
