"""The twin's book in SQLite: orders, refunds, notices still to send, and bill edits.

Owns every statement; times are Unix seconds (milliseconds where the name says so). Knows no rule.
"""

import msgspec

from integrations.sandbox.sqlite_book import SqliteBook

SCHEMA = """
create table if not exists orders (
    mchid text not null, out_trade_no text not null, appid text not null, way text not null,
    content text not null, total integer not null, description text not null,
    notify_url text not null, attach text not null, openid text not null,
    state text not null, prepay text not null, prepay_until integer not null,
    expires_at integer not null, created_at integer not null,
    transaction_id text not null, paid_at integer not null, payer text not null,
    primary key (mchid, out_trade_no));
create unique index if not exists orders_by_prepay on orders (prepay);
create table if not exists refunds (
    mchid text not null, out_refund_no text not null, out_trade_no text not null,
    refund_id text not null, amount integer not null, total integer not null,
    content text not null, notify_url text not null, status text not null,
    ends_as text not null, created_at integer not null, done_at integer not null,
    primary key (mchid, out_refund_no));
create index if not exists refunds_by_trade on refunds (mchid, out_trade_no);
create table if not exists notices (
    number integer primary key autoincrement, id text not null, mchid text not null,
    trade_no text not null, url text not null, event text not null, summary text not null,
    original_type text not null, plain text not null, fault text not null,
    due_ms integer not null, tries integer not null, state text not null);
create index if not exists notices_by_due on notices (state, due_ms);
create table if not exists bill_edits (
    mchid text not null, day text not null, kind text not null, value text not null);
create table if not exists mixed (
    mchid text not null, out_trade_no text not null, ref text not null, doc text not null,
    primary key (mchid, out_trade_no));
create unique index if not exists mixed_by_ref on mixed (ref);
"""


ADDED = (
    ("sp_mchid", "text not null default ''"),
    ("sp_appid", "text not null default ''"),
    ("auth_code", "text not null default ''"),
    ("reversed_at", "integer not null default 0"),
)
"""Columns of orders that a book of an earlier release has not."""


class OrderRow(msgspec.Struct, kw_only=True):
    """An order. ``prepay`` is the prepay id, or the reference inside the code_url."""

    mchid: str
    out_trade_no: str
    appid: str
    way: str
    content: str
    total: int
    description: str
    notify_url: str
    attach: str
    openid: str
    state: str
    prepay: str
    prepay_until: int
    expires_at: int
    created_at: int
    transaction_id: str = ""
    paid_at: int = 0
    payer: str = ""
    sp_mchid: str = ""
    """The service provider, where one signed."""
    sp_appid: str = ""
    auth_code: str = ""
    """The code that was shown."""
    reversed_at: int = 0


class RefundRow(msgspec.Struct, kw_only=True):
    """A refund; ``ends_as`` is what it will become at ``done_at``."""

    mchid: str
    out_refund_no: str
    out_trade_no: str
    refund_id: str
    amount: int
    total: int
    content: str
    notify_url: str
    status: str
    ends_as: str
    created_at: int
    done_at: int


class NoticeRow(msgspec.Struct, kw_only=True):
    """A notice; sealed and signed only when sent. ``fault`` is a fault's value or empty."""

    id: str
    mchid: str
    trade_no: str
    url: str
    event: str
    summary: str
    original_type: str
    plain: str
    fault: str
    due_ms: int
    tries: int = 0
    state: str = "WAITING"
    number: int = 0


