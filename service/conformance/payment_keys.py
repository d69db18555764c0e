"""Finds the key material that a payment case names, in the shapes production uses."""

from collections.abc import Mapping
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from crypto.certificates import load_certificate as load_sm_certificate
from integrations.wechatpay.shangmi import Sm2SigningKey, Sm2VerifyKey
from integrations.wechatpay.signing import RsaSigningKey, RsaVerifyKey, load_certificate
from service.conformance.verdict import Case

KEY_FIELDS = ("key", "verify_key", "platform_key", "public_key", "signing_key")
SERIAL_FIELDS = (
    "public_key_id",
    "serial_no",
    "serial",
    "known_serial",
    "platform_serial",
    "configured_serial",
)


def entry_of(case: Case, keys: Mapping[str, Any]) -> Case:
    """The entry of ``keys`` that the case names, or the case itself if it holds a PEM."""
    for field in KEY_FIELDS:
        name = case.get(field)
        if isinstance(name, str) and name in keys:
            entry: Case = keys[name]
            return entry
    if any(field in case for field in ("pem", "public_key_pem", "cert_pem", "cert")):
        return case
    raise ValueError("the case names no known key")


def is_sm(case: Case) -> bool:
    """Whether the case is about the SM variant."""
    return str(case.get("provider", "")).endswith("-sm") or "SM" in str(case.get("alg", ""))


def pem_of(entry: Case) -> str:
    """The entry's private or public PEM."""
    return str(entry.get("pem") or entry.get("public_key_pem") or "")


def certificate_pem_of(entry: Case) -> str:
    """The entry's certificate PEM."""
    return str(entry.get("cert") or entry.get("cert_pem") or entry.get("certificate_pem") or "")


def signing_key(case: Case, keys: Mapping[str, Any]) -> RsaSigningKey | Sm2SigningKey:
    """The private key."""
    pem = pem_of(entry_of(case, keys))
    return Sm2SigningKey(pem) if is_sm(case) else RsaSigningKey(pem)


def verify_key(case: Case, keys: Mapping[str, Any]) -> RsaVerifyKey | Sm2VerifyKey:
    """The public key: of the private PEM, of the public PEM, or of the certificate."""
    entry = entry_of(case, keys)
    pem = pem_of(entry)
    if is_sm(case):
        if "PRIVATE KEY" in pem:
            return Sm2SigningKey(pem).verify_key()
        if "PUBLIC KEY" in pem:
            return Sm2VerifyKey.from_public_pem(pem)
        certificate = load_sm_certificate(certificate_pem_of(entry).encode())
        return Sm2VerifyKey.from_certificate(certificate)
    return RsaVerifyKey(rsa_public(entry))


def rsa_public(entry: Case) -> rsa.RSAPublicKey:
    """The RSA public key of an entry, in whatever form it stands there."""
    pem = pem_of(entry)
    if "PRIVATE KEY" in pem:
        private = serialization.load_pem_private_key(pem.encode(), None)
        if isinstance(private, rsa.RSAPrivateKey):
            return private.public_key()
    elif "PUBLIC KEY" in pem:
        public = serialization.load_pem_public_key(pem.encode())
        if isinstance(public, rsa.RSAPublicKey):
            return public
    elif certificate_pem_of(entry):
        public = load_certificate(certificate_pem_of(entry)).public_key()
        if isinstance(public, rsa.RSAPublicKey):
            return public
    raise ValueError("the entry holds no RSA key")


def certificate_of(case: Case, keys: Mapping[str, Any]) -> x509.Certificate:
    """The certificate in the case, or in the entry it names."""
    own = certificate_pem_of(case)
    return load_certificate(own or certificate_pem_of(entry_of(case, keys)))


def known_serials(case: Case, keys: Mapping[str, Any], named: str) -> set[str]:
    """Under which serials the verifier knows the case's key.

    A case that says nothing about the public key's id means the id that its headers name.
    """
    entry = entry_of(case, keys)
    found = {
        str(holder[field])
        for holder in (case, entry)
        for field in SERIAL_FIELDS
        if isinstance(holder.get(field), str)
    }
    found |= {str(serial) for serial in case.get("known_serials", ())}
    has_id = any(serial.startswith("PUB_KEY_ID_") for serial in found)
    if not found or (named.startswith("PUB_KEY_ID_") and not has_id):
        found.add(named)
    return found


def api_v3_key(case: Case, keys: Mapping[str, Any]) -> str:
    """The APIv3 key, in the case or in the entry it names."""
    for field in ("apiv3_key_utf8", "key_utf8", "apiv3_key", "api_v3_key"):
        if isinstance(case.get(field), str):
            return str(case[field])
    for field in ("apiv3_key", "apiv3_key_utf8", "api_v3_key"):
        for name in (case.get("apiv3_key_of"), case.get("merchant_key"), case.get("key")):
            entry = keys.get(name) if isinstance(name, str) else None
            if isinstance(entry, dict) and isinstance(entry.get(field), str):
                return str(entry[field])
    raise ValueError("the case names no APIv3 key")
