"""A context over a test database, and an HTTP client in front of the whole application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from crypto.keyring import KeyRing
from crypto.signer import SM2Signer
from integrations.ports.events_out import Courier
from integrations.ports.partners import Partners, PartnerUnknown
from service.kernel.clock import Clock
from service.kernel.context import Context, Policy, make_context
from service.kernel.database import open_pool
from service.kernel.live_ring import LiveRing
from tests.support.clock import FakeClock


class NoPartners:
    """Partners of a test that calls none."""

    def insurance(self, institution_code: str) -> object:
        raise PartnerUnknown(institution_code)

    def insurers(self, _institution_code: str) -> list[str]:
        return []

    def cover(self, institution_code: str, insurer: str) -> object:
        raise PartnerUnknown(f"{institution_code} {insurer}")

    def invoice(self, institution_code: str) -> object:
        raise PartnerUnknown(institution_code)

    def payment(self, provider: str, account_name: str) -> object:
        raise PartnerUnknown(provider)

    def login(self, provider: str) -> object:
        raise PartnerUnknown(provider)

    def real_name(self) -> object:
        raise PartnerUnknown("real-name")


@asynccontextmanager
async def a_context(
    dsn: str,
    *,
    clock: Clock | None = None,
    partners: Partners | None = None,
    policy: Policy | None = None,
    ring: KeyRing | LiveRing | None = None,
    signer: SM2Signer | None = None,
    courier: Courier | None = None,
) -> AsyncIterator[Context]:
    """A context with a fake clock, a fresh ring and whatever the test brings."""
    clock = clock or FakeClock()
    pool = await open_pool(dsn, size=8, application="test")
    try:
        yield make_context(
            pool=pool,
            clock=clock,
            ring=ring or KeyRing.generate_for_development(clock.now()),
            partners=partners or NoPartners(),  # type: ignore[arg-type]
            policy=policy or Policy(),
            signer=signer,
            courier=courier,
        )
    finally:
        await pool.close()


@asynccontextmanager
async def a_client(app: object) -> AsyncIterator[httpx.AsyncClient]:
    """An HTTP client whose host is ``yimatong.test``."""
    transport = httpx.ASGITransport(app=app)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://yimatong.test") as client:
        yield client
