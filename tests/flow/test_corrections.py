"""What is given back of posted settlements: lines, all of it, twice, to the last line."""

from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from integrations.ports.payments import RefundStatus
from service.bill import actions as bill
from service.bill.problems import BillVersionStale
from service.bill.states import BillState
from service.institution.model import MovedAmounts
from service.kernel.database import transaction
from service.kernel.problems import StateConflict
from service.payment import actions as payment
from service.settlement import actions
from service.settlement.corrections.model import BillAfter, GivenLine
from service.settlement.problems import (
    CorrectionRefused,
    PostingVersionDiffers,
    SettlementNotCorrectable,
)
from service.settlement.states import SettlementState
from tests.support.audited import closings
from tests.support.corrections import ask, assert_tied, posted, read
from tests.support.money import DECIDED
from tests.support.settlement_checks import assert_no_visit_stands, assert_posted, assert_undone
from tests.support.settlement_rig import Rig, a_rig

S = SettlementState


@pytest.fixture
async def rig(fresh_database: str) -> AsyncIterator[Rig]:
    async with a_rig(fresh_database) as made:
        yield made


async def test_a_line_given_back_is_settled_without_and_the_rest_posted_anew(rig: Rig) -> None:
    row = await posted(rig, 30_00, 70_00)
    asked = await ask(rig, row, "2")
    assert (asked.state, asked.amount_fen, asked.decided_by) == ("RUNNING", 70_00, None)
    assert (await rig.read(row)).state is S.RECALLING
    await assert_tied(rig, row)
    row = await rig.settled(row)
    assert (row.state, row.total_fen, row.fund_fen, row.cash_fen) == (
        S.POSTING,
        30_00,
        18_00,
        12_00,
    )
    row = await assert_posted(rig, row)
    assert (row.paid_fen, row.refunded_fen, row.bill_version) == (40_00, 28_00, 2)
    assert (await rig.history(row))[-8:] == [
        "RECALLING",
        "PRESETTLING",
        "PRESETTLED",
        "PAID",
        "SETTLING",
        "SETTLED",
        "POSTING",
        "POSTED",
    ]
    assert [one.live for one in rig.bureau.book] == [False, True]
    assert Counter(await rig.topics(row)) >= Counter(
        {"settlement.settled": 1, "settlement.corrected": 1, "settlement.posted": 2}
    )
    done = await read(rig, asked)
    assert done.correction.state == "DONE"
    assert [(one.amount_fen, one.state) for one in done.refunds] == [(28_00, "REFUNDED")]
    assert done.content.reason == "未做检查"
    assert await rig.items(row) == set()


async def test_a_part_of_a_line_is_given_back(rig: Rig) -> None:
    row = await posted(rig, 30_00, 70_00)
    await ask(rig, row, lines=[GivenLine(line_no="1", quantity_e4=2_500)])
    row = await assert_posted(rig, await rig.settled(row))
    left = await bill.read(rig.ctx, row.record_id, row.bill_id)
    assert [(one.line_no, one.quantity_e4, one.amount_fen) for one in left.lines] == [
        ("1", 7_500, 22_50),
        ("2", 10_000, 70_00),
    ]
    assert (left.version, left.total_fen, row.total_fen) == (2, 92_50, 92_50)
    before = await bill.read_version(rig.ctx, row.record_id, row.bill_id, 1)
    assert before.total_fen == 100_00


async def test_own_money_is_given_back_without_a_bureau(rig: Rig) -> None:
    row = await posted(rig, 30_00, 70_00, insured=False)
    await ask(rig, row, "1")
    row = await assert_posted(rig, await rig.settled(row))
    assert (row.cash_fen, row.refunded_fen, rig.bureau.calls) == (70_00, 30_00, [])


async def test_twice_corrected_and_then_to_the_last_line(rig: Rig) -> None:
    row = await posted(rig, 10_00, 20_00, 70_00)
    for line_no, total_fen in (("1", 90_00), ("2", 70_00)):
        await ask(rig, row, line_no)
        row = await assert_posted(rig, await rig.settled(row))
        assert row.total_fen == total_fen
        await assert_tied(rig, row)
    last = await ask(rig, row, "3")
    assert last.bill_after is BillAfter.WITHDRAWN
    row = await rig.settled(row)
    assert (row.state, row.reason, row.refunded_fen) == (S.REVERSED, "returned", 40_00)
    assert await rig.balances(row) == {}
    assert (rig.bureau.live, rig.till.kept_fen) == ([], 0)
    assert_no_visit_stands(rig)
    charged = await bill.read(rig.ctx, row.record_id, row.bill_id)
    assert (charged.state, charged.version) == (BillState.WITHDRAWN, 3)
    view = await read(rig, last)
    assert view.correction.state == "DONE"
    assert [one.amount_fen for one in view.refunds] == [28_00]


