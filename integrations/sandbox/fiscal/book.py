"""The twin's book in SQLite: bills, their red bills, noises used. Knows no rule.

``visible_ms`` is when questions see a bill, in milliseconds.
"""

import msgspec

from integrations.sandbox.sqlite_book import SqliteBook

SCHEMA = """
create table if not exists bills (
    appid text not null, bus_no text not null, batch text not null, number text not null,
    content text not null, total integer not null, random text not null,
    created_ms integer not null, visible_ms integer not null,
    red_batch text not null, red_number text not null, red_random text not null,
    red_reason text not null, red_ms integer not null,
    primary key (appid, bus_no));
create unique index if not exists bills_by_number on bills (batch, number);
create table if not exists noises (
    appid text not null, noise text not null, at integer not null, primary key (appid, noise));
"""


class BillRow(msgspec.Struct, kw_only=True):
    """An e-invoice; ``total`` in fen. The members from ``red_batch`` on are empty until then."""

    appid: str
    bus_no: str
    batch: str
    number: str
    content: str
    total: int
    random: str
    created_ms: int
    visible_ms: int
    red_batch: str = ""
    red_number: str = ""
    red_random: str = ""
    red_reason: str = ""
    red_ms: int = 0


class Book(SqliteBook):
    """Rows in and out."""

    def __init__(self, path: str) -> None:
        super().__init__(path, SCHEMA)

    def use_noise(self, appid: str, noise: str, at: int, forget_before: int) -> bool:
        """False when it was used already; what is older than ``forget_before`` is forgotten."""
        self._db.execute("delete from noises where at < ?", (forget_before,))
        done = self._db.execute("insert or ignore into noises values (?, ?, ?)", (appid, noise, at))
        return done.rowcount == 1

    def put(self, bill: BillRow) -> None:
        """Insert or replace."""
        values = msgspec.structs.asdict(bill)
        self._db.execute(
            "insert or replace into bills values (:appid, :bus_no, :batch, :number, :content,"
            " :total, :random, :created_ms, :visible_ms, :red_batch, :red_number, :red_random,"
            " :red_reason, :red_ms)",
            values,
        )

    def find(self, appid: str, bus_no: str) -> BillRow | None:
        """By the institution's own number."""
        return self._one("select * from bills where appid = ? and bus_no = ?", appid, bus_no)

    def find_number(self, appid: str, batch: str, number: str) -> BillRow | None:
        """By code and number."""
        sql = "select * from bills where appid = ? and batch = ? and number = ?"
        return self._one(sql, appid, batch, number)

    def all(self) -> list[BillRow]:
        """Every bill, oldest first."""
        rows = self._db.execute("select * from bills order by number limit 100000")
        return [BillRow(**dict(row)) for row in rows]

    def _one(self, sql: str, *values: str) -> BillRow | None:
        row = self._db.execute(sql, values).fetchone()
        return None if row is None else BillRow(**dict(row))
