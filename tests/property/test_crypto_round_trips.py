"""Whatever the values: what goes in comes out, and broken input ends in a documented error."""

from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from crypto import envelope, keystore
from crypto.canonical import Value, encode_parts
from crypto.curve import N
from crypto.errors import BadCiphertext, BadEncoding, BadKey, BadSignature
from crypto.keyfiles import load_private_pem, load_public_pem
from crypto.keyring import KeyRing
from crypto.publicid import PublicIds
from crypto.sm2 import CiphertextForm, PrivateKey, der_to_raw, raw_to_der, split_ciphertext
from crypto.sm2_backend import select_backend
from crypto.sm3 import sm3
from crypto.sm4 import (
    cbc_decrypt,
    cbc_encrypt,
    ctr_xor,
    ecb_pkcs7_decrypt,
    ecb_pkcs7_encrypt,
    gcm_decrypt,
    gcm_encrypt,
)
from tests.support.key_texts import write_private_pem, write_public_pem

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
RING = KeyRing.generate_for_development(NOW)
KEY = PrivateKey.from_bytes(sm3(b"a fixed test key"))
SIGNED = raw_to_der(b"\x80" + bytes(31) + b"\x01" * 32)
SLOW = select_backend("purepy", allow_software_signing=True)
SLOW_KEY = PrivateKey.from_bytes(KEY.to_bytes(), backend=SLOW)
small = settings(max_examples=40, deadline=None)
keys16 = st.binary(min_size=16, max_size=16)
values: st.SearchStrategy[Value] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.binary(max_size=20),
    st.text("ab1\x00é一", max_size=20),
    st.datetimes(timezones=st.just(UTC)),
)


@small
@given(keys16, keys16, st.binary(max_size=100), st.binary(max_size=40))
def test_sm4_modes_round_trip(key: bytes, iv: bytes, plain: bytes, aad: bytes) -> None:
    assert ecb_pkcs7_decrypt(key, ecb_pkcs7_encrypt(key, plain)) == plain
    assert cbc_decrypt(key, iv, cbc_encrypt(key, iv, plain)) == plain
    assert ctr_xor(key, iv, ctr_xor(key, iv, plain)) == plain
    assert gcm_decrypt(key, iv[:12], gcm_encrypt(key, iv[:12], plain, aad), aad) == plain


@small
@given(st.binary(max_size=200), st.binary(max_size=40))
def test_both_backends_verify_each_other(message: bytes, user_id: bytes) -> None:
    assert SLOW_KEY.public.verify(message, KEY.sign(message, user_id), user_id)
    assert KEY.public.verify(message, SLOW_KEY.sign(message, user_id), user_id)


@small
@given(st.binary(min_size=1, max_size=200), st.sampled_from(list(CiphertextForm)))
def test_both_backends_open_each_other(plain: bytes, form: CiphertextForm) -> None:
    assert SLOW_KEY.decrypt(KEY.public.encrypt(plain, form), form) == plain
    assert KEY.decrypt(SLOW_KEY.public.encrypt(plain, form), form) == plain


