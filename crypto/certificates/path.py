"""Judge a caller's certificate: a short chain to a pinned root, each check with its own word.

From the caller upwards, for each certificate: critical extensions, time, usage (and for an
authority: CA flag, path length), then its issuer by name and key, the issuer's signature, and
the issuer's newest revocation list.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from crypto.certificates.reading import Certificate
from crypto.certificates.refusal import EMPTY_USER_ID, CertificateRefused, Refusal
from crypto.certificates.revocation import Crl

DEPTH_MAX = 4
"""Certificates of a path, the root included."""
INTERMEDIATES_MAX = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchors:
    """What a path may end in and be checked against.

    ``crls`` None: revocation is judged elsewhere. ``crl_grace``: for how long after its end the
    newest list still counts.
    """

    roots: Sequence[Certificate]
    crls: Sequence[Crl] | None
    crl_grace: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class Path:
    """An accepted path, the caller first, the root last."""

    certificates: tuple[Certificate, ...]
    revocation_as_of: datetime | None
    """When the oldest revocation list used was made; None if none was asked for."""


def check_path(
    caller: Certificate,
    intermediates: Sequence[Certificate],
    anchors: Anchors,
    now: datetime,
    *,
    subject: x509.Name | None = None,
) -> Path:
    """The path from ``caller`` to a pinned root; ``CertificateRefused`` with the first failure.

    ``subject``: the name the caller must bear.
    """
    if len(intermediates) > INTERMEDIATES_MAX:
        raise CertificateRefused(Refusal.CHAIN_TOO_LONG, "too many certificates were given")
    if subject is not None and caller.subject != subject:
        raise CertificateRefused(Refusal.SUBJECT_MISMATCH, "another subject was expected")
    _check_fields(caller, now)
    _check_caller_usage(caller)
    path = [caller]
    lists: list[Crl] = []
    roots = [*anchors.roots]
    while path[-1] not in roots:
        if len(path) == DEPTH_MAX:
            raise CertificateRefused(Refusal.CHAIN_TOO_LONG, "no root within four certificates")
        below = path[-1]
        issuer = _issuer_of(below, [*roots, *intermediates])
        _check_fields(issuer, now)
        _check_authority(issuer, len(path) - 1)
        if anchors.crls is not None:
            lists.append(_check_not_revoked(below, issuer, anchors, now))
        path.append(issuer)
    return Path(tuple(path), min((crl.made_at for crl in lists), default=None))


def _check_fields(certificate: Certificate, now: datetime) -> None:
    if certificate.unknown_critical:
        named = ", ".join(certificate.unknown_critical)
        raise CertificateRefused(Refusal.UNKNOWN_CRITICAL, f"critical extension {named}")
    if now < certificate.not_before:
        raise CertificateRefused(Refusal.NOT_YET_VALID, "the certificate is not valid yet")
    if now > certificate.not_after:
        raise CertificateRefused(Refusal.EXPIRED, "the certificate has expired")


def _check_caller_usage(caller: Certificate) -> None:
    """A caller signs: not an authority, digitalSignature, and clientAuth where purposes stand."""
    allowed = {ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}
    if caller.is_ca:
        raise CertificateRefused(Refusal.WRONG_USAGE, "an authority's certificate is no caller's")
    if caller.usage is None or not caller.usage.digital_signature:
        raise CertificateRefused(Refusal.WRONG_USAGE, "not for digital signatures")
    if caller.purposes is not None and not caller.purposes & allowed:
        raise CertificateRefused(Refusal.WRONG_USAGE, "not for client authentication")


def _check_authority(issuer: Certificate, authorities_below: int) -> None:
    if not issuer.is_ca:
        raise CertificateRefused(Refusal.NOT_A_CA, "the issuer is no authority")
    if issuer.usage is not None and not issuer.usage.key_cert_sign:
        raise CertificateRefused(Refusal.WRONG_USAGE, "the issuer may not sign certificates")
    if issuer.path_length is not None and authorities_below > issuer.path_length:
        raise CertificateRefused(Refusal.PATH_LENGTH, "more authorities than the issuer allows")


def _issuer_of(below: Certificate, known: Sequence[Certificate]) -> Certificate:
    """The known certificate that signed ``below``; roots stand first."""
    by_name = [
        one for one in known if one.subject == below.issuer and _ids_fit(below.issuer_key_id, one)
    ]
    for one in by_name:
        if below.is_signed_by(one.public):
            return one
    if any(below.is_signed_by(one.public, b"") for one in by_name):
        raise CertificateRefused(Refusal.USER_ID, EMPTY_USER_ID)
    if by_name:
        raise CertificateRefused(Refusal.BAD_SIGNATURE, "the issuer did not sign the certificate")
    key_id = below.issuer_key_id
    if key_id is not None and any(one.subject_key_id == key_id for one in known):
        raise CertificateRefused(Refusal.NAME_MISMATCH, "the issuer's key has another name")
    raise CertificateRefused(Refusal.UNKNOWN_ISSUER, "the issuer is not known")


def _ids_fit(key_id: bytes | None, issuer: Certificate) -> bool:
    return key_id is None or issuer.subject_key_id is None or key_id == issuer.subject_key_id


def _check_not_revoked(
    below: Certificate, issuer: Certificate, anchors: Anchors, now: datetime
) -> Crl:
    """The list that clears ``below``."""
    crl = _newest_list(issuer, anchors.crls or (), now)
    if crl.next_at is None or now > crl.next_at + anchors.crl_grace:
        raise CertificateRefused(Refusal.CRL_EXPIRED, "the issuer's revocation list is too old")
    if crl.unknown_critical:
        named = ", ".join(crl.unknown_critical)
        raise CertificateRefused(Refusal.CRL_UNKNOWN_CRITICAL, f"critical extension {named}")
    line = crl.find(below.serial)
    if line is not None:
        raise CertificateRefused(Refusal.REVOKED, f"revoked: {line.reason.value}")
    return crl


def _newest_list(issuer: Certificate, crls: Sequence[Crl], now: datetime) -> Crl:
    if issuer.usage is not None and not issuer.usage.crl_sign:
        raise CertificateRefused(Refusal.WRONG_USAGE, "the issuer may not sign revocation lists")
    named = [
        crl for crl in crls if crl.issuer == issuer.subject and _ids_fit(crl.issuer_key_id, issuer)
    ]
    if not named:
        raise CertificateRefused(Refusal.CRL_MISSING, "no revocation list of the issuer")
    signed = [crl for crl in named if crl.is_signed_by(issuer.public)]
    if not signed:
        raise CertificateRefused(Refusal.CRL_SIGNATURE, "the issuer did not sign its list")
    made = [crl for crl in signed if crl.made_at <= now]
    if not made:
        raise CertificateRefused(Refusal.CRL_NOT_YET_VALID, "the revocation list is of the future")
    return max(made, key=lambda crl: (crl.made_at, crl.number or 0))
