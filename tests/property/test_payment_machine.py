"""Random lives of payments over the real actions, a real database and a provider in memory.

Whatever the order of clients, notices, workers, crashes and time: the provider's book, our rows
and the ledger say the same, and nobody pays twice for one purpose or gets back more than he paid.
"""

import asyncio
from contextlib import AsyncExitStack, suppress
from datetime import timedelta
from typing import Any, ClassVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from integrations.ports.payments import RefundStatus
from service.kernel.database import transaction
from service.kernel.problems import Problem
from service.ledger import actions as ledger
from service.payment import actions as payment
from service.payment.model import PaymentAttempt, Refund
from service.payment.states import LIVE, TOOK_MONEY, AttemptState, RefundState
from tests.support.fakes_payments import GOOD, Killed
from tests.support.money import ACCOUNT, CLEAR, DECIDED, PROVIDER, House, a_house

FAULTS = ["ok", "kill-before", "kill-after", "drop", "lost", "not-sent", "reject"]
SETTLEMENT = 7
PURPOSES = {"MAIN": 1000, "DIFFERENCE": 50}


class Payments(RuleBasedStateMachine):
    """One settlement's payments."""

    loop: ClassVar[asyncio.AbstractEventLoop]
    house: ClassVar[House]

    def __init__(self) -> None:
        super().__init__()
        provider = self.house.provider
        provider.trades.clear()
        provider.refunds.clear()
        provider.faults.clear()
        self.notices: list[bytes] = []
        self.causes = 0
        self.begun = False

    def run(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    @initialize()
    def begin(self) -> None:
        async def fresh() -> None:
            async with transaction(self.house.ctx.pool) as conn:
                await conn.execute(CLEAR)
            await self.house.admit()

        self.begun = True
        self.run(fresh())

    def attempts(self) -> list[PaymentAttempt]:
        async def read() -> list[PaymentAttempt]:
            async with transaction(self.house.ctx.pool) as conn:
                return await payment.list_attempts(
                    conn, self.house.ctx, self.house.record_id, SETTLEMENT
                )

        return self.run(read())  # type: ignore[no-any-return]

    def one(self, pick: int) -> PaymentAttempt | None:
        found = self.attempts()
        return found[pick % len(found)] if found else None

    def do(self, work: Any) -> None:
        with suppress(Killed, Problem):
            self.run(work)

    @rule(purpose=st.sampled_from(sorted(PURPOSES)), place=st.sampled_from([True, True, False]))
    def create(self, purpose: str, place: bool) -> None:
        async def act() -> None:
            made = await self.house.create(purpose=purpose, amount_fen=PURPOSES[purpose])
            if place:
                await self.house.place(made)

        self.do(act())

    @rule(fault=st.lists(st.sampled_from(FAULTS), min_size=1, max_size=3))
    def arm(self, fault: list[str]) -> None:
        self.house.provider.faults.extend(fault)

    @precondition(lambda self: self.house.provider.trades)
    @rule(pick=st.sampled_from([0, 0, 0, 1, 2]), tell=st.booleans())
    def payer_pays(self, pick: int, tell: bool) -> None:
        trades = list(self.house.provider.trades)
        trade_no = trades[-1 - pick % len(trades)]
        if self.house.provider.pay(trade_no, force=True):
            body = self.house.provider.payment_notice(trade_no, notice_id=f"n-{len(self.notices)}")
            self.notices.append(body)
            if tell:
                self.do(payment.take_notice(self.house.ctx, PROVIDER, ACCOUNT, GOOD, body))

    @precondition(lambda self: self.house.provider.trades)
    @rule(pick=st.sampled_from([0, 0, 1]), tell=st.booleans())
    def payer_pays_while_we_close(self, pick: int, tell: bool) -> None:
        trades = list(self.house.provider.trades)
        trade_no = trades[-1 - pick % len(trades)]
        for attempt in self.attempts():
            if attempt.trade_no == trade_no:
                self.do(payment.close(self.house.ctx, attempt.record_id, attempt.attempt_id))
        self.payer_pays(pick=pick, tell=tell)

    @precondition(lambda self: self.notices)
    @rule(pick=st.integers(0, 7))
    def notice_arrives(self, pick: int) -> None:
        body = self.notices[pick % len(self.notices)]
        self.do(payment.take_notice(self.house.ctx, PROVIDER, ACCOUNT, GOOD, body))

    @rule(pick=st.integers(0, 7), verb=st.sampled_from(["place", "ask", "ask", "close"]))
    def client_acts(self, pick: int, verb: str) -> None:
        chosen = self.one(pick)
        if chosen is not None:
            act = getattr(payment, verb)
            self.do(act(self.house.ctx, chosen.record_id, chosen.attempt_id))

    @precondition(lambda self: self.house.provider.received_fen)
    @rule(pick=st.integers(0, 7), share=st.sampled_from([1, 2, 2, 3]))
    def settlement_refunds(self, pick: int, share: int) -> None:
        """Half, all, or more than there is."""
        paid = [a for a in self.attempts() if a.state in TOOK_MONEY]
        if paid:
            chosen = paid[pick % len(paid)]
            self.causes += 1
            amount_fen = chosen.amount_fen * share // 2
            self.do(self.house.refund(chosen, amount_fen, f"cause-{self.causes}"))

    @precondition(lambda self: self.house.provider.refunds)
    @rule(
        pick=st.integers(0, 7),
        status=st.sampled_from([RefundStatus.REFUNDED, RefundStatus.STUCK, RefundStatus.FAILED]),
        tell=st.booleans(),
    )
    def bank_refunds(self, pick: int, status: RefundStatus, tell: bool) -> None:
        provider = self.house.provider
        number = sorted(provider.refunds)[pick % len(provider.refunds)]
        if provider.refunds[number].status in {RefundStatus.REFUNDED, RefundStatus.FAILED}:
            return
        provider.finish(number, status)
        body = provider.refund_notice(number, notice_id=f"r-{len(self.notices)}")
        self.notices.append(body)
        if tell:
            self.do(payment.take_notice(self.house.ctx, PROVIDER, ACCOUNT, GOOD, body))

    @rule(pick=st.integers(0, 7))
    def operator_retries(self, pick: int) -> None:
        refunds = self.run(self._refunds())
        if refunds:
            chosen = refunds[pick % len(refunds)]
            ctx = self.house.ctx
            self.do(payment.retry_refund(ctx, chosen.record_id, chosen.refund_id, DECIDED))

    async def _refunds(self) -> list[Refund]:
        async with transaction(self.house.ctx.pool) as conn:
            return await payment.list_refunds(
                conn, self.house.ctx, self.house.record_id, SETTLEMENT
            )

    @rule(seconds=st.sampled_from([6, 31, 32, 33, 34, 1000]))
    def workers_run(self, seconds: int) -> None:
        self.do(self.house.work(step=timedelta(seconds=seconds)))

    @invariant()
    def one_order_stands_and_nobody_gets_back_more(self) -> None:
        """Several may have been paid, for a part each: what is still owed, the settlement knows.
        Two that can take money never stand side by side."""
        if not self.begun:
            return
        attempts = self.attempts()
        open_now = [a for a in attempts if a.state in LIVE or a.state is AttemptState.NEEDS_REVIEW]
        assert len(open_now) <= 1
        for attempt in attempts:
            trade = self.house.provider.trades.get(attempt.trade_no)
            assert attempt.refunding_fen + attempt.refunded_fen <= attempt.amount_fen
            if attempt.state in TOOK_MONEY:
                assert trade is not None
                assert trade.paid_fen == attempt.amount_fen
        assert self.house.provider.returned_fen <= self.house.provider.received_fen

    def teardown(self) -> None:
        """After the storm: everything ends, and three books say the same."""
        if self.begun:
            self.run(self._settle())

    async def _settle(self) -> None:
        house = self.house
        house.provider.faults.clear()
        for _ in range(6):
            await house.work(step=timedelta(minutes=16))
            for refund in await self._refunds():
                if refund.state is RefundState.NEEDS_REVIEW:
                    await payment.retry_refund(
                        house.ctx, refund.record_id, refund.refund_id, DECIDED
                    )
            for number, booked in house.provider.refunds.items():
                if booked.status is not RefundStatus.FAILED:
                    house.provider.finish(number)
            for body in self.notices:
                with suppress(Problem):
                    await payment.take_notice(house.ctx, PROVIDER, ACCOUNT, GOOD, body)
        async with transaction(house.ctx.pool) as conn:
            attempts = await payment.list_attempts(conn, house.ctx, house.record_id, SETTLEMENT)
        refunds = await self._refunds()
        took = [a for a in attempts if a.state in TOOK_MONEY]
        assert not [a for a in attempts if a.state in LIVE], "an attempt never ended"
        assert {r.state for r in refunds} <= {RefundState.REFUNDED, RefundState.FAILED}
        assert sum(a.amount_fen for a in took) == house.provider.received_fen
        assert sum(a.refunded_fen for a in attempts) == house.provider.returned_fen
        done = [r for r in refunds if r.state is RefundState.REFUNDED]
        assert sum(r.amount_fen for r in done) == house.provider.returned_fen
        sums = await ledger.balances(house.ctx, house.record_id, SETTLEMENT)
        kept_fen = house.provider.received_fen - house.provider.returned_fen
        assert sums.get(f"provider:{PROVIDER}", 0) == kept_fen
        assert sums.get("patient", 0) == -kept_fen


def test_the_books_agree_after_any_life(fresh_database: str) -> None:
    loop = asyncio.new_event_loop()
    stack = AsyncExitStack()
    try:
        Payments.loop = loop
        Payments.house = loop.run_until_complete(stack.enter_async_context(a_house(fresh_database)))
        run_state_machine_as_test(
            Payments,
            settings=settings(
                max_examples=20,
                stateful_step_count=30,
                deadline=None,
                print_blob=True,
                # Shrinking takes minutes on a database; the blob replays the life as found.
                phases=(Phase.explicit, Phase.reuse, Phase.generate),
                suppress_health_check=list(HealthCheck),
            ),
        )
    finally:
        loop.run_until_complete(stack.aclose())
        loop.close()
