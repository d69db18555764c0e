"""Commercial cover: offered on the divided bill, granted on the settled one, withdrawn first."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from integrations.ports.cover import CoverGrant
from integrations.ports.outcomes import Accepted
from integrations.sandbox.cover.faults import Fault
from service.bill.model import BillCover, Relief
from service.bill.problems import BillRefused
from service.bill.states import BillKind
from service.institution.model import MovedAmounts
from service.settlement import actions, reviewing
from service.settlement.corrections.model import BillAfter
from service.settlement.model import CallKind, Settlement
from service.settlement.states import SettlementEvent, SettlementState
from tests.contract.cover_rig import INSURER, CoverDesk
from tests.support.corrections import ask
from tests.support.fakes_settlement import Crash
from tests.support.settlement_checks import assert_undone
from tests.support.settlement_rig import Rig, a_rig
from tests.support.stays import push

S = SettlementState
AUTHORISED = BillCover(insurer=INSURER, authorisation="CV90-0001")
"""Of the own part of 40 yuan it bears 36."""
LOSES = [
    Fault.DROP_AFTER,
    Fault.ERROR_AFTER,
    Fault.FORGED,
    Fault.UNSIGNED,
    Fault.GARBLED,
    Fault.SWAPPED,
    Fault.LATE,
    Fault.DROP_BEFORE,
    Fault.ERROR_BEFORE,
    Fault.TOO_OFTEN,
]
"""After each of these nobody knows what was done."""


@pytest.fixture
async def rig(fresh_database: str) -> AsyncIterator[Rig]:
    async with a_rig(fresh_database) as made:
        yield made


@pytest.fixture
def insurer(rig: Rig) -> CoverDesk:
    return insuring(rig)


def insuring(rig: Rig) -> CoverDesk:
    desk = CoverDesk(rig.clock.now)
    rig.partners.contracts[rig.place.code, INSURER] = desk.gateway()
    return desk


async def divided(rig: Rig, *amounts_fen: int, **changes: Any) -> Settlement:
    """A settlement whose division is known, offer and all."""
    cover = {"cover": AUTHORISED, **changes}
    row = await rig.start(await rig.push_bill(*(amounts_fen or (100_00,)), **cover))
    return await rig.settled(row, 60)


async def paid(rig: Rig, *amounts_fen: int, **changes: Any) -> Settlement:
    """The payer paid what was left to him."""
    row = await rig.pay(await divided(rig, *amounts_fen, **changes))
    rig.till.pay(rig.till.unpaid()[0])
    return row


async def posted(rig: Rig, *amounts_fen: int, **changes: Any) -> Settlement:
    """All of it done, and in the hospital's books."""
    row = await rig.settled(await paid(rig, *amounts_fen, **changes))
    assert row.state is S.POSTING, row.reason
    return await rig.post(row)


async def kinds(rig: Rig, row: Settlement) -> list[str]:
    """The calls to the insurer, and the settlement of the bureau between them, by name: the clock
    stands still, so their times tell no order."""
    of_interest = ("adjudicate", "settle", "reverse", "cover-")
    return sorted(
        one.kind.value for one in await rig.calls(row) if one.kind.value.startswith(of_interest)
    )


async def test_the_insurer_bears_a_part_of_what_the_insurance_leaves(
    rig: Rig, insurer: CoverDesk
) -> None:
    row = await divided(rig)
    parts = (row.fund_fen, row.cover_fen, row.cash_fen)
    assert (row.state, parts) == (S.PRESETTLED, (60_00, 36_00, 4_00))
    assert insurer.owed_fen == 0
    row = await rig.pay(row)
    rig.till.pay(rig.till.unpaid()[0])
    row = await rig.post(await rig.settled(row))
    assert (row.state, rig.till.kept_fen, insurer.owed_fen) == (S.POSTED, 4_00, 36_00)
    assert await rig.balances(row) == {
        "insurer": 60_00,
        f"cover:{INSURER}": 36_00,
        "provider:wechatpay": 4_00,
        "hospital": -100_00,
    }
    assert await kinds(rig, row) == ["adjudicate", "cover-confirm", "settle"]


async def test_the_grant_names_the_settlement_of_the_bureau(rig: Rig, insurer: CoverDesk) -> None:
    row = await posted(rig)
    (claim,) = insurer.twin.book.claims()
    assert claim.settlement_ref == row.settlement_ref


