"""Certificates of callers: issue by request, take in from outside, renew, revoke, list."""

from datetime import datetime, timedelta

import msgspec

from crypto.certificates import Certificate, CertificateRefused, read_chain, read_request
from crypto.pem import write_block
from service.institution import actions, authority, caller_keys, store, store_certificates
from service.institution.model import (
    CallerState,
    CertificateState,
    HeldCertificate,
    HolderKind,
    RevocationReason,
)
from service.institution.problems import (
    CertificateKeyTaken,
    CertificateNotAccepted,
    CertificateRequestRefused,
    TooManyCertificates,
)
from service.kernel.context import Context
from service.kernel.database import Connection, connection, transaction
from service.kernel.logs import get_logger
from service.kernel.problems import MalformedRequest, NotFound, StateConflict

VALID_MAX = 4
"""Valid certificates of one caller at once: two for a renewal, and room for a second machine."""
GIVEN_MAX = 4
"""Certificates in a chain from outside."""
BARE_KEY_OVERLAP = timedelta(days=7)
"""An application that moves from its bare key to certificates uses both for so long."""
NAME_LENGTH = 64
LISTED_MAX = 500

_log = get_logger("certificates")


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    """An application or terminal that certificates name."""

    institution_id: int
    holder_kind: HolderKind
    holder_id: int


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What a caller brings: a request (PKCS#10), or a chain of an outside authority. PEM, one."""

    csr: str | None = None
    chain: str | None = None


async def enrol_application(
    ctx: Context, institution_id: int, *, name: str, scopes: frozenset[str], wish: Wish
) -> HeldCertificate:
    """A new application that proves itself by certificate only. Raises as ``add`` does."""
    _, key = _judged(ctx, wish)
    row = await actions.enrol_application(
        ctx, institution_id, name=name, public_key=key, scopes=scopes, key_until=ctx.clock.now()
    )
    holder = Holder(
        institution_id=institution_id,
        holder_kind=HolderKind.APPLICATION,
        holder_id=row.application_id,
    )
    return await add(ctx, holder, wish)


async def renew(
    ctx: Context, institution_id: int, application_id: int, wish: Wish
) -> HeldCertificate:
    """What an application asks for itself, signed with a key that counts at present.

    An outside certificate must bear the subject of one that an operator took in before.
    """
    holder = Holder(
        institution_id=institution_id,
        holder_kind=HolderKind.APPLICATION,
        holder_id=application_id,
    )
    if wish.chain is not None:
        certificate, _ = _judged(ctx, wish)
        known = await held_by(ctx, institution_id, application_id)
        subjects = [
            read_chain(one.chain)[0].subject for one in known if one.authority_version is None
        ]
        if certificate is None or certificate.subject not in subjects:
            raise CertificateNotAccepted("SUBJECT_MISMATCH: an operator takes in the first one")
    return await add(ctx, holder, wish)


async def add(ctx: Context, holder: Holder, wish: Wish) -> HeldCertificate:
    """Issue by request, or take in from outside.

    Raises ``NotFound``, ``CertificateRequestRefused``, ``CertificateNotAccepted``,
    ``CertificateKeyTaken``, ``TooManyCertificates``, ``MalformedRequest``. The name in a request
    is not taken over: ours says whose the key is.
    """
    outside, public_key = _judged(ctx, wish)
    institution = await actions.get_institution(ctx, holder.institution_id)
    row = None
    if outside is None:
        request = read_request(wish.csr or "")
        by = await authority.current(ctx)
        label = ctx.public_ids.text(holder.institution_id, holder.holder_id)
        made = authority.certify(
            ctx, by, request.public, (label, institution.name[:NAME_LENGTH], institution.code)
        )
        row = _row(ctx, holder, made, chain=made.pem(), version=by.version)
    else:
        row = _row(ctx, holder, outside, chain=_tidy_chain(wish.chain or ""), version=None)
    async with transaction(ctx.pool) as conn:
        await _check_holder(conn, holder)
        if await store_certificates.count_other_holders(conn, public_key, holder.holder_id):
            raise CertificateKeyTaken
        now = ctx.clock.now()
        held = await caller_keys.valid(ctx, conn, holder.institution_id, holder.holder_id)
        if len(held) >= VALID_MAX:
            raise TooManyCertificates
        if not await store_certificates.insert_certificate(conn, row):
            raise CertificateKeyTaken("the certificate is registered already")
        if holder.holder_kind is HolderKind.APPLICATION:
            await _bound_bare_key(ctx, conn, holder, public_key, now)
    _log.info("certificate.added", serial=row.serial_no.hex(), outside=outside is not None)
    return row


def _judged(ctx: Context, wish: Wish) -> tuple[Certificate | None, bytes]:
    """The outside certificate, if it is one, and the key; everything checked but the holder."""
    if (wish.csr is None) == (wish.chain is None):
        raise MalformedRequest("give a csr or a chain, not both")
    if wish.chain is not None:
        try:
            if len(read_chain(wish.chain)) > GIVEN_MAX:
                raise CertificateNotAccepted("CHAIN_TOO_LONG: at most four certificates")
            certificate = ctx.outside_roots.check(wish.chain, ctx.clock.now()).certificates[0]
        except CertificateRefused as refused:
            raise CertificateNotAccepted(str(refused)) from None
        return certificate, certificate.public.to_bytes()
    try:
        return None, read_request(wish.csr or "").public.to_bytes()
    except CertificateRefused as refused:
        raise CertificateRequestRefused(str(refused)) from None


def _tidy_chain(chain: str) -> str:
    """Only the blocks, not what text stood around them."""
    return "".join(write_block("CERTIFICATE", one.encoded) for one in read_chain(chain))


def _row(
    ctx: Context, holder: Holder, made: Certificate, *, chain: str, version: int | None
) -> HeldCertificate:
    size = (made.serial.bit_length() + 7) // 8
    row = HeldCertificate(
        institution_id=holder.institution_id,
        certificate_id=ctx.ids.new(),
        holder_kind=holder.holder_kind,
        holder_id=holder.holder_id,
        authority_version=version,
        issuer=made.issuer.rfc4514_string(),
        serial_no=made.serial.to_bytes(size),
        public_key=made.public.to_bytes(),
        chain=chain,
        not_before=made.not_before,
        not_after=made.not_after,
        state=CertificateState.ACTIVE,
        reason=None,
        revoked_at=None,
        created_at=ctx.clock.now(),
        row_mac=b"",
    )
    return _sealed(ctx, row)


def _sealed(ctx: Context, row: HeldCertificate) -> HeldCertificate:
    mac = ctx.sealer.row_mac("certificate", row.mac_parts())
    return msgspec.structs.replace(row, row_mac=mac)


async def _check_holder(conn: Connection, holder: Holder) -> None:
    """Raises ``NotFound`` for a holder that is not there or was revoked."""
    find = (
        store.find_application
        if holder.holder_kind is HolderKind.APPLICATION
        else store.find_terminal
    )
    found = await find(conn, holder.institution_id, holder.holder_id)
    if found is None or found.state is CallerState.REVOKED:
        raise NotFound


async def _bound_bare_key(
    ctx: Context, conn: Connection, holder: Holder, certified: bytes | None, now: datetime
) -> None:
    """The bare key ends in a week; at once when it is the key certified now, or for None.

    An earlier end stands.
    """
    row = await store.find_application(conn, holder.institution_id, holder.holder_id)
    if row is None:
        raise NotFound
    ctx.sealer.check_mac("application", row.mac_parts(), row.row_mac)
    until = now if certified in (None, row.public_key) else now + BARE_KEY_OVERLAP
    if row.key_until is not None and row.key_until <= until:
        return
    ended = msgspec.structs.replace(row, key_until=until)
    mac = ctx.sealer.row_mac("application", ended.mac_parts())
    ended = msgspec.structs.replace(ended, row_mac=mac)
    if not await store_certificates.end_bare_key(conn, ended, was=row.row_mac):
        raise StateConflict


async def held_by(ctx: Context, institution_id: int, holder_id: int) -> list[HeldCertificate]:
    """A caller's certificates, newest first. Raises ``RowTampered``."""
    async with connection(ctx.pool) as conn:
        held = await store_certificates.list_of_holder(conn, institution_id, holder_id, LISTED_MAX)
    for one in held:
        ctx.sealer.check_mac("certificate", one.mac_parts(), one.row_mac)
    return held


async def ending_within(ctx: Context, within: timedelta) -> list[HeldCertificate]:
    """Everybody's certificates that end within that time from now, the first to end first."""
    now = ctx.clock.now()
    async with connection(ctx.pool) as conn:
        return await store_certificates.list_ending(conn, now, now + within, 10_000)


async def chain_with_root(ctx: Context, held: HeldCertificate) -> str:
    """The PEM chain as a caller installs it; our own with our root."""
    if held.authority_version is None:
        return held.chain
    return held.chain + (await authority.of_version(ctx, held.authority_version)).root.pem()


async def revoke(
    ctx: Context,
    institution_id: int,
    certificate_id: int,
    reason: RevocationReason,
    *,
    holder_id: int | None = None,
) -> HeldCertificate:
    """Revoke one, for good; a repeat changes nothing. Raises ``NotFound``.

    ``holder_id``: whose it must be. Counts at the next request everywhere: every process reads the
    row.
    """
    async with transaction(ctx.pool) as conn:
        row = await store_certificates.find_certificate(conn, institution_id, certificate_id)
        if row is None or holder_id not in (None, row.holder_id):
            raise NotFound
        ctx.sealer.check_mac("certificate", row.mac_parts(), row.row_mac)
        if row.state is CertificateState.REVOKED:
            return row
        revoked = _sealed(
            ctx,
            msgspec.structs.replace(
                row,
                state=CertificateState.REVOKED,
                reason=reason,
                revoked_at=ctx.clock.now().replace(microsecond=0),
            ),
        )
        if not await store_certificates.revoke(conn, revoked):
            raise StateConflict
        if revoked.authority_version is not None:
            await store_certificates.stale_crl(conn, revoked.authority_version)
    _log.warning("certificate.revoked", serial=revoked.serial_no.hex(), reason=reason.value)
    return revoked


async def revoke_all(
    ctx: Context, institution_id: int, application_id: int, reason: RevocationReason
) -> int:
    """Everything an application could sign with, its bare key included; tells how many."""
    holder = Holder(
        institution_id=institution_id,
        holder_kind=HolderKind.APPLICATION,
        holder_id=application_id,
    )
    held = await held_by(ctx, institution_id, application_id)
    active = [one for one in held if one.state is CertificateState.ACTIVE]
    for one in active:
        await revoke(ctx, institution_id, one.certificate_id, reason)
    async with transaction(ctx.pool) as conn:
        await _bound_bare_key(ctx, conn, holder, None, ctx.clock.now())
    return len(active)
