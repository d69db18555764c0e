"""How far a settlement got with a commercial insurer. Part of its sealed progress."""

import msgspec
from msgspec.structs import replace


class Cover(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One round's claim. An offer binds nobody; a grant is owed until it is withdrawn."""

    insurer: str
    authorisation: str
    claim_no: str
    """Ours; one number is one claim, whatever is repeated."""
    tries: int = 0
    """How often an offer was asked for in vain."""
    offered_fen: int | None = None
    """None until the insurer answered."""
    declined: str | None = None
    """A fixed word: why it bears nothing."""
    text: str | None = None
    """The insurer's own words for that."""
    in_doubt: bool = False
    """The answer to a confirmation was lost."""
    may_arrive: bool = False
    """A confirmation whose answer was lost is not known to have arrived: it may do so yet."""
    granted_fen: int | None = None
    """None until the insurer answered with the bureau's settlement in hand."""
    claim_ref: str | None = None
    """The insurer's number of what it granted; None where nothing stands there for certain."""

    @property
    def is_unasked(self) -> bool:
        """Whether the insurer has still to be asked what it would bear."""
        return self.offered_fen is None and self.declined is None

    @property
    def is_unconfirmed(self) -> bool:
        """Whether it was offered and the insurer's last word on it is not heard."""
        return bool(self.offered_fen) and self.granted_fen is None

    @property
    def is_refused_late(self) -> bool:
        """Whether a repeat was refused while the first confirmation may arrive yet: the claim is
        ended first, for good, and only then it is sure that nothing is owed."""
        return self.is_unconfirmed and self.may_arrive and self.declined is not None

    @property
    def may_stand(self) -> bool:
        """Whether something stands at the insurer, or may."""
        return self.in_doubt or self.may_arrive or self.claim_ref is not None

    def of(self, own_fen: int) -> int:
        """What it bears of an own part, as far as is known: what is granted, else the offer."""
        return (
            self.granted_fen
            if self.granted_fen is not None
            else min(self.offered_fen or 0, own_fen)
        )

    def anew(self, round_no: int) -> "Cover":
        """The claim of the next round, under a number of its own."""
        stem = self.claim_no.partition("-")[0]
        return Cover(
            insurer=self.insurer,
            authorisation=self.authorisation,
            claim_no=f"{stem}-{round_no}",
        )


def declined(cover: Cover, why: str, text: str | None) -> Cover:
    """The insurer bears nothing of it."""
    return replace(cover, declined=why, text=text)
