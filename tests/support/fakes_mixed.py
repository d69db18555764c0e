"""A payment provider in memory that also takes orders of two legs, by the document's rules."""

from collections.abc import Mapping
from datetime import datetime

import msgspec

from integrations.ports.mixed_payments import (
    InsuredRefund,
    Leg,
    MixedOrder,
    MixedPayment,
    MixedStatus,
)
from integrations.ports.outcomes import Accepted, Outcome, Unknown
from integrations.ports.payments import NoticeRefused
from service.kernel.clock import Clock
from tests.support.fakes_payments import FakeProvider


class FakeMixed:
    """``MixedGateway`` beside a ``FakeProvider``: it shares its faults and book of cash legs."""

    def __init__(self, cash: FakeProvider) -> None:
        self.cash = cash
        self.orders: dict[str, MixedOrder] = {}
        self.insured: dict[str, Leg] = {}
        self.failed: set[str] = set()
        self.told: list[InsuredRefund] = []
        self.cash_told_fen: int | None = None
        """What is told of the cash part, where it is not the truth."""

    def confirm(self, trade_no: str, *, cash: bool = True, insured: bool = True) -> None:
        """The payer confirms once; each leg ends as said."""
        assert not cash or self.cash.pay(trade_no)
        self.insured[trade_no] = Leg.PAID if insured else Leg.FAILED
        if not (cash and insured):
            self.failed.add(trade_no)

    async def place_mixed(self, order: MixedOrder) -> Outcome[MixedPayment]:
        def act() -> Outcome[MixedPayment]:
            if order.trade_no in self.orders:
                return Unknown("number-used")
            self.orders[order.trade_no] = order
            return Accepted(self._told(order.trade_no))

        return self.cash._call("place_mixed", act)  # type: ignore[return-value]

    async def query_mixed(self, trade_no: str) -> Outcome[MixedPayment]:
        def act() -> Outcome[MixedPayment]:
            return Accepted(self._told(trade_no))

        return self.cash._call("query_mixed", act)  # type: ignore[return-value]

    async def tell_insured_refund(self, refund: InsuredRefund) -> Outcome[None]:
        def act() -> Outcome[None]:
            self.told.append(refund)
            return Accepted(None)

        return self.cash._call("tell", act)  # type: ignore[return-value]

    def mixed_parameters(
        self, mixed_ref: str, prepay_ref: str | None, at: datetime
    ) -> dict[str, str]:
        return {"mixTradeNo": mixed_ref, "package": prepay_ref or "", "at": at.isoformat()}

    def read_mixed_notice(
        self, headers: Mapping[str, str], body: bytes, at: datetime
    ) -> MixedPayment:
        if headers.get("sign") != "good":
            raise NoticeRefused("signature")
        return msgspec.json.decode(body, type=MixedPayment)

    def notice(self, trade_no: str) -> bytes:
        """The body of a notice as the book has it."""
        return msgspec.json.encode(self._told(trade_no))

    def _told(self, trade_no: str) -> MixedPayment:
        order, trade = self.orders.get(trade_no), self.cash.trades.get(trade_no)
        paid = trade is not None and trade.paid_fen > 0
        insured = self.insured.get(trade_no, Leg.UNPAID)
        status = MixedStatus.PAID if paid and insured is Leg.PAID else MixedStatus.UNPAID
        if order is None:
            status = MixedStatus.ABSENT
        elif trade_no in self.failed:
            status = MixedStatus.FAILED
        return MixedPayment(
            trade_no=trade_no,
            mixed_ref=None if order is None else f"MIX{trade_no[:8]}",
            status=status,
            cash=Leg.PAID if paid else Leg.UNPAID,
            insured=insured,
            total_fen=None if order is None else order.total_fen,
            cash_fen=self.cash_told_fen or (None if order is None else order.cash_fen),
            paid_at=None,
            why_failed=None,
        )


class FakeMixedProvider(FakeProvider):
    """``MixedPaymentGateway``."""

    ways = FakeProvider.ways | {"mixed"}

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.mixed = FakeMixed(self)
