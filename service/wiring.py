"""Opens what a process needs and closes it in reverse order. The one place where parts meet."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from crypto import keystore
from crypto.keyring import KeyRing
from integrations import registry
from integrations.ports.partners import Partners
from service.kernel.clock import Clock, SystemClock
from service.kernel.context import Context, Policy, PublicIds
from service.kernel.database import Pool, open_pool
from service.kernel.ids import RandomIds
from service.kernel.metrics import Metrics
from service.kernel.sealing import Sealer
from service.settings import Settings

PARTNER_TIMEOUT_S = 8.0
"""Shorter than the lease that covers the call."""


class DatabaseAddressMissing(Exception):
    """No server is named and no embedded one runs."""


def load_ring(settings: Settings) -> KeyRing:
    """The key ring of this installation. Raises ``OSError`` or ``crypto.errors.CryptoError``."""
    master = bytes.fromhex(settings.master_key_file.read_text("ascii").strip())
    return keystore.load(settings.keystore, master)


def policy_of(settings: Settings) -> Policy:
    """The business times and bounds."""
    return Policy(
        pay_within=settings.pay_within,
        post_within=settings.post_within,
        poll_every=settings.poll_every,
        lease=settings.lease,
        retry_after=settings.retry_after,
        code_life_s=settings.code_life_s,
        notice_url_base=settings.public_url,
        cashier_url=f"{settings.twin_url}/wechatpay/sandbox/cashier" if settings.twin_url else None,
    )


def database_url(settings: Settings) -> str:
    """The server to use: the named one, or the embedded one that ``yimatong run`` keeps."""
    if settings.database_url is not None:
        return settings.database_url
    noted = settings.state_dir / "database-url"
    try:
        return noted.read_text("utf-8").strip()
    except FileNotFoundError:
        raise DatabaseAddressMissing(
            "no database: start `yimatong run`, or set YIMATONG_DATABASE_URL"
        ) from None


def make_context(
    *, pool: Pool, clock: Clock, ring: KeyRing, partners: Partners, policy: Policy
) -> Context:
    """Bundle the outside world; tests pass their own clock, ring and partners."""
    return Context(
        pool=pool,
        clock=clock,
        ids=RandomIds(),
        ring=ring,
        sealer=Sealer(ring, clock),
        public_ids=PublicIds(ring, clock),
        metrics=Metrics(),
        partners=partners,
        policy=policy,
    )


@asynccontextmanager
async def open_context(settings: Settings, role: str) -> AsyncIterator[Context]:
    """Everything of one process, from settings."""
    ring = load_ring(settings)
    clock = SystemClock()
    limits = httpx.Limits(max_connections=100, max_keepalive_connections=50)
    async with httpx.AsyncClient(
        timeout=PARTNER_TIMEOUT_S, limits=limits, trust_env=False, follow_redirects=False
    ) as client:
        partners = registry.open_partners(
            read_partners(settings.partners_file), client, PARTNER_TIMEOUT_S, clock.now
        )
        pool = await open_pool(database_url(settings), size=settings.pool_size, application=role)
        try:
            yield make_context(
                pool=pool, clock=clock, ring=ring, partners=partners, policy=policy_of(settings)
            )
        finally:
            await pool.close()


def read_partners(path: Path) -> registry.PartnerSettings:
    """The partners' file. Raises ``registry.PartnersFault`` with the place of the fault."""
    return registry.read_partners(path)
