"""Alipay's trade bill (payments.md 5.8) as typed lines of one day."""

from collections.abc import Iterator
from datetime import UTC, date, datetime

from integrations.alipay.statements import BillRefused, BillRow, RowKind, TradeBill
from integrations.kit.clocktext import BEIJING
from integrations.ports.statements import (
    LineKind,
    LineState,
    StatementLine,
    StatementTotals,
    StatementUnusable,
    check_number,
)

REASONS = {
    "not GBK": "charset",
    "damaged": "damaged",
    "not a ZIP": "damaged",
    "no such amount": "amount-unreadable",
    "the bill of another merchant": "other-merchant",
    "the closing lines are missing or mixed with rows": "no-footer",
    "the totals are not those of the rows": "totals-differ",
    "a row has not one cell for each column": "row-broken",
    "a row is no CSV": "row-broken",
    "a column is missing": "column-missing",
    "too large, or encrypted": "too-large",
}
"""The file's fault in the words that all providers share; any other is ``layout-unknown``."""


class AlipayStatement:
    """One day's bill of one merchant."""

    def __init__(self, content: bytes, day: date, *, seller_id: str) -> None:
        self.totals = StatementTotals()
        self._content = content
        self._day = day
        self._seller_id = seller_id

    def lines(self) -> Iterator[StatementLine]:
        """Each row in the file's order. Raises ``StatementUnusable``."""
        try:
            bill = TradeBill(self._content, account=self._seller_id)
            for number, row in enumerate(bill.rows(), 1):
                line = self._line(row, number)
                self.totals.count(line)
                yield line
        except BillRefused as refused:
            raise StatementUnusable(REASONS.get(str(refused), "layout-unknown")) from None
        self.totals.tied = bill.totals.tied == len(RowKind)

    def _line(self, row: BillRow, number: int) -> StatementLine:
        trade_no = check_number(row.trade_no)
        at = _time(row.finished_text, self._day)
        if row.kind is RowKind.TRADE:
            return StatementLine(
                LineKind.TRADE,
                trade_no,
                trade_no,
                check_number(row.provider_ref),
                row.amount_fen,
                LineState.DONE,
                at,
            )
        return StatementLine(
            LineKind.REFUND,
            # A refund made by hand at Alipay may have no number; its place in the file names it.
            check_number(row.refund_no or f"{trade_no}-{number}"),
            trade_no,
            check_number(row.provider_ref),
            -row.amount_fen,
            LineState.DONE,
            at,
        )


def _time(text: str, day: date) -> datetime:
    """Beijing time on the statement's day, as UTC."""
    try:
        local = datetime.fromisoformat(text)
    except ValueError:
        raise StatementUnusable("time-unreadable") from None
    if len(text) != 19 or local.tzinfo is not None:
        raise StatementUnusable("time-unreadable")
    if local.date() != day:
        raise StatementUnusable("other-day")
    return local.replace(tzinfo=BEIJING).astimezone(UTC)
