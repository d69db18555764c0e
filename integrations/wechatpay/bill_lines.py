"""WeChat's trade bill (payments.md 3.3) as typed lines, read piece by piece and tied to its totals.

Columns go by their header names, for old merchants lack some. Owns no transport and no keys.
"""

import gzip
import io
import zlib
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

from integrations.kit.clocktext import BEIJING
from integrations.ports.money import MoneyError, parse_yuan_text
from integrations.ports.statements import (
    LineKind,
    LineState,
    StatementLine,
    StatementTotals,
    StatementUnusable,
    check_number,
)

PLAIN_BYTES_MAX = 2 * 1024 * 1024 * 1024
LINE_MAX = 8192
PIECE = 65536
MINUTES_MAX = 1440
SECONDS = {f"{second:02d}": timedelta(seconds=second) for second in range(60)}
REMEMBERED = 4096
"""Texts whose reading is kept: a million lines hold few different ones at a time."""
ORDER_COLUMNS = ("订单金额", "应结订单金额", "总金额")
RETURN_COLUMNS = ("申请退款金额", "退款金额")
SUMMED = {
    "订单总金额": "订单金额",
    "应结订单总金额": "应结订单金额",
    "总交易额": "总金额",
    "申请退款总金额": "申请退款金额",
    "退款总金额": "退款金额",
    "总退款金额": "退款金额",
}
"""Each total with the column it adds up."""
REFUND_STATES = {
    "SUCCESS": LineState.DONE,
    "PROCESSING": LineState.ACCEPTED,
    "CHANGE": LineState.FAILED,
    "FAIL": LineState.FAILED,
}


class WechatStatement:
    """One day's bill of one merchant."""

    def __init__(
        self, content: bytes, day: date, *, mchid: str, sub_mchid: str | None = None
    ) -> None:
        self.totals = StatementTotals()
        self._content = content
        self._day = day
        self._mchid = mchid
        self._sub_mchid = sub_mchid

    def lines(self) -> Iterator[StatementLine]:
        """Each row in the file's order. Raises ``StatementUnusable``."""
        packed = _Bounded(gzip.GzipFile(fileobj=io.BytesIO(self._content)))
        plain = io.BufferedReader(packed, PIECE)
        try:
            with io.TextIOWrapper(plain, "utf-8-sig", newline="\n") as text:
                yield from self._read(_lines(text))
        except UnicodeDecodeError:
            raise StatementUnusable("charset") from None
        except EOFError:
            raise StatementUnusable("truncated") from None
        except (OSError, zlib.error):
            raise StatementUnusable("damaged") from None

    def _read(self, lines: Iterator[str]) -> Iterator[StatementLine]:
        header = next(lines, "")
        if not header or header.startswith("`"):
            raise StatementUnusable("no-header")
        columns = _Columns(_names(header), _Day(self._day), self._mchid, self._sub_mchid)
        line = next(lines, "")
        while line.startswith("`"):
            found = columns.line(line)
            self.totals.count(found)
            yield found
            line = next(lines, "")
        if not line:
            raise StatementUnusable("no-footer")
        self._tie(columns, _names(line), next(lines, ""))
        if any(rest.strip() for rest in lines):
            raise StatementUnusable("after-footer")

    def _tie(self, columns: "_Columns", names: list[str], line: str) -> None:
        """The summary's count and sums must be those of the rows; one sum at least is there."""
        if not line.startswith("`"):
            raise StatementUnusable("no-footer")
        cells = line[1:].split(",`")
        if len(cells) != len(names):
            raise StatementUnusable("no-footer")
        summary = dict(zip(names, cells, strict=True))
        if summary.get("总交易单数") != str(columns.rows):
            raise StatementUnusable("totals-differ")
        summed = [(t, c) for t, c in SUMMED.items() if t in summary and c in columns.sums]
        if not summed:
            raise StatementUnusable("no-footer")
        for total, column in summed:
            if _fen(summary[total]) != columns.sums[column]:
                raise StatementUnusable("totals-differ")
        self.totals.tied = True


