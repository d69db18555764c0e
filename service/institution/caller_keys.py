"""Which keys an application may sign with now: of its valid certificates, or its bare key."""

from datetime import datetime

from service.institution import authority, store_certificates
from service.institution.model import EnrolledApplication, HeldCertificate
from service.kernel.context import Context
from service.kernel.database import Connection


async def accepted_keys(ctx: Context, conn: Connection, row: EnrolledApplication) -> list[bytes]:
    """Points of 65 bytes, the newest first. Raises ``RowTampered``.

    An application that never had a certificate has its bare key, unless certificates are
    required. One that has certificates keeps the bare key until ``key_until``.
    """
    bare = [] if ctx.policy.certificates_required else [row.public_key]
    if row.key_until is None:
        return bare
    held = await valid(ctx, conn, row.institution_id, row.application_id)
    keys = [one.public_key for one in held]
    return keys + bare if ctx.clock.now() < row.key_until else keys


async def valid(
    ctx: Context, conn: Connection, institution_id: int, holder_id: int
) -> list[HeldCertificate]:
    """A holder's certificates that count now, newest first. Raises ``RowTampered``."""
    now = ctx.clock.now()
    active = await store_certificates.list_active(conn, institution_id, holder_id, now)
    for one in active:
        ctx.sealer.check_mac("certificate", one.mac_parts(), one.row_mac)
    return [one for one in active if _authority_counts(ctx, one, now)]


def _authority_counts(ctx: Context, held: HeldCertificate, now: datetime) -> bool:
    """Ours by the version of its key; an outside one by its root and its newest list."""
    if held.authority_version is not None:
        return authority.counts(ctx, held.authority_version, now)
    return ctx.outside_roots.still_counts(held.chain, now)
