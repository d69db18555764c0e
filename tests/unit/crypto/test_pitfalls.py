"""The known pitfalls of SM2 in the field, one test each where a test can show it.

Number 13 (the ABI of one C library) does not concern us: that backend is not offered. Number 8
(partners' canonical strings) is judged by the payment and insurance vectors.
"""

import ctypes
import gc
import os
import threading
from typing import Any

import pytest

from crypto import curve, sm2_libcrypto
from crypto.certificates import certificate_public_key, is_signed_by, load_certificate
from crypto.errors import BadCiphertext, BadKey, BadSignature
from crypto.keyfiles import load_private_pem
from crypto.sm2 import (
    DEFAULT_ID,
    USER_ID_MAX,
    CiphertextForm,
    PrivateKey,
    PublicKey,
    der_to_raw,
    raw_to_der,
    user_digest,
)
from crypto.sm2_backend import Sm2Backend, select_backend
from crypto.sm2_libcrypto import LibcryptoBackend, arm64_timing_warning
from crypto.sm2_purepy import sign_with_nonce
from crypto.sm4 import cbc_decrypt, gcm_decrypt, gcm_encrypt


def test_01_the_user_id_is_never_the_library_s_empty_one(backend: Sm2Backend) -> None:
    key = PrivateKey.generate(backend=backend)
    signature = key.sign(b"m")
    assert key.public.verify(b"m", signature, DEFAULT_ID)
    assert not key.public.verify(b"m", signature, b"")
    assert key.public.verify(b"m", key.sign(b"m", b""), b"")


def test_02_certificates_need_the_user_id(vectors: dict[str, Any]) -> None:
    case = vectors["sm2_x509"][0]
    certificate = load_certificate(case["cert_pem"].encode())
    issuer = certificate_public_key(load_certificate(case["ca_pem"].encode()))
    assert is_signed_by(certificate, issuer)
    assert not is_signed_by(certificate, issuer, b"")
    assert not is_signed_by(certificate, certificate_public_key(certificate))


def test_03_nonces_do_not_come_from_a_seeded_generator(backend: Sm2Backend) -> None:
    import random  # noqa: PLC0415

    key = PrivateKey.generate(backend=backend)
    random.seed(1)
    first = key.sign(b"m")
    random.seed(1)
    assert key.sign(b"m") != first


@pytest.mark.parametrize(
    "der",
    [
        "3006020101020101" + "00",
        "300602010102010100",
        "3007020100020101",
        "300702020001020101",
        "30060201ff020101",
        "308106020101020101",
        "3080020101020101" + "0000",
        "3006040101020101",
        "3003020101",
        "3009020101020101020101",
        "30050201010200",
        "3006020100020101",
        "",
        "30",
        "3026" + "0221" + "01" + "00" * 32 + "020101",
    ],
)
def test_04_der_is_strict(der: str) -> None:
    with pytest.raises(BadSignature):
        der_to_raw(bytes.fromhex(der))


def test_04_numbers_are_padded_both_ways() -> None:
    short = (1).to_bytes(32, "big") + (0x80).to_bytes(32, "big")
    assert raw_to_der(short).hex() == "3007020101" + "02020080"
    assert der_to_raw(raw_to_der(short)) == short
    high = b"\x80" + bytes(30) + b"\x01" + b"\xf0" + bytes(31)
    assert der_to_raw(raw_to_der(high)) == high


def test_05_no_prefix_is_stripped_by_text(backend: Sm2Backend) -> None:
    """Points whose x begins with 04 or 00 load with and without their own prefix."""
    found = {4: 0, 0: 0}
    point: curve.Jacobian = (curve.GX, curve.GY, 1)
    for _ in range(3000):
        point = curve.add_affine(point, (curve.GX, curve.GY))
        affine = curve.to_affine(point)
        assert affine is not None
        encoded = curve.write_point(*affine)
        if encoded[1] in found:
            found[encoded[1]] += 1
            assert PublicKey.from_bytes(encoded, backend=backend).to_bytes() == encoded
            assert PublicKey.from_bytes(encoded[1:], backend=backend).to_bytes() == encoded
        if all(found.values()):
            break
    assert all(found.values())


def test_05_infinity_and_foreign_curves_are_no_keys(vectors: dict[str, Any]) -> None:
    for case in vectors["sm2_public_key"]:
        with pytest.raises(BadKey):
            PublicKey.from_bytes(bytes.fromhex(case["pub"]))


def test_06_ciphertext_forms_are_not_guessed(backend: Sm2Backend) -> None:
    key = PrivateKey.generate(backend=backend)
    for made in CiphertextForm:
        sealed = key.public.encrypt(b"sixteen bytes ok", made)
        for read in CiphertextForm:
            if read is not made:
                with pytest.raises(BadCiphertext):
                    key.decrypt(sealed, read)


def test_06_an_invalid_curve_point_is_refused(backend: Sm2Backend) -> None:
    key = PrivateKey.generate(backend=backend)
    sealed = key.public.encrypt(b"m")
    off = sealed[:64] + bytes((sealed[64] ^ 1,)) + sealed[65:]
    with pytest.raises(BadCiphertext):
        key.decrypt(off)


