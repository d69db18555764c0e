"""Audit entries of certificates. They concern no record, so they stand under record 0."""

from service.audit.actions import append
from service.audit.model import AuditEntry
from service.institution.model import HeldCertificate
from service.kernel.context import Context
from service.kernel.database import Connection, connection


async def prepare(ctx: Context) -> None:
    """Make sure of the key that entries are sealed under. Before the transaction, never inside."""
    async with connection(ctx.pool) as conn:
        await ctx.sealer.platform_key(conn, ctx.clock.now())


async def note(
    conn: Connection, ctx: Context, action: str, held: HeldCertificate, *, by_holder: bool
) -> None:
    """What was done to a certificate, inside the act's transaction.

    ``by_holder``: its holder did it over HTTP; otherwise the operator by command.
    """
    await append(
        conn,
        ctx,
        AuditEntry(
            record_id=0,
            action=action,
            actor_kind=held.holder_kind.value.lower() if by_holder else "operator",
            actor_id=held.holder_id if by_holder else 0,
            institution_id=held.institution_id,
            facts={
                "certificate_id": held.certificate_id,
                "holder_kind": held.holder_kind.value,
                "holder_id": held.holder_id,
                "issuer": held.issuer,
                "serial": held.serial_no.hex(),
                "public_key": held.public_key.hex(),
                "reason": None if held.reason is None else held.reason.value,
            },
        ),
    )


async def note_all_revoked(
    conn: Connection, ctx: Context, institution_id: int, application_id: int, reason: str
) -> None:
    """The operator took everything from an application, the bare key too."""
    await append(
        conn,
        ctx,
        AuditEntry(
            record_id=0,
            action="application.keys-revoked",
            actor_kind="operator",
            actor_id=0,
            institution_id=institution_id,
            facts={"application_id": application_id, "reason": reason},
        ),
    )
