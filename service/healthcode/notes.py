"""What a resident did with his codes, in the audit log."""

from service.audit.actions import append, prepare
from service.audit.model import AuditEntry
from service.kernel.context import Context
from service.kernel.database import Connection, Write
from service.kernel.principals import Resident

Facts = dict[str, str | int | bool | None]


async def append_act(
    conn: Connection,
    ctx: Context,
    resident: Resident,
    record_id: int,
    action: str,
    facts: Facts,
) -> None:
    """Append in the caller's transaction."""
    await append(conn, ctx, _act(resident, record_id, action, facts))


async def prepare_act(
    conn: Connection,
    ctx: Context,
    resident: Resident,
    record_id: int,
    action: str,
    facts: Facts,
) -> Write:
    """The same, to be inserted with what it tells of."""
    return await prepare(conn, ctx, _act(resident, record_id, action, facts))


def _act(resident: Resident, record_id: int, action: str, facts: Facts) -> AuditEntry:
    return AuditEntry(
        record_id=record_id,
        action=action,
        actor_kind="resident",
        actor_id=resident.account_id,
        institution_id=None,
        facts=facts,
    )
