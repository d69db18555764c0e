"""Hostile lists and offers: every change is refused, every accepted form is the canonical one."""

from datetime import UTC, datetime, timedelta
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto.errors import BadEncoding
from crypto.healthcode import text as code_text
from crypto.healthcode.context import Offer
from crypto.healthcode.layout import Purpose
from crypto.healthcode.offer import TEXT_PREFIX, Till, make_offer, make_till_certificate, open_offer
from crypto.healthcode.refusal import ListRefused, OfferRefused
from crypto.healthcode.revocation import (
    ListScope,
    RevocationList,
    apply_delta,
    make_delta,
    make_full,
    open_revocation_list,
    revocation_body,
    sign_revocation_list,
)
from crypto.healthcode.rice import decode_section, encode_section
from crypto.healthcode.trust import trust_list_of
from crypto.keyring import KeyKind, KeyRing
from crypto.sm2 import PrivateKey

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
DAY = timedelta(days=1)
RING = KeyRing.generate_for_development(NOW)
TRUST = trust_list_of(RING, sequence=1, made_at=NOW - DAY, next_at=NOW + DAY)
RISING = st.lists(st.integers(0, (1 << 48) - 1), unique=True, max_size=60).map(sorted)
DENSE = st.lists(st.integers(0, 200), unique=True, max_size=60).map(sorted)
CODE_IDS = st.lists(st.binary(min_size=16, max_size=16), unique=True, max_size=30)


def full(code_ids: list[bytes], sequence: int = 1) -> RevocationList:
    return make_full(
        scope=ListScope.PRINTED,
        code_class=3,
        sequence=sequence,
        made_at=NOW,
        next_at=NOW + DAY,
        code_ids=code_ids,
        innocent=[],
    )


@cache
def list_key() -> tuple[int, PrivateKey]:
    key = RING.current(KeyKind.CODE_LIST, NOW)
    return key.code_key_id or 0, PrivateKey.from_bytes(key.material)


@cache
def an_offer() -> str:
    key, till_key = RING.current(KeyKind.TILL, NOW), PrivateKey.generate()
    certificate = make_till_certificate(
        Till(institution=bytes(18), terminal=bytes(8), public=till_key.public, name="甲 Clinic"),
        key_id=key.code_key_id or 0,
        signer=PrivateKey.from_bytes(key.material),
        issued_at=NOW,
        valid_until=NOW + DAY,
    )
    offer = Offer(
        purpose=Purpose.PAY,
        institution=bytes(18),
        terminal=bytes(8),
        challenge=bytes(16),
        bill_id=bytes(16),
        amount_fen=100,
    )
    return make_offer(offer, certificate, till_key, NOW)


@given(RISING | DENSE, st.binary(max_size=9))
def test_a_section_comes_back_and_leaves_the_rest(numbers: list[int], rest: bytes) -> None:
    decoded, left = decode_section(encode_section(numbers) + rest, 1 << 48)
    assert (list(decoded), left) == (numbers, rest)


@given(st.integers(0, 64), st.integers(0, 40), st.binary(max_size=60), st.integers(1, 1 << 64))
def test_a_section_that_decodes_is_the_canonical_one(
    k: int, count: int, bits: bytes, limit: int
) -> None:
    blob = bytes((k,)) + count.to_bytes(4, "big") + bits
    try:
        numbers, rest = decode_section(blob, limit)
    except BadEncoding:
        return
    assert encode_section(numbers) + rest == blob
    assert all(number < limit for number in numbers)


@given(RISING | DENSE)
def test_the_parameter_is_the_smallest_of_the_best(numbers: list[int]) -> None:
    gaps = [b - a - 1 for a, b in zip([-1, *numbers], numbers, strict=False)]
    cost = [sum((gap >> k) + 1 + k for gap in gaps) for k in range(64)]
    assert encode_section(numbers)[0] == cost.index(min(cost))


@given(DENSE, st.data())
def test_every_changed_byte_of_a_section_is_refused_or_says_something_else(
    numbers: list[int], data: st.DataObject
) -> None:
    blob = encode_section(numbers)
    at = data.draw(st.integers(0, len(blob) - 1))
    value = data.draw(st.integers(0, 255).filter(lambda v: v != blob[at]))
    changed = blob[:at] + bytes((value,)) + blob[at + 1 :]
    try:
        decoded, rest = decode_section(changed, 1 << 48)
    except BadEncoding:
        return
    assert (list(decoded), rest) != (numbers, b"")


def test_sections_with_a_hostile_head_cost_nothing() -> None:
    with pytest.raises(BadEncoding):
        decode_section(b"\0\xff\xff\xff\xff" + bytes(100), 1 << 48)
    with pytest.raises(BadEncoding):
        decode_section(b"\x3f\0\0\0\1" + b"\xff" * 100_000, 1 << 48)


@settings(deadline=None)
@given(CODE_IDS, CODE_IDS)
def test_any_delta_leads_to_the_very_list(before: list[bytes], after: list[bytes]) -> None:
    old, new = full(before), full(after, 2)
    delta = make_delta(old, new)
    assert apply_delta(old, delta) == new
    key_id, signer = list_key()
    for listed in (new, delta):
        blob = sign_revocation_list(listed, key_id, signer)
        opened = open_revocation_list(blob, TRUST, NOW)
        assert opened == listed
        assert revocation_body(opened, key_id) == blob[:-64]


def test_every_changed_byte_and_every_cut_of_a_list_is_refused() -> None:
    key_id, signer = list_key()
    ids = [bytes((number,)) * 16 for number in range(9)]
    old, new = full(ids), full(ids[2:], 2)
    for listed in (old, make_delta(old, new)):
        blob = sign_revocation_list(listed, key_id, signer)
        for at in range(len(blob)):
            changed = blob[:at] + bytes((blob[at] ^ 1,)) + blob[at + 1 :]
            for broken in (changed, blob[:at]):
                with pytest.raises(ListRefused):
                    open_revocation_list(broken, TRUST, NOW)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_signed_rubbish_is_refused_or_canonical(rubbish: bytes) -> None:
    """Even the list key's owner cannot make a reader fail in another way."""
    key_id, signer = list_key()
    start = revocation_body(full([]), key_id)[:22]
    body = start + rubbish
    try:
        opened = open_revocation_list(body + signer.sign(b"YM1 revoked\0" + body), TRUST, NOW)
    except ListRefused:
        return
    assert revocation_body(opened, key_id) == body


@given(st.binary(max_size=400))
def test_foreign_bytes_are_no_list(blob: bytes) -> None:
    with pytest.raises(ListRefused):
        open_revocation_list(blob, TRUST, NOW)


def test_every_changed_byte_and_every_cut_of_an_offer_is_refused() -> None:
    text = an_offer()
    assert open_offer(text, TRUST, NOW).name == "甲 Clinic"
    raw = code_text.decode_letters(text.removeprefix(TEXT_PREFIX))
    for at in range(len(raw)):
        changed = raw[:at] + bytes((raw[at] ^ 1,)) + raw[at + 1 :]
        for broken in (changed, raw[: at + 1] if at + 1 < len(raw) else b"\0"):
            with pytest.raises(OfferRefused):
                open_offer(TEXT_PREFIX + code_text.encode_letters(broken), TRUST, NOW)


@given(st.text(max_size=500), st.text(alphabet=code_text.ALPHABET, max_size=500))
def test_foreign_texts_are_no_offer(text: str, letters: str) -> None:
    for broken in (text, TEXT_PREFIX + text, TEXT_PREFIX + letters):
        with pytest.raises(OfferRefused):
            open_offer(broken, TRUST, NOW)