async def test_the_view_says_what_is_borne(rig: Rig, insurer: CoverDesk) -> None:
    row = await posted(rig)
    await rig.work()
    view = await actions.get(rig.ctx, row.record_id, row.settlement_id)
    assert (view.settlement.cover_fen, view.cover_declined) == (36_00, None)
    assert insurer.owed_fen == 36_00


@pytest.mark.parametrize(
    ("authorisation", "why"),
    [("CV00-1", "not-covered"), ("CVEX-1", "policy-expired"), ("X", "not-authorised")],
)
async def test_an_insurer_that_declines_leaves_the_payer_his_part(
    rig: Rig, insurer: CoverDesk, authorisation: str, why: str
) -> None:
    declined = BillCover(insurer=INSURER, authorisation=authorisation)
    row = await divided(rig, cover=declined)
    assert (row.state, row.cover_fen, row.cash_fen) == (S.PRESETTLED, 0, 40_00)
    view = await actions.get(rig.ctx, row.record_id, row.settlement_id)
    assert view.cover_declined == why
    row = await rig.pay(row)
    rig.till.pay(rig.till.unpaid()[0])
    row = await rig.settled(row)
    assert (row.state, insurer.owed_fen) == (S.POSTING, 0)
    assert await kinds(rig, row) == ["adjudicate", "settle"]


async def test_an_insurer_without_a_contract_holds_nobody_up(rig: Rig) -> None:
    row = await divided(rig)
    assert (row.state, row.cover_fen, row.cash_fen) == (S.PRESETTLED, 0, 40_00)
    view = await actions.get(rig.ctx, row.record_id, row.settlement_id)
    assert view.cover_declined == "not-contracted"


@pytest.mark.parametrize("fault", LOSES)
async def test_an_offer_is_asked_for_twice_and_then_done_without(
    rig: Rig, insurer: CoverDesk, fault: Fault
) -> None:
    insurer.script(fault, "adjudicate", times=2)
    row = await divided(rig)
    assert (row.state, row.cover_fen, row.cash_fen) == (S.PRESETTLED, 0, 40_00)
    insurer.script(fault, "adjudicate")
    other = await divided(rig)
    assert (other.state, other.cover_fen) == (S.PRESETTLED, 36_00)


async def test_an_offer_above_the_own_part_is_none(rig: Rig, insurer: CoverDesk) -> None:
    insurer.script(Fault.MORE, "adjudicate")
    row = await divided(rig)
    assert (row.state, row.cover_fen, row.cash_fen) == (S.PRESETTLED, 0, 40_00)


@pytest.mark.parametrize("fault", LOSES)
async def test_a_lost_grant_is_found_and_owed_once(
    rig: Rig, insurer: CoverDesk, fault: Fault
) -> None:
    row = await paid(rig)
    insurer.script(fault, "confirm", delay_ms=20_000)
    row = await rig.post(await rig.settled(row))
    assert (row.state, row.cover_fen, insurer.owed_fen) == (S.POSTED, 36_00, 36_00)
    assert (await rig.balances(row))[f"cover:{INSURER}"] == 36_00
    assert "cover-find" in await kinds(rig, row)
    confirmed = [one for one in insurer.twin.book.claims() if one.state == "CONFIRMED"]
    assert len(confirmed) == 1


@pytest.mark.parametrize("fault", [Fault.REFUSE, Fault.CAP_USED])
async def test_an_insurer_that_grants_nothing_after_all_leaves_a_difference(
    rig: Rig, insurer: CoverDesk, fault: Fault
) -> None:
    row = await paid(rig)
    insurer.script(fault, "confirm")
    row = await rig.settled(row, 60)
    parts = (row.cover_fen, row.cash_fen, row.paid_fen)
    assert (row.state, parts) == (S.COLLECTING, (0, 40_00, 4_00))
    row = await rig.pay(row)
    rig.till.pay(rig.till.unpaid()[0])
    row = await rig.post(await rig.settled(row))
    assert (row.state, rig.till.kept_fen, insurer.owed_fen) == (S.POSTED, 40_00, 0)
    assert f"cover:{INSURER}" not in await rig.balances(row)


