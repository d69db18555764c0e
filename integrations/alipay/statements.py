"""Reads a day's trade bill out of its ZIP, row by row (payments.md 5.8).

The layout is known from samples, not from an official page: columns go by their header names, and
the wording of the closing lines is not relied on. Owns shape, exact amounts and the tie between
rows and totals; knows nothing of our orders.
"""

import csv
import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from enum import StrEnum

import msgspec

from integrations.ports.money import MoneyError, parse_yuan_text

BILL_BYTES_MAX = 256 * 1024 * 1024
"""A bill's ZIP; a million rows take about 40 MB."""
PLAIN_BYTES_MAX = 2 * 1024 * 1024 * 1024
MEMBERS_MAX = 16
LINE_MAX = 8192
TITLE = "#支付宝业务明细查询"
MEMBER_MARK = "明细"
_ACCOUNT = re.compile(r"\[([0-9A-Za-z]{1,64})\]")
_TOTAL = re.compile(
    r"#(交易|退款)合计：([0-9]{1,9})笔，商家实收(?:退款)?共(-?[0-9.]{1,16})元", re.ASCII
)
UNITS = ("（元）", "(元)", "")


class BillRefused(ValueError):
    """The file is damaged, too large, of another merchant, or not of the known layout."""


class RowKind(StrEnum):
    """What a row is about, in the bill's own words."""

    TRADE = "交易"
    REFUND = "退款"


KINDS = {kind.value: kind for kind in RowKind}


