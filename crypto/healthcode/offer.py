"""Offers: what a till asks a phone to bind a code to, signed so that the phone can check it alone.

    certificate   version 1 | key id 2 | issued 4 | valid-until 4 | institution 18 | terminal 8 |
                  till key 33 | name length 1 | name | signature 64 over "YM1 till" NUL before
    offer         version 1 | purpose 1 | challenge 16 | bill id 16 | amount in fen 8 | issued 4 |
                  life 2 (seconds) | certificate | signature 64 over "YM1 offer" NUL before

The text is ``YMO1:`` and base41. Institution and terminal stand in the certificate alone, so an
offer cannot speak for another till. A phone needs nothing but the trust list.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from crypto.errors import BadEncoding, BadKey, CryptoError
from crypto.healthcode import text as code_text
from crypto.healthcode.context import Offer
from crypto.healthcode.fields import Fields, seconds
from crypto.healthcode.layout import Purpose
from crypto.healthcode.refusal import OfferRefusal, OfferRefused
from crypto.healthcode.trust import CLOCK_TOLERANCE, TrustedKey, TrustList, Use
from crypto.signing import Signer
from crypto.sm2 import PublicKey

TILL_PREFIX = b"YM1 till\0"
OFFER_PREFIX = b"YM1 offer\0"
TEXT_PREFIX = "YMO1:"
NAME_MAX = 60
OFFER_LIFE_MAX_S = 900
CERTIFICATE_LIFE_MAX = timedelta(days=366)
_CERTIFICATE_HEAD, _OFFER_HEAD, _SIGNATURE = 71, 48, 64
OFFER_BYTES_MAX = _OFFER_HEAD + _CERTIFICATE_HEAD + NAME_MAX + 2 * _SIGNATURE
_HIDDEN = (
    (0x0000, 0x001F),
    (0x007F, 0x009F),
    (0x00AD, 0x00AD),
    (0x061C, 0x061C),
    (0x200B, 0x200F),
    (0x2028, 0x202E),
    (0x2060, 0x206F),
    (0xFEFF, 0xFEFF),
    (0xFFF9, 0xFFFC),
    (0xE0000, 0xE0FFF),
)
"""Code points that a name may not hold: they do not show, or turn the reading order round."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Till:
    """A terminal that makes offers: institution 18 bytes, terminal 8, key, name to show."""

    institution: bytes
    terminal: bytes
    public: PublicKey
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TillCertificate:
    """A till that the platform vouches for, until an instant."""

    till: Till
    key_id: int
    issued_at: datetime
    valid_until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedOffer:
    """An opened offer: show ``name`` and the amount, then sign with ``offer.context()``."""

    name: str
    offer: Offer
    issued_at: datetime
    expires_at: datetime

    def check_place(self, purpose: Purpose, terminal: bytes | None) -> None:
        """For the till that scans: ``OfferRefused`` (OFFER_ELSEWHERE) unless the offer asks for
        what the code is wanted for, and is by this terminal (8 bytes; None: the caller knows)."""
        offer = self.offer
        if offer.purpose is not purpose or terminal not in {None, offer.terminal}:
            raise OfferRefused(OfferRefusal.OFFER_ELSEWHERE)

    def check_open(self, now: datetime) -> None:
        """``OfferRefused`` before the offer's time and after it."""
        if self.issued_at > now + CLOCK_TOLERANCE:
            raise OfferRefused(OfferRefusal.OFFER_NOT_YET_VALID)
        if now >= self.expires_at + CLOCK_TOLERANCE:
            raise OfferRefused(OfferRefusal.OFFER_EXPIRED)


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedOffer:
    """What an offer says of itself; nothing is proved. ``raw`` are its bytes."""

    raw: bytes
    certificate: TillCertificate
    signed: SignedOffer

    @property
    def certificate_bytes(self) -> bytes:
        """The till's certificate, as ``open_till_certificate`` takes it."""
        return self.raw[_OFFER_HEAD:-_SIGNATURE]


def hides_something(name: str) -> bool:
    """Whether a character of it does not show, or turns the reading order round."""
    return any(low <= ord(letter) <= high for letter in name for low, high in _HIDDEN)


