"""The trade bill of one Beijing day, written from the twin's own book (3.3)."""

from integrations.sandbox.wechatpay.book import Book, OrderRow, RefundRow
from integrations.sandbox.wechatpay.model import Refused
from integrations.sandbox.wechatpay.objects import TRADE_TYPES
from integrations.sandbox.wechatpay.texts import beijing, day_bounds

HEADER = (
    "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,"
    "付款银行,货币种类,应结订单金额,代金券金额,微信退款单号,商户退款单号,退款金额,充值券退款金额,"
    "退款类型,退款状态,商品名称,商户数据包,手续费,费率,订单金额,申请退款金额,费率备注"
)
SUMMARY_HEADER = (
    "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额"
)
FEE_E5_PER_FEN = 6
"""0.60 percent of one fen, in hundred-thousandths of a yuan, so fees are exact."""
TIME = "%Y-%m-%d %H:%M:%S"
BILL_TYPES = frozenset({"ALL", "SUCCESS", "REFUND"})
FLOW_HEADER = (
    "记账时间,微信支付业务单号,资金流水单号,业务名称,业务类型,收支类型,收支金额(元),账户结余(元),"
    "资金变更提交申请人,备注,业务凭证号"
)
FLOW_SUMMARY_HEADER = "资金流水总笔数,收入笔数,收入金额,支出笔数,支出金额"
REFUND_STATES = {"SUCCESS": "SUCCESS", "PROCESSING": "PROCESSING", "CLOSED": "FAIL"}


def check_day(day: str, bill_type: str, now: int, bill_hour: int) -> tuple[int, int]:
    """First and past-last second of the day. Raises ``Refused`` when there is no bill yet."""
    bounds = day_bounds(day)
    if bounds is None or bill_type not in BILL_TYPES:
        raise Refused(400, "PARAM_ERROR", "bill_date 或 bill_type 不正确")
    if bounds[0] + 92 * 86_400 < now:
        raise Refused(400, "NO_STATEMENT_EXIST", "只能下载三个月内的账单")
    if now < bounds[1] + bill_hour * 3600:
        raise Refused(400, "STATEMENT_CREATING", "账单生成中")
    return bounds


def write(book: Book, mchid: str, day: str, bill_type: str, bounds: tuple[int, int]) -> str:
    """The bill's text with CRLF line ends. Raises ``Refused`` for a day without rows."""
    omitted = frozenset(book.list_bill_edits(mchid, day, "omit"))
    orders = [
        row for row in book.list_orders_paid(mchid, *bounds) if row.out_trade_no not in omitted
    ]
    refunds = [
        row for row in book.list_refunds_created(mchid, *bounds) if row.out_refund_no not in omitted
    ]
    if bill_type == "SUCCESS":
        refunds = []
    if bill_type == "REFUND":
        orders = []
    rows = [_order_cells(row) for row in orders]
    for refund in refunds:
        order = book.find_order(mchid, refund.out_trade_no)
        if order is not None:
            rows.append(_refund_cells(refund, order))
    rows += [_reversed_cells(row) for row in book.list_orders_reversed(mchid, *bounds)]
    extra = [line.split("|") for line in book.list_bill_edits(mchid, day, "extra")]
    rows += [cells for cells in extra if len(cells) == 27]
    if not rows:
        raise Refused(400, "NO_STATEMENT_EXIST", "账单不存在")
    lines = [HEADER, *(_line(cells) for cells in rows), SUMMARY_HEADER, _line(_summary(rows))]
    return "".join(f"{line}\r\n" for line in lines)


