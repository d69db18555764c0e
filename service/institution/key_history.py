"""What became of a caller's key before: whether it ended, and who holds it. Reads, never writes."""

from service.institution import store_certificates
from service.institution.model import CertificateState, RevocationReason
from service.institution.problems import CertificateKeyEnded, CertificateKeyTaken
from service.kernel.context import Context
from service.kernel.database import Connection

KEY_LIVES_ON = frozenset({RevocationReason.SUPERSEDED, RevocationReason.CESSATION_OF_OPERATION})
"""Reasons that end a certificate and say nothing against its key. Any other ends the key too."""


async def check_free(ctx: Context, conn: Connection, public_key: bytes, holder_id: int) -> None:
    """Whether a caller may have a key (65 bytes). Raises ``RowTampered``.

    Raises ``CertificateKeyEnded`` for a key that does not come back: a certificate of it, be it
    anybody's, was revoked for a reason that ends the key, or it was a bare key, never certified,
    that has ended. Raises ``CertificateKeyTaken`` when somebody else holds it.
    """
    certified = await store_certificates.list_of_key(conn, public_key)
    for one in certified:
        ctx.sealer.check_mac("certificate", one.mac_parts(), one.row_mac)
        if one.state is CertificateState.REVOKED and one.reason not in KEY_LIVES_ON:
            raise CertificateKeyEnded
    now = ctx.clock.now()
    bare = await store_certificates.list_bare(conn, public_key)
    for row in bare:
        ctx.sealer.check_mac("application", row.mac_parts(), row.row_mac)
        if not certified and row.key_until is not None and row.key_until <= now:
            raise CertificateKeyEnded
    holders = {one.holder_id for one in certified} | {row.application_id for row in bare}
    if holders - {holder_id}:
        raise CertificateKeyTaken
