"""Opens what a process needs and closes it in reverse order. The one place where parts meet."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import httpx

from crypto.errors import BadKey
from crypto.keyring import KeyRing
from crypto.selftest import SelfTestReport, run_self_test
from crypto.signer import name_of, public_key_of
from crypto.sm2_backend import install_backend, select_backend
from integrations import registry
from integrations.ports.events_out import Reach
from service.kernel.clock import SystemClock
from service.kernel.context import Context, Policy, make_context
from service.kernel.database import UNAVAILABLE, BareConnection, open_pool
from service.kernel.live_ring import KeystoreFile, LiveRing, RingReport, ServingKeystore
from service.kernel.logs import get_logger
from service.kernel.outside_roots import OutsideRoots
from service.kernel.pool import Pool
from service.kernel.problems import NotSetUp
from service.settings import Mode, Settings
from service.signer.client import SocketSigner
from service.web.routes import PageSettings

_log = get_logger("wiring")

PARTNER_TIMEOUT_S = 8.0
"""Shorter than the lease that covers the call."""


class CipherBroken(NotSetUp):
    """A known answer came out wrong: nothing may be signed or sealed on this host."""


class DatabaseAddressMissing(NotSetUp):
    """No server is named and no embedded one runs."""


class DatabaseNotReady(NotSetUp):
    """The named server does not let us in, or our tables are not in it."""


class PartnersUnreadable(NotSetUp):
    """The partners' file is missing or wrong."""


def load_ring(settings: Settings) -> KeyRing:
    """The key ring of this installation as it is now. Raises ``KeystoreUnreadable``."""
    return serving_keystore_of(settings).load()


def keystore_of(settings: Settings) -> KeystoreFile:
    """The whole keystore, for those who answer for the keys and for the signer."""
    return KeystoreFile(settings.keystore, settings.master_key_file)


def serving_keystore_of(settings: Settings) -> KeystoreFile:
    """What serving processes read: where a signer is, never the whole keystore."""
    if settings.signer_socket is None:
        return keystore_of(settings)
    return ServingKeystore(
        settings.serving_keystore, settings.serving_master_key_file, settings.signer_kinds
    )


@asynccontextmanager
async def following(ctx: Context) -> AsyncIterator[None]:
    """Follow the keystore file while the body runs, and tell metrics and logs of it."""
    stop = asyncio.Event()
    report = RingReport(ctx.metrics, ctx.clock)
    watching = asyncio.create_task(ctx.ring.follow(stop, report))
    try:
        yield
    finally:
        stop.set()
        await watching


def install_ciphers(settings: Settings) -> SelfTestReport:
    """Choose the SM2 backend, test it against known answers, make it this process's.

    Raises ``CipherBroken`` or ``crypto.errors.BackendUnavailable``.
    """
    backend = select_backend(
        settings.sm2_backend,
        allow_software_signing=settings.allow_software_signing,
        warn=lambda text: _log.warning("cipher.warned", text=text),
    )
    report = run_self_test(backend)
    if not report.passed:
        failed = [name for name, passed in report.checks if not passed]
        raise CipherBroken(f"self-test of {report.backend} failed: {', '.join(failed)}")
    install_backend(backend)
    return report


def policy_of(settings: Settings) -> Policy:
    """The business times and bounds."""
    return Policy(
        pay_within=settings.pay_within,
        post_within=settings.post_within,
        hand_out_within=settings.hand_out_within,
        poll_every=settings.poll_every,
        code_within=settings.code_within,
        code_ask_every=settings.code_ask_every,
        address_header=settings.address_header,
        lease=settings.lease,
        retry_after=settings.retry_after,
        ask_within=settings.ask_within,
        code_life_s=settings.code_life_s,
        trust_list=settings.trust_list,
        trust_roots=settings.trust_roots,
        credential_life_min=settings.credential_life_min,
        registrations_expected=settings.registrations_expected,
        test_provinces=frozenset({"99"} if settings.mode is Mode.SANDBOX else ()),
        notice_url_base=settings.public_url,
        cashier_url=_cashier_url(settings, "{provider}"),
        certificate_life=settings.certificate_life,
        certificates_required=settings.require_certificates,
    )


def reach_of(settings: Settings) -> Reach:
    """Where events to hospitals may go: the sandbox's twins answer on this machine without TLS."""
    return Reach(networks=settings.notice_networks, plain_http=settings.mode is Mode.SANDBOX)


def _cashier_url(settings: Settings, provider: str) -> str | None:
    """A payment twin's page for payers, in the sandbox."""
    return f"{settings.twin_url}/{provider}/sandbox/cashier" if settings.twin_url else None


