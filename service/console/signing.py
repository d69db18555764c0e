"""Sign in by password and second factor, prove a session, sign out.

Each try is counted before anything is looked at, so that tries side by side are not more tries. A
second factor's code counts once: its step is stored with the session that it begins.
"""

import hmac

from crypto.sm3 import hmac_sm3, sm3
from service.console import rows, rules, store
from service.console.model import OperatorRow, OperatorState, Session
from service.console.problems import ConsoleLocked, ConsoleNotSignedIn, ConsoleSignInRefused
from service.kernel import passwords
from service.kernel.context import Context
from service.kernel.database import connection
from service.kernel.problems import NotFound, StateConflict

RACES_MAX = 8
_FORGERY_LABEL = b"YM console forgery token\0"


async def sign_in(ctx: Context, name: str, password: str, code: str) -> Session:
    """Prove an operator; an earlier session of his ends.

    Raises ``ConsoleSignInRefused``, ``ConsoleLocked``.
    """
    counted = await _count_try(ctx, name)
    kept = passwords.Stretched(counted.password_salt, counted.password_hash) if counted else None
    knows_password = await passwords.is_same(password, kept)
    if counted is None:
        raise ConsoleSignInRefused
    step = rules.step_of(rows.factor_secret(ctx, counted), code, ctx.clock.now())
    if not knows_password or step is None:
        await _note_refused(ctx, counted)
        raise ConsoleSignInRefused
    return await _begin_session(ctx, counted, step)


async def _count_try(ctx: Context, name: str) -> OperatorRow | None:
    """The operator with one try more; None when there is none who may sign in."""
    for _ in range(RACES_MAX):
        now = ctx.clock.now()
        async with connection(ctx.pool) as conn:
            row = await store.find_operator(conn, name)
            if row is None or rows.check(ctx, row).state is not OperatorState.ACTIVE:
                return None
            if row.locked_until is not None and now < row.locked_until:
                wait = int((row.locked_until - now).total_seconds()) + 1
                raise ConsoleLocked(retry_after_s=wait)
            failures = row.failures + 1
            locked = rules.locked_after(failures, now)
            tried = rows.next_version(ctx, row, failures=failures, locked_until=locked)
            if await store.save_operator(conn, tried):
                return tried
    raise ConsoleLocked(retry_after_s=1)


async def _note_refused(ctx: Context, row: OperatorRow) -> None:
    async with rows.noting(ctx) as conn:
        facts: rows.Facts = {"name": row.name, "in_a_row": row.failures}
        await rows.note(conn, ctx, "operator.sign-in-refused", row.operator_id, facts)


async def _begin_session(ctx: Context, proved: OperatorRow, step: int) -> Session:
    secret = ctx.ids.token() + ctx.ids.token()
    for _ in range(RACES_MAX):
        now = ctx.clock.now()
        async with rows.noting(ctx) as conn:
            row = await store.get_operator(conn, proved.operator_id)
            if row is None or not _may_begin(rows.check(ctx, row), proved, step):
                raise ConsoleSignInRefused
            begun = rows.next_version(
                ctx,
                row,
                failures=0,
                locked_until=None,
                factor_step=step,
                session_hash=sm3(secret),
                session_began_at=now,
                session_seen_at=now,
            )
            if await store.save_operator(conn, begun):
                facts: rows.Facts = {"name": row.name}
                await rows.note(conn, ctx, "operator.signed-in", row.operator_id, facts)
                return _session(ctx, begun, secret)
    raise ConsoleLocked(retry_after_s=1)


def _may_begin(row: OperatorRow, proved: OperatorRow, step: int) -> bool:
    """Whether he is still who proved himself, and the code was not used meanwhile."""
    unchanged = (row.password_hash, row.factor_sealed) == (
        proved.password_hash,
        proved.factor_sealed,
    )
    return unchanged and row.state is OperatorState.ACTIVE and step > row.factor_step


async def signed_in(ctx: Context, token: str) -> Session:
    """The session behind a cookie; its use is written down, so that it goes on.

    Raises ``ConsoleNotSignedIn``.
    """
    row, secret = await _behind(ctx, token)
    now = ctx.clock.now()
    if row.session_seen_at is not None and now - row.session_seen_at >= rules.SEEN_EVERY:
        async with connection(ctx.pool) as conn:
            # Where another request was faster, it has written the same.
            await store.save_operator(conn, rows.next_version(ctx, row, session_seen_at=now))
    return _session(ctx, row, secret)


async def sign_out(ctx: Context, token: str) -> None:
    """End the session. Raises ``ConsoleNotSignedIn``, ``StateConflict``."""
    for _ in range(RACES_MAX):
        row, _secret = await _behind(ctx, token)
        ended = rows.next_version(
            ctx, row, session_hash=None, session_began_at=None, session_seen_at=None
        )
        async with rows.noting(ctx) as conn:
            if await store.save_operator(conn, ended):
                facts: rows.Facts = {"name": row.name}
                await rows.note(conn, ctx, "operator.signed-out", row.operator_id, facts)
                return
    raise StateConflict("the session is changing; try again")


async def _behind(ctx: Context, token: str) -> tuple[OperatorRow, bytes]:
    """Whose session a token is, and its secret."""
    name, _, text = token.partition(".")
    try:
        _, operator_id = ctx.public_ids.parse(name)
        secret = bytes.fromhex(text)
    except (NotFound, ValueError):
        raise ConsoleNotSignedIn from None
    async with connection(ctx.pool) as conn:
        row = await store.get_operator(conn, operator_id)
    if row is None or not rules.is_signed_in(rows.check(ctx, row), ctx.clock.now()):
        raise ConsoleNotSignedIn
    if not hmac.compare_digest(row.session_hash or b"", sm3(secret)):
        raise ConsoleNotSignedIn
    return row, secret


def _session(ctx: Context, row: OperatorRow, secret: bytes) -> Session:
    ends_at = rules.session_ends(row)
    if ends_at is None:
        raise ConsoleNotSignedIn
    text = ctx.public_ids.text(0, row.operator_id)
    return Session(
        operator=row.principal(),
        token=f"{text}.{secret.hex()}",
        forgery_token=hmac_sm3(secret, _FORGERY_LABEL).hex(),
        ends_at=ends_at,
    )
