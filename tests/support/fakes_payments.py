"""A payment provider in memory, behind the port: its own book, faults on demand, notices by hand.

It keeps the rules a provider keeps (same number and content answered alike, refund sum bounded,
no payment of a closed trade unless forced), and refuses to be called inside a transaction.
"""

from collections import deque
from collections.abc import Mapping
from datetime import datetime

import msgspec

from integrations.ports.cover import CoverGateway
from integrations.ports.invoices import InvoiceGateway
from integrations.ports.outcalls import transaction_open
from integrations.ports.outcomes import Accepted, NotSent, Outcome, Rejected, Unknown
from integrations.ports.partners import PartnerUnknown
from integrations.ports.payments import (
    CodeOrder,
    CodeShape,
    NoticeAnswer,
    NoticeRefused,
    Payment,
    PaymentNotice,
    PaymentOrder,
    PaymentStatus,
    PlacedOrder,
    Refund,
    RefundOrder,
    RefundStatus,
)
from service.kernel.clock import Clock

GOOD = {"sign": "good"}


class Killed(BaseException):
    """The process died at this very place."""


class Trade:
    """One trade in the provider's book."""

    def __init__(self, order: PaymentOrder) -> None:
        self.order = order
        self.status = PaymentStatus.UNPAID
        self.paid_fen = 0
        self.reversed_fen = 0
        self.provider_ref: str | None = None
        self.paid_at: datetime | None = None


class BookedRefund:
    """One refund in the provider's book."""

    def __init__(self, order: RefundOrder, status: RefundStatus) -> None:
        self.order = order
        self.status = status


