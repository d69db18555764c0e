"""Answers that were lost or contradict: cleared up by looking and undoing, never by repeating."""

from collections.abc import AsyncIterator
from datetime import timedelta

import msgspec
import pytest

from service.institution.model import MovedAmounts
from service.kernel.database import connection
from service.kernel.problems import StateConflict
from service.settlement import reviewing
from service.settlement.states import SettlementEvent, SettlementState
from tests.support.settlement_checks import assert_posted, assert_undone
from tests.support.settlement_rig import Rig, a_rig

S = SettlementState
E = SettlementEvent


@pytest.fixture
async def rig(fresh_database: str) -> AsyncIterator[Rig]:
    async with a_rig(fresh_database) as made:
        yield made


@pytest.mark.parametrize("can_find", [True, False])
@pytest.mark.parametrize("fault", ["lose-answer", "lose-request", "late"])
async def test_a_lost_settlement_is_cleared_up_and_never_doubled(
    rig: Rig, fault: str, can_find: bool
) -> None:
    rig.bureau.can_find = can_find
    rig.bureau.faults.script("settle", fault)
    row = await rig.to_paid(100_00)
    row = await rig.settled(row, 300)
    await assert_posted(rig, row)
    numbers = [call.message_no for _, call in rig.bureau.calls]
    assert len(numbers) == len(set(numbers))
    if not can_find:
        undone = [one for one in await rig.calls(row) if one.undone_by is not None]
        assert [one.kind for one in undone] == ["settle"]


async def test_a_settlement_that_arrives_after_its_undoing_is_undone_again(rig: Rig) -> None:
    rig.bureau.faults.script("settle", "lose-request")

    async def look_then_arrive() -> None:
        rig.bureau.during["find"] = rig.bureau.deliver_first_settle

    rig.bureau.during["undo"] = look_then_arrive
    row = await rig.to_paid(100_00)
    row = await rig.settled(row, 300)
    await assert_posted(rig, row)
    assert [one.live for one in rig.bureau.book] == [False, True]


async def test_settling_that_stays_unknown_ends_before_a_person(rig: Rig) -> None:
    rig.bureau.faults.script("settle", "lose-answer")
    rig.bureau.faults.script("find", *["lose-request"] * 99)
    rig.bureau.faults.script("undo", *["lose-request"] * 99)
    row = await rig.to_paid(100_00)
    await rig.run_for(timedelta(hours=3), timedelta(minutes=2))
    row = await rig.read(row)
    assert (row.state, row.reason) == (S.NEEDS_REVIEW, "settling-stuck")
    assert await rig.items(row) == {"settling-stuck"}
    assert row.paid_fen == rig.till.kept_fen == 40_00
    rig.bureau.faults.forget()
    await reviewing.review(rig.ctx, row.record_id, row.settlement_id, E.REVIEWED_SETTLE)
    assert await rig.items(row) == set()
    row = await rig.settled(row)
    await assert_posted(rig, row)


async def test_amounts_that_contradict_go_to_a_person_who_undoes_them(rig: Rig) -> None:
    row = await rig.to_paid(100_00)
    rig.bureau.bad_split = True
    row = await rig.settled(row)
    assert (row.state, row.reason) == (S.NEEDS_REVIEW, "settlement-contradicts")
    assert len(rig.bureau.live) == 1
    with pytest.raises(StateConflict):
        await reviewing.review(rig.ctx, row.record_id, row.settlement_id, E.REVIEWED_SETTLE)
    await reviewing.review(rig.ctx, row.record_id, row.settlement_id, E.REVIEWED_REVERSE)
    row = await rig.settled(row, 300)
    await assert_undone(rig, row, "settlement-contradicts")


@pytest.mark.parametrize(
    ("fault", "can_find"), [("lose-answer", True), ("lose-answer", False), ("lose-request", True)]
)
async def test_a_lost_reversal_is_cleared_up(
    fresh_database: str, fault: str, can_find: bool
) -> None:
    async with a_rig(fresh_database, moved=MovedAmounts.UNDO) as rig:
        rig.bureau.can_find = can_find
        rig.bureau.faults.script("reverse", fault)
        row = await rig.to_paid(100_00)
        rig.bureau.cash_moves_fen = 1_00
        row = await rig.settled(row, 600)
        await assert_undone(rig, row, "amounts-moved")


@pytest.mark.parametrize("fault", ["lose-answer", "lose-request", "not-sent"])
@pytest.mark.parametrize("kind", ["register", "diagnoses", "charges", "presettle"])
async def test_every_question_before_the_split_survives_its_lost_answer(
    rig: Rig, kind: str, fault: str
) -> None:
    rig.bureau.faults.script(kind, fault)
    row = await rig.start(await rig.push_bill(*[1_00] * 120))
    row = await rig.settled(row, 60)
    assert (row.state, row.fund_fen) == (S.PRESETTLED, 72_00)


async def test_a_person_s_decision_stays_in_the_audit_log(rig: Rig) -> None:
    row = await rig.to_paid(100_00)
    rig.bureau.bad_split = True
    row = await rig.settled(row)
    key = (row.record_id, row.settlement_id)
    await reviewing.review(
        rig.ctx, *key, E.REVIEWED_REVERSE, by="li", because="bureau confirmed by phone"
    )
    async with connection(rig.ctx.pool) as conn:
        entry = await conn.fetchrow(
            "select entry_id, sealed from audit_entry"
            " where action = 'settlement.reviewed' and record_id = $1",
            row.record_id,
        )
        sealing = await rig.ctx.sealer.record_key(conn, row.record_id)
    place = ("audit_entry", "sealed", entry["entry_id"])
    told = msgspec.json.decode(rig.ctx.sealer.open(sealing, *place, entry["sealed"]))
    facts = told["entry"]["facts"]
    assert facts["decision"] == "reviewed-reverse"
    assert (facts["by"], facts["because"]) == ("li", "bureau confirmed by phone")
    assert facts["reason"] == "settlement-contradicts"
