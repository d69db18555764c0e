"""From a file to rows: lines go in by COPY in bounded pieces, and count only when all were read."""

import hashlib
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, date, datetime
from functools import lru_cache
from itertools import islice

import asyncpg
import msgspec

from integrations.ports.statements import Statement, StatementLine, StatementUnusable
from service.kernel.context import Context
from service.kernel.database import BareConnection, Connection, connection, transaction
from service.reconcile import store
from service.reconcile.model import Account, FileState, StatementFile

PIECE = 20_000
LINES_TABLE = "statement_line"
MINUTES = 1440
SECONDS = tuple(f"{second:02d}+00:00" for second in range(60))
ANALYZE_FROM = 10_000
"""Below so many lines the planner does well without counting anew."""


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """The file in use after a try, and whether this try brought it."""

    file: StatementFile
    is_new: bool


class LoadingElsewhere(Exception):
    """Another run is loading a statement of this account and day, or died doing so."""


async def take(
    ctx: Context, account: Account, day: date, content: bytes, statement: Statement
) -> Taken:
    """Load a file and put it in use, unless its lines are those in use.

    Raises ``StatementUnusable``, with no line left behind, or ``LoadingElsewhere``.
    """
    digest = hashlib.sha256(content).digest()
    async with connection(ctx.pool) as conn:
        standing = await store.find_file(conn, account, day, FileState.ACTIVE)
        if standing is not None and standing.file_digest == digest:
            return Taken(file=standing, is_new=False)
        await _clear_leftover(conn, ctx, account, day)
        version = await store.last_version(conn, account, day) + 1
        file = new_file(ctx, account, day, version, digest)
        if not await store.insert_file(conn, file):
            raise LoadingElsewhere
        loaded = await _load(conn, file, statement)
        if standing is not None and standing.lines_digest == loaded.lines_digest:
            await store.delete_lines(conn, file.file_id)
            await store.delete_file(conn, file.file_id)
            return Taken(file=standing, is_new=False)
        if loaded.trade_count + loaded.refund_count >= ANALYZE_FROM:
            await conn.execute(store.ANALYZE_LINES, timeout=store.BULK_TIMEOUT_S)
    async with transaction(ctx.pool) as conn:
        if not await store.activate(conn, loaded):
            raise LoadingElsewhere
    return Taken(file=loaded, is_new=True)


def new_file(
    ctx: Context, account: Account, day: date, version: int, digest: bytes
) -> StatementFile:
    """A file before its first line."""
    return StatementFile(
        file_id=ctx.ids.new(),
        provider=account.provider,
        account_name=account.account_name,
        day=day,
        version=version,
        state=FileState.LOADING,
        reason=None,
        file_digest=digest,
        lines_digest=None,
        trade_count=0,
        trade_fen=0,
        refund_count=0,
        refund_fen=0,
        tied=False,
        taken_at=ctx.clock.now(),
    )


async def _clear_leftover(conn: Connection, ctx: Context, account: Account, day: date) -> None:
    """Take away what a run left that died while loading; a live one is younger."""
    left = await store.find_file(conn, account, day, FileState.LOADING)
    if left is None:
        return
    if (ctx.clock.now() - left.taken_at).total_seconds() < store.BULK_TIMEOUT_S:
        raise LoadingElsewhere
    await store.delete_lines(conn, left.file_id)
    await store.delete_file(conn, left.file_id)


async def _load(conn: BareConnection, file: StatementFile, statement: Statement) -> StatementFile:
    lines_digest = hashlib.sha256()
    try:
        numbered = enumerate(statement.lines(), 1)
        while piece := list(islice(numbered, PIECE)):
            texts = list(_texts(piece))
            lines_digest.update(b"".join(texts))
            await conn.copy_to_table(
                LINES_TABLE,
                source=_source(file.file_id, texts),
                columns=store.COLUMNS,
                timeout=store.BULK_TIMEOUT_S,
            )
    except asyncpg.UniqueViolationError:
        await _give_up(conn, file)
        raise StatementUnusable("line-doubled") from None
    except BaseException:
        await _give_up(conn, file)
        raise
    totals = statement.totals
    return msgspec.structs.replace(
        file,
        state=FileState.ACTIVE,
        lines_digest=lines_digest.digest(),
        trade_count=totals.trade_count,
        trade_fen=totals.trade_fen,
        refund_count=totals.refund_count,
        refund_fen=totals.refund_fen,
        tied=totals.tied,
    )


async def _give_up(conn: Connection, file: StatementFile) -> None:
    await store.delete_lines(conn, file.file_id)
    await store.delete_file(conn, file.file_id)


def _texts(piece: list[tuple[int, StatementLine]]) -> Iterator[bytes]:
    """Lines in COPY's text form, without the file's id; numbers hold no separators."""
    for number, line in piece:
        yield (
            f"{line.kind}\t{line.own_no}\t{number}\t{line.trade_no}\t{line.provider_ref}"
            f"\t{line.amount_fen}\t{line.state}\t{_time_text(line.at)}\n"
        ).encode()


def _time_text(at: datetime) -> str:
    """As ``isoformat``, which a million times would cost as much as all else of a line's text."""
    if at.microsecond or at.tzinfo is not UTC:
        return at.isoformat()
    return _minute_text(at.year, at.month, at.day, at.hour, at.minute) + SECONDS[at.second]


@lru_cache(maxsize=MINUTES)
def _minute_text(*minute: int) -> str:
    return datetime(*minute, tzinfo=UTC).isoformat()[:17]  # type: ignore[misc,arg-type]


async def _source(file_id: int, texts: list[bytes]) -> AsyncIterator[bytes]:
    head = f"{file_id}\t".encode()
    yield head + head.join(texts)


async def keep_refused(
    ctx: Context, account: Account, day: date, reason: str, digest: bytes
) -> StatementFile:
    """The row of a file that may not be used, made once for each reason."""
    async with connection(ctx.pool) as conn:
        file = await store.find_refused(conn, account, day, reason, digest)
        if file is None:
            version = await store.last_version(conn, account, day) + 1
            file = msgspec.structs.replace(
                new_file(ctx, account, day, version, digest),
                state=FileState.REFUSED,
                reason=reason,
            )
            await store.insert_file(conn, file)
    return file
