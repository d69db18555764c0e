"""A twin's book in SQLite: what every book needs. Each twin adds its tables and statements."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

COUNTERS = """
create table if not exists counters (name text primary key, value integer not null);
"""


class SqliteBook:
    """One SQLite file, or ``:memory:``. Used from one event loop only. Knows no rule.

    :param schema: the twin's own tables, each made only where it does not exist.
    """

    def __init__(self, path: str | Path, schema: str) -> None:
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.row_factory = sqlite3.Row
        self._db.execute("pragma journal_mode = wal")
        self._db.execute("pragma synchronous = normal")
        self._db.executescript(schema + COUNTERS)

    def close(self) -> None:
        """Give the file back."""
        self._db.close()

    def forget(self) -> None:
        """Empty, as a new book is."""
        tables = self._db.execute("select name from sqlite_master where type = 'table'").fetchall()
        for row in tables:
            self._db.execute(f"delete from {row['name']}")  # noqa: S608 - our own tables

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing. The body must not await."""
        self._db.execute("begin immediate")
        try:
            yield
        except BaseException:
            self._db.execute("rollback")
            raise
        self._db.execute("commit")

    def counter(self, name: str) -> int:
        """The number's present value, 0 before its first use."""
        row = self._db.execute("select value from counters where name = ?", (name,)).fetchone()
        return 0 if row is None else int(row[0])

    def add_to_counter(self, name: str, more: int) -> int:
        """Raise a number by ``more``; gives its new value."""
        row = self._db.execute(
            "insert into counters values (?1, ?2)"
            " on conflict (name) do update set value = value + ?2 returning value",
            (name, more),
        ).fetchone()
        return int(row[0])

    def next_number(self, name: str) -> int:
        """A rising number per name, from 1."""
        return self.add_to_counter(name, 1)
