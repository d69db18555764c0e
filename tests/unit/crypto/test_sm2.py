"""SM2 keys over both backends: the standard's cases, strict import, strict signatures."""

from typing import Any

import pytest

from crypto import curve
from crypto.errors import (
    BackendUnavailable,
    BadCiphertext,
    BadEncoding,
    BadKey,
    BadSignature,
    CryptoError,
)
from crypto.sm2 import (
    PLAINTEXT_MAX,
    CiphertextForm,
    PrivateKey,
    PublicKey,
    der_to_raw,
    raw_to_der,
)
from crypto.sm2_backend import Sm2Backend, select_backend
from crypto.sm2_libcrypto import LibcryptoBackend

N = curve.N


@pytest.fixture
def key(backend: Sm2Backend) -> PrivateKey:
    return PrivateKey.from_bytes(bytes(31) + b"\x07", backend=backend)


def test_signatures_verify_and_are_random(key: PrivateKey) -> None:
    first, second = key.sign(b"one"), key.sign(b"one")
    assert first != second
    assert key.public.verify(b"one", first)
    assert key.public.verify(b"one", second)
    assert not key.public.verify(b"two", first)
    assert not key.public.verify(b"one", first, b"another id")


def test_der_signature_of_a_key_verifies_as_der(key: PrivateKey) -> None:
    signature = key.sign_der(b"m", b"id")
    assert key.public.verify_der(b"m", signature, b"id")
    assert raw_to_der(der_to_raw(signature)) == signature
    assert not key.public.verify_der(b"m", signature + b"\0", b"id")


@pytest.mark.parametrize("form", list(CiphertextForm))
@pytest.mark.parametrize("size", [1, 2, 31, 32, 33, 255, 256, 5000])
def test_encryption_round_trips(key: PrivateKey, form: CiphertextForm, size: int) -> None:
    plain = bytes(range(256)) * 20
    sealed = key.public.encrypt(plain[:size], form)
    assert key.decrypt(sealed, form) == plain[:size]


def test_one_byte_plaintexts_survive_the_zero_key_stream(key: PrivateKey) -> None:
    """A one-byte key stream is zero once in 256: encryption must draw again."""
    for _ in range(40):
        sealed = key.public.encrypt(b"\x5a")
        assert sealed[-1] != 0x5A
        assert key.decrypt(sealed) == b"\x5a"


@pytest.mark.parametrize("size", [0, PLAINTEXT_MAX + 1])
def test_plaintexts_have_bounds(key: PrivateKey, size: int) -> None:
    with pytest.raises(BadEncoding):
        key.public.encrypt(bytes(size))


@pytest.mark.parametrize(
    "signature",
    [
        b"",
        bytes(63),
        bytes(64),
        bytes(65),
        b"\0" * 32 + b"\1" * 32,
        b"\1" * 32 + b"\0" * 32,
        N.to_bytes(32, "big") + b"\1" * 32,
        b"\1" * 32 + N.to_bytes(32, "big"),
        b"\xff" * 64,
    ],
)
def test_malformed_signatures_are_false_or_refused(key: PrivateKey, signature: bytes) -> None:
    assert not key.public.verify(b"m", signature)
    with pytest.raises(BadSignature):
        raw_to_der(signature)


def test_a_digest_has_32_bytes(key: PrivateKey) -> None:
    with pytest.raises(BadEncoding):
        key.sign_digest(bytes(31))
    assert not key.public.verify_digest(bytes(33), key.sign_digest(bytes(32)))


def test_public_keys_come_in_65_or_64_bytes_and_33_on_request(backend: Sm2Backend) -> None:
    for d in range(1, 6):
        public = PrivateKey.from_bytes(d.to_bytes(32, "big"), backend=backend).public
        whole, small = public.to_bytes(), public.compressed()
        assert PublicKey.from_bytes(whole, backend=backend) == public
        assert PublicKey.from_bytes(whole[1:], backend=backend) == public
        assert PublicKey.from_bytes(small, allow_compressed=True, backend=backend) == public
        with pytest.raises(BadKey):
            PublicKey.from_bytes(small, backend=backend)


