"""Tokens: only our own, unchanged, current and under a key of the ring."""

import base64
from datetime import timedelta
from typing import Any

import jwt
import msgspec
import pytest

from crypto.keyring import KeyKind, KeyRing
from crypto.signer import signing_key
from crypto.sm2 import PrivateKey
from service.account import rules, tokens
from service.kernel.problems import NotAuthenticated
from service.kernel.proved_texts import ProvedTexts
from tests.support.fakes_identity import NOON

RING = KeyRing.generate_for_development(NOON)
NOW_S = int(NOON.timestamp())


def claims(**changes: Any) -> tokens.Claims:
    given = {"iss": "yimatong", "sub": "A" * 27, "sid": "s", "iat": NOW_S, "exp": NOW_S + 60}
    return msgspec.convert(given | changes, tokens.Claims)


def signed(payload: bytes, header: dict[str, Any] | None = None) -> str:
    """A token under our key with whatever header and payload."""
    head = header if header is not None else {"alg": "SM2", "kid": "token-1", "typ": "JWT"}
    parts = [
        base64.urlsafe_b64encode(part).rstrip(b"=") for part in (msgspec.json.encode(head), payload)
    ]
    text = b".".join(parts)
    key = PrivateKey.from_bytes(RING.current(KeyKind.TOKEN, NOON).material)
    signature = base64.urlsafe_b64encode(key.sign(text)).rstrip(b"=")
    return b".".join([text, signature]).decode()


def issued(ring: KeyRing) -> str:
    key = ring.current(KeyKind.TOKEN, NOON)
    return tokens.issue(key, signing_key(key), claims())


def test_a_token_is_read_back() -> None:
    token = issued(RING)
    assert len(token) <= 1024
    assert tokens.read(RING, token, NOON) == claims()
    assert tokens.read(RING, signed(msgspec.json.encode(claims())), NOON) == claims()


def test_no_changed_character_passes() -> None:
    token = issued(RING)
    for place in range(len(token)):
        for other in "Aa9_.=":
            changed = token[:place] + other + token[place + 1 :]
            if changed != token:
                with pytest.raises(NotAuthenticated):
                    tokens.read(RING, changed, NOON)


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none", "kid": "token-1", "typ": "JWT"},
        {"alg": "HS256", "kid": "token-1", "typ": "JWT"},
        {"alg": "SM2", "kid": "token-2", "typ": "JWT"},
        {"alg": "SM2", "kid": "token-01", "typ": "JWT"},
        {"alg": "SM2", "kid": "../token-1", "typ": "JWT"},
        {"alg": "SM2", "kid": 1, "typ": "JWT"},
        {"alg": "SM2", "kid": "token-1"},
        {"alg": "SM2", "kid": "token-1", "typ": "JWT", "crit": ["exp"]},
        {"alg": "SM2", "kid": "token-1", "typ": "JWT", "jwk": {}},
    ],
)
def test_only_our_own_header_is_taken(header: dict[str, Any]) -> None:
    with pytest.raises(NotAuthenticated):
        tokens.read(RING, signed(msgspec.json.encode(claims()), header), NOON)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{}",
        b"[]",
        b"\xff",
        msgspec.json.encode({**msgspec.to_builtins(claims()), "admin": True}),
        msgspec.json.encode({**msgspec.to_builtins(claims()), "exp": str(NOW_S + 60)}),
        msgspec.json.encode({**msgspec.to_builtins(claims()), "exp": NOW_S + 60.5}),
        msgspec.json.encode({**msgspec.to_builtins(claims()), "iss": "other"}),
        msgspec.json.encode(claims(exp=NOW_S)),
        msgspec.json.encode(claims(iat=NOW_S + 31)),
    ],
)
def test_claims_are_decoded_strictly_and_must_be_current(payload: bytes) -> None:
    with pytest.raises(NotAuthenticated):
        tokens.read(RING, signed(payload), NOON)


def test_a_token_in_the_older_style_of_another_algorithm_is_refused() -> None:
    public = PrivateKey.from_bytes(RING.current(KeyKind.TOKEN, NOON).material).public
    forged = jwt.encode(
        msgspec.to_builtins(claims()),
        public.to_bytes(),
        algorithm="HS256",
        headers={"kid": "token-1"},
    )
    with pytest.raises(NotAuthenticated):
        tokens.read(RING, forged, NOON)


def test_a_hundred_thousand_characters_are_refused_before_any_work() -> None:
    with pytest.raises(NotAuthenticated):
        tokens.read(RING, "a." * 50_000, NOON)


def test_rotation_keeps_old_tokens_and_a_destroyed_key_ends_them() -> None:
    old = issued(RING)
    day = timedelta(days=1)
    rotated = RING.rotated(KeyKind.TOKEN, NOON, life=day, overlap=timedelta(0) + day / 24)
    fresh = issued(rotated)
    assert jwt.get_unverified_header(fresh)["kid"] == "token-2"
    assert tokens.read(rotated, old, NOON) == tokens.read(rotated, fresh, NOON)
    with pytest.raises(NotAuthenticated):
        tokens.read(rotated.without(KeyKind.TOKEN, 1), old, NOON)


def test_a_token_read_before_is_spared_the_signature_and_nothing_else() -> None:
    token, proved = issued(RING), ProvedTexts[tokens.Proved]()
    first = tokens.read(RING, token, NOON, proved)
    assert tokens.read(RING, token, NOON, proved) is first
    other = KeyRing.generate_for_development(NOON)
    minute = timedelta(minutes=1)
    for ring, now in ((other, NOON), (RING.without(KeyKind.TOKEN, 1), NOON), (RING, NOON + minute)):
        with pytest.raises(NotAuthenticated):
            tokens.read(ring, token, now, proved)
    with pytest.raises(NotAuthenticated):
        tokens.read(RING, token[:-1] + "=", NOON, proved)


def test_the_next_day_begins_in_china() -> None:
    assert rules.seconds_to_tomorrow(NOON) == 12 * 3600 + 1
