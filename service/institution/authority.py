"""Our own small certificate authority: a root for each version of its key, and its lists.

The root certificate's content follows from the key alone; it is signed once and kept. A list is
signed when somebody asks and the last one is older than five minutes or something was revoked. It
is signed only over rows that hold: when one does not, the last good list stays, with an alarm.
"""

import asyncio
from datetime import datetime, timedelta

import msgspec
from cryptography.x509 import Name
from cryptography.x509.oid import NameOID

from crypto.certificates import (
    Certificate,
    CertificateRefused,
    Crl,
    CrlOrder,
    Order,
    Profile,
    Reason,
    Revoked,
    issue,
    issue_crl,
    issue_root,
    make_name,
    new_serial,
    read_certificate,
    read_crl,
)
from crypto.errors import BadKey
from crypto.keyring import Key, KeyKind
from crypto.signer import public_key_of
from crypto.sm2 import PublicKey
from crypto.sm3 import sm3
from service.institution import store_certificates
from service.institution.model import AuthorityRow, CertificateState, HeldCertificate
from service.kernel.context import Context
from service.kernel.database import connection
from service.kernel.logs import get_logger
from service.kernel.problems import InvariantBroken, NotFound, Overloaded, RowTampered
from service.kernel.signing import sign_with

CRL_FRESH = timedelta(minutes=5)
CRL_LIFE = timedelta(days=7)
BACKDATED = timedelta(minutes=5)
"""For holders whose clock is a little behind."""
LIST_TRIES = 5
AUTHORITY_NAME = "Yimatong Certificate Authority"

_log = get_logger("certificates")


class Authority(msgspec.Struct, frozen=True):
    """One version of our authority's key, with its certificate."""

    version: int
    root: Certificate
    key: Key


async def current(ctx: Context) -> Authority:
    """The authority that issues now. Raises ``BadKey`` when the ring has none."""
    return await _opened(ctx, ctx.ring.current(KeyKind.CERTIFICATE_AUTHORITY, ctx.clock.now()))


async def of_version(ctx: Context, version: int) -> Authority:
    """An authority whose certificates still count. Raises ``NotFound``."""
    try:
        key = ctx.ring.accepted(KeyKind.CERTIFICATE_AUTHORITY, version, ctx.clock.now())
    except BadKey:
        raise NotFound from None
    return await _opened(ctx, key)


async def roots(ctx: Context) -> list[Certificate]:
    """Our roots that count, newest first."""
    keys = ctx.ring.all_accepted(KeyKind.CERTIFICATE_AUTHORITY, ctx.clock.now())
    return [(await _opened(ctx, key)).root for key in keys]


def counts(ctx: Context, version: int, now: datetime) -> bool:
    """Whether certificates under that version of our key still count."""
    try:
        ctx.ring.accepted(KeyKind.CERTIFICATE_AUTHORITY, version, now)
    except BadKey:
        return False
    return True


async def _opened(ctx: Context, key: Key) -> Authority:
    """The kept certificate of ``key``; made when there is none yet."""
    public = public_key_of(key)
    async with connection(ctx.pool) as conn:
        row = await store_certificates.find_authority(conn, key.version)
    if row is None:
        order = root_order(key, public)
        made = await sign_with(ctx, key, lambda signer: issue_root(order, signer))
        async with connection(ctx.pool) as conn:
            await store_certificates.insert_authority(
                conn, key.version, made.encoded, ctx.clock.now()
            )
            row = await store_certificates.find_authority(conn, key.version)
    if row is None:
        raise InvariantBroken("the authority's certificate was not kept")
    root = read_certificate(row.certificate)
    if root.public != public or not root.is_signed_by(public):
        raise InvariantBroken("the kept certificate is not the authority's")
    return Authority(key.version, root, key)


def is_ours(name: Name) -> bool:
    """Whether that is how our authority calls itself; who signed is another question."""
    named = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return any(str(one.value).startswith(f"{AUTHORITY_NAME} ") for one in named)


def root_order(key: Key, public: PublicKey) -> Order:
    """What stands in the root of a key: all of it follows from the key."""
    return Order(
        subject=make_name(f"{AUTHORITY_NAME} {key.version}", "Yimatong"),
        public=public,
        profile=Profile.ROOT,
        serial=new_serial(lambda size: sm3(public.to_bytes())[:size]),
        not_before=key.use_from,
        not_after=key.accept_until or key.use_until,
    )


