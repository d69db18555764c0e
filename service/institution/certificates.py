"""Certificates of callers: issue by request, take in from outside, renew, revoke, list."""

from datetime import timedelta

import msgspec

from crypto.certificates import Certificate, CertificateRefused, read_chain, read_request
from crypto.pem import write_block
from service.institution import (
    actions,
    authority,
    caller_keys,
    certificate_audit,
    key_history,
    store,
    store_certificates,
)
from service.institution.model import (
    CallerState,
    CertificateState,
    EnrolledApplication,
    HeldCertificate,
    HolderKind,
    RevocationReason,
    RevokedAll,
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
    """A new application that proves itself by certificate only; both are stored, or neither.

    Raises as ``add`` does.
    """
    outside, key = _judged(ctx, wish)
    application = await actions.application_row(
        ctx, institution_id, name=name, public_key=key, scopes=scopes, key_until=ctx.clock.now()
    )
    holder = Holder(
        institution_id=institution_id,
        holder_kind=HolderKind.APPLICATION,
        holder_id=application.application_id,
    )
    row = await _certified(ctx, holder, wish, outside)
    await certificate_audit.prepare(ctx)
    async with transaction(ctx.pool) as conn:
        await key_history.check_free(ctx, conn, key, holder.holder_id)
        await store.insert_application(conn, application)
        await _insert(conn, row)
        await certificate_audit.note(conn, ctx, "certificate.enrolled", row, by_holder=False)
    _log.info("certificate.added", serial=row.serial_no.hex(), outside=outside is not None)
    return row


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
    return await _add(ctx, holder, wish, by_holder=True)


async def add(ctx: Context, holder: Holder, wish: Wish) -> HeldCertificate:
    """Issue by request, or take in from outside, as the operator.

    Raises ``NotFound``, ``CertificateRequestRefused``, ``CertificateNotAccepted``,
    ``CertificateKeyEnded``, ``CertificateKeyTaken``, ``TooManyCertificates``,
    ``MalformedRequest``. The name in a request is not taken over: ours says whose the key is.
    """
    return await _add(ctx, holder, wish, by_holder=False)


async def _add(ctx: Context, holder: Holder, wish: Wish, *, by_holder: bool) -> HeldCertificate:
    """The holder's row is locked, so that two at once are counted and a revocation is seen."""
    outside, key = _judged(ctx, wish)
    row = await _certified(ctx, holder, wish, outside)
    await certificate_audit.prepare(ctx)
    async with transaction(ctx.pool) as conn:
        application = await _locked_holder(ctx, conn, holder)
        if by_holder and (
            application is None or not await caller_keys.accepted_keys(ctx, conn, application)
        ):
            raise StateConflict("everything that could sign was revoked meanwhile")
        await key_history.check_free(ctx, conn, key, holder.holder_id)
        held = await caller_keys.valid(ctx, conn, holder.institution_id, holder.holder_id)
        if len(held) >= VALID_MAX:
            raise TooManyCertificates
        await _insert(conn, row)
        if application is not None:
            await _bound_bare_key(ctx, conn, application, key)
        await certificate_audit.note(conn, ctx, "certificate.added", row, by_holder=by_holder)
    _log.info("certificate.added", serial=row.serial_no.hex(), outside=outside is not None)
    return row


async def _certified(
    ctx: Context, holder: Holder, wish: Wish, outside: Certificate | None
) -> HeldCertificate:
    """The row of the outside certificate, or of one that our authority signs now; not stored."""
    if outside is not None:
        return _row(ctx, holder, outside, chain=_tidy_chain(wish.chain or ""), version=None)
    institution = await actions.get_institution(ctx, holder.institution_id)
    request = read_request(wish.csr or "")
    by = await authority.current(ctx)
    label = ctx.public_ids.text(holder.institution_id, holder.holder_id)
    made = await authority.certify(
        ctx, by, request.public, (label, institution.name[:NAME_LENGTH], institution.code)
    )
    return _row(ctx, holder, made, chain=made.pem(), version=by.version)


async def _insert(conn: Connection, row: HeldCertificate) -> None:
    if not await store_certificates.insert_certificate(conn, row):
        raise CertificateKeyTaken("the certificate is registered already")


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


async def _locked_holder(
    ctx: Context, conn: Connection, holder: Holder
) -> EnrolledApplication | None:
    """Lock whom the certificate shall name; the row when it is an application.

    Raises ``NotFound`` for a holder that is not there or was revoked; ``RowTampered``.
    """
    ids = (holder.institution_id, holder.holder_id)
    if holder.holder_kind is HolderKind.TERMINAL:
        terminal = await store.lock_terminal(conn, *ids)
        if terminal is None or terminal.state is CallerState.REVOKED:
            raise NotFound
        ctx.sealer.check_mac("terminal", terminal.mac_parts(), terminal.row_mac)
        return None
    application = await store.lock_application(conn, *ids)
    if application is None or application.state is CallerState.REVOKED:
        raise NotFound
    ctx.sealer.check_mac("application", application.mac_parts(), application.row_mac)
    return application


async def _bound_bare_key(
    ctx: Context, conn: Connection, row: EnrolledApplication, certified: bytes | None
) -> bool:
    """The bare key ends in a week; at once when it is the key certified now, or for None.

    ``row`` is locked. An earlier end stands: then False.
    """
    now = ctx.clock.now()
    ctx.sealer.check_mac("application", row.mac_parts(), row.row_mac)
    until = now if certified in (None, row.public_key) else now + BARE_KEY_OVERLAP
    if row.key_until is not None and row.key_until <= until:
        return False
    ended = msgspec.structs.replace(row, key_until=until)
    mac = ctx.sealer.row_mac("application", ended.mac_parts())
    ended = msgspec.structs.replace(ended, row_mac=mac)
    if not await store_certificates.end_bare_key(conn, ended, was=row.row_mac):
        raise StateConflict
    return True


async def held_by(ctx: Context, institution_id: int, holder_id: int) -> list[HeldCertificate]:
    """A caller's certificates, newest first. Raises ``RowTampered``."""
    async with connection(ctx.pool) as conn:
        held = await store_certificates.list_of_holder(conn, institution_id, holder_id, LISTED_MAX)
    for one in held:
        ctx.sealer.check_mac("certificate", one.mac_parts(), one.row_mac)
    return held


async def row_of(ctx: Context, certificate: Certificate) -> HeldCertificate | None:
    """The row under a certificate's issuer and number; its bytes may be another's.

    Raises ``RowTampered``.
    """
    size = (certificate.serial.bit_length() + 7) // 8
    issuer, number = certificate.issuer.rfc4514_string(), certificate.serial.to_bytes(size)
    async with connection(ctx.pool) as conn:
        row = await store_certificates.find_by_serial(conn, issuer, number)
    if row is not None:
        ctx.sealer.check_mac("certificate", row.mac_parts(), row.row_mac)
    return row


async def ending_within(ctx: Context, within: timedelta) -> list[HeldCertificate]:
    """Everybody's certificates that end within that time from now, the first to end first.

    Raises ``RowTampered``.
    """
    now = ctx.clock.now()
    async with connection(ctx.pool) as conn:
        ending = await store_certificates.list_ending(conn, now, now + within, 10_000)
    for one in ending:
        ctx.sealer.check_mac("certificate", one.mac_parts(), one.row_mac)
    return ending


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
    ids = (institution_id, certificate_id)
    await certificate_audit.prepare(ctx)
    async with transaction(ctx.pool) as conn:
        row = await store_certificates.find_certificate(conn, *ids)
        if row is None or holder_id not in (None, row.holder_id):
            raise NotFound
        await _lock_holder_of(conn, row)
        row = await store_certificates.find_certificate(conn, *ids)
        if row is None:
            raise NotFound
        ctx.sealer.check_mac("certificate", row.mac_parts(), row.row_mac)
        if row.state is CertificateState.REVOKED:
            return row
        revoked = await _revoke(ctx, conn, row, reason)
        await certificate_audit.note(
            conn, ctx, "certificate.revoked", revoked, by_holder=holder_id is not None
        )
    _log.warning("certificate.revoked", serial=revoked.serial_no.hex(), reason=reason.value)
    return revoked


async def _lock_holder_of(conn: Connection, row: HeldCertificate) -> None:
    """So that nothing is certified beside the revocation; a holder that is gone stops none."""
    if row.holder_kind is HolderKind.APPLICATION:
        await store.lock_application(conn, row.institution_id, row.holder_id)
    else:
        await store.lock_terminal(conn, row.institution_id, row.holder_id)


async def _revoke(
    ctx: Context, conn: Connection, row: HeldCertificate, reason: RevocationReason
) -> HeldCertificate:
    """``row`` was read and checked under its holder's lock, and is not revoked yet."""
    at = ctx.clock.now().replace(microsecond=0)
    revoked = msgspec.structs.replace(
        row, state=CertificateState.REVOKED, reason=reason, revoked_at=at
    )
    revoked = _sealed(ctx, revoked)
    if not await store_certificates.revoke(conn, revoked):
        raise StateConflict
    if revoked.authority_version is not None:
        await store_certificates.stale_crl(conn, revoked.authority_version)
    return revoked


async def revoke_all(
    ctx: Context, institution_id: int, application_id: int, reason: RevocationReason
) -> RevokedAll:
    """Everything an application could sign with, its bare key included; tells what that was.

    Raises ``NotFound``, ``RowTampered``; then nothing is revoked.
    """
    await certificate_audit.prepare(ctx)
    async with transaction(ctx.pool) as conn:
        application = await store.lock_application(conn, institution_id, application_id)
        if application is None:
            raise NotFound
        active = await store_certificates.list_unrevoked(conn, institution_id, application_id)
        for one in active:
            ctx.sealer.check_mac("certificate", one.mac_parts(), one.row_mac)
            gone = await _revoke(ctx, conn, one, reason)
            await certificate_audit.note(conn, ctx, "certificate.revoked", gone, by_holder=False)
        had_bare_key = await _bound_bare_key(ctx, conn, application, None)
        await certificate_audit.note_all_revoked(
            conn, ctx, institution_id, application_id, reason.value
        )
    for one in active:
        _log.warning("certificate.revoked", serial=one.serial_no.hex(), reason=reason.value)
    return RevokedAll(certificates=len(active), bare_key=had_bare_key)