class Book(SqliteBook):
    """Rows in and out."""

    def __init__(self, path: str) -> None:
        super().__init__(path, SCHEMA)
        known = {row["name"] for row in self._db.execute("pragma table_info(orders)")}
        for name, kind in ADDED:
            if name not in known:
                self._db.execute(f"alter table orders add column {name} {kind}")

    def put_order(self, order: OrderRow) -> None:
        """Insert or replace."""
        self._put("orders", msgspec.structs.asdict(order))

    def find_order(self, mchid: str, out_trade_no: str) -> OrderRow | None:
        """By merchant's number."""
        return self._order("mchid = ? and out_trade_no = ?", mchid, out_trade_no)

    def find_order_by_id(self, mchid: str, transaction_id: str) -> OrderRow | None:
        """By the twin's transaction number."""
        return self._order("mchid = ? and transaction_id = ?", mchid, transaction_id)

    def find_order_by_prepay(self, prepay: str) -> OrderRow | None:
        """By prepay id, or the reference of a code_url."""
        return self._order("prepay = ?", prepay)

    def find_order_by_code(self, auth_code: str) -> OrderRow | None:
        """The order that a shown code was used for."""
        return self._order("auth_code = ?", auth_code)

    def list_orders_reversed(self, mchid: str, since: int, until: int) -> list[OrderRow]:
        """Reversed after they were paid, within [since, until)."""
        rows = self._db.execute(
            "select * from orders where mchid = ? and transaction_id <> ''"
            " and reversed_at >= ? and reversed_at < ? order by reversed_at, transaction_id",
            (mchid, since, until),
        )
        return [OrderRow(**dict(row)) for row in rows]

    def list_orders(self) -> list[OrderRow]:
        """All, oldest first."""
        rows = self._db.execute(
            "select * from orders order by created_at, out_trade_no limit 100000"
        )
        return [OrderRow(**dict(row)) for row in rows]

    def list_orders_paid(self, mchid: str, since: int, until: int) -> list[OrderRow]:
        """Paid within [since, until)."""
        rows = self._db.execute(
            "select * from orders where mchid = ? and paid_at >= ? and paid_at < ?"
            " and transaction_id <> '' order by paid_at, out_trade_no",
            (mchid, since, until),
        )
        return [OrderRow(**dict(row)) for row in rows]

    def put_refund(self, refund: RefundRow) -> None:
        """Insert or replace."""
        self._put("refunds", msgspec.structs.asdict(refund))

    def find_refund(self, mchid: str, out_refund_no: str) -> RefundRow | None:
        """By merchant's number."""
        found = self._refunds("mchid = ? and out_refund_no = ?", mchid, out_refund_no)
        return found[0] if found else None

    def list_refunds_of(self, mchid: str, out_trade_no: str) -> list[RefundRow]:
        """Of one order."""
        return self._refunds("mchid = ? and out_trade_no = ?", mchid, out_trade_no)

    def list_refunds(self) -> list[RefundRow]:
        """All."""
        return self._refunds("1 = 1")

    def list_refunds_created(self, mchid: str, since: int, until: int) -> list[RefundRow]:
        """Accepted within [since, until)."""
        return self._refunds(
            "mchid = ? and created_at >= ? and created_at < ?", mchid, since, until
        )

    def list_refunds_due(self, now: int) -> list[RefundRow]:
        """Still in work, and their time has come."""
        return self._refunds("status = 'PROCESSING' and done_at <= ?", now)

    def add_notice(self, notice: NoticeRow) -> None:
        """Queue a notice."""
        values = msgspec.structs.asdict(notice)
        del values["number"]
        self._put("notices", values)

    def list_notices_due(self, now_ms: int, limit: int) -> list[NoticeRow]:
        """Waiting notices whose time has come, earliest first."""
        rows = self._db.execute(
            "select * from notices where state = 'WAITING' and due_ms <= ?"
            " order by due_ms, number limit ?",
            (now_ms, limit),
        )
        return [NoticeRow(**dict(row)) for row in rows]

    def list_notices(self) -> list[NoticeRow]:
        """All, oldest first."""
        rows = self._db.execute("select * from notices order by number limit 100000")
        return [NoticeRow(**dict(row)) for row in rows]

    def move_notice(self, number: int, *, tries: int, due_ms: int, state: str, fault: str) -> None:
        """Note what became of one sending."""
        self._db.execute(
            "update notices set tries = ?, due_ms = ?, state = ?, fault = ? where number = ?",
            (tries, due_ms, state, fault, number),
        )

    def hurry_notices(self, trade_no: str, now_ms: int) -> None:
        """Let notices that were held back for reordering go now."""
        self._db.execute(
            "update notices set due_ms = ?, fault = '' where trade_no = ? and state = 'WAITING'"
            " and fault = 'notice-reordered' and due_ms > ?",
            (now_ms, trade_no, now_ms),
        )

    def add_bill_edit(self, mchid: str, day: str, kind: str, value: str) -> None:
        """Remember an omission or an extra line of a day's bill."""
        self._db.execute("insert into bill_edits values (?, ?, ?, ?)", (mchid, day, kind, value))

    def list_bill_edits(self, mchid: str, day: str, kind: str) -> list[str]:
        """The values of one kind for one day."""
        rows = self._db.execute(
            "select value from bill_edits where mchid = ? and day = ? and kind = ?",
            (mchid, day, kind),
        )
        return [str(row[0]) for row in rows]

    def put_mixed(self, mchid: str, out_trade_no: str, ref: str, doc: str) -> None:
        """Insert or replace a mixed order."""
        values: dict[str, object] = {
            "mchid": mchid,
            "out_trade_no": out_trade_no,
            "ref": ref,
            "doc": doc,
        }
        self._put("mixed", values)

    def find_mixed(self, mchid: str, out_trade_no: str) -> str | None:
        """A mixed order's document, by the merchant's number."""
        row = self._db.execute(
            "select doc from mixed where mchid = ? and out_trade_no = ?", (mchid, out_trade_no)
        ).fetchone()
        return None if row is None else str(row[0])

    def find_mixed_ref(self, ref: str) -> str | None:
        """The same by the twin's number."""
        row = self._db.execute("select doc from mixed where ref = ?", (ref,)).fetchone()
        return None if row is None else str(row[0])

    def list_mixed(self) -> list[str]:
        """Documents of all mixed orders."""
        rows = self._db.execute("select doc from mixed order by ref limit 100000")
        return [str(row[0]) for row in rows]

    def _order(self, where: str, *values: str) -> OrderRow | None:
        # The conditions are this module's own constants; values are bound.
        row = self._db.execute(f"select * from orders where {where}", values).fetchone()  # noqa: S608
        return None if row is None else OrderRow(**dict(row))

    def _refunds(self, where: str, *values: str | int) -> list[RefundRow]:
        rows = self._db.execute(
            f"select * from refunds where {where} order by created_at, refund_id limit 100000",  # noqa: S608
            values,
        )
        return [RefundRow(**dict(row)) for row in rows]

    def _put(self, table: str, values: dict[str, object]) -> None:
        names = ", ".join(values)
        marks = ", ".join("?" * len(values))
        self._db.execute(
            f"insert or replace into {table} ({names}) values ({marks})",  # noqa: S608
            tuple(values.values()),
        )
