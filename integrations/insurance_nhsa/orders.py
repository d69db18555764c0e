"""Orders at the mobile payment centre: states, amounts, refunds (dossier 3.9, 5.2, 5.3). Pure."""

from collections.abc import Mapping

from integrations.insurance_nhsa.amounts import AmountUnreadable, read_fen, read_fen_or
from integrations.insurance_nhsa.envelope import text_of
from integrations.insurance_nhsa.wire_mobile import MobileOrder, RefundRequest

PROCESSING = "processing"
CANDIDATE = "settlement_candidate"
"""Perhaps settled: counts only with identities, an active query and the hospital's own posting."""
REFUNDED = "refunded_or_cancelled"
FAILED = "failed"
UNKNOWN = "unknown"

ORDER_STATES: Mapping[str, str] = {
    "0": PROCESSING,
    "1": PROCESSING,
    "2": PROCESSING,
    "3": CANDIDATE,
    "4": CANDIDATE,
    "5": CANDIDATE,
    "6": CANDIDATE,
    "7": REFUNDED,
    "8": REFUNDED,
    "9": REFUNDED,
    "10": REFUNDED,
    "11": REFUNDED,
    "12": REFUNDED,
    "13": REFUNDED,
    "14": FAILED,
    "15": FAILED,
    "16": FAILED,
    "17": UNKNOWN,
}
"""``ordStas``. 17 has one source only and stays unknown."""

NEEDS_A_PERSON = frozenset({"14", "16"})
"""Failed, but money may have moved on one side."""


def order_state(code: str) -> str:
    """What a state code means for us; a code outside the table is unknown."""
    return ORDER_STATES.get(code, UNKNOWN)


def order_faults(order: MobileOrder) -> list[str]:
    """Identity 9: what a finished order's parts add up to. Absent amounts are faults here."""
    try:
        total = read_fen(order.feeSumamt)
        parts = [read_fen(part) for part in (order.fundPay, order.psnAcctPay, order.ownPayAmt)]
        others = [read_fen_or(part, 0) for part in (order.hospPartAmt, order.othFeeAmt)]
    except AmountUnreadable:
        return ["unreadable"]
    if min(total, *parts, *others) < 0:
        return ["range"]
    return [] if total == sum(parts) + sum(others) else ["total-parts"]


def refund_faults(original: MobileOrder, request: RefundRequest) -> list[str]:
    """Why a 6203 would be refused; empty when it may be sent.

    The sum equals its parts; ALL takes every part whole, CASH only own money up to what was paid,
    HI the two insurance parts whole and no own money. Exactly one proof of the payer.
    """
    try:
        sizes = _refund_sizes(original, request)
    except AmountUnreadable:
        return ["unreadable"]
    asked, paid, total = sizes
    faults = []
    if min(*asked, *paid, total) < 0:
        faults.append("range")
    if total != sum(asked) or total == 0:
        faults.append("sum")
    if bool(text_of(request.ecToken)) == bool(text_of(request.payAuthNo)):
        faults.append("proof")
    if not text_of(request.appRefdSn) or not text_of(request.payOrdId):
        faults.append("number")
    return faults + _kind_faults(text_of(request.refdType), asked, paid)


Parts = tuple[int, int, int]
"""Fund, account, own money."""


def _refund_sizes(original: MobileOrder, request: RefundRequest) -> tuple[Parts, Parts, int]:
    asked = (
        read_fen_or(request.fundRefdAmt, 0),
        read_fen_or(request.psnAcctRefdAmt, 0),
        read_fen_or(request.cashRefdAmt, 0),
    )
    paid = (
        read_fen_or(original.fundPay, 0),
        read_fen_or(original.psnAcctPay, 0),
        read_fen_or(original.ownPayAmt, 0),
    )
    return asked, paid, read_fen(request.totlRefdAmt)


def _kind_faults(kind: str, asked: Parts, paid: Parts) -> list[str]:
    fund, account, cash = asked
    allowed = {
        "ALL": asked == paid,
        "CASH": fund == account == 0 and 0 < cash <= paid[2],
        "HI": cash == 0 and (fund, account) == paid[:2],
    }
    return [] if allowed.get(kind, False) else ["kind"]
