"""How the rows of accounts move to newer keys.

A login is made again from its sealed subject: the new row stands before the old one goes. Counted
attempts cannot be made again and need not be: those of a day that is over protect nothing.
"""

from datetime import date, datetime

import msgspec

from crypto.keyring import KeyKind
from service.account import rules, store
from service.account.store_rekeying import (
    COUNT_ATTEMPTS,
    COUNT_LOGIN_SEALS,
    COUNT_LOGINS,
    DELETE_ATTEMPTS,
    DELETE_LOGIN,
    MACED,
    PAGE_ATTEMPTS,
    PAGE_LOGINS,
    SWAP_LOGIN_SEAL,
)
from service.kernel.clock import business_day
from service.kernel.context import Context
from service.kernel.database import connection
from service.kernel.problems import RowTampered
from service.kernel.rekeying import (
    KeyedRows,
    Rekeyed,
    belonging,
    swapped,
    version_of,
    wrapped_version,
)


class _Login(msgspec.Struct, frozen=True, kw_only=True):
    login_hash: bytes
    provider: str
    account_id: int
    subject_sealed: bytes
    created_at: datetime


class _Attempts(msgspec.Struct, frozen=True, kw_only=True):
    subject_hash: bytes
    day: date


async def _rewrap_subject(ctx: Context, row: _Login) -> Rekeyed:
    if ctx.sealer.is_current(KeyKind.COLUMN, wrapped_version(row.subject_sealed)):
        return Rekeyed.CURRENT
    fresh = ctx.sealer.rewrap_local("account_login", row.login_hash, row.subject_sealed)
    return await swapped(ctx, SWAP_LOGIN_SEAL, row.login_hash, row.subject_sealed, fresh)


async def _rekey_login(ctx: Context, row: _Login) -> Rekeyed:
    """Raises ``RowTampered`` for a hash that is not the subject's, or one with two accounts."""
    if ctx.sealer.is_current(KeyKind.BLIND_INDEX, version_of(row.login_hash)):
        return Rekeyed.CURRENT
    subject = ctx.sealer.open_local("account_login", row.login_hash, row.subject_sealed)
    kind = rules.login_kind(row.provider)
    if row.login_hash not in ctx.sealer.blind_all(kind, subject.decode()):
        raise RowTampered("account_login")
    fresh = ctx.sealer.blind(kind, subject.decode())
    async with connection(ctx.pool) as conn:
        await store.insert_login(
            conn,
            login_hash=fresh,
            provider=row.provider,
            account_id=row.account_id,
            subject_sealed=ctx.sealer.seal_local("account_login", fresh, subject),
            now=row.created_at,
        )
        if await store.find_login(conn, (fresh,)) != row.account_id:
            raise RowTampered("account_login")
    return await swapped(ctx, DELETE_LOGIN, row.login_hash, row.account_id)


async def _drop_attempts(ctx: Context, row: _Attempts) -> Rekeyed:
    if ctx.sealer.is_current(KeyKind.BLIND_INDEX, version_of(row.subject_hash)):
        return Rekeyed.CURRENT
    if row.day >= business_day(ctx.clock.now()):
        return Rekeyed.WAITING
    return await swapped(ctx, DELETE_ATTEMPTS, row.subject_hash, row.day)


KEYED_ROWS = (
    *MACED,
    KeyedRows(
        table="account_login",
        kind=KeyKind.COLUMN,
        row=_Login,
        key=("login_hash",),
        page=PAGE_LOGINS,
        count=COUNT_LOGIN_SEALS,
        rekey=_rewrap_subject,
        belongs=belonging("account_id"),
    ),
    KeyedRows(
        table="account_login",
        kind=KeyKind.BLIND_INDEX,
        row=_Login,
        key=("login_hash",),
        page=PAGE_LOGINS,
        count=COUNT_LOGINS,
        rekey=_rekey_login,
        belongs=belonging("account_id"),
    ),
    KeyedRows(
        table="real_name_attempt",
        kind=KeyKind.BLIND_INDEX,
        row=_Attempts,
        key=("subject_hash", "day"),
        page=PAGE_ATTEMPTS,
        count=COUNT_ATTEMPTS,
        rekey=_drop_attempts,
        belongs=lambda _row: (0, 0),
    ),
)
