"""Tills of the pages' stand-in: certificates for kiosks' keys, and codes that phones bound.

Real keys and signatures; ``fails`` lets the platform refuse a
key, ``untrusted`` holds keys that it took back.
"""

from datetime import timedelta
from typing import Any

from litestar import Request, post
from litestar.params import JSONBody

from crypto.healthcode.layout import BoundCode, Purpose
from crypto.healthcode.offer import Till, make_till_certificate, open_offer
from crypto.healthcode.refusal import OfferRefusal, OfferRefused, Refusal
from crypto.healthcode.verify import CodeVerifier, Reader
from crypto.sm2 import PublicKey
from service.healthcode import problems
from service.kernel.problems import Problem
from tests.support.page_phones import VOUCHER_ID, PhoneDesk
from tests.support.page_world import CodeMalformed, Json, PurposeMismatch, Shown, wire_time

_REFUSED: dict[Refusal, type[Problem]] = {
    Refusal.CONTEXT_MISMATCH: problems.CodeContextMismatch,
    Refusal.EXPIRED: problems.CodeExpired,
    Refusal.STEP_OLD: problems.CodeStepOld,
}

_NOT_OPEN = (OfferRefusal.OFFER_EXPIRED, OfferRefusal.OFFER_NOT_YET_VALID)


class TillDesk:
    """What the stand-in does with tills. ``asked`` holds the keys it was asked to certify."""

    def __init__(self, desk: PhoneDesk) -> None:
        self.desk = desk
        self.asked: list[bytes] = []
        self.fails = False
        self.untrusted: set[bytes] = set()
        self.life = timedelta(days=30)

    def certify(self, public_key: bytes) -> Json:
        """A certificate under the hospital's name."""
        self.asked.append(public_key)
        if self.fails:
            raise problems.TillKeyInvalid
        now = self.desk.clock.now()
        till = Till(
            institution=self.desk.till.institution,
            terminal=(1).to_bytes(8),
            public=PublicKey.from_bytes(public_key, allow_compressed=True),
            name="青禾市第一人民医院",
        )
        certificate = make_till_certificate(
            till,
            key_id=VOUCHER_ID,
            signer=self.desk.voucher,
            issued_at=now,
            valid_until=now + self.life,
        )
        return {"certificate": certificate.hex(), "valid_until": wire_time(now + self.life)}

    def read(self, text: str, purpose: str, offer_text: str | None) -> Shown:
        """Whose bound code it is, and what it approves."""
        now, trust, offer = self.desk.clock.now(), self.desk.trust_list(), None
        if offer_text is not None:
            if self.asked[-1] in self.untrusted:
                raise problems.TillNotTrusted
            try:
                offer = open_offer(offer_text, trust, now).offer
            except OfferRefused as refused:
                if refused.refusal in _NOT_OPEN:
                    raise problems.OfferNotOpen from None
                raise problems.OfferInvalid(reason=refused.refusal.value) from None
        reader = Reader(
            wanted=Purpose[purpose.upper()],
            context=offer.context() if offer else None,
            context_required=offer is not None,
        )
        verdict = CodeVerifier(trust).verify(text, reader, now)
        if verdict.refusal is Refusal.PURPOSE_MISMATCH:
            raise PurposeMismatch(wanted=purpose)
        if verdict.refusal is not None or not isinstance(verdict.code, BoundCode):
            raise _REFUSED.get(verdict.refusal or Refusal.CODE_MALFORMED, CodeMalformed)
        return Shown(
            subject=self.desk.holders[verdict.code.holder_key],
            shown="BOUND",
            bill_id=offer.bill_id if offer else None,
            amount_fen=offer.amount_fen if offer else None,
        )


def till_handlers(tills: TillDesk) -> list[Any]:
    """``/v1/terminal/till-certificate``."""

    @post("/v1/terminal/till-certificate", status_code=200, sync_to_thread=False)
    def certify(request: Request[Any, Any, Any], data: JSONBody[dict[str, Any]]) -> Json:
        return tills.certify(bytes.fromhex(data["public_key"]))

    return [certify]
