"""The trade bill of one Beijing day, from the twin's own book: GBK CSV in a ZIP (5.8)."""

import struct
import zlib

from integrations.sandbox.alipay.book import Book, RefundRow, TradeRow
from integrations.sandbox.alipay.faults import Fault
from integrations.sandbox.alipay.model import Refused, business, invalid
from integrations.sandbox.alipay.texts import beijing, day_bounds, spaced, yuan

HEADER = (
    "支付宝交易号,商户订单号,业务类型,商品名称,创建时间,完成时间,门店编号,门店名称,操作员,终端号,"
    "对方账户,订单金额（元）,商家实收（元）,支付宝红包（元）,集分宝（元）,支付宝优惠（元）,"
    "商家优惠（元）,券核销金额（元）,券名称,商家红包消费金额（元）,卡消费金额（元）,"
    "退款批次号/请求号,服务费（元）,分润（元）,备注"
)
COLUMNS = 25
FEE_PERMILLE = 6
PAYER = "测*(138****0000)"
OPENING = f"#{'-' * 41}业务明细列表{'-' * 40}"
CLOSING = f"#{'-' * 41}业务明细列表结束{'-' * 36}"
OTHER_SELLER = "2088000000000000"


def check_day(bill_type: str, day: str, now: int, bill_hour: int) -> tuple[int, int]:
    """First and past-last second of the day. Raises ``Refused`` when there is no bill yet."""
    if bill_type != "trade":
        raise invalid("沙箱只有 trade 账单")
    bounds = day_bounds(day)
    if bounds is None:
        raise invalid("bill_date 应为 yyyy-MM-dd")
    if now < bounds[1] + bill_hour * 3600:
        raise no_bill()
    return bounds


def no_bill() -> Refused:
    """Which sub-code says so is not confirmed (11)."""
    refused = business("", "账单不存在")
    refused.sub_code = "isp.bill_not_exist"
    return refused


def write(
    book: Book, seller_id: str, day: str, bounds: tuple[int, int], fault: Fault | None
) -> bytes:
    """The ZIP. Raises ``Refused`` for a day without rows."""
    rows = _rows(book, seller_id, day, bounds)
    if not rows:
        raise no_bill()
    totals = [_total(rows, "交易", "商家实收共"), _total(rows, "退款", "商家实收退款共")]
    if fault is Fault.BILL_DOUBLED:
        rows = [row for row in rows for _ in range(2)]
    if fault is Fault.BILL_GROUPED:
        rows = [[_grouped(cell) if at in {11, 12} else cell for at, cell in enumerate(row)]
                for row in rows]  # fmt: skip
    account = f"{OTHER_SELLER if fault is Fault.BILL_WRONG_SELLER else seller_id}0156"
    lines = [*_head("明细", account, bounds), OPENING, HEADER, *map(_line, rows)]
    if fault is not Fault.BILL_NO_FOOTER:
        lines += [CLOSING, *totals, f"#导出时间：[{beijing(bounds[1] + 36_000, CHINESE)}]"]
    detail = "".join(f"{line}\r\n" for line in lines).encode("gbk", errors="replace")
    if fault is Fault.BILL_CUT:
        detail = detail[: detail.index(CLOSING.encode("gbk")) - 20]
    stamp = day.replace("-", "")
    return zip_of(
        {
            f"{account}_{stamp}_业务明细.csv": detail,
            f"{account}_{stamp}_业务明细(汇总).csv": _summary(account, bounds, totals),
        }
    )


CHINESE = "%Y年%m月%d日 %H:%M:%S"


def _head(kind: str, account: str, bounds: tuple[int, int]) -> list[str]:
    first, last = beijing(bounds[0], CHINESE), beijing(bounds[0], "%Y年%m月%d日 24:00:00")
    return [
        f"#支付宝业务{kind}查询",
        f"#账号：[{account}]",
        f"#起始日期：[{first}]   终止日期：[{last}]",
    ]


