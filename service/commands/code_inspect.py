"""A scanned text on the command line: what it is, and whether it holds. Needs no network."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from crypto.errors import CryptoError
from crypto.healthcode.describe import describe_offer, describe_verdict, inspect_text
from crypto.healthcode.offer import TEXT_PREFIX, open_offer, open_till_certificate, parse_offer
from crypto.healthcode.refusal import OfferRefused
from crypto.healthcode.trust import TrustList
from crypto.healthcode.verify import CodeVerifier, Reader
from service.credential.actions import recognise
from service.credential.model import CodeKind
from service.healthcode.rules import trust_of
from service.kernel.clock import SystemClock
from service.kernel.live_ring import KeystoreUnreadable
from service.reader.files import read_bounded
from service.reader.lists import TRUST_FILE_MAX, open_trust
from service.reader.repair import RAW_MAX, examine, fold
from service.settings import Settings
from service.wiring import load_ring

FAULTS = (OSError, CryptoError, ValueError)
"""What ``inspect`` may raise: the trust file is none."""
OFFER_PLACE = "#/offer/"
"""Stands before the offer in a till's link; ``service/web/kiosk/till.js`` writes it."""
_OFFER = "OFFER"
_Seen = dict[str, object]


def inspect(text: str, settings: Settings, trust_file: str | None = None) -> str:
    """A JSON object: what the text is, who issued it, until when, and by a trust file or the local
    keys if it holds; what had to be undone before it could be read is said in ``repairs``.

    With neither, ``valid`` is null: the form fits, nothing is proved. A till shows its offer in a
    link, said as ``link``: whose page that is proves nothing of the offer. Raises ``FAULTS``.
    """
    trust, note = _trust(settings, trust_file)
    link, text = _link(text)
    meant, _ = fold(text) if len(text) <= RAW_MAX else (text, [])
    seen = _offer(text, trust) if meant.startswith(TEXT_PREFIX) else _code(text, trust)
    if link:
        seen["link"] = link
    if note is not None and seen["recognised"] in {_OFFER, CodeKind.OURS.value}:
        seen["note"] = note
    return msgspec.json.encode(seen).decode()


def _link(text: str) -> tuple[str, str]:
    """The page that a till's symbol leads to, and the offer in it; else nothing, and the text."""
    link = text.strip()
    at = link.lower().find(f"{OFFER_PLACE}{TEXT_PREFIX}".lower())
    if at < 0 or len(link) > RAW_MAX or not link.lower().startswith(("http://", "https://")):
        return "", text
    return link[:at], link[at + len(OFFER_PLACE) :]


def _trust(settings: Settings, trust_file: str | None) -> tuple[TrustList | None, str | None]:
    """What to judge by, or None and why."""
    if trust_file is not None:
        return open_trust(read_bounded(Path(trust_file), TRUST_FILE_MAX), 0), None
    try:
        return trust_of(load_ring(settings)), None
    except KeystoreUnreadable:
        return None, "no key ring and no --trust here: not verified"


def _code(text: str, trust: TrustList | None) -> _Seen:
    recognised = recognise(text)
    seen: _Seen = {"recognised": recognised.kind.value, "valid": None}
    if recognised.kind is CodeKind.OURS:
        seen |= _repaired(recognised.text, examine(text)[1])
        seen |= inspect_text(recognised.text)
        if trust is not None:
            now = SystemClock().now()
            seen |= describe_verdict(CodeVerifier(trust).verify(recognised.text, Reader(), now))
    elif recognised.text not in {"", text}:
        seen |= _repaired(recognised.text, ["outer blanks or full-width digits"])
    return seen


def _offer(text: str, trust: TrustList | None) -> _Seen:
    meant, damages = fold(text)
    seen: _Seen = {"recognised": _OFFER, "valid": None}
    seen |= _repaired(meant, damages)
    try:
        parsed = parse_offer(meant)
    except OfferRefused as refused:
        return seen | {"valid": False, "error": refused.refusal.value}
    seen |= {"error": None} | describe_offer(parsed)
    if trust is None:
        return seen
    now = SystemClock().now()
    state = "VALID"
    try:
        open_till_certificate(parsed.certificate_bytes, trust, now)
    except OfferRefused as refused:
        state = refused.refusal.value
    seen["certificate_state"] = state
    try:
        open_offer(meant, trust, now)
    except OfferRefused as refused:
        return seen | {"valid": False, "error": refused.refusal.value}
    return seen | {"valid": True}


def _repaired(meant: str, damages: Sequence[str]) -> _Seen:
    """What the judged text is where it is not the given one, and what was undone."""
    return {"repaired": True, "repairs": damages, "text": meant} if damages else {}