def _name_bytes(name: str) -> bytes:
    raw = name.encode("utf-8")
    if not 1 <= len(raw) <= NAME_MAX or hides_something(name):
        raise BadEncoding("a till's name is 1 to 60 bytes of visible text")
    return raw


def make_till_certificate(
    till: Till, *, key_id: int, signer: Signer, issued_at: datetime, valid_until: datetime
) -> bytes:
    """The certificate, signed and verified. ``BadEncoding`` for fields out of range."""
    body = till_certificate_body(till, key_id=key_id, issued_at=issued_at, valid_until=valid_until)
    return body + _signed(signer, TILL_PREFIX + body)


def till_certificate_body(
    till: Till, *, key_id: int, issued_at: datetime, valid_until: datetime
) -> bytes:
    """The bytes to be signed (behind ``TILL_PREFIX``). ``BadEncoding`` for fields out of range."""
    name = _name_bytes(till.name)
    if (len(till.institution), len(till.terminal)) != (18, 8) or not 0 <= key_id <= 0xFFFF:
        raise BadEncoding("till fields have fixed sizes")
    body = (
        b"\1"
        + key_id.to_bytes(2, "big")
        + seconds(issued_at)
        + seconds(valid_until)
        + till.institution
        + till.terminal
        + till.public.compressed()
        + bytes((len(name),))
        + name
    )
    if not timedelta() < valid_until - issued_at <= CERTIFICATE_LIFE_MAX:
        raise BadEncoding("a till certificate lives up to 366 days")
    return body


def _signed(signer: Signer, message: bytes) -> bytes:
    signature = signer.sign(message)
    if not signer.public.verify(message, signature):
        raise CryptoError("the signature did not verify: not released")
    return signature


def make_offer(
    offer: Offer, certificate: bytes, signer: Signer, issued_at: datetime, life_s: int = 300
) -> str:
    """The text to show, signed by the till that the certificate names.

    ``life_s`` is 1 to 900. ``BadEncoding`` for fields out of range or another till's certificate.
    """
    if not 1 <= life_s <= OFFER_LIFE_MAX_S:
        raise BadEncoding("an offer lives 1 to 900 seconds")
    offer.context()
    till = _read_certificate(certificate).till
    if (till.institution, till.terminal) != (offer.institution, offer.terminal):
        raise BadEncoding("the certificate is another till's")
    if till.public.compressed() != signer.public.compressed():
        raise BadEncoding("the certificate is for another key")
    body = (
        bytes((1, offer.purpose))
        + offer.challenge
        + offer.bill_id
        + offer.amount_fen.to_bytes(8, "big")
        + seconds(issued_at)
        + life_s.to_bytes(2, "big")
        + certificate
    )
    raw = body + _signed(signer, OFFER_PREFIX + body)
    return TEXT_PREFIX + code_text.encode_letters(raw)


def _read_certificate(blob: bytes) -> TillCertificate:
    """Form only, except that the till's key must be a point."""
    try:
        fields = Fields(blob[:-_SIGNATURE])
        if fields.whole(1) != 1:
            raise BadEncoding("the certificate's version is not known")
        key_id, issued_at, valid_until = fields.whole(2), fields.instant(), fields.instant()
        institution, terminal, key = fields.take(18), fields.take(8), fields.take(33)
        name = fields.take(fields.whole(1)).decode("utf-8")
        _name_bytes(name)
        is_sound = timedelta() < valid_until - issued_at <= CERTIFICATE_LIFE_MAX
        if not fields.is_done() or not is_sound:
            raise BadEncoding("the certificate is not in form")
    except ValueError:
        raise OfferRefused(OfferRefusal.TILL_MALFORMED) from None
    try:
        public = PublicKey.from_bytes(key, allow_compressed=True)
    except BadKey:
        raise OfferRefused(OfferRefusal.TILL_KEY) from None
    till = Till(institution=institution, terminal=terminal, public=public, name=name)
    return TillCertificate(till=till, key_id=key_id, issued_at=issued_at, valid_until=valid_until)


def open_till_certificate(blob: bytes, trust: TrustList, now: datetime) -> TillCertificate:
    """The certificate, if a key that the trust list names for tills signed it and it is in its
    time. ``OfferRefused`` names what is wrong."""
    certificate = _read_certificate(blob)
    key = _vouching_key(certificate, trust, now)
    _check_certificate_signature(key, blob)
    return certificate