def test_07_user_ids_end_at_8191_bytes() -> None:
    public = PrivateKey.from_bytes(bytes(31) + b"\x07").public
    assert len(user_digest(public.to_bytes(), bytes(USER_ID_MAX))) == 32
    with pytest.raises(BadKey):
        public.verify(b"m", bytes(64), bytes(USER_ID_MAX + 1))


@pytest.mark.parametrize(
    ("version", "machine", "warned"),
    [
        ("OpenSSL 3.5.3 1 Jan 2026", "aarch64", True),
        ("OpenSSL 3.5.4 1 Jan 2026", "aarch64", False),
        ("OpenSSL 3.4.2", "arm64", True),
        ("OpenSSL 3.3.5", "arm64", False),
        ("OpenSSL 3.2.5", "aarch64", True),
        ("OpenSSL 3.2.5", "x86_64", False),
        ("OpenSSL 3.0.2", "aarch64", False),
        ("OpenSSL 4.0.0", "aarch64", False),
        ("no version", "aarch64", True),
        ("no version", "x86_64", False),
    ],
)
def test_09_unpatched_arm64_is_warned_about(version: str, machine: str, warned: bool) -> None:
    assert (arm64_timing_warning(version, machine) is not None) is warned


def test_10_only_whole_tags_and_uniform_padding_errors() -> None:
    key, nonce = bytes(16), bytes(12)
    sealed = gcm_encrypt(key, nonce, b"", b"")
    for cut in range(1, 17):
        with pytest.raises(BadCiphertext):
            gcm_decrypt(key, nonce, sealed[:-cut], b"")
    texts = set()
    for body in (b"", bytes(15), bytes(16), bytes(32), b"\xff" * 16):
        with pytest.raises(BadCiphertext) as caught:
            cbc_decrypt(key, bytes(16), body)
        texts.add(str(caught.value))
    assert len(texts) == 1


def test_11_libcrypto_is_3_or_later_and_leaves_no_error_behind() -> None:
    backend = LibcryptoBackend.load()
    assert backend.version_number >= 0x30000000
    assert backend.version.startswith(("OpenSSL 3", "OpenSSL 4"))
    key = PrivateKey.generate(backend=backend)
    assert not key.public.verify(b"m", b"\1" * 64)
    pending = ctypes.CDLL("libcrypto.so.3").ERR_peek_error
    pending.restype = ctypes.c_ulong
    assert pending() == 0


def test_12_lengths_are_passed_and_keys_survive_threads(backend: Sm2Backend) -> None:
    key = PrivateKey.generate(backend=backend)
    message = b"a\0b\0" * 10
    outcomes: list[bool] = []

    def work() -> None:
        outcomes.extend(key.public.verify(message, key.sign(message)) for _ in range(5))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == [True] * 20
    assert not key.public.verify(message[:-1], key.sign(message))


def test_12_every_function_has_declared_types() -> None:
    for name, (_, arguments) in sm2_libcrypto._SIGNATURES.items():
        assert isinstance(arguments, list), name


def test_12_handles_are_freed_once_each() -> None:
    backend = select_backend("libcrypto")
    for _ in range(50):
        PrivateKey.from_bytes(os.urandom(31).rjust(32, b"\0"), backend=backend)
    gc.collect()
    assert PrivateKey.generate(backend=backend).sign(b"m")


def test_14_both_sec1_headers_are_read() -> None:
    body = (
        "MHcCAQEEIIIIlIXcDBSaVNEPOxMC5ZF60juanoBE+yoSypTxSXUNoAoGCCqBHM9V\n"
        "AYItoUQDQgAEowlIUSOI4WnWS/7peUPslVUowjT1SZ3WLrcs+T8JyymrYH1uaFJx\n"
        "xXnkhrcXWwqEw9CBaMZpJPethmAf907Gmw==\n"
    )
    for label in ("EC PRIVATE KEY", "SM2 PRIVATE KEY"):
        pem = f"-----BEGIN {label}-----\n{body}-----END {label}-----\n"
        with pytest.raises(BadKey):  # the point's last byte is wrong on purpose
            load_private_pem(pem)
        good = load_private_pem(pem.replace("Gmw==", "GmA=="))
        assert good.to_bytes().hex().startswith("82089485dc0c149a")


def test_sm2_refuses_a_signature_whose_sum_point_is_infinity(vectors: dict[str, Any]) -> None:
    case = next(c for c in vectors["sm2_verify"] if "infinity" in c["desc"])
    for name in ("libcrypto", "purepy"):
        key = PublicKey.from_bytes(bytes.fromhex(case["pub"]), backend=select_backend(name))
        assert not key.verify(
            bytes.fromhex(case["msg"]), der_to_raw(bytes.fromhex(case["sig_der"]))
        )


def test_a_nonce_that_the_standard_refuses_gives_nothing() -> None:
    e = (curve.N - curve.GX % curve.N) % curve.N  # makes r zero for k = 1
    assert sign_with_nonce(5, e.to_bytes(32, "big"), 1) is None