def _rows(book: Book, seller_id: str, day: str, bounds: tuple[int, int]) -> list[list[str]]:
    """Trades paid and refunds done on the day, refunds of earlier trades among them."""
    omitted = frozenset(book.list_bill_edits(seller_id, day, "omit"))
    rows = [
        _trade_cells(trade)
        for trade in book.list_trades_paid(seller_id, *bounds)
        if trade.out_trade_no not in omitted
    ]
    for refund in book.list_refunds_done(seller_id, *bounds):
        trade = book.find_trade(seller_id, refund.out_trade_no)
        if trade is not None and refund.out_request_no not in omitted:
            rows.append(_refund_cells(refund, trade))
    extra = [line.split("|") for line in book.list_bill_edits(seller_id, day, "extra")]
    return rows + [cells for cells in extra if len(cells) == COLUMNS]


def _trade_cells(trade: TradeRow) -> list[str]:
    return _cells(trade, "交易", trade.total, spaced(trade.paid_at), "")


def _refund_cells(refund: RefundRow, trade: TradeRow) -> list[str]:
    return _cells(trade, "退款", -refund.amount, spaced(refund.done_at), refund.out_request_no)


def _cells(trade: TradeRow, kind: str, cents: int, done: str, request_no: str) -> list[str]:
    sign = -1 if cents < 0 else 1
    fee = sign * ((abs(cents) * FEE_PERMILLE + 500) // 1000)
    return [
        trade.trade_no, trade.out_trade_no, kind, trade.subject, spaced(trade.created_at), done,
        "", "", "", "", PAYER, yuan(cents), yuan(cents), "0.00", "0.00", "0.00", "0.00", "0.00",
        "", "0.00", "0.00", request_no, yuan(fee), "0.00", "",
    ]  # fmt: skip


def _line(cells: list[str]) -> str:
    return ",".join(_quoted(f"{cell}\t") for cell in cells)


def _quoted(cell: str) -> str:
    if not set(cell) & {",", '"', "\n", "\r"}:
        return cell
    return '"' + cell.replace('"', '""') + '"'


def _total(rows: list[list[str]], kind: str, words: str) -> str:
    of_kind = [_cents(row[12]) for row in rows if row[2] == kind]
    return f"#{kind}合计：{len(of_kind)}笔，{words}{yuan(sum(of_kind))}元，商家优惠共0.00元"


def _cents(text: str) -> int:
    whole, _, part = text.lstrip("-").partition(".")
    size = int(whole) * 100 + int(part)
    return -size if text.startswith("-") else size


def _grouped(text: str) -> str:
    sign, cents = ("-", -_cents(text)) if text.startswith("-") else ("", _cents(text))
    return f"{sign}{cents // 100:,}.{cents % 100:02d}"


def _summary(account: str, bounds: tuple[int, int], totals: list[str]) -> bytes:
    """The second file, by store: one line, for nobody here has stores."""
    head = _head("汇总", account, bounds)
    return "".join(f"{line}\r\n" for line in [*head, *totals]).encode("gbk", errors="replace")


def zip_of(members: dict[str, bytes]) -> bytes:
    """A ZIP whose names are GBK without saying so, as Alipay's are."""
    files, directory = b"", b""
    for name, content in members.items():
        raw = name.encode("gbk")
        packer = zlib.compressobj(6, zlib.DEFLATED, -15)
        packed = packer.compress(content) + packer.flush()
        # Version, flags, method (deflate), time, date, checksum, sizes, lengths: the ZIP format.
        middle = struct.pack(
            "<HHHHHIIIHH",
            20, 0, 8, 0, 0x5D75, zlib.crc32(content), len(packed), len(content), len(raw), 0,
        )  # fmt: skip
        directory += struct.pack("<IH", 0x02014B50, 20) + middle
        directory += struct.pack("<HHHII", 0, 0, 0, 0, len(files)) + raw
        files += struct.pack("<I", 0x04034B50) + middle + raw + packed
    end = struct.pack(
        "<IHHHHIIH",
        0x06054B50, 0, 0, len(members), len(members), len(directory), len(files), 0,
    )  # fmt: skip
    return files + directory + end
