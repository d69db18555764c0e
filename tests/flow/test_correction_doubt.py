"""Corrections in doubt, in review, in races, and before a second person."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from service.commands import settlement as settlement_verbs
from service.institution import actions as institution
from service.kernel.problems import NotFound, Problem, RowTampered, StateConflict
from service.settlement import reviewing
from service.settlement.corrections import correcting
from service.settlement.corrections.model import BillAfter
from service.settlement.problems import (
    AskerMayNotApprove,
    CorrectionUnderWay,
    SettlementNotCorrectable,
)
from service.settlement.states import SettlementEvent, SettlementState
from tests.support.corrections import a_person, ask, assert_tied, posted, read
from tests.support.settlement_checks import assert_posted, assert_undone
from tests.support.settlement_rig import Rig, a_rig

S = SettlementState
E = SettlementEvent


@pytest.fixture
async def rig(fresh_database: str) -> AsyncIterator[Rig]:
    async with a_rig(fresh_database) as made:
        yield made


@pytest.mark.parametrize(
    ("kind", "fault", "can_find"),
    [
        ("reverse", "lose-answer", True),
        ("reverse", "lose-answer", False),
        ("reverse", "late", True),
        ("settle", "lose-answer", True),
        ("settle", "lose-request", False),
        ("settle", "late", True),
    ],
)
async def test_a_lost_answer_inside_a_correction_is_cleared_up_and_never_doubled(
    rig: Rig, kind: str, fault: str, can_find: bool
) -> None:
    row = await posted(rig, 30_00, 70_00)
    rig.bureau.can_find = can_find
    rig.bureau.faults.script(kind, fault)
    await ask(rig, row, "2")
    row = await assert_posted(rig, await rig.settled(row, 600))
    assert (row.cash_fen, row.refunded_fen) == (12_00, 28_00)
    await assert_tied(rig, row)


async def test_every_other_question_survives_its_lost_answer(rig: Rig) -> None:
    row = await posted(rig, 30_00, 70_00)
    for kind in ("withdraw", "charges", "presettle"):
        rig.bureau.faults.script(kind, "lose-answer", "lose-request", "not-sent")
    await ask(rig, row, "1")
    row = await assert_posted(rig, await rig.settled(row, 900))
    assert row.cash_fen == 28_00


@pytest.mark.parametrize(
    ("kind", "reason", "decision"),
    [
        ("reverse", "reversal-refused", E.REVIEWED_REVERSE),
        ("withdraw", "insurance-refused", E.REVIEWED_GO_ON),
        ("charges", "insurance-refused", E.REVIEWED_GO_ON),
        ("presettle", "insurance-refused", E.REVIEWED_REVERSE),
        ("settle", "insurance-refused", E.REVIEWED_GO_ON),
        ("settle", "insurance-refused", E.REVIEWED_REVERSE),
    ],
)
async def test_a_refusal_goes_before_a_person_who_goes_on_or_undoes_all(
    rig: Rig, kind: str, reason: str, decision: SettlementEvent
) -> None:
    row = await posted(rig, 30_00, 70_00)
    rig.bureau.faults.script(kind, "refuse")
    asked = await ask(rig, row, "2")
    row = await rig.settled(row)
    assert (row.state, row.reason) == (S.NEEDS_REVIEW, reason)
    assert reason in await rig.items(row)
    assert (row.refunded_fen, rig.till.kept_fen) == (0, 40_00), "no money moves in doubt"
    await assert_tied(rig, row)
    with pytest.raises(StateConflict):
        await reviewing.review(rig.ctx, row.record_id, row.settlement_id, E.REVIEWED_SETTLE)
    await reviewing.review(rig.ctx, row.record_id, row.settlement_id, decision)
    row = await rig.settled(row)
    if decision is E.REVIEWED_GO_ON:
        row = await assert_posted(rig, row)
        assert (row.cash_fen, row.refunded_fen) == (12_00, 28_00)
    else:
        await assert_undone(rig, row, reason)
    ended = "DONE" if decision is E.REVIEWED_GO_ON else "UNDONE"
    assert (await read(rig, asked)).correction.state == ended


async def test_a_second_division_that_contradicts_is_revoked_and_divided_anew(rig: Rig) -> None:
    row = await posted(rig, 30_00, 70_00)
    await ask(rig, row, "2")

    async def contradict() -> None:
        rig.bureau.bad_split = True

    rig.bureau.during["settle"] = contradict
    row = await rig.settled(row)
    assert (row.state, row.reason) == (S.NEEDS_REVIEW, "settlement-contradicts")
    rig.bureau.bad_split = False
    await reviewing.review(rig.ctx, row.record_id, row.settlement_id, E.REVIEWED_GO_ON)
    row = await assert_posted(rig, await rig.settled(row))
    assert [one.live for one in rig.bureau.book] == [False, False, True]
    assert (row.round_no, row.bill_version) == (2, 2)


async def test_a_bureau_that_stays_silent_ends_before_a_person(rig: Rig) -> None:
    row = await posted(rig, 30_00, 70_00)
    for kind, reason in (("reverse", "recalling-stuck"), ("presettle", "presettling-stuck")):
        rig.bureau.faults.script(kind, *["not-sent"] * 99)
        if kind == "reverse":
            await ask(rig, row, "2")
        else:
            await reviewing.review(rig.ctx, row.record_id, row.settlement_id, E.REVIEWED_GO_ON)
        await rig.run_for(timedelta(hours=3), timedelta(minutes=5))
        row = await rig.read(row)
        assert (row.state, row.reason) == (S.NEEDS_REVIEW, reason)
        rig.bureau.faults.forget()
    await reviewing.review(rig.ctx, row.record_id, row.settlement_id, E.REVIEWED_GO_ON)
    await assert_posted(rig, await rig.settled(row))


async def test_a_2207_of_the_rest_that_moved_is_collected_or_given_back(rig: Rig) -> None:
    row = await posted(rig, 30_00, 70_00)
    rig.bureau.cash_moves_fen = -2_00
    await ask(rig, row, "2")
    row = await assert_posted(rig, await rig.settled(row))
    assert (row.cash_fen, row.refunded_fen) == (10_00, 30_00)
    rig.bureau.cash_moves_fen = 3_00
    await ask(rig, row, lines=[], bill_after=BillAfter.OPEN)
    await assert_undone(rig, await rig.settled(row), "returned")


async def test_of_rival_corrections_and_returns_one_begins(rig: Rig) -> None:
    row = await posted(rig, 30_00, 70_00)
    outcomes = await asyncio.gather(
        ask(rig, row, "1"), ask(rig, row, "2"), ask(rig, row), return_exceptions=True
    )
    begun = [one for one in outcomes if not isinstance(one, BaseException)]
    refused = [one for one in outcomes if isinstance(one, BaseException)]
    assert len(begun) == 1
    assert all(isinstance(one, Problem) and one.status == 409 for one in refused)
    await assert_tied(rig, row)
    row = await rig.settled(row)
    given = {30_00: (70_00, 12_00), 70_00: (30_00, 28_00), 100_00: (100_00, 40_00)}
    total_fen, refunded_fen = given[begun[0].amount_fen]
    assert (row.total_fen, row.refunded_fen) == (total_fen, refunded_fen)
    assert rig.till.kept_fen == 40_00 - refunded_fen


async def test_above_the_limit_another_person_must_agree(rig: Rig) -> None:
    await institution.set_approval_limit(rig.ctx, rig.place.institution_id, 30_00)
    row = await posted(rig, 30_00, 70_00)
    waiting = await ask(rig, row, "2")
    assert waiting.state == "AWAITING_APPROVAL"
    assert await rig.items(row) == {"correction-awaits-approval"}
    await rig.run_for(timedelta(hours=1), timedelta(minutes=10))
    assert (await rig.read(row)).state is S.POSTED, "nothing moves without a second person"
    with pytest.raises(CorrectionUnderWay):
        await ask(rig, row, "1")
    key = (waiting.record_id, waiting.correction_id)
    with pytest.raises(AskerMayNotApprove):
        await correcting.approve(rig.ctx, a_person(rig), *key)
    stranger = a_person(rig, "B2")
    with pytest.raises(NotFound):
        await correcting.approve(
            rig.ctx,
            type(stranger)(institution_id=1, staff_no="B2", caller_kind="application", caller_id=1),
            *key,
        )
    agreed = await correcting.approve(rig.ctx, stranger, *key)
    assert (agreed.state, agreed.asked_by, agreed.decided_by) == ("RUNNING", "A1", "B2")
    again = await correcting.approve(rig.ctx, stranger, *key)
    assert again.version == agreed.version
    with pytest.raises(StateConflict):
        await correcting.refuse(rig.ctx, stranger, *key)
    row = await assert_posted(rig, await rig.settled(row))
    assert (row.refunded_fen, await rig.items(row)) == (28_00, set())
    small = await ask(rig, row, "1", bill_after=BillAfter.OPEN)
    assert small.state == "RUNNING", "up to the limit nobody is waited for"


async def test_what_is_refused_leaves_the_settlement_as_it_is(rig: Rig) -> None:
    await institution.set_approval_limit(rig.ctx, rig.place.institution_id, 0)
    row = await posted(rig, 30_00, 70_00)
    waiting = await ask(rig, row)
    person = a_person(rig, "B2")
    outcomes = await asyncio.gather(
        correcting.refuse(rig.ctx, person, waiting.record_id, waiting.correction_id),
        correcting.approve(rig.ctx, a_person(rig, "C3"), waiting.record_id, waiting.correction_id),
        return_exceptions=True,
    )
    assert sum(isinstance(one, Problem) for one in outcomes) == 1
    stands = (await read(rig, waiting)).correction
    row = await rig.settled(row)
    if stands.state == "REFUSED":
        assert (row.state, row.refunded_fen) == (S.POSTED, 0)
        assert (await ask(rig, row, "1")).state == "AWAITING_APPROVAL"
    else:
        assert (row.state, row.refunded_fen) == (S.REVERSED, 40_00)
        with pytest.raises(SettlementNotCorrectable):
            await ask(rig, row, "1")


async def test_a_correction_changed_by_sql_is_not_carried_out(rig: Rig) -> None:
    await institution.set_approval_limit(rig.ctx, rig.place.institution_id, 0)
    row = await posted(rig, 30_00, 70_00)
    waiting = await ask(rig, row, "1")
    async with rig.ctx.pool.acquire() as conn:
        await conn.execute(
            "update correction set asked_by = 'B2' where correction_id = $1", waiting.correction_id
        )
    with pytest.raises(RowTampered):
        await correcting.approve(rig.ctx, a_person(rig), waiting.record_id, waiting.correction_id)
    assert (await rig.read(row)).state is S.POSTED


async def test_an_operator_takes_a_correction_up_again(rig: Rig) -> None:
    row = await posted(rig, 30_00, 70_00)
    rig.bureau.faults.script("reverse", "refuse")
    await ask(rig, row, "2")
    row = await rig.settled(row)
    text = rig.ctx.public_ids.text(row.record_id, row.settlement_id)
    said = await settlement_verbs.review(rig.ctx, text, "go-on", "op-7", "the bureau confirmed it")
    assert said == f"{text} is RECALLING; the worker goes on"
    await assert_posted(rig, await rig.settled(row))