async def test_a_refusal_after_a_lost_grant_ends_the_claim_first(
    rig: Rig, insurer: CoverDesk
) -> None:
    """The first confirmation is on its way yet when its repeat is refused; it comes to nothing."""
    row = await paid(rig)
    insurer.script(Fault.LATE, "confirm", delay_ms=60_000)
    insurer.script(Fault.REFUSE, "confirm")
    row = await rig.settled(row, 60)
    parts = (row.cover_fen, row.cash_fen, row.paid_fen)
    assert (row.state, parts) == (S.COLLECTING, (0, 40_00, 4_00))
    assert "cover-withdraw" in await kinds(rig, row)
    await rig.run_for(timedelta(minutes=2), timedelta(seconds=10))
    assert insurer.owed_fen == 0


async def test_a_difference_that_nobody_pays_undoes_all_of_it(rig: Rig, insurer: CoverDesk) -> None:
    row = await paid(rig)
    insurer.script(Fault.CAP_USED, "confirm")
    row = await rig.settled(row, 60)
    await actions.abandon(rig.ctx, row.record_id, row.settlement_id)
    await assert_undone(rig, await rig.settled(row), "abandoned")
    assert insurer.owed_fen == 0


@pytest.mark.parametrize("fault", [Fault.REFUSE, Fault.CAP_USED])
async def test_an_institution_that_undoes_moved_amounts(fresh_database: str, fault: Fault) -> None:
    async with a_rig(fresh_database, moved=MovedAmounts.UNDO) as rig:
        insurer = insuring(rig)
        row = await paid(rig)
        insurer.script(fault, "confirm")
        await assert_undone(rig, await rig.settled(row), "amounts-moved")
        assert insurer.owed_fen == 0


async def test_where_the_insurance_pays_more_the_insurer_pays_less_and_money_goes_back(
    rig: Rig, insurer: CoverDesk
) -> None:
    row = await paid(rig)
    rig.bureau.cash_moves_fen = -10_00
    row = await rig.post(await rig.settled(row))
    assert (row.state, row.cover_fen, row.cash_fen) == (S.POSTED, 27_00, 3_00)
    assert (rig.till.kept_fen, insurer.owed_fen) == (3_00, 27_00)


async def test_a_grant_above_the_offer_is_for_a_person(rig: Rig, insurer: CoverDesk) -> None:
    row = await paid(rig)
    insurer.script(Fault.MORE, "confirm")
    row = await rig.settled(row)
    assert (row.state, row.reason) == (S.NEEDS_REVIEW, "cover-contradicts")
    assert await rig.items(row) == {"cover-contradicts"}
    assert f"cover:{INSURER}" not in await rig.balances(row)


async def test_all_given_back_withdraws_the_claim_before_the_insurance_is_revoked(
    rig: Rig, insurer: CoverDesk
) -> None:
    row = await posted(rig)
    owed_fen: list[int] = []
    rig.bureau.faults.before_call = lambda _operation: owed_fen.append(insurer.owed_fen)
    rig.till.faults.before_call = lambda _operation: owed_fen.append(insurer.owed_fen)
    await ask(rig, row, bill_after=BillAfter.OPEN)
    row = await rig.settled(row)
    assert (row.state, insurer.owed_fen, rig.till.kept_fen) == (S.REVERSED, 0, 0)
    assert not await rig.balances(row)
    assert owed_fen
    assert not any(owed_fen)


@pytest.mark.parametrize("fault", LOSES)
async def test_a_lost_withdrawal_is_said_again_until_it_is_heard(
    rig: Rig, insurer: CoverDesk, fault: Fault
) -> None:
    row = await posted(rig)
    insurer.script(fault, "withdraw")
    await ask(rig, row, bill_after=BillAfter.OPEN)
    row = await rig.settled(row)
    assert (row.state, insurer.owed_fen) == (S.REVERSED, 0)
    assert not await rig.balances(row)


async def test_a_refused_withdrawal_is_for_a_person_and_nothing_else_is_undone(
    rig: Rig, insurer: CoverDesk
) -> None:
    row = await posted(rig)
    insurer.script(Fault.REFUSE, "withdraw")
    await ask(rig, row, bill_after=BillAfter.OPEN)
    row = await rig.settled(row)
    assert (row.state, row.reason) == (S.NEEDS_REVIEW, "cover-withdrawal-refused")
    assert (insurer.owed_fen, rig.till.kept_fen, len(rig.bureau.live)) == (36_00, 4_00, 1)