def write_flow(book: Book, mchid: str, bounds: tuple[int, int]) -> str:
    """The fund flow of the basic account, fees left out, with CRLF. Raises ``Refused``."""
    moves = [
        (order.paid_at, order.transaction_id, "交易", order.total, order.out_trade_no)
        for order in book.list_orders_paid(mchid, *bounds)
    ]
    moves += [
        (row.created_at, row.refund_id, "退款", -row.amount, row.out_refund_no)
        for row in book.list_refunds_created(mchid, *bounds)
    ]
    moves += [
        (row.reversed_at, row.transaction_id, "撤销", -row.total, row.out_trade_no)
        for row in book.list_orders_reversed(mchid, *bounds)
    ]
    if not moves:
        raise Refused(400, "NO_STATEMENT_EXIST", "账单不存在")
    left, rows = 0, []
    for number, (at, ref, kind, cents, voucher) in enumerate(sorted(moves), 1):
        left += cents
        cells = [
            beijing(at, TIME), ref, f"{ref}{number:04d}", kind, kind,
            "收入" if cents > 0 else "支出", _yuan(abs(cents)),
            f"-{_yuan(-left)}" if left < 0 else _yuan(left), "system", "", voucher,
        ]  # fmt: skip
        rows.append(cells)
    income = [move[3] for move in moves if move[3] > 0]
    spent = [-move[3] for move in moves if move[3] < 0]
    summary = [
        f"{len(moves)}.0", f"{len(income)}.0", _yuan(sum(income)), f"{len(spent)}.0",
        _yuan(sum(spent)),
    ]  # fmt: skip
    lines = [FLOW_HEADER, *(_line(cells) for cells in rows), FLOW_SUMMARY_HEADER, _line(summary)]
    return "".join(f"{line}\r\n" for line in lines)


def _merchant(order: OrderRow) -> list[str]:
    if order.sp_mchid:
        return [order.sp_appid, order.sp_mchid, order.mchid]
    return [order.appid, order.mchid, "0"]


def _reversed_cells(order: OrderRow) -> list[str]:
    yuan = _yuan(order.total)
    return [
        beijing(order.reversed_at, TIME), *_merchant(order), "", order.transaction_id,
        order.out_trade_no, order.payer, TRADE_TYPES[order.way], "REVOKED", "OTHERS", "CNY",
        "0.00", "0.00", order.transaction_id, order.out_trade_no, yuan, "0.00", "ORIGINAL",
        "SUCCESS", order.description, order.attach, "-" + _e5(order.total * FEE_E5_PER_FEN),
        "0.60%", "0.00", yuan, "",
    ]  # fmt: skip


def _order_cells(order: OrderRow) -> list[str]:
    yuan = _yuan(order.total)
    return [
        beijing(order.paid_at, TIME), *_merchant(order), "", order.transaction_id,
        order.out_trade_no, order.payer, TRADE_TYPES[order.way], "SUCCESS", "OTHERS", "CNY",
        yuan, "0.00", "0", "0", "0.00", "0.00", "", "", order.description, order.attach,
        _e5(order.total * FEE_E5_PER_FEN), "0.60%", yuan, "0.00", "",
    ]  # fmt: skip


def _refund_cells(refund: RefundRow, order: OrderRow) -> list[str]:
    yuan = _yuan(refund.amount)
    return [
        beijing(refund.created_at, TIME), *_merchant(order), "", order.transaction_id,
        order.out_trade_no, order.payer, TRADE_TYPES[order.way], "REFUND", "OTHERS", "CNY",
        "0.00", "0.00", refund.refund_id, refund.out_refund_no, yuan, "0.00", "ORIGINAL",
        # A bill row keeps the state of the acceptance and is never corrected.
        "PROCESSING", order.description, order.attach,
        "-" + _e5(refund.amount * FEE_E5_PER_FEN), "0.60%", "0.00", yuan, "",
    ]  # fmt: skip


def _summary(rows: list[list[str]]) -> list[str]:
    def total(column: int) -> str:
        return _yuan(sum(_hundredths(cells[column]) for cells in rows))

    fees = _e5(sum(_signed_e5(cells[22]) for cells in rows))
    return [str(len(rows)), total(12), total(16), total(17), fees, total(24), total(25)]


def _line(cells: list[str]) -> str:
    return ",".join(f"`{cell}" for cell in cells)


def _yuan(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"


def _hundredths(text: str) -> int:
    whole, _, part = text.partition(".")
    return int(whole) * 100 + int(part.ljust(2, "0")[:2])


def _e5(amount: int) -> str:
    sign, size = ("-", -amount) if amount < 0 else ("", amount)
    return f"{sign}{size // 100_000}.{size % 100_000:05d}"


def _signed_e5(text: str) -> int:
    sign = -1 if text.startswith("-") else 1
    whole, _, part = text.lstrip("-").partition(".")
    return sign * (int(whole) * 100_000 + int(part.ljust(5, "0")[:5]))
