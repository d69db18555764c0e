"""A ring that several contexts follow and a test rotates, and the worker that re-keys, by hand."""

from datetime import datetime, timedelta

from crypto.keyring import KeyKind, KeyRing
from service import features
from service.kernel.claims import run_once
from service.kernel.context import Context
from service.kernel.live_ring import LiveRing
from service.rekeying import jobs
from service.rekeying.actions import KINDS

LIFE = timedelta(days=3650)
OVERLAP = timedelta(minutes=10)


class RingInHand:
    """What a keystore file is elsewhere."""

    def __init__(self, ring: KeyRing) -> None:
        self.ring = ring

    def mark(self) -> object:
        return id(self.ring)

    def load(self) -> KeyRing:
        return self.ring

    def live(self) -> LiveRing:
        """A ring of one more process."""
        return LiveRing.following(self)

    def rotate(self, from_at: datetime, *kinds: KeyKind) -> None:
        """A new version of each kind, usable from then on; the old one for an overlap more."""
        for kind in kinds or KINDS:
            self.ring = self.ring.rotated(kind, from_at, life=LIFE, overlap=OVERLAP)

    def destroy(self, version: int, *kinds: KeyKind) -> None:
        """As if it had never been."""
        for kind in kinds or KINDS:
            self.ring = self.ring.without(kind, version)


async def rekey(ctx: Context, turns: int = 1000) -> int:
    """The worker's loop until nothing is due, at most so many turns; gives how many it did."""
    source = jobs.source(ctx, features.KEYED_ROWS, pause_s=0)
    for done in range(turns):
        if not await run_once(source, ctx.clock, ctx.metrics):
            return done
    return turns