def _bad_points() -> list[bytes]:
    x = curve.GX.to_bytes(32, "big")
    y = curve.GY.to_bytes(32, "big")
    over = (curve.P + 1).to_bytes(32, "big")
    return [
        b"",
        b"\0",
        b"\4" + x,
        b"\5" + x + y,
        b"\4" + x + y + b"\0",
        b"\4" + bytes(64),
        b"\4" + y + x,
        b"\4" + over + y,
        b"\4" + b"\xff" * 64,
        b"\2" + curve.P.to_bytes(32, "big"),
        b"\2" + (5).to_bytes(32, "big"),
        b"\4" + x[:32],
    ]


@pytest.mark.parametrize("point", _bad_points(), ids=lambda point: point[:4].hex() or "empty")
def test_bad_points_are_refused(backend: Sm2Backend, point: bytes) -> None:
    with pytest.raises(BadKey):
        PublicKey.from_bytes(point, allow_compressed=True, backend=backend)


@pytest.mark.parametrize("d", [0, N - 1, N, N + 1, 2**256 - 1])
def test_private_keys_are_in_range(backend: Sm2Backend, d: int) -> None:
    with pytest.raises(BadKey):
        PrivateKey.from_bytes(d.to_bytes(32, "big"), backend=backend)
    with pytest.raises(BadKey):
        PrivateKey.from_bytes(bytes(31), backend=backend)


@pytest.mark.parametrize("d", [1, 2, N - 2])
def test_the_range_s_ends_sign(backend: Sm2Backend, d: int) -> None:
    key = PrivateKey.from_bytes(d.to_bytes(32, "big"), backend=backend)
    assert key.public.verify(b"m", key.sign(b"m"))


@pytest.mark.parametrize("form", list(CiphertextForm))
def test_every_changed_ciphertext_is_one_uniform_error(
    key: PrivateKey, form: CiphertextForm
) -> None:
    sealed = key.public.encrypt(b"four", form)
    broken = [sealed[:-1], sealed + b"\0", sealed[1:], b"", bytes(len(sealed))]
    broken += [
        sealed[:at] + bytes((sealed[at] ^ 1,)) + sealed[at + 1 :] for at in range(0, len(sealed), 7)
    ]
    messages = set()
    for body in broken:
        with pytest.raises(BadCiphertext) as caught:
            key.decrypt(body, form)
        messages.add(str(caught.value))
    assert len(messages) == 1


def test_reprs_hide_the_key(key: PrivateKey) -> None:
    assert key.to_bytes().hex() not in repr(key)
    assert "hidden" in repr(key)


def test_backends_agree_on_each_other_s_work(vectors: dict[str, Any]) -> None:
    fast, slow = (select_backend(n, allow_software_signing=True) for n in ("libcrypto", "purepy"))
    d = bytes.fromhex(vectors["sm2_sign_fixed_k"][0]["d"])
    one, two = (PrivateKey.from_bytes(d, backend=backend) for backend in (fast, slow))
    assert one.public == two.public
    assert hash(one.public) == hash(two.public)
    assert one.public.verify(b"m", two.sign(b"m"))
    assert two.public.verify(b"m", one.sign(b"m"))
    assert one.decrypt(two.public.encrypt(b"m")) == b"m"
    assert two.decrypt(one.public.encrypt(b"m")) == b"m"


def test_software_signs_only_when_allowed_and_says_so() -> None:
    heard: list[str] = []
    quiet = select_backend("purepy", warn=heard.append)
    assert heard == []
    key = PrivateKey.from_bytes(bytes(31) + b"\x07", backend=quiet)
    with pytest.raises(BackendUnavailable):
        key.sign(b"m")
    with pytest.raises(BackendUnavailable):
        key.decrypt(key.public.encrypt(b"m"))
    select_backend("purepy", allow_software_signing=True, warn=heard.append)
    assert len(heard) == 1
    assert "constant-time" in heard[0]


def test_an_unknown_backend_is_named_unavailable() -> None:
    with pytest.raises(BackendUnavailable, match="libcrypto, purepy"):
        select_backend("sdf")


def test_a_host_without_a_fit_libcrypto_is_told_so() -> None:
    with pytest.raises(BackendUnavailable, match="no libcrypto"):
        LibcryptoBackend.load(("libnosuch.so.9",))
    with pytest.raises(BackendUnavailable, match="lacks"):
        LibcryptoBackend.load(("libc.so.6",))


def test_every_error_is_a_crypto_error_and_a_value_error() -> None:
    for error in (BadKey, BadSignature, BadCiphertext, BadEncoding, BackendUnavailable):
        assert issubclass(error, CryptoError)
        assert issubclass(error, ValueError)
