"""Which keys an application may sign with now: of its valid certificates, or its bare key."""

from datetime import datetime

from service.institution import authority, store_certificates
from service.institution.model import CertificateState, EnrolledApplication, HeldCertificate
from service.kernel.context import Context
from service.kernel.database import Connection

HELD_MAX = 200
"""Certificates of one caller ever looked at, the newest."""


async def accepted_keys(ctx: Context, conn: Connection, row: EnrolledApplication) -> list[bytes]:
    """Points of 65 bytes, the newest first. Raises ``RowTampered``.

    An application that never had a certificate has its bare key, unless certificates are
    required. One that has certificates keeps the bare key until ``key_until``; a key that stands
    in a certificate counts by that alone.
    """
    now = ctx.clock.now()
    bare_counts = not ctx.policy.certificates_required
    if row.key_until is None:
        return [row.public_key] if bare_counts else []
    held = await store_certificates.list_of_holder(
        conn, row.institution_id, row.application_id, HELD_MAX
    )
    keys = [one.public_key for one in held if counts(ctx, one, now)]
    certified = {one.public_key for one in held}
    if bare_counts and now < row.key_until and row.public_key not in certified:
        keys.append(row.public_key)
    return list(dict.fromkeys(keys))


def counts(ctx: Context, held: HeldCertificate, now: datetime) -> bool:
    """Whether a certificate is valid, not revoked, and of an authority that counts."""
    ctx.sealer.check_mac("certificate", held.mac_parts(), held.row_mac)
    if held.state_at(now) is not CertificateState.ACTIVE or now < held.not_before:
        return False
    if held.authority_version is not None:
        return authority.counts(ctx, held.authority_version, now)
    return ctx.outside_roots.still_counts(held.chain, now)
