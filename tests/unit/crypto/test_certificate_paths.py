"""A good path is accepted; for every check, a path that breaks only that check is named by it."""

from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from crypto import der
from crypto.certificates import (
    Anchors,
    Certificate,
    CertificateRefused,
    Crl,
    CrlOrder,
    Refusal,
    check_path,
    issue_crl,
    make_name,
    read_certificate,
    read_crl,
)
from crypto.certificates.encoding import ALGORITHM, write_extensions, write_time
from crypto.certificates.path import INTERMEDIATES_MAX
from tests.unit.crypto.certificate_parts import (
    CA_USAGE,
    CALLER_USAGE,
    DAY,
    HOSPITAL,
    MIDDLE,
    NOW,
    ROOT,
    Habit,
    Holder,
    a_crl,
    authority,
    caller,
    certify,
    encode,
    sign,
    usage_without,
)

ROOT_CERTIFICATE = certify(ROOT, ROOT, authority(path_length=1))
UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")


class Chain:
    """Root, one authority between, the caller; each written with some habit."""

    def __init__(
        self,
        caller_habit: Habit | None = None,
        middle_habit: Habit | None = None,
        root: Certificate = ROOT_CERTIFICATE,
    ) -> None:
        self.root = root
        self.middle = certify(MIDDLE, ROOT, middle_habit or authority(path_length=0))
        self.caller = certify(HOSPITAL, MIDDLE, caller_habit or caller())
        self.crls: list[Crl] | None = [a_crl(root, ROOT.key), a_crl(self.middle, MIDDLE.key)]

    def check(self, **changes: object) -> tuple[Certificate, ...]:
        """Judge it."""
        anchors = Anchors(roots=[self.root], crls=self.crls, **changes)  # type: ignore[arg-type]
        return check_path(self.caller, [self.middle], anchors, NOW).certificates


def refusal_of(attempt: Callable[[], object]) -> Refusal:
    with pytest.raises(CertificateRefused) as caught:
        attempt()
    return caught.value.refusal


def test_a_good_chain_is_accepted_and_says_how_old_its_lists_are() -> None:
    chain = Chain()
    assert chain.check() == (chain.caller, chain.middle, chain.root)
    assert chain.crls is not None
    anchors = Anchors(roots=[chain.root], crls=chain.crls)
    found = check_path(chain.caller, [chain.middle, chain.root], anchors, NOW)
    assert found.revocation_as_of == NOW - timedelta(hours=1)
    anchors = Anchors(roots=[chain.root], crls=None)
    assert check_path(chain.caller, [chain.middle], anchors, NOW).revocation_as_of is None


def test_a_pinned_intermediate_ends_the_path() -> None:
    chain = Chain()
    anchors = Anchors(roots=[chain.middle], crls=chain.crls)
    assert check_path(chain.caller, [], anchors, NOW).certificates == (chain.caller, chain.middle)


@pytest.mark.parametrize(
    ("habit", "refusal"),
    [
        (caller(not_after=NOW - timedelta(seconds=1)), Refusal.EXPIRED),
        (caller(not_before=NOW + timedelta(seconds=1)), Refusal.NOT_YET_VALID),
        (caller(usage=None), Refusal.WRONG_USAGE),
        (caller(usage=usage_without(CALLER_USAGE, "digital_signature")), Refusal.WRONG_USAGE),
        (caller(purposes=[ExtendedKeyUsageOID.SERVER_AUTH]), Refusal.WRONG_USAGE),
        (authority(path_length=0), Refusal.WRONG_USAGE),
        (caller(more=[(UNKNOWN, True)]), Refusal.UNKNOWN_CRITICAL),
        (caller(user_id=b""), Refusal.USER_ID),
        (caller(user_id=b"another"), Refusal.BAD_SIGNATURE),
        (caller(issuer_name=make_name("Another")), Refusal.NAME_MISMATCH),
    ],
)
def test_a_caller_s_certificate_is_refused(habit: Habit, refusal: Refusal) -> None:
    assert refusal_of(Chain(habit).check) == refusal


@pytest.mark.parametrize(
    ("habit", "refusal"),
    [
        (authority(not_after=NOW - timedelta(seconds=1)), Refusal.EXPIRED),
        (authority(not_before=NOW + timedelta(seconds=1)), Refusal.NOT_YET_VALID),
        (authority(ca=False), Refusal.NOT_A_CA),
        (authority(usage=usage_without(CA_USAGE, "key_cert_sign")), Refusal.WRONG_USAGE),
        (authority(more=[(UNKNOWN, True)]), Refusal.UNKNOWN_CRITICAL),
        (authority(user_id=b""), Refusal.USER_ID),
    ],
)
def test_an_authority_between_is_refused(habit: Habit, refusal: Refusal) -> None:
    assert refusal_of(lambda: Chain(middle_habit=habit).check()) == refusal


