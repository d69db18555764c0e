"""What every action is given: the outside world of this process, in one frozen bundle."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec

from crypto import publicid
from crypto.errors import BadEncoding
from crypto.keyring import KeyRing
from crypto.signer import DividedSigner, RingSigner, SM2Signer
from integrations.ports.events_out import Courier, NoCourier
from integrations.ports.partners import Partners
from service.kernel.clock import Clock
from service.kernel.ids import IdSource, RandomIds
from service.kernel.live_ring import LiveRing
from service.kernel.metrics import Metrics
from service.kernel.outside_roots import OutsideRoots
from service.kernel.pool import Pool
from service.kernel.problems import NotFound
from service.kernel.proved_texts import ProvedTexts
from service.kernel.sealing import Sealer
from service.kernel.short_memory import ShortMemory


class PublicIds:
    """Ids as callers see them: opaque, and carrying the shard they route to."""

    def __init__(self, ring: LiveRing, clock: Clock) -> None:
        self._ids = publicid.PublicIds(ring, "row")
        self._clock = clock

    def text(self, shard_id: int, local_id: int) -> str:
        """The public id of a row: 27 letters and digits."""
        return self._ids.encode(shard_id.to_bytes(8), local_id.to_bytes(8), self._clock.now())

    def parse(self, text: str) -> tuple[int, int]:
        """(shard id, local id). Raises ``NotFound``: a malformed id is nobody's id."""
        try:
            shard_id, local_id = self._ids.decode(text, self._clock.now())
        except BadEncoding:
            raise NotFound from None
        shard, local = int.from_bytes(shard_id), int.from_bytes(local_id)
        if shard >> 63 or local >> 63:
            raise NotFound
        return shard, local


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """Times and bounds of the business, from settings."""

    pay_within: timedelta = timedelta(minutes=15)
    """From the split to the payment; after it the settlement is undone."""
    post_within: timedelta = timedelta(minutes=10)
    """From settled to the hospital's acknowledgement; after it a work item is opened."""
    hand_out_within: timedelta = timedelta(days=1)
    """From the promise of a refund to a cashier's giving it; after it a work item is opened."""
    retry_after: timedelta = timedelta(seconds=5)
    """Before an unsent or unknown call is taken up again; doubled each time, at most 10 minutes."""
    tries_max: int = 12
    """After so many tries without progress a person must look."""
    ask_within: timedelta = timedelta(seconds=10)
    """A hospital's own machine must answer an insurance call so soon, and take it in half of it."""
    poll_every: timedelta = timedelta(seconds=30)
    """Between two questions to a provider about one order."""
    code_ask_every: timedelta = timedelta(seconds=5)
    """Between two questions about a payment by a shown code (payments dossier 2.5, 5.4)."""
    code_within: timedelta = timedelta(seconds=45)
    """From taking a shown code to its reversal: both providers' pages agree on that much."""
    code_reverse_after: timedelta = timedelta(seconds=15)
    """No reversal sooner after the taking: WeChat refuses it."""
    address_header: str | None = None
    """The header in which the proxy in front names a browser's address; None: no proxy."""
    lease: timedelta = timedelta(seconds=30)
    code_life_s: int = 60
    credential_life_min: int = 2880
    """Of a phone's credential, which is renewed when older than half."""
    test_provinces: frozenset[str] = frozenset()
    """First pairs of ID numbers accepted beside the real provinces; ``99`` in the sandbox."""
    registrations_expected: int = 1_000_000
    """Of the province, in all: by how many people an agreement of two is weighed."""
    session_life: timedelta = timedelta(hours=12)
    notice_url_base: str = ""
    """Where providers reach us: scheme and host, no path."""
    trust_list: Path | None = None
    """The trust file that readers fetch; None where none is served."""
    trust_roots: Path | None = None
    """The roots that must have signed it."""
    cashier_url: str | None = None
    """The twins' cashier page, ``{provider}`` in its place; None outside the sandbox."""
    certificate_life: timedelta = timedelta(days=365)
    """Of the certificates that our own authority issues."""
    certificates_required: bool = False
    """Whether hospitals' applications that have only a bare key are turned away."""


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """Passed first to every action."""

    pool: Pool
    clock: Clock
    ids: IdSource
    ring: LiveRing
    signer: SM2Signer
    """Signs where the ring has public halves alone; asked through ``kernel.signing``."""
    sealer: Sealer
    public_ids: PublicIds
    memory: ShortMemory
    proved_tokens: ProvedTexts[Any]
    """Residents' tokens; what they say is ``account``'s to know."""
    metrics: Metrics
    partners: Partners
    policy: Policy
    outside_roots: OutsideRoots
    courier: Courier
    """Carries events to hospitals."""


def make_context(
    *,
    pool: Pool,
    clock: Clock,
    ring: KeyRing | LiveRing,
    partners: Partners,
    policy: Policy,
    signer: SM2Signer | None = None,
    outside_roots: OutsideRoots | None = None,
    courier: Courier | None = None,
) -> Context:
    """Bundle the outside world; tests pass their own clock, ring and partners.

    ``signer`` signs with the keys of which the ring has only public halves.
    """
    live = LiveRing(ring) if isinstance(ring, KeyRing) else ring
    here = RingSigner(live, clock.now)
    return Context(
        pool=pool,
        clock=clock,
        ids=RandomIds(),
        ring=live,
        signer=here if signer is None else DividedSigner(live, clock.now, here, signer),
        sealer=Sealer(live, clock),
        public_ids=PublicIds(live, clock),
        memory=ShortMemory(clock),
        proved_tokens=ProvedTexts(),
        metrics=Metrics(),
        partners=partners,
        policy=policy,
        outside_roots=outside_roots or OutsideRoots(),
        courier=courier or NoCourier(),
    )
