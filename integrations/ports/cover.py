"""What the core asks of a commercial insurer that settles at once.

No public national message exists (insurance dossier 7): the port follows its four steps. A claim
has one number of ours. Only a confirmation makes it owed, and it names the settlement of the basic
insurance; before there is only an offer, which binds nobody and may be asked for again.
"""

from datetime import date, datetime
from typing import Protocol

import msgspec

from integrations.ports.insurance import ChargeLine, Split, Visit
from integrations.ports.outcomes import Outcome


class CoverClaim(msgspec.Struct, frozen=True, kw_only=True):
    """What the insured person has to pay after the basic insurance, and what for."""

    claim_no: str
    """Ours; one number is one claim, whatever is repeated."""
    authorisation: str
    """What the insured person gave: that this hospital may claim for him."""
    id_no: str
    visit: Visit
    lines: list[ChargeLine]
    split: Split

    def __repr__(self) -> str:
        return f"CoverClaim({self.claim_no!r})"


class CoverOffer(msgspec.Struct, frozen=True, kw_only=True):
    """What the insurer would bear by this division; at most ``split.cash_fen``."""

    cover_fen: int


class CoverGrant(msgspec.Struct, frozen=True, kw_only=True):
    """What the insurer owes. ``claim_ref`` is its own number."""

    claim_no: str
    cover_fen: int
    claim_ref: str
    granted_at: datetime


class CoverWithdrawn(msgspec.Struct, frozen=True, kw_only=True):
    """What the insurer owes no more; ``cover_fen`` is 0 where nothing stood."""

    claim_no: str
    cover_fen: int
    withdrawn_at: datetime


class CoverDayLine(msgspec.Struct, frozen=True, kw_only=True):
    """One claim that was granted, or one that was withdrawn, on a day."""

    claim_no: str
    withdrawn: bool
    cover_fen: int


class CoverGateway(Protocol):
    """One institution's line to one insurer."""

    code: str

    async def adjudicate(self, claim: CoverClaim) -> Outcome[CoverOffer]:
        """What it would bear. Changes nothing there."""

    async def confirm(
        self, claim_no: str, settlement_ref: str, split: Split, at_most_fen: int
    ) -> Outcome[CoverGrant]:
        """The basic insurance settled. The same number again is the same grant; never more than
        ``at_most_fen``. Rejected: nothing is owed, and never will be under this number."""

    async def find(self, claim_no: str) -> Outcome[CoverGrant | None]:
        """The grant that stands under the number; None where there is none now."""

    async def withdraw(self, claim_no: str) -> Outcome[CoverWithdrawn]:
        """Nothing is owed any more, and never will be under this number, known there or not."""

    async def list_day(self, day: date) -> Outcome[list[CoverDayLine]]:
        """What was granted and what was withdrawn on a day in China."""