def _vouching_key(certificate: TillCertificate, trust: TrustList, now: datetime) -> TrustedKey:
    """The key that must have signed the certificate: all checks that need no signature."""
    stale = trust.staleness(now)
    if stale is not None:
        raise OfferRefused(OfferRefusal(stale.value))
    key = trust.keys.get(certificate.key_id)
    if key is None:
        raise OfferRefused(OfferRefusal.TILL_UNKNOWN)
    if Use.TILL not in key.uses:
        raise OfferRefused(OfferRefusal.KEY_NOT_FOR_USE)
    if not key.stands_for(int(certificate.issued_at.timestamp()), now):
        raise OfferRefused(OfferRefusal.KEY_CLOSED)
    if certificate.issued_at > now + CLOCK_TOLERANCE:
        raise OfferRefused(OfferRefusal.TILL_NOT_YET_VALID)
    if now >= certificate.valid_until + CLOCK_TOLERANCE:
        raise OfferRefused(OfferRefusal.TILL_EXPIRED)
    return key


def _check_certificate_signature(key: TrustedKey, blob: bytes) -> None:
    if not key.public.verify(TILL_PREFIX + blob[:-_SIGNATURE], blob[-_SIGNATURE:]):
        raise OfferRefused(OfferRefusal.TILL_SIGNATURE)


def parse_offer(text: str) -> ParsedOffer:
    """Form alone. ``OfferRefused``; nothing else is raised for hostile text."""
    raw = _bytes_of(text)
    fields = Fields(raw)
    if fields.whole(1) != 1:
        raise OfferRefused(OfferRefusal.OFFER_UNSUPPORTED)
    purpose, challenge, bill_id = fields.whole(1), fields.take(16), fields.take(16)
    amount_fen, issued_at, life_s = fields.whole(8), fields.instant(), fields.whole(2)
    is_sound = purpose in set(Purpose) and amount_fen < 1 << 63
    if not is_sound or not 1 <= life_s <= OFFER_LIFE_MAX_S:
        raise OfferRefused(OfferRefusal.OFFER_MALFORMED)
    certificate = _read_certificate(raw[_OFFER_HEAD:-_SIGNATURE])
    till = certificate.till
    signed = SignedOffer(
        name=till.name,
        offer=Offer(
            purpose=Purpose(purpose),
            institution=till.institution,
            terminal=till.terminal,
            challenge=challenge,
            bill_id=bill_id,
            amount_fen=amount_fen,
        ),
        issued_at=issued_at,
        expires_at=issued_at + timedelta(seconds=life_s),
    )
    return ParsedOffer(raw=raw, certificate=certificate, signed=signed)


def open_offer(text: str, trust: TrustList, now: datetime) -> SignedOffer:
    """The offer, if it is whole, in its time and signed by a till that the trust list vouches for.

    ``OfferRefused`` names what is wrong; nothing else is raised for hostile text.
    """
    parsed = parse_offer(text)
    certificate, raw = parsed.certificate, parsed.raw
    key = _vouching_key(certificate, trust, now)
    parsed.signed.check_open(now)
    _check_certificate_signature(key, parsed.certificate_bytes)
    if not certificate.till.public.verify(OFFER_PREFIX + raw[:-_SIGNATURE], raw[-_SIGNATURE:]):
        raise OfferRefused(OfferRefusal.OFFER_SIGNATURE)
    return parsed.signed


def _bytes_of(text: str) -> bytes:
    """The bytes of a text, of a length that an offer can have."""
    letters_max = (OFFER_BYTES_MAX * 3 + 1) // 2
    if not text.startswith(TEXT_PREFIX) or len(text) > len(TEXT_PREFIX) + letters_max:
        raise OfferRefused(OfferRefusal.OFFER_MALFORMED)
    try:
        raw = code_text.decode_letters(text[len(TEXT_PREFIX) :])
    except BadEncoding:
        raise OfferRefused(OfferRefusal.OFFER_MALFORMED) from None
    if not OFFER_BYTES_MAX - NAME_MAX < len(raw) <= OFFER_BYTES_MAX:
        raise OfferRefused(OfferRefusal.OFFER_MALFORMED)
    return raw