def test_an_authority_that_may_not_sign_lists_clears_nobody() -> None:
    chain = Chain(middle_habit=authority(usage=usage_without(CA_USAGE, "crl_sign")))
    assert refusal_of(chain.check) == Refusal.WRONG_USAGE


@pytest.mark.parametrize(
    ("habit", "refusal"),
    [
        (authority(path_length=0), Refusal.PATH_LENGTH),
        (authority(not_after=NOW - timedelta(seconds=1)), Refusal.EXPIRED),
        (authority(ca=False), Refusal.NOT_A_CA),
    ],
)
def test_a_root_has_bounds_too(habit: Habit, refusal: Refusal) -> None:
    assert refusal_of(Chain(root=certify(ROOT, ROOT, habit)).check) == refusal


def test_an_unknown_root_and_a_false_one_of_its_name_are_told_apart() -> None:
    chain = Chain()
    stranger = Holder(make_name("Stranger"))
    other = Anchors(roots=[certify(stranger, stranger, authority())], crls=None)
    refused = refusal_of(lambda: check_path(chain.caller, [chain.middle], other, NOW))
    assert refused == Refusal.UNKNOWN_ISSUER
    false = certify(MIDDLE, Holder(ROOT.name), authority())
    anchors = Anchors(roots=[chain.root], crls=None)
    assert refusal_of(lambda: check_path(chain.caller, [false], anchors, NOW)) == (
        Refusal.UNKNOWN_ISSUER
    )
    forged = certify(HOSPITAL, Holder(MIDDLE.name), caller())
    assert refusal_of(lambda: check_path(forged, [chain.middle], anchors, NOW)) == (
        Refusal.UNKNOWN_ISSUER
    )


def test_a_changed_byte_is_a_bad_signature() -> None:
    chain = Chain()
    at = chain.caller.encoded.index(b"Test Hospital")
    changed = chain.caller.encoded[:at] + b"Best" + chain.caller.encoded[at + 4 :]
    chain.caller = read_certificate(changed)
    assert refusal_of(chain.check) == Refusal.BAD_SIGNATURE


def test_another_subject_than_expected_is_refused() -> None:
    chain = Chain()
    anchors = Anchors(roots=[chain.root], crls=None)
    given = check_path(chain.caller, [chain.middle], anchors, NOW, subject=HOSPITAL.name)
    assert given.certificates[0] == chain.caller
    assert (
        refusal_of(
            lambda: check_path(chain.caller, [chain.middle], anchors, NOW, subject=ROOT.name)
        )
        == Refusal.SUBJECT_MISMATCH
    )


def test_long_chains_and_loops_end() -> None:
    holders = [Holder(make_name(f"Authority {number}")) for number in range(4)]
    chain = [certify(holders[0], holders[0], authority())]
    chain += [certify(below, above, authority()) for above, below in pairwise(holders)]
    leaf = certify(HOSPITAL, holders[-1], caller())
    anchors = Anchors(roots=chain[:1], crls=None)
    assert refusal_of(lambda: check_path(leaf, chain, anchors, NOW)) == Refusal.CHAIN_TOO_LONG
    shorter = certify(HOSPITAL, holders[-2], caller())
    assert len(check_path(shorter, chain, anchors, NOW).certificates) == 4
    loop = [
        certify(holders[1], holders[2], authority()),
        certify(holders[2], holders[1], authority()),
    ]
    assert refusal_of(
        lambda: check_path(certify(HOSPITAL, holders[2], caller()), loop, anchors, NOW)
    ) == (Refusal.CHAIN_TOO_LONG)
    many = [chain[0]] * (INTERMEDIATES_MAX + 1)
    assert refusal_of(lambda: check_path(leaf, many, anchors, NOW)) == Refusal.CHAIN_TOO_LONG


def test_a_revoked_certificate_is_refused_at_either_place() -> None:
    chain = Chain()
    clean = a_crl(chain.root, ROOT.key)
    chain.crls = [clean, a_crl(chain.middle, MIDDLE.key, chain.caller.serial)]
    assert refusal_of(chain.check) == Refusal.REVOKED
    chain.crls = [a_crl(chain.root, ROOT.key, chain.middle.serial), a_crl(chain.middle, MIDDLE.key)]
    assert refusal_of(chain.check) == Refusal.REVOKED
    newest = a_crl(chain.middle, MIDDLE.key, chain.caller.serial, at=NOW + timedelta(minutes=30))
    chain.crls = [newest, a_crl(chain.middle, MIDDLE.key), clean]
    assert refusal_of(chain.check) == Refusal.REVOKED


