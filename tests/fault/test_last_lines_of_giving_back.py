"""Guards of refunds and corrections, each the last line before money goes back twice or wrongly."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta

import pytest

from integrations.ports.outcomes import Outcome
from integrations.ports.payments import Refund, RefundOrder, RefundStatus
from service.institution import actions as institution
from service.kernel.claims import run_once
from service.kernel.database import connection
from service.kernel.problems import StateConflict
from service.payment import jobs
from service.payment import store as payment_store
from service.payment.actions import refunds
from service.payment.model import PaymentAttempt, RowKey
from service.settlement.corrections import correcting
from service.settlement.corrections import store as correction_store
from service.settlement.corrections.model import Correction
from service.settlement.problems import CorrectionUnderWay
from service.settlement.states import SettlementState
from tests.support import corrections
from tests.support.guards import Guard, both_runs
from tests.support.last_lines import (
    Harm,
    at_once,
    drop_unique_keys,
    without,
)
from tests.support.money import House, a_house
from tests.support.settlement_rig import a_rig

RETRY = timedelta(seconds=6)
"""Past the pause after a try, and well within its lease."""


class Gullible:
    """A provider that pays a refund out as often as it is told to, and what it has paid out."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._honest = house.provider.refund
        self.given: list[int] = []
        self.is_slow = False
        """Over its next refund another worker comes by."""
        self.late: Callable[[], Awaitable[None]] | None = None
        """What a worker does first that slept past its lease."""
        house.provider.refund_status = RefundStatus.REFUNDED
        house.provider.refund = self._pay_out  # type: ignore[method-assign]

    async def _pay_out(self, order: RefundOrder) -> Outcome[Refund]:
        if self.is_slow:
            self.is_slow = False
            if self.late is not None:
                await self.late()
            self._house.clock.advance(RETRY)
            (_, refunds_due) = jobs.sources(self._house.ctx)
            await run_once(refunds_due, self._house.clock, self._house.ctx.metrics)
        self._house.provider.refunds.pop(order.refund_no, None)
        self.given.append(order.amount_fen)
        return await self._honest(order)


async def two_workers_send_one_refund(dsn: str) -> None:
    """The lease ran out over a pause: both saw a refund that nobody has sent, and send it."""
    async with a_house(dsn) as house:
        attempt = await house.paid()
        provider = Gullible(house)
        await house.refund(attempt, attempt.amount_fen)
        async with connection(house.ctx.pool) as conn:
            (row,) = await refunds.list_refunds(
                conn, house.ctx, house.record_id, attempt.settlement_id
            )
        key = RowKey(house.record_id, row.refund_id)
        works = [refunds.pursue_refund(house.ctx, key) for _ in "12"]
        await at_once(dsn, "refund", *works)
        await house.work(rounds=3)
        _assert_given_once(provider, attempt)


async def version_of_a_refund(patch: pytest.MonkeyPatch, dsn: str) -> None:
    without(patch, payment_store, "SAVE_REFUND", " and version = $8 - 1")


async def another_worker_looks_in(dsn: str) -> None:
    """The provider takes its time over a refund and knows nothing of it yet, when asked."""
    async with a_house(dsn) as house:
        attempt = await house.paid()
        provider = Gullible(house)
        provider.is_slow = True
        await house.refund(attempt, attempt.amount_fen)
        await house.work(rounds=3)
        _assert_given_once(provider, attempt)


async def lease_of_a_refund(patch: pytest.MonkeyPatch, dsn: str) -> None:
    free = " and (lease_until is null or lease_until <= $1)"
    without(patch, payment_store, "LIST_DUE_REFUNDS", free)
    free = "\n  and (lease_until is null or lease_until <= $3)"
    without(patch, payment_store, "CLAIM_REFUND", free)


async def a_late_worker_lets_go_of_anothers_refund(dsn: str) -> None:
    """It slept past its lease and lets go, while another is talking to the provider."""
    async with a_house(dsn) as house:
        attempt = await house.paid()
        provider = Gullible(house)
        provider.is_slow = True
        long_ago = house.clock.now() - timedelta(minutes=5)
        await house.refund(attempt, attempt.amount_fen)
        async with connection(house.ctx.pool) as conn:
            key = (house.record_id, attempt.settlement_id)
            (row,) = await refunds.list_refunds(conn, house.ctx, *key)

        async def let_go() -> None:
            await refunds.release(house.ctx, RowKey(house.record_id, row.refund_id), long_ago)

        provider.late = let_go
        await house.work(rounds=3)
        _assert_given_once(provider, attempt)


async def end_of_a_refunds_lease(patch: pytest.MonkeyPatch, dsn: str) -> None:
    end = " and lease_until = $3"
    without(patch, payment_store, "RELEASE_REFUND", end, " and $3::timestamptz is not null")


