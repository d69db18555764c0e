"""Certificates as an authority with any habit, good or bad, would make them."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from crypto import der
from crypto.certificates import (
    Certificate,
    Crl,
    CrlOrder,
    Revoked,
    issue_crl,
    key_identifier,
    make_name,
    read_certificate,
)
from crypto.certificates.encoding import ALGORITHM, write_extensions, write_time
from crypto.certificates.issue import Profile
from crypto.keyfiles import write_public_der
from crypto.sm2 import DEFAULT_ID, PrivateKey, PublicKey, raw_to_der

NOW = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)
DAY = timedelta(days=1)
CALLER_USAGE = Profile.CALLER.usage()
CA_USAGE = Profile.ROOT.usage()
Extensions = list[tuple[x509.ExtensionType, bool]]


def usage_without(usage: x509.KeyUsage, name: str) -> x509.KeyUsage:
    """The usage with one bit taken away."""
    names = (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment",
        "key_agreement", "key_cert_sign", "crl_sign",
    )  # fmt: skip
    bits = {each: getattr(usage, each) and each != name for each in names}
    return x509.KeyUsage(**bits, encipher_only=False, decipher_only=False)


@dataclass
class Holder:
    """Somebody with a key and a name, who may sign for others."""

    name: x509.Name
    key: PrivateKey = field(default_factory=PrivateKey.generate)


@dataclass
class Habit:
    """How an authority writes a certificate; each field may be set wrong."""

    not_before: datetime = NOW - DAY
    not_after: datetime = NOW + 30 * DAY
    ca: bool = False
    path_length: int | None = None
    usage: x509.KeyUsage | None = None
    purposes: list[x509.ObjectIdentifier] | None = None
    more: Extensions = field(default_factory=list)
    user_id: bytes = DEFAULT_ID
    issuer_name: x509.Name | None = None
    version: bytes = bytes.fromhex("a003020102")
    serial: bytes = bytes([0x51] * 16)
    algorithm: bytes = ALGORITHM
    key_info: bytes | None = None
    behind: bytes = b""


def sign(body: bytes, signer: Holder, habit: Habit) -> bytes:
    """A signed frame, with whatever habit."""
    signature = raw_to_der(signer.key.sign(body, habit.user_id))
    bits = der.write(der.BITS, b"\0" + signature)
    return der.write(der.SEQUENCE, body + habit.algorithm + bits + habit.behind)


def encode(subject: Holder, issuer: Holder, habit: Habit) -> bytes:
    """A certificate's bytes."""
    body = der.write(
        der.SEQUENCE,
        habit.version
        + der.write(der.INTEGER, habit.serial)
        + habit.algorithm
        + (habit.issuer_name or issuer.name).public_bytes()
        + der.write(der.SEQUENCE, write_time(habit.not_before) + write_time(habit.not_after))
        + subject.name.public_bytes()
        + (habit.key_info or write_public_der(subject.key.public))
        + der.write(0xA3, write_extensions(_extensions(subject.key.public, issuer, habit))),
    )
    return sign(body, issuer, habit)


def _extensions(public: PublicKey, issuer: Holder, habit: Habit) -> Extensions:
    issuer_id = key_identifier(issuer.key.public)
    found: Extensions = [
        (x509.BasicConstraints(ca=habit.ca, path_length=habit.path_length), True),
        (x509.SubjectKeyIdentifier(key_identifier(public)), False),
        (x509.AuthorityKeyIdentifier(issuer_id, None, None), False),
        *habit.more,
    ]
    if habit.usage is not None:
        found.append((habit.usage, True))
    if habit.purposes is not None:
        found.append((x509.ExtendedKeyUsage(habit.purposes), False))
    return found


def authority(**changes: object) -> Habit:
    """How a certificate of an authority is written."""
    return Habit(**{"ca": True, "usage": CA_USAGE, **changes})  # type: ignore[arg-type]


def caller(**changes: object) -> Habit:
    """How a certificate of a caller is written."""
    wanted = {"usage": CALLER_USAGE, "purposes": [ExtendedKeyUsageOID.CLIENT_AUTH]}
    return Habit(**{**wanted, **changes})  # type: ignore[arg-type]


def certify(subject: Holder, issuer: Holder, habit: Habit) -> Certificate:
    """The same, read back."""
    return read_certificate(encode(subject, issuer, habit))


def a_crl(
    issuer: Certificate, key: PrivateKey, *revoked: int, number: int = 1, at: datetime = NOW
) -> Crl:
    """A list made an hour before ``at``, for a week."""
    lines = [Revoked(serial, at - 2 * timedelta(hours=1)) for serial in revoked]
    made = at - timedelta(hours=1)
    order = CrlOrder(number=number, made_at=made, next_at=made + 7 * DAY, revoked=lines)
    return issue_crl(order, issuer, key)


ROOT = Holder(make_name("Root", "Test"))
MIDDLE = Holder(make_name("Middle", "Test"))
HOSPITAL = Holder(make_name("Application", "Test Hospital"))
"""Keys made once a session: no test changes them."""
