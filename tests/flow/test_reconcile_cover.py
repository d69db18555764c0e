"""A day's claims at a commercial insurer against what it told us of each."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from integrations.sandbox.cover.faults import Fault
from service.kernel.clock import business_day
from service.kernel.database import connection
from service.reconcile.actions import span_of
from service.reconcile.covers import reconcile_covers
from service.reconcile.model import AccountReport, Outcome
from service.settlement.corrections.model import BillAfter
from service.settlement.model import Settlement
from service.settlement.states import SettlementState
from tests.contract.cover_rig import INSURER, CoverDesk
from tests.flow.test_cover import insuring, posted
from tests.support.corrections import ask
from tests.support.settlement_rig import Rig, a_rig


@pytest.fixture
async def rig(fresh_database: str) -> AsyncIterator[Rig]:
    async with a_rig(fresh_database) as made:
        yield made


@pytest.fixture
def insurer(rig: Rig) -> CoverDesk:
    return insuring(rig)


async def report(rig: Rig, days_ago: int = 0) -> AccountReport:
    """The day's run; today's has every call that is over."""
    day = business_day(rig.clock.now()) - timedelta(days=days_ago)
    told = await reconcile_covers(rig.ctx, day, span_of(day))
    (own,) = [one for one in told if one.account_name == account(rig)]
    return own


def account(rig: Rig) -> str:
    """Other tests' hospitals have left their rows."""
    return f"{rig.place.code}:{INSURER}"


async def evidence(rig: Rig) -> list[dict[str, Any]]:
    async with connection(rig.ctx.pool) as conn:
        rows = await conn.fetch(
            "select evidence from work_item where kind = 'statement' and closed_at is null"
        )
    found = [row["evidence"] for row in rows]
    return [one for one in found if one["account_name"] == account(rig)]


async def returned(rig: Rig, row: Settlement) -> None:
    await ask(rig, row, bill_after=BillAfter.OPEN)
    assert (await rig.settled(row)).state is SettlementState.REVERSED


async def test_grants_and_withdrawals_of_a_day_agree(rig: Rig, insurer: CoverDesk) -> None:
    await posted(rig)
    await returned(rig, await posted(rig, 50_00))
    told = await report(rig)
    assert (told.outcome, told.matched, told.open) == (Outcome.EXPLAINED, 3, 0)
    sums = (told.there.trade_count, told.there.trade_fen, told.there.refund_fen)
    assert sums == (2, 54_00, 18_00)
    assert told.here == told.there
    assert insurer.owed_fen == 36_00


async def test_a_grant_that_was_only_found_agrees_too(rig: Rig, insurer: CoverDesk) -> None:
    insurer.script(Fault.DROP_AFTER, "confirm")
    await posted(rig)
    told = await report(rig)
    assert (told.outcome, told.matched) == (Outcome.EXPLAINED, 1)


async def test_what_only_the_insurer_holds_is_a_work_item_until_it_is_gone(
    rig: Rig, insurer: CoverDesk
) -> None:
    await posted(rig)
    (ours,) = insurer.twin.book.claims()
    ours.claim_no = "ELSEWHERE"
    insurer.twin.book.put_claim(ours)
    told = await report(rig)
    assert (told.outcome, told.classes) == (Outcome.DIFFERENCES, {"ONLY_THERE": 1})
    (item,) = await evidence(rig)
    assert (item["number"], item["there_fen"], item["here_fen"]) == ("ELSEWHERE", 36_00, None)
    ours.confirmed_ms = 0
    insurer.twin.book.put_claim(ours)
    told = await report(rig)
    assert (told.outcome, told.closed, told.open) == (Outcome.EXPLAINED, 1, 0)
    assert await evidence(rig) == []


async def test_what_only_we_hold_and_other_amounts(rig: Rig, insurer: CoverDesk) -> None:
    await posted(rig)
    await posted(rig)
    first, second = insurer.twin.book.claims()
    first.confirmed_ms, second.cover = 0, 1_00
    for one in (first, second):
        insurer.twin.book.put_claim(one)
    told = await report(rig)
    assert told.classes == {"AMOUNT_DIFFERS": 1, "ONLY_HERE": 1}
    found = {item["number"]: (item["there_fen"], item["here_fen"]) for item in await evidence(rig)}
    assert found == {first.claim_no: (None, 36_00), second.claim_no: (1_00, 36_00)}


async def test_a_grant_we_never_heard_of_is_explained_by_its_withdrawal(
    rig: Rig, insurer: CoverDesk
) -> None:
    row = await posted(rig)
    async with connection(rig.ctx.pool) as conn:
        await conn.execute(
            "update insurance_call set outcome = 'unknown:answer-lost', evidence = null"
            " where kind = 'cover-confirm'"
        )
    await returned(rig, row)
    told = await report(rig)
    assert (told.outcome, told.classes, insurer.owed_fen) == (Outcome.EXPLAINED, {}, 0)


@pytest.mark.parametrize("fault", [Fault.FORGED, Fault.GARBLED, Fault.DROP_BEFORE])
async def test_a_list_that_is_missing_or_spoilt_is_none(
    rig: Rig, insurer: CoverDesk, fault: Fault
) -> None:
    await posted(rig)
    insurer.script(fault, "day")
    told = await report(rig)
    assert told.outcome is Outcome.MISSING
    assert len(await evidence(rig)) == 1
    told = await report(rig)
    assert (told.outcome, await evidence(rig)) == (Outcome.EXPLAINED, [])