async def one_reversal_is_promised_twice(dsn: str) -> None:
    """Two workers undo one settlement, and each promises the payer the same 6 yuan."""
    async with a_house(dsn) as house:
        attempt = await house.paid()
        house.provider.refund_status = RefundStatus.REFUNDED
        await at_once(dsn, "payment_attempt", *(house.refund(attempt, 6_00) for _ in "12"))
        await house.work(rounds=3)
        if house.provider.returned_fen != 6_00:
            raise Harm("the payer got his money back twice")


async def lock_and_version_of_an_attempt(patch: pytest.MonkeyPatch, dsn: str) -> None:
    without(patch, payment_store, "LOCK_ATTEMPT", "for update")
    without(patch, payment_store, "SAVE_ATTEMPT", " and version = $13 - 1")


async def one_refund_a_cause(patch: pytest.MonkeyPatch, dsn: str) -> None:
    await drop_unique_keys(dsn, "refund")


async def a_small_correction_overtakes_a_large_one(dsn: str) -> None:
    """One line waits for a second person; meanwhile another, which nobody must agree to, goes."""
    async with a_rig(dsn) as rig:
        await institution.set_approval_limit(rig.ctx, rig.place.institution_id, 50_00)
        row = await corrections.posted(rig, 30_00, 70_00)
        waiting = await corrections.ask(rig, row, "2")
        with suppress(CorrectionUnderWay):
            await corrections.ask(rig, row, "1")
            await rig.post(await rig.settled(row))
        key = (waiting.record_id, waiting.correction_id)
        try:
            await correcting.approve(rig.ctx, corrections.a_person(rig, "B2"), *key)
        except Exception as refused:
            raise Harm("a correction waits that nobody can ever approve") from refused


async def one_open_correction(patch: pytest.MonkeyPatch, dsn: str) -> None:
    await drop_unique_keys(dsn, "correction")


async def one_approves_while_another_refuses(dsn: str) -> None:
    """Two persons decide in the same moment."""
    async with a_rig(dsn) as rig:
        await institution.set_approval_limit(rig.ctx, rig.place.institution_id, 0)
        row = await corrections.posted(rig, 30_00, 70_00)
        waiting = await corrections.ask(rig, row)
        key = (waiting.record_id, waiting.correction_id)
        refusing = correcting.refuse(rig.ctx, corrections.a_person(rig, "B2"), *key)
        approving = correcting.approve(rig.ctx, corrections.a_person(rig, "C3"), *key)
        refused, approved = await at_once(dsn, "correction", refusing, approving)
        for one in (refused, approved):
            assert isinstance(one, Correction | StateConflict), one
        moved = (await rig.settled(row)).state is not SettlementState.POSTED
        if isinstance(refused, Correction) and moved:
            raise Harm("refused for all to see, and the money goes back")


async def version_of_a_correction(patch: pytest.MonkeyPatch, dsn: str) -> None:
    without(patch, correction_store, "SAVE_CORRECTION", "version = $3\n", "$3::int > 0\n")


def _assert_given_once(provider: Gullible, attempt: PaymentAttempt) -> None:
    if sum(provider.given) != attempt.amount_fen:
        raise Harm("the payer got his money back twice")


GUARDS = [
    Guard(
        name="compare-and-set: refund",
        holds=frozenset({"payment.store.SAVE_REFUND"}),
        harm="the payer got his money back twice",
        scenario=two_workers_send_one_refund,
        take_out=version_of_a_refund,
    ),
    Guard(
        name="lease: refund",
        holds=frozenset({"payment.store.CLAIM_REFUND"}),
        harm="the payer got his money back twice",
        scenario=another_worker_looks_in,
        take_out=lease_of_a_refund,
    ),
    Guard(
        name="lease: only its holder lets a refund go",
        holds=frozenset({"payment.store.RELEASE_REFUND"}),
        harm="the payer got his money back twice",
        scenario=a_late_worker_lets_go_of_anothers_refund,
        take_out=end_of_a_refunds_lease,
    ),
    Guard(
        name="unique key: one refund a cause, behind the lock and the version of the attempt",
        holds=frozenset({"refund_once"}),
        harm="the payer got his money back twice",
        scenario=one_reversal_is_promised_twice,
        take_out=one_refund_a_cause,
        in_front=lock_and_version_of_an_attempt,
    ),
    Guard(
        name="unique key: one open correction",
        holds=frozenset({"correction_one_open", "settlement.corrections.store.INSERT_CORRECTION"}),
        harm="a correction waits that nobody can ever approve",
        scenario=a_small_correction_overtakes_a_large_one,
        take_out=one_open_correction,
    ),
    Guard(
        name="compare-and-set: correction",
        holds=frozenset({"settlement.corrections.store.SAVE_CORRECTION"}),
        harm="refused for all to see, and the money goes back",
        scenario=one_approves_while_another_refuses,
        take_out=version_of_a_correction,
    ),
]


test_with_the_guard_nothing_is_lost, test_without_the_guard_its_harm_is_done = both_runs(GUARDS)
