"""Partners in memory: a bureau and a till that keep truthful books and obey scripted faults.

Faults are given per operation and used up in order. ``lose-answer`` does the deed and forgets to
say so; ``lose-request`` does nothing and says as little; ``late`` does the deed at the next call.
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec

from integrations.ports.insurance import (
    CallId,
    ChargeLine,
    CredentialScan,
    DecodedCredential,
    Enrolment,
    Insured,
    InsuredPerson,
    PersonQuery,
    Settled,
    SettleRequest,
    Split,
    SplitRequest,
    Visit,
)
from integrations.ports.outcalls import transaction_open
from integrations.ports.outcomes import Accepted, NotSent, Outcome, Rejected, Unknown
from integrations.ports.payments import (
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

LOST = Unknown("answer-lost")


class Crash(BaseException):
    """The process dies here. Not an ``Exception``: nothing may catch it and go on."""


class Faults:
    """What goes wrong next, by operation; and a hook that sees every call before it is made."""

    def __init__(self) -> None:
        self._next: defaultdict[str, list[str]] = defaultdict(list)
        self.before_call: Callable[[str], None] = lambda _operation: None
        self.after_call: Callable[[str], None] = lambda _operation: None
        self.down = False
        self.seen: list[str] = []

    def script(self, operation: str, *faults: str) -> None:
        """Let the next calls of ``operation`` go wrong in these ways."""
        self._next[operation].extend(faults)

    def forget(self) -> None:
        """Nothing goes wrong any more."""
        self._next.clear()
        self.down = False

    def take(self, operation: str) -> str:
        """The next fault, or nothing. Refuses to be called inside a transaction."""
        assert not transaction_open.get(), f"{operation} inside a transaction"
        self.seen.append(operation)
        self.before_call(operation)
        if self.down:
            return "not-sent"
        return self._next[operation].pop(0) if self._next[operation] else ""


def refusal(reason: str = "business", text: str = "不予结算") -> Rejected:
    """A certain no."""
    return Rejected(reason=reason, provider_code="-1", provider_text=text)


class BookedSettlement(msgspec.Struct, kw_only=True):
    """One line of the bureau's book."""

    ref: str
    visit_ref: str
    message_no: str
    split: Split
    live: bool = True


class BookedVisit(msgspec.Struct, kw_only=True):
    """A visit at the bureau."""

    visit_no: str
    live: bool = True
    diagnosed: bool = False
    lines: dict[str, tuple[str, int]] = msgspec.field(default_factory=dict)


