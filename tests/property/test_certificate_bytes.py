"""Certificates, requests and lists from hostile hands: read, or refused by name; never a crash."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto.certificates import (
    Anchors,
    CertificateRefused,
    check_path,
    issue_crl,
    make_name,
    make_request,
    read_certificate,
    read_chain,
    read_crl,
    read_crls,
    read_request,
)
from crypto.certificates.revocation import CrlOrder, Reason, Revoked
from crypto.pem import read_blocks, write_block
from crypto.sm2 import PrivateKey
from tests.unit.crypto.certificate_parts import (
    DAY,
    HOSPITAL,
    NOW,
    ROOT,
    authority,
    caller,
    certify,
    encode,
)

ROOT_CERTIFICATE = certify(ROOT, ROOT, authority())
CALLER = encode(HOSPITAL, ROOT, caller())
KEY = PrivateKey.generate()
REQUEST = read_blocks(make_request(make_name("Caller", "测试医院"), KEY))[0][1]
CRL = issue_crl(
    CrlOrder(
        number=300,
        made_at=NOW,
        next_at=NOW + DAY,
        revoked=[Revoked(5 << 60, NOW, Reason.key_compromise), Revoked(7, NOW)],
    ),
    ROOT_CERTIFICATE,
    ROOT.key,
).encoded
ANCHORS = Anchors(roots=[ROOT_CERTIFICATE], crls=[read_crl(CRL)])


@st.composite
def mutated(draw: st.DrawFn, whole: bytes) -> bytes:
    """A few bytes changed, cut out, doubled or put in."""
    blob = bytearray(whole)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(len(blob) - 1, 0)))
        match draw(st.sampled_from(["flip", "set", "cut", "insert", "double"])):
            case "flip" if blob:
                blob[at] ^= 1 << draw(st.integers(0, 7))
            case "set" if blob:
                blob[at] = draw(st.integers(0, 255))
            case "cut":
                del blob[at : at + draw(st.integers(1, 40))]
            case "insert":
                blob[at:at] = draw(st.binary(min_size=1, max_size=8))
            case _:
                blob[at:at] = blob[at : at + draw(st.integers(1, 40))]
    return bytes(blob)


@settings(max_examples=600, deadline=None)
@given(mutated(CALLER))
def test_a_changed_certificate_is_never_accepted(blob: bytes) -> None:
    try:
        certificate = read_certificate(blob)
        check_path(certificate, [], ANCHORS, NOW)
    except CertificateRefused:
        return
    assert blob == CALLER


@settings(max_examples=400, deadline=None)
@given(mutated(REQUEST))
def test_a_changed_request_is_never_accepted(blob: bytes) -> None:
    try:
        read_request(write_block("CERTIFICATE REQUEST", blob))
    except CertificateRefused:
        return
    assert blob == REQUEST


@settings(max_examples=400, deadline=None)
@given(mutated(CRL), st.sampled_from([7, 5 << 60, 9]))
def test_a_changed_list_never_counts(blob: bytes, serial: int) -> None:
    try:
        crl = read_crl(blob)
        crl.find(serial)
        if crl.is_signed_by(ROOT.key.public):
            assert crl.body == read_crl(CRL).body
    except CertificateRefused:
        return


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.binary(max_size=400), st.text(max_size=400).map(str.encode)))
def test_anything_at_all_is_refused_by_name(blob: bytes) -> None:
    text = blob.decode("latin-1")
    for read in (
        lambda: read_certificate(blob),
        lambda: read_chain(text),
        lambda: read_request(text),
        lambda: read_crl(blob),
        lambda: read_request(f"-----BEGIN CERTIFICATE REQUEST-----{text}"),
    ):
        with pytest.raises(CertificateRefused):
            read()
    try:
        assert read_crls(blob) == []
    except CertificateRefused:
        return