@pytest.mark.parametrize("insured", [True, False])
async def test_all_of_it_given_back_leaves_the_bill_open_to_be_settled_again(
    rig: Rig, insured: bool
) -> None:
    row = await posted(rig, 100_00, insured=insured)
    asked = await ask(rig, row, bill_after=BillAfter.OPEN)
    assert (await rig.read(row)).state is S.REVERSING
    row = await rig.settled(row)
    await assert_undone(rig, row, "returned")
    assert (await read(rig, asked)).correction.state == "DONE"
    charged = await bill.read(rig.ctx, row.record_id, row.bill_id)
    again = await rig.start(charged, insured=False)
    assert again.settlement_id != row.settlement_id


async def test_a_refund_that_is_stuck_holds_nothing_else_up_and_is_never_sent_twice(
    rig: Rig,
) -> None:
    rig.till.refund_status = RefundStatus.PROCESSING
    row = await posted(rig, 30_00, 70_00)
    first = await ask(rig, row, "2")
    row = await rig.settled(row)
    row = await rig.post(row)
    assert (row.state, row.refunded_fen) == (S.POSTED, 0)
    second = await ask(rig, row, lines=[GivenLine(line_no="1", quantity_e4=5_000)])
    row = await rig.settled(row)
    assert (row.state, row.cash_fen) == (S.POSTING, 6_00)
    rig.till.refund_status = RefundStatus.REFUNDED
    row = await assert_posted(rig, await rig.settled(row, 1200))
    assert [one.amount_fen for one in rig.till.refunds.values()] == [28_00, 6_00]
    for asked, fen in ((first, 28_00), (second, 6_00)):
        assert [one.amount_fen for one in (await read(rig, asked)).refunds] == [fen]


async def test_a_refund_that_failed_is_shown_and_all_of_it_given_back_waits_for_it(
    rig: Rig,
) -> None:
    rig.till.refund_status = RefundStatus.FAILED
    row = await posted(rig, 100_00)
    await ask(rig, row)
    row = await rig.settled(row, 300)
    assert (row.state, row.refunded_fen) == (S.REVERSING, 0)
    assert "refund-failed" in await rig.items(row)
    assert len(rig.bureau.live) == 1, "the insurance stands while the payer has nothing back"
    rig.till.refund_status = RefundStatus.REFUNDED
    rig.till.refunds.clear()  # What failed counts for nothing at a provider.
    async with transaction(rig.ctx.pool) as conn:
        (failed,) = await payment.list_refunds(conn, rig.ctx, row.record_id, row.settlement_id)
    await payment.retry_refund(rig.ctx, row.record_id, failed.refund_id, DECIDED)
    row = await rig.settled(row, 1200)
    assert (row.state, row.refunded_fen, rig.bureau.live) == (S.REVERSED, 40_00, [])
    assert await rig.items(row) == set()


@pytest.mark.parametrize("all_of_it", [False, True])
async def test_what_failed_to_go_back_is_in_no_later_refund_for_it_goes_again(
    rig: Rig, all_of_it: bool
) -> None:
    rig.till.refund_status = RefundStatus.FAILED
    row = await posted(rig, 10_00, 20_00, 70_00)
    first = await ask(rig, row, "1")
    row = await rig.post(await rig.settled(row, 300))
    (failed,) = (await read(rig, first)).refunds
    assert (failed.amount_fen, failed.state) == (4_00, "FAILED")
    rig.till.refunds.clear()  # What failed counts for nothing at a provider.
    rig.till.refund_status = RefundStatus.REFUNDED
    second = await (ask(rig, row) if all_of_it else ask(rig, row, "2"))
    row = await rig.settled(row, 300)
    left_fen = 36_00 if all_of_it else 8_00
    assert [one.amount_fen for one in (await read(rig, second)).refunds] == [left_fen]
    await payment.retry_refund(rig.ctx, row.record_id, failed.refund_id, DECIDED)
    row = await rig.settled(row, 1200)
    row = row if all_of_it else await assert_posted(rig, row)
    assert sorted(one.amount_fen for one in rig.till.refunds.values()) == [4_00, left_fen]
    assert (row.paid_fen, row.refunded_fen) == (40_00, 4_00 + left_fen)
    assert await rig.items(row) == set()


