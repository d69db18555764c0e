"""What the twin tells merchants about a trade, queued for ``courier`` with its fault (5.7)."""

import hashlib

import msgspec

from integrations.sandbox.alipay.book import Book, NoticeRow, TradeRow
from integrations.sandbox.alipay.faults import NOTICE_FAULTS, Fault, FaultPlan
from integrations.sandbox.alipay.texts import beijing, spaced, yuan


def queue_notice(book: Book, faults: FaultPlan, trade: TradeRow, now: int) -> None:
    """Queue a notice of the trade as it stands, where its order named an address."""
    if not trade.notify_url:
        return
    fault = faults.take(
        NOTICE_FAULTS, f"{trade.state} {trade.out_trade_no}", frozenset({trade.out_trade_no})
    )
    number = book.next_number("notice")
    plain = notice_parameters(trade)
    kind = fault.fault if fault is not None else None
    if kind is Fault.NOTICE_WRONG_AMOUNT:
        plain["total_amount"] = yuan(trade.total + 1)
    if kind is Fault.NOTICE_WRONG_SELLER:
        plain["seller_id"] = "2088000000000000"
    tail = hashlib.sha256(f"notice {number}".encode()).hexdigest()[:18]
    late = fault is not None and kind in {Fault.NOTICE_LATE, Fault.NOTICE_REORDERED}
    book.add_notice(
        NoticeRow(
            id=f"{beijing(now, '%Y%m%d')}00222{beijing(now, '%H%M%S')}{tail}",
            trade_no=trade.out_trade_no,
            url=trade.notify_url,
            status=trade.state,
            plain=msgspec.json.encode(plain).decode(),
            fault=kind.value if kind is not None else "",
            due_ms=now * 1000 + (fault.delay_ms if fault is not None and late else 0),
        )
    )


def notice_parameters(trade: TradeRow) -> dict[str, str]:
    """The parameters that do not depend on the sending."""
    found = {
        "notify_type": "trade_status_sync",
        "app_id": trade.app_id,
        "auth_app_id": trade.app_id,
        "charset": "utf-8",
        "version": "1.0",
        "seller_id": trade.seller_id,
        "trade_no": trade.trade_no,
        "out_trade_no": trade.out_trade_no,
        "trade_status": trade.state,
        "total_amount": yuan(trade.total),
        "subject": trade.subject,
        "gmt_create": spaced(trade.created_at),
    }
    if trade.paid_at:
        found |= {
            "gmt_payment": spaced(trade.paid_at),
            "receipt_amount": yuan(trade.total),
            "buyer_pay_amount": yuan(trade.total),
            "invoice_amount": yuan(trade.total),
            "point_amount": "0.00",
            "buyer_open_id": trade.payer,
            "fund_bill_list": f'[{{"amount":"{yuan(trade.total)}","fundChannel":"ALIPAYACCOUNT"}}]',
        }
    if trade.refunded:
        found |= {"refund_fee": yuan(trade.refunded), "gmt_refund": spaced(trade.refunded_at)}
    if trade.closed_at:
        found["gmt_close"] = spaced(trade.closed_at)
    return found