class FakeProvider:
    """``PaymentGateway`` of one merchant account. ``faults`` holds one word for each coming call:

    Codes that end in 5 wait for their payer, in 7 are refused, others pay at once.

    ``ok``; ``kill-before`` and ``kill-after`` raise ``Killed`` around the effect; ``drop`` does it
    and answers Unknown; ``lost`` does nothing and answers Unknown; ``not-sent``; ``reject``.
    """

    code = "wechatpay"
    ways = frozenset({"jsapi", "native", "h5", "code"})
    code_shape = CodeShape(starts=("1",), least=18, most=18)

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.trades: dict[str, Trade] = {}
        self.refunds: dict[str, BookedRefund] = {}
        self.faults: deque[str] = deque()
        self.calls: list[str] = []
        self.refund_status = RefundStatus.PROCESSING
        self.always = "ok"
        self.reversal_refused = False

    @property
    def received_fen(self) -> int:
        """What payers paid."""
        return sum(trade.paid_fen for trade in self.trades.values())

    @property
    def returned_fen(self) -> int:
        """What was given back for good."""
        done = (r for r in self.refunds.values() if r.status is RefundStatus.REFUNDED)
        return sum(refund.order.amount_fen for refund in done)

    def pay(self, trade_no: str, *, force: bool = False) -> bool:
        """The payer pays on his phone; ``force`` pays even a closed trade (the race at closing)."""
        trade = self.trades.get(trade_no)
        if trade is None or trade.paid_fen or (trade.status is PaymentStatus.CLOSED and not force):
            return False
        trade.status = PaymentStatus.PAID
        trade.paid_fen = trade.order.amount_fen
        trade.provider_ref = f"P{len(self.trades)}{trade_no[-8:]}"
        trade.paid_at = self.clock.now()
        return True

    def finish(self, refund_no: str, status: RefundStatus = RefundStatus.REFUNDED) -> None:
        """The bank does the refund, or refuses it."""
        self.refunds[refund_no].status = status

    def payment_notice(
        self, trade_no: str, *, notice_id: str = "n-1", amount_fen: int | None = None
    ) -> bytes:
        """The body of a notice about a trade as the book has it."""
        told = self._payment(trade_no)
        if amount_fen is not None:
            told = msgspec.structs.replace(told, amount_fen=amount_fen)
        notice = PaymentNotice(notice_id=notice_id, payment=told, refund=None)
        return msgspec.json.encode(notice)

    def refund_notice(self, refund_no: str, *, notice_id: str = "r-1") -> bytes:
        """The body of a notice about a refund as the book has it."""
        notice = PaymentNotice(notice_id=notice_id, payment=None, refund=self._refund(refund_no))
        return msgspec.json.encode(notice)

    async def place(self, order: PaymentOrder) -> Outcome[PlacedOrder]:
        def act() -> Outcome[PlacedOrder]:
            trade = self.trades.setdefault(order.trade_no, Trade(order))
            if trade.order != order:
                return _rejected("number-used")
            if trade.paid_fen:
                return Unknown("already-paid")
            if trade.status is PaymentStatus.CLOSED:
                return _rejected("order-closed")
            if order.way == "native":
                return Accepted(PlacedOrder(prepay_ref=None, qr_text=f"pay://{order.trade_no}"))
            if order.way == "h5":
                link = f"https://pay.test/{order.trade_no}"
                return Accepted(PlacedOrder(prepay_ref=None, qr_text=None, link=link))
            return Accepted(PlacedOrder(prepay_ref=f"prepay-{order.trade_no}", qr_text=None))

        return self._call("place", act)

    async def pay_by_code(self, order: CodeOrder) -> Outcome[Payment]:
        def act() -> Outcome[Payment]:
            assert order.trade_no not in self.trades, "a code is sent a second time"
            if order.code.endswith("7"):
                return _rejected("code-invalid")
            trade = self.trades[order.trade_no] = Trade(as_order(order))
            if not order.code.endswith("5"):
                self.pay(order.trade_no)
            assert trade.order.way == "code"
            return Accepted(self._payment(order.trade_no))

        return self._call("pay_by_code", act)

    async def reverse(self, trade_no: str) -> Outcome[None]:
        def act() -> Outcome[None]:
            trade = self.trades.get(trade_no)
            if trade is None:
                return _rejected("not-found")
            if self.reversal_refused:
                return _rejected("too-late")
            trade.reversed_fen, trade.paid_fen = trade.reversed_fen + trade.paid_fen, 0
            trade.status = PaymentStatus.CLOSED
            return Accepted(None)

        return self._call("reverse", act)

    async def query(self, trade_no: str) -> Outcome[Payment]:
        return self._call("query", lambda: Accepted(self._payment(trade_no)))

    async def close(self, trade_no: str) -> Outcome[None]:
        def act() -> Outcome[None]:
            trade = self.trades.get(trade_no)
            if trade is None:
                return _rejected("not-found")
            if trade.paid_fen:
                return _rejected("already-paid")
            trade.status = PaymentStatus.CLOSED
            return Accepted(None)

        return self._call("close", act)

    async def refund(self, order: RefundOrder) -> Outcome[Refund]:
        def act() -> Outcome[Refund]:
            standing = self.refunds.get(order.refund_no)
            if standing is not None:
                if standing.order != order:
                    return _rejected("number-used")
                return Accepted(self._refund(order.refund_no))
            trade = self.trades.get(order.trade_no)
            asked = sum(
                r.order.amount_fen
                for r in self.refunds.values()
                if r.order.trade_no == order.trade_no and r.status is not RefundStatus.FAILED
            )
            if trade is None or asked + order.amount_fen > trade.paid_fen:
                return _rejected("refused-by-rule")
            self.refunds[order.refund_no] = BookedRefund(order, self.refund_status)
            trade.status = PaymentStatus.REFUNDED
            return Accepted(self._refund(order.refund_no))

        return self._call("refund", act)

    async def query_refund(self, refund_no: str, *, trade_no: str) -> Outcome[Refund]:
        return self._call("query_refund", lambda: Accepted(self._refund(refund_no)))

    def client_parameters(self, prepay_ref: str, at: datetime) -> dict[str, str]:
        return {"package": prepay_ref, "timeStamp": str(int(at.timestamp()))}

    def read_notice(self, headers: Mapping[str, str], body: bytes, at: datetime) -> PaymentNotice:
        if headers.get("sign") != "good":
            raise NoticeRefused("signature")
        return msgspec.json.decode(body, type=PaymentNotice)

    def notice_answer(self, accepted: bool) -> NoticeAnswer:
        return NoticeAnswer(
            status=200 if accepted else 400,
            body=b"SUCCESS" if accepted else b"FAIL",
            content_type="text/plain",
        )

    def _call(self, name: str, act: object) -> Outcome[object]:
        assert not transaction_open.get(), "a provider is called inside a transaction"
        self.calls.append(name)
        fault = self.faults.popleft() if self.faults else self.always
        if fault == "kill-before":
            raise Killed
        if fault in ("lost", "not-sent"):
            return Unknown("answer-lost") if fault == "lost" else NotSent("refused")
        if fault == "reject":
            return _rejected("refused-by-rule")
        done = act()  # type: ignore[operator]
        if fault == "kill-after":
            raise Killed
        return Unknown("answer-lost") if fault == "drop" else done

    def _payment(self, trade_no: str) -> Payment:
        trade = self.trades.get(trade_no)
        return Payment(
            trade_no=trade_no,
            status=PaymentStatus.ABSENT if trade is None else trade.status,
            provider_ref=trade and trade.provider_ref,
            amount_fen=trade.paid_fen if trade and trade.paid_fen else None,
            paid_at=trade and trade.paid_at,
            payer=None,
        )

    def _refund(self, refund_no: str) -> Refund:
        found = self.refunds.get(refund_no)
        return Refund(
            refund_no=refund_no,
            trade_no=found.order.trade_no if found else None,
            status=RefundStatus.ABSENT if found is None else found.status,
            provider_ref=f"R{refund_no[-8:]}" if found else None,
            amount_fen=found.order.amount_fen if found else None,
            refunded_at=self.clock.now() if found else None,
        )


def as_order(order: CodeOrder) -> PaymentOrder:
    """What the book keeps of a payment by code."""
    return PaymentOrder(
        trade_no=order.trade_no,
        amount_fen=order.amount_fen,
        description=order.description,
        way="code",
        payer=None,
        expires_at=order.expires_at,
        notice_url=order.notice_url,
    )


def _rejected(reason: str) -> Rejected:
    return Rejected(reason=reason, provider_code="X", provider_text="refused")


class FakePartners:
    """Payment gateways by (provider, account name)."""

    def __init__(self, gateways: Mapping[tuple[str, str], FakeProvider]) -> None:
        self.gateways = dict(gateways)
        self.invoices: dict[str, InvoiceGateway] = {}

    def insurers(self, _institution_code: str) -> list[str]:
        return []

    def cover(self, institution_code: str, insurer: str) -> CoverGateway:
        raise PartnerUnknown(f"{institution_code} {insurer}")

    def invoice(self, institution_code: str) -> InvoiceGateway:
        try:
            return self.invoices[institution_code]
        except KeyError:
            raise PartnerUnknown(institution_code) from None

    def payment(self, provider: str, account_name: str) -> FakeProvider:
        try:
            return self.gateways[provider, account_name]
        except KeyError:
            raise PartnerUnknown(provider) from None