async def test_lines_given_back_are_claimed_anew_under_another_number(
    rig: Rig, insurer: CoverDesk
) -> None:
    row = await posted(rig, 50_00, 50_00)
    await ask(rig, row, "1")
    row = await rig.post(await rig.settled(row))
    assert (row.state, row.total_fen) == (S.POSTED, 50_00)
    assert (row.fund_fen, row.cover_fen, row.cash_fen) == (30_00, 18_00, 2_00)
    assert (insurer.owed_fen, rig.till.kept_fen) == (18_00, 2_00)
    states = {one.claim_no: one.state for one in insurer.twin.book.claims()}
    assert sorted(states.values()) == ["CONFIRMED", "WITHDRAWN"]
    assert (await rig.balances(row))[f"cover:{INSURER}"] == 18_00


async def test_a_lost_grant_whose_settlement_is_undone_is_withdrawn(
    fresh_database: str,
) -> None:
    """The answer is lost, then the insurer stays away until a person has all of it undone."""
    async with a_rig(fresh_database) as rig:
        insurer = insuring(rig)
        row = await paid(rig)
        insurer.script(Fault.DROP_AFTER, "confirm")
        insurer.script(Fault.ERROR_BEFORE, "find", times=1000)
        row = await rig.settled(row, 7200)
        assert (row.state, row.reason) == (S.NEEDS_REVIEW, "settling-stuck")
        assert insurer.owed_fen == 36_00
        key = (row.record_id, row.settlement_id)
        await reviewing.review(rig.ctx, *key, SettlementEvent.REVIEWED_REVERSE)
        await assert_undone(rig, await rig.settled(row), "settling-stuck")
        assert insurer.owed_fen == 0


async def test_a_payer_who_pays_all_himself_claims_nothing(rig: Rig, insurer: CoverDesk) -> None:
    charged = await rig.push_bill(100_00, cover=AUTHORISED)
    row = await rig.start(charged, insured=False)
    assert (row.state, row.cover_fen, row.cash_fen) == (S.PRESETTLED, None, 100_00)
    assert insurer.twin.book.claims() == []


async def test_where_the_insurance_leaves_nothing_nobody_is_asked(
    rig: Rig, insurer: CoverDesk
) -> None:
    rig.bureau.fund_percent = 100
    row = await divided(rig)
    assert (row.state, row.cash_fen) == (S.PRESETTLED, 0)
    assert insurer.twin.book.claims() == []


async def test_a_relief_is_used_on_what_the_insurer_leaves(rig: Rig, insurer: CoverDesk) -> None:
    donor = Relief(programme="blood-donor", name="无偿献血者减免", amount_fen=15_00)
    row = await divided(rig, reliefs=[donor])
    assert (row.cover_fen, row.cash_fen, row.paid_fen) == (36_00, 4_00, 4_00)
    row = await actions.confirm(rig.ctx, row.record_id, row.settlement_id)
    row = await rig.post(await rig.settled(row))
    assert await rig.balances(row) == {
        "insurer": 60_00,
        f"cover:{INSURER}": 36_00,
        "relief": 4_00,
        "hospital": -100_00,
    }
    assert insurer.owed_fen == 36_00


async def test_a_deposit_names_no_insurer(rig: Rig) -> None:
    with pytest.raises(BillRefused, match="cover"):
        await push(rig, BillKind.DEPOSIT, 100_00, cover=AUTHORISED)


async def test_a_call_left_open_by_a_dead_process_is_looked_for(
    rig: Rig, insurer: CoverDesk
) -> None:
    row = await paid(rig)
    asked: list[str] = []
    gateway = insurer.gateway()
    confirm = gateway.confirm

    async def dying(*args: Any) -> Any:
        heard = await confirm(*args)
        assert isinstance(heard, Accepted)
        assert isinstance(heard.value, CoverGrant)
        asked.append(heard.value.claim_no)
        raise Crash("after call confirm")

    gateway.confirm = dying  # type: ignore[method-assign]
    rig.partners.contracts[rig.place.code, INSURER] = gateway
    with pytest.raises(Crash):
        await rig.run_for(timedelta(seconds=60))
    rig.partners.contracts[rig.place.code, INSURER] = insurer.gateway()
    row = await rig.post(await rig.settled(row, 300))
    assert (row.state, insurer.owed_fen) == (S.POSTED, 36_00)
    calls = [one.kind for one in await rig.calls(row)]
    assert calls.count(CallKind.COVER_CONFIRM) == len(asked) == 1