async def test_a_higher_own_part_is_collected_never_taken_silently(rig: Rig) -> None:
    row = await posted(rig, 30_00, 70_00)
    rig.bureau.fund_percent = 0
    await ask(rig, row, "1")
    row = await rig.settled(row)
    assert (row.state, row.cash_fen, row.reason) == (S.PRESETTLED, 70_00, "amounts-moved")
    assert await rig.items(row) == {"correction-to-collect"}
    with pytest.raises(StateConflict):
        await actions.abandon(rig.ctx, row.record_id, row.settlement_id)
    await rig.pay(row)
    assert [one.amount_fen for one in await rig.attempts(row)] == [30_00, 40_00]
    rig.till.pay(rig.till.unpaid()[0])
    row = await assert_posted(rig, await rig.settled(row))
    assert await closings(rig.ctx, row.record_id) == {"correction-to-collect": "paid"}
    assert (row.cash_fen, row.refunded_fen) == (70_00, 0)
    rig.bureau.fund_percent = 50
    await ask(rig, row, lines=[GivenLine(line_no="2", quantity_e4=1_000)])
    row = await assert_posted(rig, await rig.settled(row))
    assert {one.purpose: one.refunded_fen for one in await rig.attempts(row)} == {
        "DIFFERENCE": 30_00,
        "MAIN": 8_50,
    }, "the tender used last is given back first"


async def test_a_higher_own_part_undoes_the_whole_where_the_institution_wants_it(
    fresh_database: str,
) -> None:
    async with a_rig(fresh_database, moved=MovedAmounts.UNDO) as rig:
        row = await posted(rig, 30_00, 70_00)
        rig.bureau.fund_percent = 0
        asked = await ask(rig, row, "1")
        row = await rig.settled(row)
        await assert_undone(rig, row, "amounts-moved")
        assert "correction-undone" in await rig.items(row)
        assert (await read(rig, asked)).correction.state == "UNDONE"


async def test_only_what_is_posted_and_as_it_stands_is_given_back(rig: Rig) -> None:
    row = await rig.settled(await rig.to_paid(30_00, 70_00))
    with pytest.raises(SettlementNotCorrectable):
        await ask(rig, row, "1")
    row = await assert_posted(rig, row)
    with pytest.raises(BillVersionStale):
        await ask(rig, row, "1", bill_version=2)
    for lines in (
        [GivenLine(line_no="9", quantity_e4=1)],
        [GivenLine(line_no="1", quantity_e4=10_001)],
        [GivenLine(line_no="1", quantity_e4=0)],
        [GivenLine(line_no="1", quantity_e4=1)] * 2,
        [GivenLine(line_no="1", quantity_e4=1)],
    ):
        with pytest.raises(CorrectionRefused):
            await ask(rig, row, lines=lines)
    assert (await rig.read(row)).version == row.version


async def test_an_acknowledgement_counts_for_its_own_version_only(rig: Rig) -> None:
    row = await posted(rig, 30_00, 70_00)
    await ask(rig, row, "1")
    row = await rig.settled(row)
    text = rig.ctx.public_ids.text(row.record_id, row.settlement_id)
    for version in (None, 1):
        with pytest.raises(PostingVersionDiffers):
            await actions.acknowledge_posting(rig.ctx, rig.application, text, "HIS-1", version)
    listed = await actions.list_to_post(rig.ctx, rig.place.institution_id, 10, all_of_them=False)
    assert [one.bill_version for one, _ in listed] == [2]
    row = await rig.post(row, "HIS-2")
    assert (row.state, row.hospital_ref) == (S.POSTED, "HIS-2")


async def test_the_deadline_of_a_correction_brings_a_person_never_an_abandonment(rig: Rig) -> None:
    row = await posted(rig, 30_00, 70_00)
    rig.bureau.fund_percent = 0
    await ask(rig, row, "1")
    await rig.run_for(timedelta(minutes=20), timedelta(minutes=1))
    row = await rig.read(row)
    assert (row.state, row.reason) == (S.NEEDS_REVIEW, "correction-not-paid")
    assert (row.paid_fen, row.refunded_fen, rig.till.kept_fen) == (40_00, 0, 40_00)
