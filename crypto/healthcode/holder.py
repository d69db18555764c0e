"""The reference holder: what a phone does with its key and credential, with no network.

Enrols by proof of possession, keeps the server's clock, and shows each (step, seq) once. Keeps
nothing itself: the key, the credential, the clock offset and the last rise are its owner's to
store. ``clients/holder`` does the same in JavaScript, over the same vectors.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from crypto.errors import CryptoError
from crypto.healthcode.context import Offer
from crypto.healthcode.issue import IssuedCode, Moment, show_bound
from crypto.healthcode.layout import (
    LIFE_UNIT_S,
    NO_CONTEXT,
    STEP_S,
    BoundCode,
    Kind,
    Purpose,
    enrol_message,
    holder_message,
    parse,
)
from crypto.healthcode.trust import CLOCK_TOLERANCE
from crypto.hedged import HedgedSigner
from crypto.signing import Signer
from crypto.sm2 import PrivateKey

SEQ_MAX = 255
ROUND_TRIP_MAX_S = 20.0
"""Half of it may be the error of the clock; readers bear 25 s."""
AHEAD_MAX_S = 30
_NO_MOMENT = bytes(70)


class Reason(StrEnum):
    """Why a holder shows nothing."""

    EXPIRED = "EXPIRED"
    NOT_YET_VALID = "NOT_YET_VALID"
    CLOCK_BEHIND = "CLOCK_BEHIND"
    CLOCK_UNSURE = "CLOCK_UNSURE"
    SEQ_SPENT = "SEQ_SPENT"
    NOT_MINE = "NOT_MINE"
    OTHER_PURPOSE = "OTHER_PURPOSE"
    OFFER_EXPIRED = "OFFER_EXPIRED"


class HolderRefused(CryptoError):
    """The holder does not sign; ``reason`` says why."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Showing:
    """A code to draw, and the rise (step * 256 + seq) that must be stored with it."""

    issued: IssuedCode
    last_rise: int


def clock_offset_s(sent: datetime, received: datetime, server_time: datetime) -> float:
    """Server minus local time in seconds, taken at the middle of the round trip.

    ``HolderRefused`` for a round trip that took too long to tell the time by, or none at all.
    """
    trip = received - sent
    if not 0 <= trip.total_seconds() <= ROUND_TRIP_MAX_S:
        raise HolderRefused(Reason.CLOCK_UNSURE, "the round trip does not tell the time")
    return (server_time - (sent + trip / 2)).total_seconds()


def enrol_proof(
    key: PrivateKey,
    challenge: bytes,
    account: bytes,
    *,
    signer_of: Callable[[PrivateKey], Signer] = HedgedSigner,
) -> bytes:
    """64 bytes r || s that prove possession of a new key: challenge 32, account 16 bytes."""
    message = enrol_message(challenge, account, key.public.compressed())
    return signer_of(key).sign(message)


class Holder:
    """One phone's key with its credential. Shows strictly rising (step, seq), or refuses.

    ``clock_offset_s`` is server minus local time, None while no round trip has told it;
    ``last_rise`` the stored rise, 0 for a new key.
    """

    def __init__(
        self,
        key: PrivateKey,
        credential: bytes,
        clock_offset_s: float | None = 0.0,
        last_rise: int = 0,
        *,
        signer_of: Callable[[PrivateKey], Signer] = HedgedSigner,
    ) -> None:
        code = parse(credential + _NO_MOMENT)
        if not isinstance(code, BoundCode) or code.holder_key != key.public.compressed():
            raise HolderRefused(Reason.NOT_MINE, "the credential is not for this key")
        self._signer = signer_of(key)
        self._public = key.public
        self._credential = credential
        self._head = code.head
        self._clock_offset_s = clock_offset_s
        self.last_rise = last_rise

    @property
    def expires(self) -> int:
        """The second of the server's clock at which the credential's life is over."""
        return self._head.expires

    def wants_renewal(self, now: datetime) -> bool:
        """True once half the credential's life is over. ``now`` is local time."""
        half = self._head.life * LIFE_UNIT_S[Kind.BOUND] // 2
        return int(self._server_time(now).timestamp()) >= self._head.issued + half

    def show(
        self,
        now: datetime,
        purpose: Purpose = Purpose.IDENTIFY,
        offer: Offer | None = None,
        *,
        offer_expires_at: datetime | None = None,
    ) -> Showing:
        """A code for this moment, verified before it is given out. ``now`` is local time.

        With an ``offer`` the code is bound to it, and the purpose must be the offer's. Hand in
        ``SignedOffer.expires_at`` with it: the offer may have ended while the person read it.
        Raises ``HolderRefused``. A signature that failed leaves its (step, seq) spent.
        """
        at = self._server_time(now)
        if offer is not None and offer.purpose != purpose:
            raise HolderRefused(Reason.OTHER_PURPOSE, "the offer is for another purpose")
        if offer_expires_at is not None and at >= offer_expires_at + CLOCK_TOLERANCE:
            raise HolderRefused(Reason.OFFER_EXPIRED, "the offer is over")
        rise = self._next_rise(int(at.timestamp()))
        self.last_rise = rise
        context = None if offer is None else offer.context()
        moment = Moment(at=at, seq=rise & SEQ_MAX, purpose=purpose, context=context)
        issued = show_bound(self._credential, self._signer, moment)
        self._check_own(issued, context or NO_CONTEXT)
        return Showing(issued=issued, last_rise=rise)

    def _server_time(self, now: datetime) -> datetime:
        if self._clock_offset_s is None:
            raise HolderRefused(Reason.CLOCK_UNSURE, "no round trip told the server's time")
        return now + timedelta(seconds=self._clock_offset_s)

    def _next_rise(self, second: int) -> int:
        """The least rise of this step above the last one."""
        if second >= self._head.expires:
            raise HolderRefused(Reason.EXPIRED, "the credential has expired")
        if second < self._head.issued - AHEAD_MAX_S:
            raise HolderRefused(Reason.NOT_YET_VALID, "the credential is of a later time")
        step = second // STEP_S
        rise = max(step << 8, self.last_rise + 1)
        if rise >> 8 == step:
            return rise
        if self.last_rise >> 8 == step:
            raise HolderRefused(Reason.SEQ_SPENT, "all showings of this step are spent")
        raise HolderRefused(Reason.CLOCK_BEHIND, "the clock is behind the last showing")

    def _check_own(self, issued: IssuedCode, context: bytes) -> None:
        """A fault while signing shows here and not as a leaked key."""
        code = issued.code
        if not isinstance(code, BoundCode) or not self._public.verify(
            holder_message(code, context), code.holder_signature
        ):
            raise CryptoError("the holder's signature did not verify: not released")