class FakeBureau:
    """An insurance bureau for one institution."""

    code = "fake-bureau"

    def __init__(self, *, fund_percent: int = 60, balance_fen: int = 1_000_00) -> None:
        self.faults = Faults()
        self.fund_percent = fund_percent
        self.balance_fen = balance_fen
        self.visits: dict[str, BookedVisit] = {}
        self.book: list[BookedSettlement] = []
        self.calls: list[tuple[str, CallId]] = []
        self.cash_moves_fen = 0
        """How much more the payer owes at the settlement than was promised."""
        self.bad_split = False
        self.can_find = True
        self.person: InsuredPerson | None = None
        self.during: dict[str, Callable[[], Awaitable[object]]] = {}
        """What else happens while the next call of a kind is under way."""
        self._late: list[Callable[[], object]] = []
        self._asked: list[tuple[SettleRequest, CallId]] = []
        self._reversals: dict[str, BookedSettlement] = {}

    def insure(self, name: str, id_no: str) -> None:
        """Know this person, and nobody else."""
        enrolment = Enrolment(
            insurance_type="310",
            region="990001",
            active=True,
            balance_fen=self.balance_fen,
            person_type="11",
        )
        self.person = InsuredPerson(
            person_no="P990001", name=name, id_no=id_no, enrolments=[enrolment]
        )

    @property
    def live(self) -> list[BookedSettlement]:
        """Settlements that stand."""
        return [one for one in self.book if one.live]

    async def _run(self, kind: str, call: CallId, act: Callable[[], Outcome[Any]]) -> Outcome[Any]:
        fault = self.faults.take(kind)
        if (hook := self.during.pop(kind, None)) is not None:
            await hook()
        self.calls.append((kind, call))
        for deed in self._late:
            deed()
        self._late.clear()
        if fault == "not-sent":
            return NotSent("refused")
        if fault == "refuse":
            return refusal()
        if fault == "lose-request":
            return LOST
        if fault == "late":
            self._late.append(act)
            return LOST
        outcome = act()
        self.faults.after_call(kind)
        return LOST if fault == "lose-answer" else outcome

    async def decode_credential(
        self, scan: CredentialScan, call: CallId
    ) -> Outcome[DecodedCredential]:
        return refusal("unsupported")

    async def read_person(self, query: PersonQuery, call: CallId) -> Outcome[InsuredPerson]:
        def act() -> Outcome[InsuredPerson]:
            return refusal("not-insured") if self.person is None else Accepted(self.person)

        return await self._run("person", call, act)

    async def register_visit(self, insured: Insured, visit: Visit, call: CallId) -> Outcome[str]:
        def act() -> Outcome[str]:
            ref = f"M{len(self.visits) + 1:06d}"
            self.visits[ref] = BookedVisit(visit_no=visit.visit_no)
            return Accepted(ref)

        return await self._run("register", call, act)

    async def upload_diagnoses(
        self, insured: Insured, visit_ref: str, visit: Visit, call: CallId
    ) -> Outcome[None]:
        def act() -> Outcome[None]:
            self.visits[visit_ref].diagnosed = True
            return Accepted(None)

        return await self._run("diagnoses", call, act)

    async def upload_charges(
        self,
        insured: Insured,
        visit_ref: str,
        batch_no: str,
        visit: Visit,
        lines: list[ChargeLine],
        call: CallId,
    ) -> Outcome[None]:
        def act() -> Outcome[None]:
            kept = self.visits[visit_ref].lines
            if any(line.line_no in kept for line in lines) or len(lines) > 100:
                return refusal("line-repeated")
            kept.update({line.line_no: (batch_no, line.amount_fen) for line in lines})
            return Accepted(None)

        return await self._run("charges", call, act)

    async def withdraw_charges(
        self, insured: Insured, visit_ref: str, batch_no: str, call: CallId
    ) -> Outcome[None]:
        def act() -> Outcome[None]:
            if self._settled_in(visit_ref):
                return refusal("settled")
            visit = self.visits[visit_ref]
            visit.lines = {no: line for no, line in visit.lines.items() if line[0] != batch_no}
            return Accepted(None)

        return await self._run("withdraw", call, act)

    async def cancel_visit(
        self, insured: Insured, visit_ref: str, visit_no: str, call: CallId
    ) -> Outcome[None]:
        def act() -> Outcome[None]:
            visit = self.visits[visit_ref]
            if self._settled_in(visit_ref) or visit.visit_no != visit_no:
                return refusal("not-cancellable")
            visit.live = False
            return Accepted(None)

        return await self._run("cancel", call, act)

    def _settled_in(self, visit_ref: str) -> bool:
        return any(one.visit_ref == visit_ref for one in self.live)

    def _split(self, request: SplitRequest, moved_fen: int) -> Split:
        lines = self.visits[request.visit_ref].lines.values()
        total = sum(fen for batch, fen in lines if batch == request.batch_no)
        assert total == request.total_fen, "the uploaded lines are the bill"
        own = total - total * self.fund_percent // 100 + moved_fen
        account = min(own, self.balance_fen) if request.use_account else 0
        cash = own - account
        return Split(
            total_fen=total,
            fund_fen=total - own,
            account_fen=account,
            cash_fen=cash - (1 if self.bad_split else 0),
            hospital_fen=0,
            mutual_aid_fen=0,
            full_own_fen=0,
            over_limit_fen=0,
            first_pay_fen=0,
            in_scope_fen=total,
            funds={"310100": total - own},
            balance_after_fen=self.balance_fen - account,
        )

    async def presettle(self, request: SplitRequest, call: CallId) -> Outcome[Split]:
        def act() -> Outcome[Split]:
            assert self.visits[request.visit_ref].diagnosed
            return Accepted(self._split(request, 0))

        return await self._run("presettle", call, act)

    async def settle(self, request: SettleRequest, call: CallId) -> Outcome[Settled]:
        def act() -> Outcome[Settled]:
            if self._settled_in(request.split.visit_ref):
                return refusal("settled-already")
            return Accepted(_settled(self._enter(request, call), call.at))

        self._asked.append((request, call))
        return await self._run("settle", call, act)

    def _enter(self, request: SettleRequest, call: CallId) -> BookedSettlement:
        booked = BookedSettlement(
            ref=f"S{len(self.book) + 1:06d}",
            visit_ref=request.split.visit_ref,
            message_no=call.message_no,
            split=self._split(request.split, self.cash_moves_fen),
        )
        self.book.append(booked)
        return booked

    async def deliver_first_settle(self) -> None:
        """The first settlement message arrives now, however late."""
        self._enter(*self._asked[0])

    async def reverse(
        self, insured: Insured, visit_ref: str, settlement_ref: str, call: CallId
    ) -> Outcome[str]:
        def act() -> Outcome[str]:
            for one in self.live:
                if (one.ref, one.visit_ref) == (settlement_ref, visit_ref):
                    one.live = False
                    self._reversals[call.message_no] = one
                    return Accepted(f"R{settlement_ref}")
            return refusal("no-such-settlement")

        return await self._run("reverse", call, act)

    async def undo_uncertain(
        self, insured: Insured, of_call: CallId, of_kind: str, call: CallId
    ) -> Outcome[None]:
        def act() -> Outcome[None]:
            if of_kind == "settle":
                for one in self.book:
                    if one.message_no == of_call.message_no:
                        one.live = False
            elif of_call.message_no in self._reversals:
                self._reversals.pop(of_call.message_no).live = True
            return Accepted(None)

        return await self._run("undo", call, act)

    async def find_settlement(
        self, insured: Insured, visit_ref: str, call: CallId
    ) -> Outcome[Settled | None]:
        def act() -> Outcome[Settled | None]:
            if not self.can_find:
                return refusal("unsupported")
            found = [one for one in self.live if one.visit_ref == visit_ref]
            return Accepted(_settled(found[0], call.at) if found else None)

        return await self._run("find", call, act)