class _Columns:
    """Where each column stands, found once from the header; and the sums that are told."""

    def __init__(self, names: list[str], day: "_Day", mchid: str, sub_mchid: str | None) -> None:
        self.rows = 0
        self._day = day
        self._names = names
        self._count = len(names)
        self._at = self._place("交易时间")
        self._mchid_at, self._mchid = self._place("商户号"), mchid
        self._sub_at = self._place("特约商户号", "子商户号")
        self._sub_mchid = sub_mchid
        self._ref, self._trade_no = self._place("微信订单号"), self._place("商户订单号")
        self._state = self._place("交易状态")
        self._currency = self._place("货币种类")
        self._refund_ref, self._refund_no = self._place("微信退款单号"), self._place("商户退款单号")
        self._refund_state = self._place("退款状态")
        self._ordered, self._returned = self._place(*ORDER_COLUMNS), self._place(*RETURN_COLUMNS)
        self._summed = [(n, names.index(n)) for n in dict.fromkeys(SUMMED.values()) if n in names]
        self.sums = {name: 0 for name, _ in self._summed}

    def _place(self, *choices: str) -> int:
        for name in choices:
            if name in self._names:
                return self._names.index(name)
        raise StatementUnusable("column-missing")

    def line(self, text: str) -> StatementLine:
        """One row. Raises ``StatementUnusable``."""
        cells = text[1:].split(",`")
        if len(cells) != self._count:
            raise StatementUnusable("row-broken")
        if cells[self._mchid_at] != self._mchid:
            raise StatementUnusable("other-merchant")
        if self._sub_mchid is not None and cells[self._sub_at] != self._sub_mchid:
            raise StatementUnusable("other-merchant")
        if cells[self._currency] not in {"CNY", ""}:
            raise StatementUnusable("other-currency")
        at = self._day.at(cells[self._at])
        self.rows += 1
        sums = self.sums
        for name, place in self._summed:
            # Most rows have no refund and no coupon.
            if (cell := cells[place]) != "0.00":
                sums[name] += _fen(cell)
        return self._typed(cells, at)

    def _typed(self, cells: list[str], at: datetime) -> StatementLine:
        trade_no, state = check_number(cells[self._trade_no]), cells[self._state]
        ordered, returned = _fen(cells[self._ordered]), _fen(cells[self._returned])
        if state == "SUCCESS" or (state == "REVOKED" and not returned):
            return StatementLine(
                LineKind.TRADE,
                trade_no,
                trade_no,
                check_number(cells[self._ref]),
                ordered,
                LineState.DONE if state == "SUCCESS" else LineState.REVOKED,
                at,
            )
        if state in {"REFUND", "REVOKED"}:
            given = cells[self._refund_no]
            revoked = state == "REVOKED"
            told = LineState.REVOKED if revoked else REFUND_STATES.get(cells[self._refund_state])
            if told is None:
                raise StatementUnusable("state-unlisted")
            return StatementLine(
                LineKind.REFUND,
                # A reversal may have no number of ours: its trade names it.
                check_number(given if given not in {"", "0"} else trade_no),
                trade_no,
                check_number(cells[self._refund_ref]),
                returned,
                told,
                at,
            )
        raise StatementUnusable("state-unlisted")


class _Bounded(io.RawIOBase):
    """The plain bytes of a packed file, up to a bound."""

    def __init__(self, packed: gzip.GzipFile) -> None:
        super().__init__()
        self._packed = packed
        self._left = PLAIN_BYTES_MAX

    def readable(self) -> bool:
        """As the standard library asks."""
        return True

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]
        """The next piece."""
        piece = self._packed.read(len(buffer))
        self._left -= len(piece)
        if self._left < 0:
            raise StatementUnusable("too-large")
        buffer[: len(piece)] = piece
        return len(piece)


def _lines(text: io.TextIOWrapper) -> Iterator[str]:
    """Each line without its end, a blank one as nothing. Holds a piece of the file at a time."""
    rest = ""
    while piece := text.read(PIECE):
        *whole, rest = (rest + piece).split("\n")
        for line in whole:
            if len(line) > LINE_MAX:
                raise StatementUnusable("line-too-long")
            yield line.rstrip("\r") if line.strip() else ""
        if len(rest) > LINE_MAX:
            raise StatementUnusable("line-too-long")
    if rest.strip():
        yield rest.rstrip("\r")


def _names(line: str) -> list[str]:
    names = line.split(",")
    if line.startswith("`") or len(set(names)) != len(names):
        raise StatementUnusable("no-header")
    return names


@lru_cache(maxsize=REMEMBERED)
def _fen(text: str) -> int:
    """Most cells of a row are nought, or an amount of the same row again."""
    try:
        amount = parse_yuan_text(text)
    except MoneyError:
        raise StatementUnusable("amount-unreadable") from None
    if amount < 0:
        raise StatementUnusable("amount-negative")
    return amount


class _Day:
    """Beijing times on the statement's day, as UTC. Each minute is read once: to read a time costs
    more than all else of its row."""

    def __init__(self, day: date) -> None:
        self._day = day
        self._head = f"{day.isoformat()} "
        self._minutes: dict[str, datetime] = {}

    def at(self, text: str) -> datetime:
        """Raises ``StatementUnusable``."""
        minute, second = self._minutes.get(text[:17]), SECONDS.get(text[17:])
        if minute is not None and second is not None:
            return minute + second
        at = self._read(text)
        usual = text.startswith(self._head) and text[13] == text[16] == ":"
        if usual and len(self._minutes) < MINUTES_MAX:
            self._minutes[text[:17]] = at.replace(second=0)
        return at

    def _read(self, text: str) -> datetime:
        try:
            local = datetime.fromisoformat(text)
        except ValueError:
            raise StatementUnusable("time-unreadable") from None
        if len(text) != 19 or local.tzinfo is not None:
            raise StatementUnusable("time-unreadable")
        if local.date() != self._day:
            raise StatementUnusable("other-day")
        return local.replace(tzinfo=BEIJING).astimezone(UTC)