@small
@given(st.binary(max_size=80), st.integers(0, 511))
def test_every_bit_of_a_signature_counts(message: bytes, bit: int) -> None:
    signature = bytearray(KEY.sign(message))
    signature[bit // 8] ^= 1 << bit % 8
    assert not KEY.public.verify(message, bytes(signature))
    assert not SLOW_KEY.public.verify(message, bytes(signature))


@given(st.binary(max_size=90))
def test_any_bytes_as_der_are_canonical_or_refused(blob: bytes) -> None:
    try:
        raw = der_to_raw(blob)
    except BadSignature:
        return
    assert raw_to_der(raw) == blob


@given(st.data())
def test_a_changed_der_signature_is_canonical_or_refused(data: st.DataObject) -> None:
    blob = bytearray(SIGNED)
    at = data.draw(st.integers(0, len(blob) - 1))
    blob[at] ^= data.draw(st.integers(1, 255))
    try:
        raw = der_to_raw(bytes(blob))
    except BadSignature:
        return
    assert raw_to_der(raw) == bytes(blob)


@small
@given(st.binary(max_size=200), st.sampled_from(list(CiphertextForm)))
def test_any_bytes_as_ciphertext_are_refused(blob: bytes, form: CiphertextForm) -> None:
    for key in (KEY, SLOW_KEY):
        try:
            key.decrypt(blob, form)
        except BadCiphertext:
            continue
        raise AssertionError("random bytes opened")


@given(st.binary(max_size=300), st.sampled_from(list(CiphertextForm)))
def test_splitting_a_ciphertext_never_crashes(blob: bytes, form: CiphertextForm) -> None:
    try:
        c1, c3, c2 = split_ciphertext(blob, form)
    except BadEncoding:
        return
    assert (len(c1), len(c3)) == (64, 32)
    assert c2


@small
@given(st.lists(values, max_size=4), st.lists(values, max_size=4))
def test_canonical_bytes_are_equal_only_for_equal_lists(
    left: list[Value], right: list[Value]
) -> None:
    same = [(type(v), v) for v in left] == [(type(v), v) for v in right]
    assert (encode_parts(left) == encode_parts(right)) is same


@small
@given(keys16, st.binary(max_size=200), st.lists(values, max_size=4))
def test_envelopes_round_trip(key: bytes, plain: bytes, parts: list[Value]) -> None:
    assert envelope.open(key, envelope.seal(key, plain, parts), parts) == plain


@given(st.binary(max_size=120))
def test_any_bytes_as_an_envelope_are_refused(blob: bytes) -> None:
    try:
        envelope.open(bytes(16), blob, ())
    except BadCiphertext:
        return
    raise AssertionError("random bytes opened")


@given(st.binary(max_size=200))
def test_any_bytes_as_a_keystore_are_refused(blob: bytes) -> None:
    for content in (blob, b"YMKS\x01" + blob):
        try:
            keystore.open_ring(content, bytes(32))
        except BadCiphertext:
            continue
        raise AssertionError("random bytes opened")


@given(
    st.binary(min_size=8, max_size=8),
    st.binary(min_size=8, max_size=8),
    st.sampled_from(["bill", "visit"]),
)
def test_public_ids_round_trip(record_id: bytes, local_id: bytes, kind: str) -> None:
    ids = PublicIds(RING, kind)
    assert ids.decode(ids.encode(record_id, local_id, NOW), NOW) == (record_id, local_id)


@given(st.text(alphabet="0123456789ABCDEFGHJKMNPQRSTVWXYZ", min_size=26, max_size=26))
def test_public_id_texts_are_canonical_or_refused(body: str) -> None:
    ids = PublicIds(RING, "bill")
    try:
        pair = ids.decode("A" + body, NOW)
    except BadEncoding:
        return
    assert ids.encode(*pair, NOW) == "A" + body


@small
@given(st.integers(1, 2**200))
def test_key_files_round_trip(d: int) -> None:
    key = PrivateKey.from_bytes(d.to_bytes(32, "big"))
    assert load_private_pem(write_private_pem(key)).to_bytes() == key.to_bytes()
    assert load_public_pem(write_public_pem(key.public)) == key.public


@small
@given(st.data())
def test_a_damaged_key_file_is_refused_or_another_key(data: st.DataObject) -> None:
    pem = list(write_private_pem(KEY))
    at = data.draw(st.integers(0, len(pem) - 1))
    pem[at] = data.draw(st.characters(codec="ascii"))
    try:
        key = load_private_pem("".join(pem))
    except BadKey:
        return
    assert key.public == KEY.public  # blanks at line ends change nothing; a wrong half is refused


@given(st.binary(max_size=40))
def test_any_bytes_are_a_private_key_or_a_bad_key(blob: bytes) -> None:
    in_range = len(blob) == 32 and 0 < int.from_bytes(blob, "big") < N - 1
    try:
        loaded = PrivateKey.from_bytes(blob, backend=SLOW).to_bytes() == blob
    except BadKey:
        loaded = False
    assert loaded is in_range