def pages_of(settings: Settings) -> PageSettings:
    """What the pages may know of this system."""
    twin = settings.twin_url
    return PageSettings(
        sandbox=twin is not None,
        login_twin_url=f"{twin}/wechat-login" if twin else None,
        cashier_url=_cashier_url(settings, "wechatpay"),
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
            "no database", "start `yimatong run`, or set YIMATONG_DATABASE_URL"
        ) from None


async def connect(settings: Settings) -> BareConnection:
    """One connection to the server. Raises ``NotSetUp``."""
    url = database_url(settings)
    try:
        return await asyncpg.connect(url)
    except (*UNAVAILABLE, asyncpg.PostgresError) as fault:
        raise _no_database(fault) from None


@asynccontextmanager
async def _pool(settings: Settings, size: int, role: str) -> AsyncIterator[Pool]:
    url = database_url(settings)
    try:
        pool = await open_pool(url, size=size, application=role)
    except (*UNAVAILABLE, asyncpg.PostgresError) as fault:
        raise _no_database(fault) from None
    try:
        yield pool
    except asyncpg.UndefinedTableError:
        raise DatabaseNotReady("the database lacks our tables", "`yimatong migrate`") from None
    finally:
        await pool.close()


def _no_database(fault: Exception) -> DatabaseNotReady:
    """Never with the address, which may hold a password."""
    return DatabaseNotReady(
        f"the database does not let us in ({type(fault).__name__})",
        "see that it runs and what YIMATONG_DATABASE_URL names",
    )


@asynccontextmanager
async def open_context(settings: Settings, role: str) -> AsyncIterator[Context]:
    """Everything of one process, from settings. Raises ``NotSetUp``."""
    ring = LiveRing.following(serving_keystore_of(settings))
    clock = SystemClock()
    limits = httpx.Limits(max_connections=100, max_keepalive_connections=50)
    async with httpx.AsyncClient(
        timeout=PARTNER_TIMEOUT_S, limits=limits, trust_env=False, follow_redirects=False
    ) as client:
        partners = registry.open_partners(
            read_partners(settings.partners_file), client, PARTNER_TIMEOUT_S, clock.now
        )
        async with (
            _pool(settings, settings.pool_size, role) as pool,
            _signer(settings) as signer,
            registry.open_courier(reach_of(settings)) as courier,
        ):
            ctx = make_context(
                pool=pool,
                clock=clock,
                ring=ring,
                partners=partners,
                policy=policy_of(settings),
                signer=signer,
                outside_roots=OutsideRoots(settings.certificate_roots),
                courier=courier,
            )
            async with following(ctx):
                yield ctx


@asynccontextmanager
async def _signer(settings: Settings) -> AsyncIterator[SocketSigner | None]:
    """The signer process, where there is one. It may be down now and come later."""
    if settings.signer_socket is None:
        yield None
        return
    signer = SocketSigner(settings.signer_socket)
    try:
        yield signer
    finally:
        await signer.close()


async def check_signer(settings: Settings) -> None:
    """Ask the signer, where there is one, for the keys that the serving keystore leaves to it.

    Raises ``SignerError``, ``KeystoreUnreadable``, and ``BadKey`` when it has another key.
    """
    async with _signer(settings) as signer:
        if signer is None:
            return
        ring, now = load_ring(settings), SystemClock().now()
        for kind in sorted(settings.signer_kinds):
            key = ring.current(kind, now)
            if await signer.public_key(name_of(key)) != public_key_of(key):
                raise BadKey(f"its {name_of(key)} is not the serving keystore's")


@asynccontextmanager
async def open_without_partners(settings: Settings, role: str) -> AsyncIterator[Context]:
    """Ring and database alone, for a command that asks no partner and ends soon.

    Raises ``NotSetUp``.
    """
    ring, clock = LiveRing.following(serving_keystore_of(settings)), SystemClock()
    nobody = registry.OpenPartners(
        insurance={},
        mobile_insurance={},
        invoices={},
        covers={},
        payments={},
        logins={},
        real_name=None,
    )
    async with _pool(settings, 2, role) as pool:
        yield make_context(
            pool=pool, clock=clock, ring=ring, partners=nobody, policy=policy_of(settings)
        )


def read_partners(path: Path) -> registry.PartnerSettings:
    """The partners' file. Raises ``PartnersUnreadable`` with the place of the fault."""
    try:
        return registry.read_partners(path)
    except (registry.PartnersFault, OSError) as fault:
        raise PartnersUnreadable(f"the partners' file: {fault}") from None
