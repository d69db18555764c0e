"""Forward-only SQL migrations, one statement an ``execute``.

A file ``NNNN_name.sql`` begins with a comment that says why. Statements are separated by a line
``-- ;;``; there is no SQL lexer to be wrong. ``-- distribution: <key> (<column>)`` above a table
names its key (docs/architecture.md); on a server with the citus extension the runner distributes
the table by it. A file is applied once, in order, in one transaction, and its digest is kept:
a changed file is refused.
"""

import re
from pathlib import Path

import msgspec

from crypto.sm3 import sm3
from service.kernel.clock import Clock, SystemClock
from service.kernel.database import BareConnection

MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"
SEPARATOR = "-- ;;"
_NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")
_LOCK_KEY = 0x59494D41
"""Advisory lock taken for the length of one migration transaction, so two starters queue up."""

CREATE_TABLE = """
create table if not exists schema_migration (
  version integer primary key,
  name text not null,
  digest bytea not null,
  applied_at timestamptz not null
)
"""
LOCK = "select pg_advisory_xact_lock($1)"
LIST_APPLIED = "select version, digest from schema_migration order by version"
INSERT_APPLIED = """
insert into schema_migration (version, name, digest, applied_at)
values ($1, $2, $3, $4)
"""


class MigrationRefused(Exception):
    """The files and the database do not fit; the message says which version and why."""


class Migration(msgspec.Struct, frozen=True):
    """One file, split."""

    version: int
    name: str
    digest: bytes
    statements: list[str]


def read_migrations(folder: Path = MIGRATIONS) -> list[Migration]:
    """All files in order. Raises ``MigrationRefused`` for a bad name or a gap."""
    found: list[Migration] = []
    for path in sorted(folder.glob("*.sql")):
        name = _NAME.fullmatch(path.name)
        if name is None:
            raise MigrationRefused(f"{path.name}: not NNNN_name.sql")
        text = path.read_text("utf-8")
        statements = [part.strip() for part in text.split(SEPARATOR) if _has_sql(part)]
        found.append(Migration(int(name[1]), path.name, sm3(text.encode()), statements))
    for place, migration in enumerate(found, start=1):
        if migration.version != place:
            raise MigrationRefused(f"{migration.name}: expected version {place:04d}")
    return found


def _has_sql(part: str) -> bool:
    return any(line.strip() and not line.lstrip().startswith("--") for line in part.splitlines())


async def migrate(
    connection: BareConnection, clock: Clock | None = None, folder: Path = MIGRATIONS
) -> int:
    """Bring the schema to the newest version; gives the number of files applied.

    Raises ``MigrationRefused`` if an applied file has changed or the database is newer than the
    files.
    """
    migrations = read_migrations(folder)
    clock = clock or SystemClock()
    await connection.execute(CREATE_TABLE)
    applied = 0
    for migration in migrations:
        async with connection.transaction():
            await connection.execute("set local lock_timeout = '10s'")
            await connection.execute(LOCK, _LOCK_KEY)
            known = {row["version"]: row["digest"] for row in await connection.fetch(LIST_APPLIED)}
            if known and max(known) > len(migrations):
                raise MigrationRefused(
                    f"the database is at version {max(known)}, newer than this program"
                )
            if migration.version in known:
                if known[migration.version] != migration.digest:
                    raise MigrationRefused(f"{migration.name} was changed after it was applied")
                continue
            for statement in migration.statements:
                await connection.execute(statement)
            await connection.execute(
                INSERT_APPLIED, migration.version, migration.name, migration.digest, clock.now()
            )
            applied += 1
    return applied