def test_a_missing_old_coming_or_foreign_list_clears_nobody() -> None:
    chain = Chain()
    upper = a_crl(chain.root, ROOT.key)
    chain.crls = [upper]
    assert refusal_of(chain.check) == Refusal.CRL_MISSING
    chain.crls = [upper, a_crl(chain.middle, MIDDLE.key, at=NOW - 8 * DAY)]
    assert refusal_of(chain.check) == Refusal.CRL_EXPIRED
    assert chain.check(crl_grace=2 * DAY)
    chain.crls = [upper, a_crl(chain.middle, MIDDLE.key, at=NOW + DAY)]
    assert refusal_of(chain.check) == Refusal.CRL_NOT_YET_VALID
    false = Holder(MIDDLE.name)
    forged = encode_crl(false, critical=False, key_id=False)
    chain.crls = [upper, forged]
    assert refusal_of(chain.check) == Refusal.CRL_SIGNATURE
    chain.crls = [upper, encode_crl(MIDDLE, critical=True)]
    assert refusal_of(chain.check) == Refusal.CRL_UNKNOWN_CRITICAL
    chain.crls = [upper, encode_crl(MIDDLE, critical=False, ends=False)]
    assert refusal_of(chain.check) == Refusal.CRL_EXPIRED


def encode_crl(issuer: Holder, *, critical: bool, key_id: bool = True, ends: bool = True) -> Crl:
    """A list with an extension nobody knows, perhaps without its end."""
    more = write_extensions([(UNKNOWN, critical)])
    body = der.write(
        der.SEQUENCE,
        b"\x02\x01\x01"
        + ALGORITHM
        + issuer.name.public_bytes()
        + write_time(NOW - DAY)
        + (write_time(NOW + DAY) if ends else b"")
        + der.write(0xA0, more),
    )
    return read_crl(sign(body, issuer, Habit()))


def p256_key_info() -> bytes:
    return (
        ec.generate_private_key(ec.SECP256R1())
        .public_key()
        .public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    )


@pytest.mark.parametrize(
    ("habit", "refusal"),
    [
        (caller(key_info=p256_key_info()), Refusal.KEY_TYPE),
        (caller(algorithm=bytes.fromhex("300a06082a8648ce3d040302")), Refusal.SIGNATURE_TYPE),
        (caller(version=bytes.fromhex("a003020101")), Refusal.VERSION),
        (caller(version=b""), Refusal.VERSION),
        (caller(serial=b"\0"), Refusal.SERIAL),
        (caller(serial=b"\x80" + bytes(15)), Refusal.SERIAL),
        (caller(serial=b"\x01" + bytes(20)), Refusal.SERIAL),
        (caller(behind=b"\x05\x00"), Refusal.MALFORMED),
        (caller(more=[(CALLER_USAGE, True)]), Refusal.MALFORMED),
    ],
)
def test_what_is_no_sm2_certificate_of_version_3_is_not_read(
    habit: Habit, refusal: Refusal
) -> None:
    assert refusal_of(lambda: certify(HOSPITAL, MIDDLE, habit)) == refusal


def test_bytes_behind_and_too_many_bytes_are_refused() -> None:
    encoded = encode(HOSPITAL, MIDDLE, caller())
    assert refusal_of(lambda: read_certificate(encoded + b"\0")) == Refusal.TRAILING_BYTES
    crl = a_crl(ROOT_CERTIFICATE, ROOT.key)
    assert refusal_of(lambda: read_crl(crl.encoded + b"\0")) == Refusal.TRAILING_BYTES
    assert refusal_of(lambda: read_certificate(bytes(1 << 15))) == Refusal.MALFORMED


def test_a_certificate_of_another_curve_is_told_by_its_algorithm() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    made = (
        x509.CertificateBuilder()
        .subject_name(HOSPITAL.name)
        .issuer_name(HOSPITAL.name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(NOW)
        .not_valid_after(NOW + DAY)
        .sign(key, hashes.SHA256())
    )
    encoded = made.public_bytes(serialization.Encoding.DER)
    assert refusal_of(lambda: read_certificate(encoded)) == Refusal.SIGNATURE_TYPE


def test_the_two_places_of_the_algorithm_must_agree() -> None:
    encoded = encode(HOSPITAL, MIDDLE, caller())
    last = encoded.rindex(ALGORITHM)
    with_null = bytes.fromhex("300c06082a811ccf55018375") + b"\x05\x00"
    outer = encoded[:last] + with_null + encoded[last + len(ALGORITHM) :]
    resized = outer[:2] + (int.from_bytes(outer[2:4]) + 2).to_bytes(2) + outer[4:]
    assert refusal_of(lambda: read_certificate(resized)) == Refusal.SIGNATURE_TYPE
    whole = certify(HOSPITAL, MIDDLE, caller(algorithm=with_null))
    anchors = Anchors(roots=[ROOT_CERTIFICATE], crls=None)
    assert check_path(whole, [Chain().middle], anchors, NOW)


def test_a_list_is_made_by_its_issuer_with_an_end() -> None:
    order = CrlOrder(number=1, made_at=NOW, next_at=NOW, revoked=[])
    with pytest.raises(ValueError, match="not an order"):
        issue_crl(order, ROOT_CERTIFICATE, ROOT.key)
    with pytest.raises(ValueError, match="not an order"):
        a_crl(ROOT_CERTIFICATE, MIDDLE.key)
