"""Offers: a phone takes only what a vouched-for till signed, in its time, word for word."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from crypto.errors import BadEncoding, CryptoError
from crypto.healthcode import text as code_text
from crypto.healthcode.context import Offer
from crypto.healthcode.layout import Purpose
from crypto.healthcode.offer import (
    TEXT_PREFIX,
    Till,
    TillCertificate,
    make_offer,
    make_till_certificate,
    open_offer,
    open_till_certificate,
)
from crypto.healthcode.refusal import OfferRefused
from crypto.healthcode.trust import TrustList, trust_list_of
from crypto.keyring import KeyKind, KeyRing
from crypto.sm2 import PrivateKey, PublicKey

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
DAY, SECOND = timedelta(days=1), timedelta(seconds=1)
RING = KeyRing.generate_for_development(NOW)
VOUCHER = RING.current(KeyKind.TILL, NOW)
VOUCHER_KEY = PrivateKey.from_bytes(VOUCHER.material)
VOUCHER_ID = VOUCHER.code_key_id or 0
TILL_KEY = PrivateKey.generate()
TILL = Till(
    institution=b"H99000100001".ljust(18, b"\0"),
    terminal=b"TERM0001",
    public=TILL_KEY.public,
    name="某市第一医院 收费处",
)
OFFER = Offer(
    purpose=Purpose.PAY,
    institution=TILL.institution,
    terminal=TILL.terminal,
    challenge=bytes(range(16)),
    bill_id=bytes(range(16, 32)),
    amount_fen=12_345,
)


def trust(ring: KeyRing = RING) -> TrustList:
    return trust_list_of(ring, sequence=1, made_at=NOW - 10 * DAY, next_at=NOW + DAY)


TRUST = trust()


def certificate(till: Till = TILL, key_id: int = VOUCHER_ID, **times: datetime) -> bytes:
    window = {"issued_at": NOW - DAY / 2, "valid_until": NOW + DAY} | times
    return make_till_certificate(till, key_id=key_id, signer=VOUCHER_KEY, **window)


def text(life_s: int = 300, **certified: object) -> str:
    signed = certificate(**certified)  # type: ignore[arg-type]
    return make_offer(OFFER, signed, TILL_KEY, NOW, life_s)


def raw_of(offer_text: str) -> bytes:
    return code_text.decode_letters(offer_text.removeprefix(TEXT_PREFIX))


def text_of(raw: bytes) -> str:
    return TEXT_PREFIX + code_text.encode_letters(raw)


def refusal(offer_text: str, listed: TrustList = TRUST, at: datetime = NOW) -> str:
    with pytest.raises(OfferRefused) as caught:
        open_offer(offer_text, listed, at)
    return caught.value.refusal.value


def test_an_offer_tells_the_phone_who_asks_for_what() -> None:
    opened = open_offer(text(), TRUST, NOW)
    assert opened.name == "某市第一医院 收费处"
    assert opened.offer == OFFER
    assert opened.offer.context() == OFFER.context()
    assert (opened.issued_at, opened.expires_at) == (NOW, NOW + 300 * SECOND)


def test_the_longest_offer_fits_its_text() -> None:
    longest = text(till=replace(TILL, name="名" * 20), life_s=900)
    assert len(raw_of(longest)) == 307
    assert len(longest) == 466
    assert open_offer(longest, TRUST, NOW + 929 * SECOND).expires_at == NOW + 900 * SECOND


def test_a_certificate_opens_by_itself() -> None:
    opened = open_till_certificate(certificate(), TRUST, NOW)
    assert isinstance(opened, TillCertificate)
    assert opened.till == TILL
    assert opened.valid_until == NOW + DAY
    with pytest.raises(OfferRefused):
        open_till_certificate(certificate()[:-1], TRUST, NOW)


def test_every_reason_not_to_take_an_offer_has_its_word() -> None:
    good = text()
    raw = raw_of(good)
    cut = trust(RING.cut_off_before(KeyKind.TILL, 1, NOW))
    closed = trust(RING.closed_after(KeyKind.TILL, 1, NOW - DAY / 2))
    once_key = RING.current(KeyKind.ISSUER_ONCE, NOW).code_key_id or 0
    assert refusal("YM1:00") == "OFFER_MALFORMED"
    assert refusal(good + " ") == "OFFER_MALFORMED"
    assert refusal(text_of(bytes(247))) == "OFFER_MALFORMED"
    assert refusal(text_of(bytes(308))) == "OFFER_MALFORMED"
    assert refusal(text_of(b"\2" + raw[1:])) == "OFFER_UNSUPPORTED"
    assert refusal(text_of(raw[:1] + b"\6" + raw[2:])) == "OFFER_MALFORMED"
    assert refusal(text_of(raw[:34] + b"\x80" + raw[35:])) == "OFFER_MALFORMED"
    for life in (0, 901):
        changed = raw[:46] + life.to_bytes(2, "big") + raw[48:]
        assert refusal(text_of(changed)) == "OFFER_MALFORMED"
    assert refusal(text_of(raw[:48] + b"\2" + raw[49:])) == "TILL_MALFORMED"
    assert refusal(text_of(raw[:118] + b"\x01" + raw[119:])) == "TILL_MALFORMED"
    assert refusal(text_of(raw[:119] + b"\n" + raw[120:])) == "TILL_MALFORMED"
    assert refusal(text_of(raw[:119] + b"\xff" + raw[120:])) == "TILL_MALFORMED"
    assert refusal(text_of(raw[:85] + b"\4" + raw[86:])) == "TILL_KEY"
    assert refusal(good, at=NOW - 11 * DAY) == "CLOCK_UNSURE"
    assert refusal(good, at=NOW + 8 * DAY) == "TRUST_LIST_EXPIRED"
    assert refusal(text(key_id=0x1234)) == "TILL_UNKNOWN"
    assert refusal(text(key_id=once_key)) == "KEY_NOT_FOR_USE"
    assert refusal(good, cut) == "KEY_CLOSED"
    assert refusal(good, closed) == "KEY_CLOSED"
    assert refusal(text(issued_at=NOW + 31 * SECOND)) == "TILL_NOT_YET_VALID"
    assert refusal(text(valid_until=NOW - 30 * SECOND)) == "TILL_EXPIRED"
    assert refusal(good, at=NOW - 31 * SECOND) == "OFFER_NOT_YET_VALID"
    assert refusal(good, at=NOW + 330 * SECOND) == "OFFER_EXPIRED"
    assert refusal(text_of(raw[:60] + b"\0" + raw[61:])) == "TILL_SIGNATURE"
    assert refusal(text_of(raw[:41] + b"\1" + raw[42:])) == "OFFER_SIGNATURE"
    assert refusal(text_of(raw[:-64] + TILL_KEY.sign(raw[:-64]))) == "OFFER_SIGNATURE"


def test_another_tills_offer_cannot_wear_this_certificate() -> None:
    stranger = PrivateKey.generate()
    with pytest.raises(BadEncoding):
        make_offer(OFFER, certificate(), stranger, NOW)
    with pytest.raises(BadEncoding):
        make_offer(replace(OFFER, terminal=b"TERM0002"), certificate(), TILL_KEY, NOW)
    forged = raw_of(text())[:-64]
    assert refusal(text_of(forged + stranger.sign(b"YM1 offer\0" + forged))) == "OFFER_SIGNATURE"


@pytest.mark.parametrize("name", ["", "x" * 61, "甲" * 21, "a\nb", "a\u202eb", "a\u200bb", "\x7f"])
def test_names_that_a_phone_cannot_show_honestly_are_refused(name: str) -> None:
    with pytest.raises(BadEncoding):
        certificate(replace(TILL, name=name))


def test_certificates_and_offers_that_cannot_be_are_not_made() -> None:
    for till in (replace(TILL, institution=b"short"), replace(TILL, terminal=b"")):
        with pytest.raises(BadEncoding):
            certificate(till)
    for until in (NOW - DAY / 2, NOW + 366 * DAY):
        with pytest.raises(BadEncoding):
            certificate(valid_until=until)
    with pytest.raises(BadEncoding):
        certificate(key_id=0x10000)
    for life_s in (0, 901):
        with pytest.raises(BadEncoding):
            text(life_s)
    with pytest.raises(BadEncoding):
        make_offer(replace(OFFER, amount_fen=1 << 63), certificate(), TILL_KEY, NOW)


def test_a_signature_that_does_not_verify_is_never_let_out() -> None:
    class Faulty:
        """Signs something else."""

        @property
        def public(self) -> PublicKey:
            return TILL_KEY.public

        def sign(self, message: bytes) -> bytes:
            return TILL_KEY.sign(message + b"\0")

    with pytest.raises(CryptoError):
        make_offer(OFFER, certificate(), Faulty(), NOW)
