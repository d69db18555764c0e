"""What re-keying must know of a table, and the kernel's own tables that hold keys.

A feature lists its tables as ``KeyedRows``; ``service.features`` gathers them and the worker works
them off. Each row is changed alone, by compare-and-set on what was read: a business update that
comes between wins. A row is opened, or its MAC checked, under its old key first; one that does not
hold is reported and never written.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any, Protocol, get_type_hints

import msgspec

from crypto import envelope
from crypto.canonical import Value
from crypto.keyring import KeyKind
from service.kernel.context import Context
from service.kernel.database import connection, execute

PAGE_DATA_KEYS = """
select record_id, wrapped
from data_key
where record_id > $1
order by record_id
limit $2
"""
COUNT_DATA_KEYS = """
select count(*) from data_key where substring(wrapped from 2 for 1) = $1
"""
SWAP_DATA_KEY = """
update data_key
set wrapped = $3
where record_id = $1 and wrapped = $2
"""
PAGE_ANSWERS = """
select key_hash, answer
from idempotency
where key_hash > $1
order by key_hash
limit $2
"""
COUNT_ANSWERS = """
select count(*) from idempotency where substring(answer from 2 for 1) = $1
"""
SWAP_ANSWER = """
update idempotency
set answer = $3
where key_hash = $1 and answer = $2
"""

_FIRST: dict[object, object] = {
    int: -1,
    str: "",
    bytes: b"",
    date: date.min,
    datetime: datetime(1, 1, 1, tzinfo=UTC),
}


class Rekeyed(StrEnum):
    """What became of one row."""

    CURRENT = "current"
    """It needed nothing."""
    CHANGED = "changed"
    LOST = "lost"
    """Somebody else changed it meanwhile; it is looked at again."""
    WAITING = "waiting"
    """It ends by itself, and nothing else can be done with it."""


class KeyedRows(msgspec.Struct, frozen=True, kw_only=True):
    """The rows of one table that depend on keys of one kind.

    ``page`` takes the columns of ``key`` and a limit and reads ``row``s in the order of ``key``;
    ``count`` takes one byte and counts the rows that need that version. ``belongs`` gives the
    record (0: none) and the subject that a work item about a row names.
    """

    table: str
    kind: KeyKind
    row: type[Any]
    key: tuple[str, ...]
    page: str
    count: str
    rekey: Callable[[Context, Any], Awaitable[Rekeyed]]
    """Raises ``RowTampered`` for a row that does not hold under its old key."""
    belongs: Callable[[Any], tuple[int, int]]

    def first(self) -> tuple[object, ...]:
        """A place before every row."""
        return tuple(_FIRST[kind] for kind in self._key_types())

    def write_place(self, place: tuple[object, ...]) -> bytes:
        """A place as it is stored."""
        return msgspec.json.encode(place)

    def read_place(self, text: bytes) -> tuple[object, ...]:
        """The reverse."""
        stored = msgspec.json.decode(text, type=list[object])
        kinds = self._key_types()
        return tuple(msgspec.convert(*pair) for pair in zip(stored, kinds, strict=True))

    def _key_types(self) -> tuple[type, ...]:
        hints = get_type_hints(self.row)
        return tuple(hints[name] for name in self.key)


class MacedRow(Protocol):
    """A row with a MAC over its columns."""

    @property
    def row_mac(self) -> bytes:
        """Version byte and MAC."""

    def mac_parts(self) -> Any:
        """The columns that the MAC covers."""


def maced(
    table: str,
    row: type[Any],
    key: tuple[str, ...],
    belongs: tuple[str, str] | str,
    *,
    page: str,
    count: str,
    swap: str,
) -> KeyedRows:
    """A table whose rows carry a MAC; ``swap`` takes key, old MAC and new MAC.

    ``belongs`` names the fields of record and subject, or of the subject alone.
    """

    async def rekey(ctx: Context, found: MacedRow) -> Rekeyed:
        if ctx.sealer.is_current(KeyKind.ROW_MAC, version_of(found.row_mac)):
            return Rekeyed.CURRENT
        parts: list[Value] = list(found.mac_parts())
        ctx.sealer.check_mac(table, parts, found.row_mac)
        fresh = ctx.sealer.row_mac(table, parts)
        return await swapped(ctx, swap, *place_of(found, key), found.row_mac, fresh)

    return KeyedRows(
        table=table,
        kind=KeyKind.ROW_MAC,
        row=row,
        key=key,
        page=page,
        count=count,
        rekey=rekey,
        belongs=belonging(belongs),
    )


def belonging(names: tuple[str, str] | str) -> Callable[[Any], tuple[int, int]]:
    """Record and subject of a row from fields; one name is a subject without a record."""
    if isinstance(names, str):
        return lambda row: (0, getattr(row, names))
    return lambda row: (getattr(row, names[0]), getattr(row, names[1]))


def place_of(row: object, key: tuple[str, ...]) -> tuple[Any, ...]:
    """The key columns of a row."""
    return tuple(getattr(row, name) for name in key)


def version_of(carrier: bytes) -> int:
    """The key version in front of a MAC or a blind key; 0 where there is none."""
    return carrier[0] if carrier else 0


def wrapped_version(wrapped: bytes) -> int:
    """The column key version of a wrapped data key, also in front of an envelope; else 0."""
    return wrapped[1] if len(wrapped) >= envelope.WRAPPED_SIZE else 0


async def swapped(ctx: Context, sql: str, *args: object) -> Rekeyed:
    """Run a compare-and-set of one row."""
    async with connection(ctx.pool) as conn:
        done = await execute(conn, sql, *args)
    return Rekeyed.CHANGED if done == 1 else Rekeyed.LOST


class _DataKey(msgspec.Struct, frozen=True, kw_only=True):
    record_id: int
    wrapped: bytes | None


class _KeptAnswer(msgspec.Struct, frozen=True, kw_only=True):
    key_hash: bytes
    answer: bytes | None


async def _rewrap_data_key(ctx: Context, row: _DataKey) -> Rekeyed:
    if row.wrapped is None or ctx.sealer.is_current(KeyKind.COLUMN, wrapped_version(row.wrapped)):
        return Rekeyed.CURRENT
    fresh = ctx.sealer.rewrap_record_key(row.record_id, row.wrapped)
    return await swapped(ctx, SWAP_DATA_KEY, row.record_id, row.wrapped, fresh)


async def _rewrap_answer(ctx: Context, row: _KeptAnswer) -> Rekeyed:
    if row.answer is None or ctx.sealer.is_current(KeyKind.COLUMN, wrapped_version(row.answer)):
        return Rekeyed.CURRENT
    fresh = ctx.sealer.rewrap_local("idempotency", row.key_hash, row.answer)
    return await swapped(ctx, SWAP_ANSWER, row.key_hash, row.answer, fresh)


KEYED_ROWS = (
    KeyedRows(
        table="data_key",
        kind=KeyKind.COLUMN,
        row=_DataKey,
        key=("record_id",),
        page=PAGE_DATA_KEYS,
        count=COUNT_DATA_KEYS,
        rekey=_rewrap_data_key,
        belongs=belonging(("record_id", "record_id")),
    ),
    KeyedRows(
        table="idempotency",
        kind=KeyKind.COLUMN,
        row=_KeptAnswer,
        key=("key_hash",),
        page=PAGE_ANSWERS,
        count=COUNT_ANSWERS,
        rekey=_rewrap_answer,
        belongs=lambda row: (0, int.from_bytes(row.key_hash[:7])),
    ),
)
"""The kernel's own tables."""
