"""The statements that one settlement makes PostgreSQL run, read from the server's own log.

What runs anyway while nobody does anything (the worker's and the hospital's polls) is measured
before and taken off again.
"""

import asyncio
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path

import asyncpg
import msgspec

from service.kernel.database import CLAIMING

IDLE_S = 6.0
_ENTRY = re.compile(r"^YB(\d+)/(\S*) (LOG|DETAIL):  (.*)$", re.DOTALL)
_CHANGES = re.compile(r"\b(?:insert into|update|delete from)\s+\w+", re.IGNORECASE)
_LOCKS = re.compile(r"\bfor (?:no key )?(?:update|share)\b", re.IGNORECASE)
_EXECUTE = re.compile(r"^execute [^:]*: (.*)$", re.DOTALL)
_PARAMETER = re.compile(r"\$(\d+) = (NULL|'(?:[^']|'')*')")
_CATALOGUE = ("pg_catalog", "pg_type", "information_schema", "pg_reload_conf")


class Statement(msgspec.Struct, kw_only=True):
    """One statement as it was executed; ``None`` is NULL."""

    sql: str
    values: list[str | None] = []


class Group(msgspec.Struct, kw_only=True):
    """A transaction, or one statement alone."""

    statements: list[Statement]
    transaction: bool
    durable: bool = True
    """Whether its commit waits for the disk."""

    @property
    def shape(self) -> tuple[str, ...]:
        """What it does, whatever the values."""
        return tuple(one.sql for one in self.statements)

    @property
    def writes(self) -> bool:
        """Whether anything is changed: reads that go together begin with ``with`` too."""
        return any(_CHANGES.search(_LOCKS.sub("", sql)) for sql in self.shape)


class Captured(msgspec.Struct, kw_only=True):
    """Groups in the order in which they began, and the values that were new in unique columns."""

    groups: list[Group]
    new_values: dict[str, set[str]]
    """By type: ``bigint``, ``text``, ``bytea`` (as the log writes them)."""
    idle_per_s: float
    """Statements a second while nobody does anything."""

    @property
    def statements(self) -> int:
        """How many, begin and commit not counted."""
        return sum(len(group.statements) for group in self.groups)

    @property
    def commits(self) -> int:
        """How many times a commit waits for PostgreSQL's disk."""
        return sum(group.writes and group.durable for group in self.groups)

    @property
    def claims(self) -> int:
        """How many changes are committed without waiting for the disk."""
        return sum(group.writes and not group.durable for group in self.groups)


async def capture(dsn: str, log: Path, act: Callable[[], Awaitable[float]]) -> Captured:
    """Log everything, wait idle, then ``act``, which gives the seconds it took."""
    conn = await asyncpg.connect(dsn)
    try:
        await _switch(conn, on=True)
        try:
            mark = _size(log)
            await asyncio.sleep(IDLE_S)
            idle = _groups(_read(log, mark))
            before = await _unique_values(conn)
            mark = _size(log)
            took_s = await act()
            acted = _groups(_read(log, mark))
        finally:
            await _switch(conn, on=False)
        after = await _unique_values(conn)
    finally:
        await conn.close()
    return Captured(
        groups=_without(acted, idle, took_s / IDLE_S),
        new_values={kind: after[kind] - before[kind] for kind in after},
        idle_per_s=sum(len(group.statements) for group in idle) / IDLE_S,
    )


async def _switch(conn: asyncpg.Connection, *, on: bool) -> None:
    settings = {"log_statement": "'all'", "log_line_prefix": "'YB%p/%a '"}
    for name, value in settings.items():
        verb = f"alter system set {name} = {value}" if on else f"alter system reset {name}"
        await conn.execute(verb)
    await conn.execute("select pg_reload_conf()")
    await asyncio.sleep(0.5)


def _size(log: Path) -> int:
    return log.stat().st_size


def _read(log: Path, mark: int) -> str:
    with log.open("rb") as file:
        file.seek(mark)
        return file.read().decode("utf-8", "replace")


def _entries(text: str) -> Iterable[tuple[str, bool, str, str]]:
    """(session, durable, severity, message); later lines of a message begin with a tab."""
    for entry in re.split(r"\n(?!\t)", text):
        found = _ENTRY.match(entry.replace("\n\t", "\n").rstrip("\n"))
        if found is not None:
            yield found[1], not found[2].endswith(CLAIMING), found[3], found[4]


def _groups(text: str) -> list[Group]:
    """Statements put together by transaction."""
    groups: list[Group] = []
    open_in: dict[str, Group] = {}
    last_in: dict[str, Statement] = {}
    for session, durable, severity, message in _entries(text):
        if severity == "DETAIL":
            if session in last_in:
                last_in[session].values = _values(message)
            continue
        last_in.pop(session, None)
        word = message.removeprefix("statement: ").strip("; \n").lower()
        executed = _EXECUTE.match(message)
        if word.startswith("begin"):
            open_in[session] = Group(statements=[], transaction=True, durable=durable)
            groups.append(open_in[session])
        elif word in ("commit", "rollback"):
            open_in.pop(session, None)
        elif executed is not None and not any(name in executed[1] for name in _CATALOGUE):
            statement = Statement(sql=executed[1].strip())
            last_in[session] = statement
            if session in open_in:
                open_in[session].statements.append(statement)
            else:
                groups.append(Group(statements=[statement], transaction=False, durable=durable))
    return [group for group in groups if group.statements]


def _values(message: str) -> list[str | None]:
    _, _, listed = message.partition(": ")
    return [
        None if value == "NULL" else value[1:-1].replace("''", "'")
        for _, value in _PARAMETER.findall(listed)
    ]


def _without(acted: list[Group], idle: list[Group], longer: float) -> list[Group]:
    """Take as many of each idle shape off as would have run anyway in that time."""
    spare = Counter(group.shape for group in idle)
    left = {shape: round(count * longer) for shape, count in spare.items()}
    kept = []
    for group in acted:
        if left.get(group.shape, 0) > 0:
            left[group.shape] -= 1
        else:
            kept.append(group)
    return kept


_UNIQUE_COLUMNS = """
select distinct c.relname as table_name, a.attname as column_name, t.typname as kind
from pg_index i
join pg_class c on c.oid = i.indrelid
join pg_namespace n on n.oid = c.relnamespace and n.nspname = 'public'
join pg_attribute a on a.attrelid = c.oid and a.attnum = any(i.indkey)
join pg_type t on t.oid = a.atttypid
where i.indisunique and t.typname in ('int8', 'text', 'bytea')
"""


async def _unique_values(conn: asyncpg.Connection) -> dict[str, set[str]]:
    """Every value in a column that a unique index covers, as text."""
    found: dict[str, set[str]] = {"int8": set(), "text": set(), "bytea": set()}
    for row in await conn.fetch(_UNIQUE_COLUMNS):
        # Names come from the catalogue of our own schema.
        sql = (
            f'select distinct "{row["column_name"]}"::text from "{row["table_name"]}"'  # noqa: S608
            f' where "{row["column_name"]}" is not null'
        )
        found[row["kind"]] |= {value[0] for value in await conn.fetch(sql)}
    return found
