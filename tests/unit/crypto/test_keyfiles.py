"""Key files and certificates: what openssl writes is read, everything else is a bad key."""

import base64
from typing import Any

import pytest

from crypto import der
from crypto.certificates import certificate_public_key, is_signed_by, load_certificate
from crypto.errors import BadEncoding, BadKey
from crypto.keyfiles import (
    PEM_MAX,
    load_private_pem,
    load_public_der,
    load_public_pem,
)
from crypto.sm2 import PrivateKey
from tests.support.key_texts import write_private_pem, write_public_pem

KEY = PrivateKey.from_bytes(bytes(31) + b"\x07")
SM2_OID = bytes.fromhex("06082a811ccf5501822d")
EC_OID = bytes.fromhex("06072a8648ce3d0201")
P256_OID = bytes.fromhex("06082a8648ce3d030107")


def pem(label: str, body: bytes) -> str:
    text = base64.b64encode(body).decode()
    return f"-----BEGIN {label}-----\n{text}\n-----END {label}-----\n"


def sec1(d: bytes, *rest: bytes, version: bytes = b"\1") -> bytes:
    head = der.write(der.INTEGER, version) + der.write(der.OCTETS, d)
    return der.write(der.SEQUENCE, head + b"".join(rest))


CURVE = der.write(0xA0, SM2_OID)
POINT = der.write(0xA1, der.write(der.BITS, b"\0" + KEY.public.to_bytes()))


@pytest.mark.parametrize("rest", [(), (CURVE,), (POINT,), (CURVE, POINT)])
def test_sec1_bodies_are_read_with_and_without_their_options(rest: tuple[bytes, ...]) -> None:
    key = load_private_pem(pem("EC PRIVATE KEY", sec1(KEY.to_bytes(), *rest)))
    assert key.public == KEY.public


@pytest.mark.parametrize(
    "body",
    [
        b"",
        sec1(KEY.to_bytes()[1:]),
        sec1(KEY.to_bytes(), version=b"\2"),
        sec1(KEY.to_bytes(), POINT, CURVE),
        sec1(KEY.to_bytes(), CURVE, CURVE),
        sec1(KEY.to_bytes(), der.write(0xA0, P256_OID)),
        sec1(KEY.to_bytes(), der.write(0xA1, der.write(der.BITS, b"\0\4"))),
        sec1(KEY.to_bytes(), der.write(0xA2, b"")),
        sec1(bytes(32)),
        sec1(KEY.to_bytes()) + b"\0",
        sec1(bytes(31) + b"\x08", POINT),
    ],
)
def test_other_sec1_bodies_are_bad_keys(body: bytes) -> None:
    with pytest.raises(BadKey):
        load_private_pem(pem("EC PRIVATE KEY", body or b"\0"))


def test_parameters_before_the_key_are_passed_over() -> None:
    text = pem("EC PARAMETERS", SM2_OID) + pem("EC PRIVATE KEY", sec1(KEY.to_bytes()))
    assert load_private_pem(text).public == KEY.public


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nothing",
        pem("CERTIFICATE", b"x"),
        pem("PRIVATE KEY", b"x"),
        write_private_pem(KEY) * 2,
        write_public_pem(KEY.public),
        write_private_pem(KEY) + " " * PEM_MAX,
        write_private_pem(KEY).replace("MIGH", "M=GH"),
    ],
)
def test_files_without_one_private_key_are_bad_keys(text: str) -> None:
    with pytest.raises(BadKey):
        load_private_pem(text)


def test_another_curve_is_refused() -> None:
    algorithm = der.write(der.SEQUENCE, EC_OID + P256_OID)
    bits = der.write(der.BITS, b"\0" + KEY.public.to_bytes())
    with pytest.raises(BadKey):
        load_public_der(der.write(der.SEQUENCE, algorithm + bits))
    body = der.write(der.INTEGER, b"\0") + algorithm + der.write(der.OCTETS, sec1(KEY.to_bytes()))
    with pytest.raises(BadKey):
        load_private_pem(pem("PRIVATE KEY", der.write(der.SEQUENCE, body)))


@pytest.mark.parametrize("text", ["", pem("PUBLIC KEY", b"x"), write_private_pem(KEY)])
def test_files_without_a_public_key_are_bad_keys(text: str) -> None:
    with pytest.raises(BadKey):
        load_public_pem(text)


@pytest.mark.parametrize("number", [2, 3])
def test_enciphered_keys_need_their_password(vectors: dict[str, Any], number: int) -> None:
    case = vectors["sm2_key_encoding"][number]
    for password in (None, b"", b"Changeit"):
        with pytest.raises(BadKey):
            load_private_pem(case["pem"], password)
    assert load_private_pem(case["pem"], b"changeit").to_bytes().hex() == case["d"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("2a864886f70d01050d", "2a864886f70d01050e"),
        ("2a864886f70d01050c", "2a864886f70d01050b"),
        ("2a864886f70d0209", "2a864886f70d0208"),
        ("60864801650304012a", "60864801650304012b"),
        ("02020800", "02020000"),
    ],
)
def test_unknown_encryptions_are_bad_keys(vectors: dict[str, Any], old: str, new: str) -> None:
    lines = vectors["sm2_key_encoding"][2]["pem"].splitlines()[1:-1]
    body = base64.b64decode("".join(lines)).hex()
    assert body.count(old) == 1
    changed = bytes.fromhex(body.replace(old, new))
    with pytest.raises(BadKey):
        load_private_pem(pem("ENCRYPTED PRIVATE KEY", changed), b"changeit")


def test_certificates_of_other_kinds_are_told_apart(vectors: dict[str, Any]) -> None:
    for broken in (b"", b"-----BEGIN CERTIFICATE-----", b"x" * (1 << 17)):
        with pytest.raises(BadEncoding):
            load_certificate(broken)
    certificate = load_certificate(vectors["sm2_x509"][0]["cert_pem"].encode())
    assert not is_signed_by(certificate, KEY.public)
    assert certificate_public_key(certificate) != KEY.public


def test_long_elements_are_written_and_read() -> None:
    for size in (0, 127, 128, 255, 256, 65_536):
        assert der.read_whole(der.write(der.OCTETS, bytes(size)), der.OCTETS) == bytes(size)
    with pytest.raises(BadEncoding):
        der.write(der.OCTETS, bytes(der.LENGTH_MAX + 1))
    for blob in ("0480", "0481", "048100", "048201", "04820001", "0484000000", "04"):
        with pytest.raises(BadEncoding):
            der.read_whole(bytes.fromhex(blob), der.OCTETS)
    with pytest.raises(BadEncoding):
        der.elements(der.write(der.OCTETS, b"") * 65)