class BillRow(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One row. Amounts are fen with their sign: refunds are negative. ``cells`` as they stand."""

    kind: RowKind
    provider_ref: str
    trade_no: str
    refund_no: str
    amount_fen: int
    received_fen: int
    fee_fen: int
    finished_text: str
    cells: list[str]


class BillTotals(msgspec.Struct):
    """What the rows came to; grows while they are read."""

    trade_count: int = 0
    trade_received_fen: int = 0
    refund_count: int = 0
    refund_received_fen: int = 0
    tied: int = 0
    """How many closing lines said the same, of two; fewer where their wording is another."""


class TradeBill:
    """A bill of one merchant: open, iterate, and only then believe ``totals``."""

    def __init__(self, content: bytes, *, account: str | None) -> None:
        """``account`` is the merchant number the bill must be of; None takes any."""
        self.totals = BillTotals()
        self.names: list[str] = []
        """The header, once the first row was read."""
        self._account = account
        try:
            self._archive = zipfile.ZipFile(io.BytesIO(content))
        except (zipfile.BadZipFile, ValueError, OverflowError):
            raise BillRefused("not a ZIP") from None
        self._member = _detail_member(self._archive)

    def rows(self) -> Iterator[BillRow]:
        """Each row in the file's order. Raises ``BillRefused``, also after the last row, when the
        file ends early or its closing totals are not those of the rows."""
        try:
            with self._archive.open(self._member) as plain:
                text = io.TextIOWrapper(plain, encoding="gb18030", errors="strict", newline="")
                yield from self._read(_lines(text))
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError):
            raise BillRefused("damaged") from None
        except UnicodeDecodeError:
            raise BillRefused("not GBK") from None

    def _read(self, lines: Iterator[str]) -> Iterator[BillRow]:
        self._check_head(lines)
        columns = _Columns(next(_cells(iter([next(lines, "")])), []))
        self.names = columns.names
        closing: list[str] = []
        for cells in _cells(_until_hash(lines, closing)):
            row = columns.row(cells)
            self._count(row)
            yield row
        closing += lines
        if not closing or any(not line.startswith("#") for line in closing if line):
            raise BillRefused("the closing lines are missing or mixed with rows")
        self._check_totals(closing)

    def _check_head(self, lines: Iterator[str]) -> None:
        """The lines before the header, up to the one that opens the table."""
        title = next(lines, "")
        if not title.startswith(TITLE):
            raise BillRefused("not a trade bill")
        account = None
        for line in lines:
            if not line.startswith("#"):
                raise BillRefused("a line of the head is missing")
            if "账号" in line:
                account = _ACCOUNT.search(line)
            if line.startswith("#---"):
                break
        found = account[1] if account else ""
        if self._account is not None and not _is_account(found, self._account):
            raise BillRefused("the bill of another merchant")

    def _count(self, row: BillRow) -> None:
        if row.kind is RowKind.TRADE:
            self.totals.trade_count += 1
            self.totals.trade_received_fen += row.received_fen
        else:
            self.totals.refund_count += 1
            self.totals.refund_received_fen += row.received_fen

    def _check_totals(self, closing: list[str]) -> None:
        """Compare what the closing lines say, where they say it in the words we know."""
        rows = {
            "交易": (self.totals.trade_count, self.totals.trade_received_fen),
            "退款": (self.totals.refund_count, self.totals.refund_received_fen),
        }
        for line in closing:
            found = _TOTAL.match(line)
            if found is None:
                continue
            if (int(found[2]), _fen(found[3])) != rows[found[1]]:
                raise BillRefused("the totals are not those of the rows")
            self.totals.tied += 1


def _detail_member(archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    """The one member with the rows; names are GBK without saying so, so Python shows cp437."""
    members = archive.infolist()
    if len(members) > MEMBERS_MAX:
        raise BillRefused("too many members")
    details = [member for member in members if MEMBER_MARK in member_name(member)]
    details = [member for member in details if "汇总" not in member_name(member)]
    if len(details) != 1:
        raise BillRefused("not exactly one file of rows")
    if details[0].file_size > PLAIN_BYTES_MAX or details[0].flag_bits & 1:
        raise BillRefused("too large, or encrypted")
    return details[0]


def member_name(member: zipfile.ZipInfo) -> str:
    """A member's name as the partner meant it."""
    if member.flag_bits & 0x800:
        return member.filename
    try:
        return member.filename.encode("cp437").decode("gbk")
    except (UnicodeEncodeError, UnicodeDecodeError):
        return member.filename


def _lines(text: io.TextIOWrapper) -> Iterator[str]:
    while True:
        line = text.readline(LINE_MAX + 1)
        if not line:
            return
        if len(line) > LINE_MAX:
            raise BillRefused("a line is too long")
        yield line.rstrip("\r\n")


def _until_hash(lines: Iterator[str], rest: list[str]) -> Iterator[str]:
    """The rows; the line that ends them goes into ``rest``."""
    for line in lines:
        if line.startswith("#"):
            rest.append(line)
            return
        yield line


def _cells(lines: Iterator[str]) -> Iterator[list[str]]:
    """Cells without the tab that ends each, and without blanks around them."""
    try:
        for cells in csv.reader(lines, strict=True):
            yield [cell.strip(" \t") for cell in cells]
    except csv.Error:
        raise BillRefused("a row is no CSV") from None


class _Columns:
    """Where each column stands, found once from the header."""

    def __init__(self, names: list[str]) -> None:
        self.names = names
        self._count = len(names)
        if len(set(names)) != len(names) or not {"支付宝交易号", "业务类型"} <= set(names):
            raise BillRefused("no header line")
        self._kind = names.index("业务类型")
        self._provider_ref = names.index("支付宝交易号")
        self._trade_no = self._place("商户订单号")
        self._refund_no = self._place("退款批次号/请求号")
        self._finished = self._place("完成时间")
        self._amount = self._place("订单金额", UNITS)
        self._received = self._place("商家实收", UNITS)
        self._fee = self._place("服务费", UNITS)

    def _place(self, name: str, units: tuple[str, ...] = ("",)) -> int:
        for unit in units:
            if f"{name}{unit}" in self.names:
                return self.names.index(f"{name}{unit}")
        raise BillRefused("a column is missing")

    def row(self, cells: list[str]) -> BillRow:
        """One row by its cells. Raises ``BillRefused``."""
        if len(cells) != self._count:
            raise BillRefused("a row has not one cell for each column")
        kind = KINDS.get(cells[self._kind])
        if kind is None:
            raise BillRefused("a row of an unlisted kind")
        amount_fen, received_fen = _fen(cells[self._amount]), _fen(cells[self._received])
        least = min(amount_fen, received_fen)
        if least < 0 if kind is RowKind.TRADE else max(amount_fen, received_fen) > 0:
            raise BillRefused("a row's sign is not that of its kind")
        return BillRow(
            kind=kind,
            provider_ref=cells[self._provider_ref],
            trade_no=cells[self._trade_no],
            refund_no=cells[self._refund_no],
            amount_fen=amount_fen,
            received_fen=received_fen,
            fee_fen=_fen(cells[self._fee]),
            finished_text=cells[self._finished],
            cells=cells,
        )


def _fen(text: str) -> int:
    try:
        return parse_yuan_text(text)
    except MoneyError:
        raise BillRefused("no such amount") from None


def _is_account(found: str, account: str) -> bool:
    """The bill prints the merchant number with a suffix of its own (samples: ``…0156``)."""
    return found == account or (found.startswith(account) and found[len(account) :] == "0156")
