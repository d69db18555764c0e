"""How the rows of the master index move to newer keys.

A match key is made again from the record it belongs to: the new one stands before the old one
goes, so at every moment a look-up over all accepted versions finds the record.
"""

from datetime import datetime

import msgspec

from crypto.keyring import KeyKind
from service.kernel.clock import business_day
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
from service.person import blinding, opening, rules, store_matching
from service.person.facts import traits_in
from service.person.matching.keys import SHARED_MAX, keys_of
from service.person.model import Record, SealedRecord
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


class MatchKey(msgspec.Struct, frozen=True, kw_only=True):
    """A row of ``match_key`` by what names it."""

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


async def _rekey_match_key(ctx: Context, row: MatchKey) -> Rekeyed:
    """Raises ``RowTampered`` for a key that the record's own facts do not give."""
    if _is_current(ctx, row.blind_key):
        return Rekeyed.CURRENT
    async with connection(ctx.pool) as conn:
        found = await opening.record_content(conn, ctx, row.record_id)
    if found is not None:
        fresh = fresh_keys(ctx, row, *found)
        async with transaction(ctx.pool) as conn:
            await store_matching.insert_keys(
                conn,
                fresh,
                key_version=ctx.sealer.blind_version(),
                record_id=row.record_id,
                shared_max=SHARED_MAX,
                now=ctx.clock.now(),
            )
    async with transaction(ctx.pool) as conn:
        if await execute(conn, DELETE_MATCH_KEY, row.blind_key, row.kind, row.record_id) != 1:
            return Rekeyed.LOST
        await execute(conn, UNCOUNT_KEY, row.blind_key, row.kind, SHARED_MAX)
    return Rekeyed.CHANGED


def fresh_keys(
    ctx: Context, row: MatchKey, record: Record, sealed: SealedRecord
) -> list[store_matching.BlindKey]:
    """The same key under the present version; in place of one of the form before 0026 all keys that
    the record has now. Raises ``RowTampered`` for a key that the record does not give."""
    kind = blinding.blind_kind(row.kind)

    def is_same(text: str) -> bool:
        return row.blind_key in ctx.sealer.blind_all(kind, text)

    traits = traits_in(sealed.received, business_day(record.received_at), key="")
    for of, text in keys_of(traits):
        if of == row.kind and is_same(text):
            return [store_matching.BlindKey(ctx.sealer.blind(kind, text), row.kind)]
    earlier = (text for of, text in rules.earlier_keys(sealed.facts) if of == row.kind)
    if not any(is_same(text) for text in earlier):
        raise RowTampered("match_key")
    return blinding.to_store(ctx, traits)


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
        row=MatchKey,
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
