"""End sessions, and prove once more that one is open. Who begins them is ``actions``."""

from service.account import store
from service.account.actions import own_record
from service.audit.actions import append
from service.audit.model import AuditEntry
from service.kernel.context import Context
from service.kernel.database import Connection, connection, transaction
from service.kernel.principals import Resident
from service.kernel.problems import NotAuthenticated


async def log_out(ctx: Context, resident: Resident) -> None:
    """End the session: its token proves nothing any more. A repeat changes nothing."""
    async with connection(ctx.pool) as conn:
        await store.end_session(conn, resident.account_id, resident.session_id, ctx.clock.now())


async def log_out_elsewhere(ctx: Context, resident: Resident) -> None:
    """End every other session of the account; this one goes on. A repeat changes nothing.

    Committed when this returns, unless it raises ``RegistrationNeeded``.
    """
    async with transaction(ctx.pool) as conn:
        ended = await store.end_other_sessions(
            conn, resident.account_id, resident.session_id, ctx.clock.now()
        )
        if ended:
            await _note_ended(conn, ctx, resident, ended)


async def log_out_there(ctx: Context, resident: Resident, session_id: str) -> None:
    """End one session of the account: another device's. Committed when this returns; a repeat
    changes nothing. Raises ``RegistrationNeeded``.
    """
    async with transaction(ctx.pool) as conn:
        now = ctx.clock.now()
        if await store.end_session(conn, resident.account_id, session_id, now, stopped=True):
            await _note_ended(conn, ctx, resident, 1)


async def check_open(conn: Connection, ctx: Context, resident: Resident) -> None:
    """Prove once more that the session is open: it may have ended since ``authenticate``.

    Raises ``NotAuthenticated``.
    """
    if not await store.is_session_open(
        conn, resident.account_id, resident.session_id, ctx.clock.now()
    ):
        raise NotAuthenticated


async def _note_ended(conn: Connection, ctx: Context, resident: Resident, ended: int) -> None:
    await append(
        conn,
        ctx,
        AuditEntry(
            record_id=own_record(resident),
            action="account.logged_out_elsewhere",
            actor_kind="resident",
            actor_id=resident.account_id,
            institution_id=None,
            facts={"sessions": ended},
        ),
    )
