"""The twin's book in SQLite: trades, refunds, notices still to send, used codes, bill edits.

Owns every statement; times are Unix seconds (milliseconds where the name says so). Knows no rule.
"""

import msgspec

from integrations.sandbox.sqlite_book import SqliteBook

SCHEMA = """
create table if not exists trades (
    seller_id text not null, out_trade_no text not null, app_id text not null, way text not null,
    content text not null, total integer not null, subject text not null,
    notify_url text not null, buyer text not null, state text not null, qr text not null,
    trade_no text not null, expires_at integer not null, created_at integer not null,
    paid_at integer not null, payer text not null, closed_at integer not null,
    refunded integer not null, refunded_at integer not null,
    primary key (seller_id, out_trade_no));
create index if not exists trades_by_qr on trades (qr);
create index if not exists trades_by_number on trades (trade_no);
create index if not exists trades_by_state on trades (state);
create table if not exists refunds (
    seller_id text not null, out_trade_no text not null, out_request_no text not null,
    amount integer not null, status text not null, created_at integer not null,
    done_at integer not null,
    primary key (seller_id, out_trade_no, out_request_no));
create table if not exists notices (
    number integer primary key autoincrement, id text not null, trade_no text not null,
    url text not null, status text not null, plain text not null, fault text not null,
    due_ms integer not null, tries integer not null, state text not null);
create index if not exists notices_by_due on notices (state, due_ms);
create table if not exists codes (code text primary key);
create table if not exists bill_edits (
    seller_id text not null, day text not null, kind text not null, value text not null);
"""


class TradeRow(msgspec.Struct, kw_only=True):
    """A trade, or a shown code (SHOWN) that becomes one when somebody scans it."""

    seller_id: str
    out_trade_no: str
    app_id: str
    way: str
    content: str
    total: int
    subject: str
    notify_url: str
    buyer: str
    state: str
    qr: str
    expires_at: int
    created_at: int
    trade_no: str = ""
    paid_at: int = 0
    payer: str = ""
    closed_at: int = 0
    refunded: int = 0
    refunded_at: int = 0


class RefundRow(msgspec.Struct, kw_only=True):
    """A refund: PENDING until ``done_at``, then DONE."""

    seller_id: str
    out_trade_no: str
    out_request_no: str
    amount: int
    status: str
    created_at: int
    done_at: int


class NoticeRow(msgspec.Struct, kw_only=True):
    """A notice; signed only when sent. ``plain`` holds its parameters as JSON."""

    id: str
    trade_no: str
    url: str
    status: str
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

    def use_code(self, code: str) -> bool:
        """Whether a payment code is used for the first time."""
        made = self._db.execute("insert or ignore into codes values (?)", (code,))
        return made.rowcount == 1

    def put_trade(self, trade: TradeRow) -> None:
        """Insert or replace."""
        self._put("trades", msgspec.structs.asdict(trade))

    def find_trade(self, seller_id: str, out_trade_no: str) -> TradeRow | None:
        """By merchant's number."""
        return self._trade("seller_id = ? and out_trade_no = ?", seller_id, out_trade_no)

    def find_trade_by_number(self, seller_id: str, trade_no: str) -> TradeRow | None:
        """By Alipay's number."""
        return self._trade("seller_id = ? and trade_no = ? and trade_no <> ''", seller_id, trade_no)

    def find_trade_by_text(self, text: str) -> TradeRow | None:
        """By Alipay's number or by the reference inside a QR, of any merchant."""
        return self._trade("(qr = ?1 or trade_no = ?1) and ?1 <> ''", text)

    def list_trades(self) -> list[TradeRow]:
        """All, oldest first."""
        return self._trades("1 = 1")

    def list_trades_paid(self, seller_id: str, since: int, until: int) -> list[TradeRow]:
        """Paid within [since, until)."""
        return self._trades(
            "seller_id = ? and paid_at >= ? and paid_at < ?", seller_id, since, until
        )

    def list_trades_to_age(self, unpaid_until: int, paid_until: int) -> list[TradeRow]:
        """Waiting past their time, or paid so long ago that they are finished."""
        return self._trades(
            "(state = 'WAIT_BUYER_PAY' and expires_at <= ?)"
            " or (state = 'TRADE_SUCCESS' and paid_at <= ?)",
            unpaid_until,
            paid_until,
        )

    def put_refund(self, refund: RefundRow) -> None:
        """Insert or replace."""
        self._put("refunds", msgspec.structs.asdict(refund))

    def find_refund(self, seller_id: str, out_trade_no: str, request_no: str) -> RefundRow | None:
        """By trade and request number."""
        found = self._refunds(
            "seller_id = ? and out_trade_no = ? and out_request_no = ?",
            seller_id,
            out_trade_no,
            request_no,
        )
        return found[0] if found else None

    def list_refunds_of(self, seller_id: str, out_trade_no: str) -> list[RefundRow]:
        """Of one trade."""
        return self._refunds("seller_id = ? and out_trade_no = ?", seller_id, out_trade_no)

    def list_refunds(self) -> list[RefundRow]:
        """All."""
        return self._refunds("1 = 1")

    def list_refunds_done(self, seller_id: str, since: int, until: int) -> list[RefundRow]:
        """Done within [since, until)."""
        return self._refunds(
            "seller_id = ? and status = 'DONE' and done_at >= ? and done_at < ?",
            seller_id,
            since,
            until,
        )

    def list_refunds_due(self, now: int) -> list[RefundRow]:
        """Still pending, and their time has come."""
        return self._refunds("status = 'PENDING' and done_at <= ?", now)

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

    def add_bill_edit(self, seller_id: str, day: str, kind: str, value: str) -> None:
        """Remember an omission or an extra line of a day's bill."""
        self._db.execute(
            "insert into bill_edits values (?, ?, ?, ?)", (seller_id, day, kind, value)
        )

    def list_bill_edits(self, seller_id: str, day: str, kind: str) -> list[str]:
        """The values of one kind for one day."""
        rows = self._db.execute(
            "select value from bill_edits where seller_id = ? and day = ? and kind = ?",
            (seller_id, day, kind),
        )
        return [str(row[0]) for row in rows]

    def _trade(self, where: str, *values: str) -> TradeRow | None:
        # The conditions are this module's own constants; values are bound.
        row = self._db.execute(f"select * from trades where {where}", values).fetchone()  # noqa: S608
        return None if row is None else TradeRow(**dict(row))

    def _trades(self, where: str, *values: str | int) -> list[TradeRow]:
        rows = self._db.execute(
            f"select * from trades where {where} order by created_at, out_trade_no limit 100000",  # noqa: S608
            values,
        )
        return [TradeRow(**dict(row)) for row in rows]

    def _refunds(self, where: str, *values: str | int) -> list[RefundRow]:
        rows = self._db.execute(
            f"select * from refunds where {where}"  # noqa: S608
            " order by created_at, out_request_no limit 100000",
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