def _settled(booked: BookedSettlement, at: datetime) -> Settled:
    return Settled(
        settlement_ref=booked.ref,
        split=booked.split,
        settled_at=at,
        clearing_type="11",
        clearing_region="990001",
    )


class BookedOrder(msgspec.Struct, kw_only=True):
    """One order at the till."""

    order: PaymentOrder
    status: PaymentStatus = PaymentStatus.UNPAID
    paid_fen: int = 0


class FakeTill:
    """A payment provider's merchant account."""

    code = "fake-till"
    ways = frozenset({"jsapi", "native"})

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.faults = Faults()
        self.orders: dict[str, BookedOrder] = {}
        self.refunds: dict[str, RefundOrder] = {}
        self.refund_status = RefundStatus.REFUNDED
        self._now = now

    @property
    def kept_fen(self) -> int:
        """What the merchant has of all payers."""
        paid = sum(one.paid_fen for one in self.orders.values())
        return paid - sum(one.amount_fen for one in self.refunds.values())

    def pay(self, trade_no: str) -> None:
        """The payer enters his password."""
        booked = self.orders[trade_no]
        assert booked.status is PaymentStatus.UNPAID, "the provider refuses"
        booked.status, booked.paid_fen = PaymentStatus.PAID, booked.order.amount_fen

    def unpaid(self) -> list[str]:
        """Trade numbers that may still be paid."""
        return [no for no, one in self.orders.items() if one.status is PaymentStatus.UNPAID]

    def _run(self, kind: str, act: Callable[[], Outcome[Any]]) -> Outcome[Any]:
        fault = self.faults.take(kind)
        if fault == "not-sent":
            return NotSent("refused")
        if fault == "refuse":
            return refusal()
        if fault == "lose-request":
            return LOST
        outcome = act()
        self.faults.after_call(kind)
        return LOST if fault == "lose-answer" else outcome

    async def place(self, order: PaymentOrder) -> Outcome[PlacedOrder]:
        def act() -> Outcome[PlacedOrder]:
            self.orders.setdefault(order.trade_no, BookedOrder(order=order))
            native = order.way == "native"
            return Accepted(
                PlacedOrder(
                    prepay_ref=None if native else f"prepay-{order.trade_no}",
                    qr_text=f"weixin://pay/{order.trade_no}" if native else None,
                )
            )

        return self._run("place", act)

    def _told(self, trade_no: str) -> Payment:
        booked = self.orders.get(trade_no)
        if booked is None:
            return Payment(
                trade_no=trade_no,
                status=PaymentStatus.ABSENT,
                provider_ref=None,
                amount_fen=None,
                paid_at=None,
                payer=None,
            )
        status = booked.status
        if status is PaymentStatus.PAID and any(
            one.trade_no == trade_no for one in self.refunds.values()
        ):
            status = PaymentStatus.REFUNDED
        return Payment(
            trade_no=trade_no,
            status=status,
            provider_ref=f"W{trade_no}" if booked.paid_fen else None,
            amount_fen=booked.order.amount_fen,
            paid_at=self._now() if booked.paid_fen else None,
            payer=None,
        )

    async def query(self, trade_no: str) -> Outcome[Payment]:
        return self._run("query", lambda: Accepted(self._told(trade_no)))

    async def close(self, trade_no: str) -> Outcome[None]:
        def act() -> Outcome[None]:
            booked = self.orders.get(trade_no)
            if booked is None:
                return Accepted(None)
            if booked.status is PaymentStatus.PAID:
                return refusal("already-paid")
            booked.status = PaymentStatus.CLOSED
            return Accepted(None)

        return self._run("close", act)

    async def refund(self, order: RefundOrder) -> Outcome[Refund]:
        def act() -> Outcome[Refund]:
            booked = self.orders[order.trade_no]
            before = sum(
                one.amount_fen
                for one in self.refunds.values()
                if one.trade_no == order.trade_no and one.refund_no != order.refund_no
            )
            if before + order.amount_fen > booked.paid_fen:
                return refusal("too-much")
            self.refunds[order.refund_no] = order
            return Accepted(self._refund_told(order.refund_no))

        return self._run("refund", act)

    def _refund_told(self, refund_no: str) -> Refund:
        order = self.refunds.get(refund_no)
        done = order is not None and self.refund_status is RefundStatus.REFUNDED
        return Refund(
            refund_no=refund_no,
            trade_no=order.trade_no if order is not None else "",
            status=self.refund_status if order is not None else RefundStatus.ABSENT,
            provider_ref=f"R{refund_no}" if order is not None else None,
            amount_fen=order.amount_fen if order is not None else None,
            refunded_at=self._now() if done else None,
        )

    async def query_refund(self, refund_no: str, *, trade_no: str) -> Outcome[Refund]:
        return self._run("query-refund", lambda: Accepted(self._refund_told(refund_no)))

    def client_parameters(self, prepay_ref: str, at: datetime) -> dict[str, str]:
        return {"package": f"prepay_id={prepay_ref}"}

    def read_notice(self, headers: Mapping[str, str], body: bytes, at: datetime) -> PaymentNotice:
        raise NoticeRefused("unsupported")

    def notice_answer(self, accepted: bool) -> NoticeAnswer:
        return NoticeAnswer(status=200, body=b"", content_type="text/plain")


class ManualClock:
    """Time that stands still until it is moved."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        """The present instant."""
        return self.at

    def forward(self, by: timedelta) -> None:
        """Let time pass."""
        self.at += by
