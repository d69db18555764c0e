"""How the rows of the master index move to newer keys.

A match key is made again from the record it belongs to: the new one stands before the old one
goes, so at every moment a look-up over all accepted versions finds the record.
"""

from datetime import datetime

import msgspec

from crypto.keyring import KeyKind
from service.kernel.context import Context
from service.kernel.database import connection, execute, transaction
from service.kernel.problems import RowTampered
from service.kernel.rekeying import (
    KeyedRows,
    Rekeyed,
    belonging,
    swapped,
    version_of,
    wrapped_version,
)
from service.person import intake, opening, rules, store
from service.person.store_rekeying import (
    COUNT_CLAIMS,
    COUNT_COUNTS,
    COUNT_GOLDEN,
    COUNT_MATCH_KEYS,
    DELETE_COUNT,
    DELETE_ENDED_CLAIM,
    DELETE_MATCH_KEY,
    MACED,
    PAGE_CLAIMS,
    PAGE_COUNTS,
    PAGE_GOLDEN,
    PAGE_MATCH_KEYS,
    SWAP_GOLDEN,
    UNCOUNT_KEY,
)


class _Golden(msgspec.Struct, frozen=True, kw_only=True):
    person_id: int
    sealed: bytes


class _MatchKey(msgspec.Struct, frozen=True, kw_only=True):
    blind_key: bytes
    kind: int
    record_id: int


class _Counted(msgspec.Struct, frozen=True, kw_only=True):
    blind_key: bytes
    kind: int
    members: int


class _Claim(msgspec.Struct, frozen=True, kw_only=True):
    blind_key: bytes
    token: bytes
    until: datetime


def _is_current(ctx: Context, blind_key: bytes) -> bool:
    return ctx.sealer.is_current(KeyKind.BLIND_INDEX, version_of(blind_key))


async def _rewrap_golden(ctx: Context, row: _Golden) -> Rekeyed:
    if ctx.sealer.is_current(KeyKind.COLUMN, wrapped_version(row.sealed)):
        return Rekeyed.CURRENT
    fresh = ctx.sealer.rewrap_local("golden", row.person_id.to_bytes(8), row.sealed)
    return await swapped(ctx, SWAP_GOLDEN, row.person_id, row.sealed, fresh)


async def _rekey_match_key(ctx: Context, row: _MatchKey) -> Rekeyed:
    """Raises ``RowTampered`` for a key that the record's own facts do not give."""
    if _is_current(ctx, row.blind_key):
        return Rekeyed.CURRENT
    async with connection(ctx.pool) as conn:
        facts = await opening.facts_of(conn, ctx, row.record_id)
    if facts is not None:
        kind = intake.blind_kind(row.kind)
        texts = [text for of, text in rules.match_key_texts(facts) if of == row.kind]
        same = [text for text in texts if row.blind_key in ctx.sealer.blind_all(kind, text)]
        if not same:
            raise RowTampered("match_key")
        fresh, version = ctx.sealer.blind(kind, same[0]), ctx.sealer.blind_version()
        async with transaction(ctx.pool) as conn:
            now = ctx.clock.now()
            await store.insert_key(conn, fresh, row.kind, version, row.record_id, now)
    async with transaction(ctx.pool) as conn:
        if await execute(conn, DELETE_MATCH_KEY, row.blind_key, row.kind, row.record_id) != 1:
            return Rekeyed.LOST
        await execute(conn, UNCOUNT_KEY, row.blind_key, row.kind)
    return Rekeyed.CHANGED


async def _drop_count(ctx: Context, row: _Counted) -> Rekeyed:
    """A count goes with the last key it counts."""
    if _is_current(ctx, row.blind_key):
        return Rekeyed.CURRENT
    gone = await swapped(ctx, DELETE_COUNT, row.blind_key, row.kind)
    return gone if gone is Rekeyed.CHANGED else Rekeyed.WAITING


async def _drop_claim(ctx: Context, row: _Claim) -> Rekeyed:
    """A claim that its holder never gave up, once its time has passed."""
    if _is_current(ctx, row.blind_key):
        return Rekeyed.CURRENT
    gone = await swapped(ctx, DELETE_ENDED_CLAIM, row.blind_key, ctx.clock.now())
    return gone if gone is Rekeyed.CHANGED else Rekeyed.WAITING


def _no_subject(_row: object) -> tuple[int, int]:
    return 0, 0


KEYED_ROWS = (
    *MACED,
    KeyedRows(
        table="golden",
        kind=KeyKind.COLUMN,
        row=_Golden,
        key=("person_id",),
        page=PAGE_GOLDEN,
        count=COUNT_GOLDEN,
        rekey=_rewrap_golden,
        belongs=belonging("person_id"),
    ),
    KeyedRows(
        table="match_key",
        kind=KeyKind.BLIND_INDEX,
        row=_MatchKey,
        key=("blind_key", "kind", "record_id"),
        page=PAGE_MATCH_KEYS,
        count=COUNT_MATCH_KEYS,
        rekey=_rekey_match_key,
        belongs=belonging(("record_id", "record_id")),
    ),
    KeyedRows(
        table="match_key_count",
        kind=KeyKind.BLIND_INDEX,
        row=_Counted,
        key=("blind_key", "kind"),
        page=PAGE_COUNTS,
        count=COUNT_COUNTS,
        rekey=_drop_count,
        belongs=_no_subject,
    ),
    KeyedRows(
        table="match_claim",
        kind=KeyKind.BLIND_INDEX,
        row=_Claim,
        key=("blind_key",),
        page=PAGE_CLAIMS,
        count=COUNT_CLAIMS,
        rekey=_drop_claim,
        belongs=_no_subject,
    ),
)
