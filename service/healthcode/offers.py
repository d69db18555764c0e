"""The offer that a till had open when it scanned: its own, for this purpose, in its time."""

from datetime import datetime

from crypto.healthcode.context import Offer
from crypto.healthcode.layout import Purpose
from crypto.healthcode.offer import open_offer
from crypto.healthcode.refusal import OfferRefusal, OfferRefused
from crypto.healthcode.trust import TrustList
from integrations.ports.money import FEN_MAX
from service.healthcode.problems import (
    ClockUnsure,
    OfferElsewhere,
    OfferInvalid,
    OfferNotOpen,
    TillNotTrusted,
    TrustListExpired,
)
from service.kernel.principals import Terminal
from service.kernel.problems import Problem

REFUSALS: dict[OfferRefusal, type[Problem]] = {
    OfferRefusal.OFFER_MALFORMED: OfferInvalid,
    OfferRefusal.OFFER_UNSUPPORTED: OfferInvalid,
    OfferRefusal.OFFER_SIGNATURE: OfferInvalid,
    OfferRefusal.OFFER_NOT_YET_VALID: OfferNotOpen,
    OfferRefusal.OFFER_EXPIRED: OfferNotOpen,
    OfferRefusal.OFFER_ELSEWHERE: OfferElsewhere,
    OfferRefusal.CLOCK_UNSURE: ClockUnsure,
    OfferRefusal.TRUST_LIST_EXPIRED: TrustListExpired,
}
"""Everything else is about the till's certificate."""


def read_offer(
    text: str, terminal: Terminal, purpose: Purpose, trust: TrustList, now: datetime
) -> Offer:
    """What a code must be bound to. ``purpose`` is what the terminal scans for.

    Raises ``OfferInvalid``, ``OfferNotOpen``, ``TillNotTrusted``, ``OfferElsewhere``,
    ``ClockUnsure``, ``TrustListExpired``.
    """
    try:
        opened = open_offer(text, trust, now)
        opened.check_place(purpose, terminal.terminal_id.to_bytes(8))
    except OfferRefused as refused:
        kind = REFUSALS.get(refused.refusal, TillNotTrusted)
        raise kind(reason=refused.refusal.value) from None
    if opened.offer.amount_fen > FEN_MAX:
        raise OfferInvalid(reason="AMOUNT")
    return opened.offer