async def certify(
    ctx: Context, by: Authority, public: PublicKey, name: tuple[str, str, str]
) -> Certificate:
    """A caller's certificate; ``name`` is common name, organisation, unit.

    Raises ``SignerUnavailable``.
    """
    now = ctx.clock.now().replace(microsecond=0)
    order = Order(
        subject=make_name(*name),
        public=public,
        profile=Profile.CALLER,
        serial=new_serial(),
        not_before=max(now - BACKDATED, by.root.not_before),
        not_after=min(now + ctx.policy.certificate_life, by.root.not_after),
        crl_url=f"{ctx.policy.notice_url_base}/v1/lists/certificates.crl?authority={by.version}",
    )
    return await sign_with(ctx, by.key, lambda signer: issue(order, by.root, signer))


async def revocation_list(ctx: Context, version: int | None) -> Crl:
    """The newest list of a version of our authority; of the one that issues now for None.

    Raises ``NotFound``; ``Overloaded`` when certificates are revoked faster than lists are signed;
    ``RowTampered`` when none can be signed and none is left.
    """
    by = await current(ctx) if version is None else await of_version(ctx, version)
    for _ in range(LIST_TRIES):
        async with connection(ctx.pool) as conn:
            row = await store_certificates.find_authority(conn, by.version)
        if row is None:
            raise InvariantBroken("the authority's certificate was not kept")
        now = ctx.clock.now()
        last = _kept_list(by, row)
        left = (row.crl_fresh_until or now) - now
        if last is not None and timedelta(0) < left <= CRL_FRESH:
            return last
        try:
            made = await _sign_list(ctx, by, row, last)
        except RowTampered:
            ctx.metrics.alarms.labels("certificate-list-stopped").inc()
            _log.error("certificate_list.stopped", authority=by.version, alarm=True)
            if last is None or last.next_at is None or last.next_at <= now:
                raise
            return last
        if made is not None:
            return made
    raise Overloaded("the list of revoked certificates is being signed; try again")


def _kept_list(by: Authority, row: AuthorityRow) -> Crl | None:
    """The list signed last. Raises ``RowTampered`` when our authority did not sign it."""
    if row.crl is None:
        return None
    try:
        kept = read_crl(row.crl)
    except CertificateRefused:
        raise RowTampered("certificate_authority") from None
    if not kept.is_signed_by(by.root.public):
        raise RowTampered("certificate_authority")
    return kept


async def _sign_list(
    ctx: Context, by: Authority, row: AuthorityRow, last: Crl | None
) -> Crl | None:
    """A new list, published; None when somebody was faster or something was revoked meanwhile.

    Raises ``RowTampered``.
    """
    now = ctx.clock.now()
    number = row.crl_number + 1
    async with connection(ctx.pool) as conn:
        held = await store_certificates.list_of_authority(conn, by.version, now - CRL_LIFE)
    await asyncio.to_thread(_check_rows, ctx, held)
    revoked = [line for one in held if (line := _line(one)) is not None]
    if last is not None:
        await _check_none_lost(ctx, by, last, {line.serial for line in revoked})
    order = CrlOrder(number=number, made_at=now, next_at=now + CRL_LIFE, revoked=revoked)
    crl = await sign_with(ctx, by.key, lambda signer: issue_crl(order, by.root, signer))
    kept = msgspec.structs.replace(
        row, crl=crl.encoded, crl_number=number, crl_fresh_until=now + CRL_FRESH
    )
    async with connection(ctx.pool) as conn:
        stored = await store_certificates.store_crl(conn, kept, was=row.crl_number)
    return crl if stored else None


def _check_rows(ctx: Context, held: list[HeldCertificate]) -> None:
    """The rows that say ACTIVE too: a revoked one may have been made to."""
    for one in held:
        ctx.sealer.check_mac("certificate", one.mac_parts(), one.row_mac)


def _line(held: HeldCertificate) -> Revoked | None:
    if held.revoked_at is None or held.reason is None:
        return None
    return Revoked(int.from_bytes(held.serial_no), held.revoked_at, Reason(held.reason.value))


async def _check_none_lost(ctx: Context, by: Authority, last: Crl, serials: set[int]) -> None:
    """What the last list named is named again, or ended long ago.

    A row that was deleted, or put back as it was before, has no MAC that fails.
    """
    since = ctx.clock.now() - CRL_LIFE
    issuer = by.root.subject.rfc4514_string()
    for serial in {line.serial_number for line in last.parsed} - serials:
        size = (serial.bit_length() + 7) // 8
        async with connection(ctx.pool) as conn:
            row = await store_certificates.find_by_serial(conn, issuer, serial.to_bytes(size))
        if row is None:
            raise RowTampered("certificate")
        _check_rows(ctx, [row])
        if row.state is not CertificateState.REVOKED or row.not_after >= since:
            raise RowTampered("certificate")
