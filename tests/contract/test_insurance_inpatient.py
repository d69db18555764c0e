"""A stay in hospital through the gateway, against the bureau's twin: 2401 to 2405, 2301 to 2305."""

import random
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from integrations.ports.insurance import (
    CallId,
    ClearingTotals,
    Diagnosis,
    Insured,
    Settled,
    Split,
)
from integrations.ports.insurance_inpatient import (
    Admission,
    ChargeTaken,
    Discharge,
    Scope,
    StayCharge,
    StaySettle,
    StaySplit,
)
from integrations.ports.outcomes import Accepted, Outcome, Rejected, Unknown
from tests.contract.insurance_rig import (
    CHILD,
    EMPLOYEE,
    START,
    Rig,
    insured,
    ready,
    value_of,
)

LOST = Unknown("answer-lost")


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    made = Rig(institution="H99000100001")
    yield made
    await made.client.aclose()
    made.twin.book.close()


def an_admission(stay_no: str = "IP1", **changes: Any) -> Admission:
    fields: dict[str, Any] = {
        "stay_no": stay_no,
        "began_at": START,
        "visit_type": "21",
        "doctor_no": "D990001000001",
        "doctor_name": "测试医师",
        "department_no": "A03",
        "department_name": "内科",
        "bed": "12",
        "diagnosis_text": "肺炎",
        "diagnoses": [Diagnosis(code="J18.900", name="肺炎", main=True)],
    }
    return Admission(**(fields | changes))


def a_charge(no: int, amount_fen: int, quantity: int = 1, **changes: Any) -> StayCharge:
    """Catalogue item ``no``; a return where ``quantity`` is below zero."""
    fields: dict[str, Any] = {
        "line_no": f"L{no}",
        "order_no": f"O{no}",
        "catalogue_code": f"TESTMED{no:06d}",
        "local_code": f"HIS{no:06d}",
        "quantity_e4": quantity * 10_000,
        "unit_price_e6": amount_fen * 10_000 // quantity,
        "amount_fen": amount_fen,
        "charged_at": START,
    }
    return StayCharge(**(fields | changes))


LINES = [a_charge(1, 800_000), a_charge(2, 300_000, 3), a_charge(3, 20_000), a_charge(4, 5_300, 2)]
TOTAL = 1_125_300


class Stay:
    """An admitted person, with charges as they are uploaded."""

    def __init__(self, rig: Rig, who: Insured, ref: str, admission: Admission) -> None:
        self.rig, self.who, self.ref, self.admission = rig, who, ref, admission
        self.total = 0
        self.scope = Scope(full_own_fen=0, over_limit_fen=0, first_pay_fen=0, in_scope_fen=0)

    async def upload(self, lines: list[StayCharge]) -> Outcome[list[ChargeTaken]]:
        stays, call = self.rig.stays, self.rig.call()
        told = await stays.upload_charges(self.who, self.ref, self.admission, lines, call)
        if isinstance(told, Accepted):
            self.total += sum(line.amount_fen for line in lines)
            for one in told.value:
                assert one.scope is not None
                self.scope = Scope(
                    **{
                        name: getattr(self.scope, name) + getattr(one.scope, name)
                        for name in Scope.__struct_fields__
                    }
                )
        return told

    def request(self, **changes: Any) -> StaySplit:
        fields: dict[str, Any] = {
            "insured": self.who,
            "stay_ref": self.ref,
            "total_fen": self.total,
            "scope": self.scope,
            "use_account": True,
            "mid_stay": False,
            "discharged_on": None,
        }
        return StaySplit(**(fields | changes))

    async def presettled(self, **changes: Any) -> Split:
        return value_of(await self.rig.stays.presettle(self.request(**changes), self.rig.call()))

    async def settle(self, **changes: Any) -> tuple[CallId, Outcome[Settled]]:
        promised, call = await self.presettled(**changes), self.rig.call()
        asked = StaySettle(split=self.request(**changes), promised=promised, invoice_no="")
        return call, await self.rig.stays.settle(asked, call)

    async def settled(self, **changes: Any) -> Settled:
        _, outcome = await self.settle(**changes)
        found = value_of(outcome)
        # The next settlement begins with nothing.
        self.total = 0
        self.scope = Scope(full_own_fen=0, over_limit_fen=0, first_pay_fen=0, in_scope_fen=0)
        return found

    async def discharge(self) -> Outcome[None]:
        leaving = Discharge(
            ended_at=self.rig.at,
            department_no="A03",
            department_name="内科",
            bed="12",
            way="1",
            doctor_no="D990001000001",
            doctor_name="测试医师",
            diagnoses=self.admission.diagnoses,
        )
        return await self.rig.stays.discharge(self.who, self.ref, leaving, self.rig.call())

    async def reverse(self, settled: Settled) -> Outcome[str]:
        ref, call = settled.settlement_ref, self.rig.call()
        return await self.rig.stays.reverse(self.who, self.ref, ref, call)


async def admitted(rig: Rig, who: Insured | None = None, stay_no: str = "IP1") -> Stay:
    who, admission = who or insured(), an_admission(stay_no)
    ref = value_of(await rig.stays.admit(who, admission, rig.call()))
    return Stay(rig, who, ref, admission)


async def charged(rig: Rig, who: Insured | None = None, stay_no: str = "IP1") -> Stay:
    stay = await admitted(rig, who, stay_no)
    value_of(await stay.upload(LINES))
    return stay


async def states(rig: Rig) -> list[str]:
    return [row["state"] for row in await rig.control("book")]


async def test_journey_from_admission_to_the_last_undoing(rig: Rig) -> None:
    stay = await charged(rig)
    # Self-paid item 3, ten per cent of item 2 first, item 4 up to 20 yuan a unit.
    parts = (stay.scope.full_own_fen, stay.scope.over_limit_fen, stay.scope.first_pay_fen)
    assert (*parts, stay.scope.in_scope_fen) == (20_000, 1_300, 30_000, 1_074_000)
    split = await stay.presettled()
    assert (split.full_own_fen, split.in_scope_fen) == (20_000, 1_074_000)
    # Level 3: 1,000 yuan deductible, 85 per cent.
    assert split.funds == {"310100": 974_000 * 85 // 100}
    settled = await stay.settled()
    assert (settled.split, settled.clearing_type) == (split, "21")
    assert await rig.stays.find_settlements(stay.who, stay.ref, rig.call()) == Accepted([settled])
    value_of(await stay.discharge())

    refused = [
        await rig.stays.cancel_discharge(stay.who, stay.ref, rig.call()),
        await rig.stays.cancel_admission(stay.who, stay.ref, rig.call()),
        await rig.stays.withdraw_charges(stay.who, stay.ref, "L1", rig.call()),
    ]
    assert all(isinstance(one, Rejected) for one in refused)
    assert value_of(await stay.reverse(settled)) != settled.settlement_ref
    assert await rig.stays.find_settlements(stay.who, stay.ref, rig.call()) == Accepted([])
    assert isinstance(await rig.stays.cancel_admission(stay.who, stay.ref, rig.call()), Rejected)
    value_of(await rig.stays.withdraw_charges(stay.who, stay.ref, None, rig.call()))
    value_of(await rig.stays.cancel_discharge(stay.who, stay.ref, rig.call()))
    value_of(await rig.stays.cancel_admission(stay.who, stay.ref, rig.call()))
    assert isinstance(await stay.upload([a_charge(1, 100)]), Rejected)
    await admitted(rig, stay_no="IP2")


async def test_a_settlement_in_between_and_the_last_one_count_one_deductible_each(
    rig: Rig,
) -> None:
    stay = await charged(rig)
    first = await stay.settled(mid_stay=True)
    value_of(await stay.upload([a_charge(7, 200_000)]))
    last = await stay.settled()
    assert (first.split.total_fen, last.split.total_fen) == (TOTAL, 200_000)
    # Again within the year: 800 yuan instead of 1,000.
    assert last.split.fund_fen == 120_000 * 85 // 100
    assert isinstance(await stay.upload([a_charge(8, 100)]), Rejected)
    found = value_of(await rig.stays.find_settlements(stay.who, stay.ref, rig.call()))
    assert [one.settlement_ref for one in found] == [first.settlement_ref, last.settlement_ref]
    assert isinstance(await stay.reverse(first), Rejected)
    value_of(await stay.reverse(last))
    value_of(await stay.reverse(first))


async def test_a_return_takes_off_its_own_line(rig: Rig) -> None:
    stay = await charged(rig)
    back = a_charge(2, -100_000, -1, line_no="L2R", returns="L2")
    (taken,) = value_of(await stay.upload([back]))
    assert taken.scope == Scope(
        full_own_fen=0, over_limit_fen=0, first_pay_fen=-10_000, in_scope_fen=-90_000
    )
    assert (await stay.settled()).split.total_fen == TOTAL - 100_000


@pytest.mark.parametrize(
    "changes",
    [
        {"returns": "L9"},
        {"returns": "L1"},
        {"returns": "L2", "quantity": -4, "amount_fen": -400_000},
        {"returns": "L2", "amount_fen": -90_000},
        {"returns": None},
        {"returns": "L2", "line_no": "L1"},
        {"returns": "L2", "quantity": 1, "amount_fen": 100_000},
    ],
)
async def test_a_return_that_fits_no_line_is_refused(rig: Rig, changes: dict[str, Any]) -> None:
    stay = await charged(rig)
    quantity = changes.pop("quantity", -1)
    amount = changes.pop("amount_fen", -100_000)
    back = a_charge(2, amount, quantity, **({"line_no": "L2R"} | changes))
    assert isinstance(await stay.upload([a_charge(7, 100), back]), Rejected)
    assert (await stay.presettled()).total_fen == TOTAL


@pytest.mark.parametrize("seed", range(3))
async def test_parts_told_line_by_line_are_those_of_the_whole(rig: Rig, seed: int) -> None:
    drawn = random.Random(seed)  # noqa: S311 - a seed
    stay = await admitted(rig)
    for number in range(12):
        item, quantity, price = drawn.randint(1, 9), drawn.randint(1, 9), drawn.randint(1, 9_999)
        line = a_charge(item, quantity * price, quantity, line_no=f"L{number}")
        value_of(await stay.upload([line]))
        gone = drawn.randint(0, quantity)
        if gone:
            back = a_charge(item, -gone * price, -gone, line_no=f"R{number}", returns=f"L{number}")
            value_of(await stay.upload([back]))
    split = await stay.presettled()
    assert split.total_fen == stay.total
    assert [getattr(split, name) for name in Scope.__struct_fields__] == [
        getattr(stay.scope, name) for name in Scope.__struct_fields__
    ]


async def test_other_parts_or_another_total_are_refused(rig: Rig) -> None:
    stay = await charged(rig)
    other = msgspec.structs.replace(stay.scope, in_scope_fen=stay.scope.in_scope_fen - 1)
    for changes in ({"scope": other}, {"total_fen": TOTAL - 1}):
        request = stay.request(**changes)
        assert isinstance(await rig.stays.presettle(request, rig.call()), Rejected)


async def test_what_does_not_fit_the_state_of_the_stay_is_refused(rig: Rig) -> None:
    stay = await charged(rig)
    rival = await rig.stays.admit(insured(), an_admission("IP2"), rig.call())
    assert isinstance(rival, Rejected)
    same_no = await rig.stays.admit(
        insured(CHILD, insurance_type="390"), an_admission(), rig.call()
    )
    assert isinstance(same_no, Rejected)
    outpatient = an_admission("IP3", visit_type="11")
    changed = await rig.stays.change_admission(stay.who, stay.ref, outpatient, rig.call())
    assert isinstance(changed, Rejected)
    two = [Diagnosis(code="J18.900", name="肺炎", main=True)] * 2
    unclear = an_admission(diagnoses=two)
    changed = await rig.stays.change_admission(stay.who, stay.ref, unclear, rig.call())
    assert isinstance(changed, Rejected)
    value_of(
        await rig.stays.change_admission(stay.who, stay.ref, an_admission(bed="7"), rig.call())
    )
    value_of(await stay.discharge())
    assert isinstance(await stay.discharge(), Rejected)
    assert isinstance(await rig.stays.presettle(stay.request(mid_stay=True), rig.call()), Rejected)
    await stay.settled()
    assert isinstance(await rig.stays.presettle(stay.request(), rig.call()), Rejected)


async def test_stays_and_visits_are_kept_apart(rig: Rig) -> None:
    stay = await charged(rig)
    settled = await stay.settled()
    gateway, who = rig.gateway, stay.who
    for refused in (
        await gateway.reverse(who, stay.ref, settled.settlement_ref, rig.call()),
        await gateway.withdraw_charges(who, stay.ref, "0000", rig.call()),
        await gateway.cancel_visit(who, stay.ref, "IP1", rig.call()),
    ):
        assert isinstance(refused, Rejected)
    case = await ready(rig)
    other = await case.settled()
    assert isinstance(
        await rig.stays.reverse(who, case.visit_ref, other.settlement_ref, rig.call()), Rejected
    )


@pytest.mark.parametrize(
    ("order", "refused"), [("before-settlement", "settle"), ("after-settlement", "discharge")]
)
async def test_regions_differ_in_when_a_person_leaves(rig: Rig, order: str, refused: str) -> None:
    await rig.control("style", {"discharge_order": order})
    stay = await charged(rig)
    if refused == "settle":
        assert isinstance((await stay.settle())[1], Rejected)
        value_of(await stay.discharge())
        await stay.settled(discharged_on=START.date())
    else:
        assert isinstance(await stay.discharge(), Rejected)
        await stay.settled()
        value_of(await stay.discharge())


@pytest.mark.parametrize("fault", ["drop_before", "drop_after", "error_after"])
async def test_uncertain_admission_is_undone_by_its_number(rig: Rig, fault: str) -> None:
    await rig.plan(fault, infno="2401")
    call = rig.call()
    assert await rig.stays.admit(insured(), an_admission(), call) == LOST
    for _ in range(2):
        value_of(await rig.stays.undo_uncertain(insured(), call, "admit", rig.call()))
    stay = await charged(rig)
    assert (await stay.settled()).split.total_fen == TOTAL


@pytest.mark.parametrize("fault", ["drop_before", "drop_after", "error_after"])
async def test_uncertain_settlement_is_undone_by_its_number(rig: Rig, fault: str) -> None:
    stay = await charged(rig)
    await rig.plan(fault, infno="2304")
    call, got = await stay.settle()
    assert got == LOST
    for _ in range(2):
        value_of(await rig.stays.undo_uncertain(stay.who, call, "settle", rig.call()))
    assert "LIVE" not in await states(rig)
    assert value_of(await rig.stays.find_settlements(stay.who, stay.ref, rig.call())) == []
    again = await stay.settled()
    # Counters went back too: the deductible is that of a first stay.
    assert again.split.fund_fen == 974_000 * 85 // 100
    assert (await states(rig)).count("LIVE") == 1


@pytest.mark.parametrize("fault", ["drop_before", "drop_after"])
async def test_uncertain_reversal_is_undone_and_repeated(rig: Rig, fault: str) -> None:
    stay = await charged(rig)
    settled = await stay.settled()
    await rig.plan(fault, infno="2305")
    call = rig.call()
    assert await rig.stays.reverse(stay.who, stay.ref, settled.settlement_ref, call) == LOST
    value_of(await rig.stays.undo_uncertain(stay.who, call, "reverse", rig.call()))
    assert await states(rig) == ["LIVE"]
    assert value_of(await rig.stays.find_settlements(stay.who, stay.ref, rig.call())) == [settled]
    value_of(await stay.reverse(settled))
    assert await states(rig) == ["REVERSED"]


async def test_a_reversal_is_not_undone_over_other_charges(rig: Rig) -> None:
    stay = await charged(rig)
    settled = await stay.settled()
    call = rig.call()
    value_of(await rig.stays.reverse(stay.who, stay.ref, settled.settlement_ref, call))
    value_of(await rig.stays.withdraw_charges(stay.who, stay.ref, "L1", rig.call()))
    undone = await rig.stays.undo_uncertain(stay.who, call, "reverse", rig.call())
    assert isinstance(undone, Rejected)
    assert await states(rig) == ["REVERSED"]


async def test_an_admission_with_charges_is_not_undone(rig: Rig) -> None:
    call = rig.call()
    ref = value_of(await rig.stays.admit(insured(), an_admission(), call))
    stay = Stay(rig, insured(), ref, an_admission())
    value_of(await stay.upload(LINES))
    undone = await rig.stays.undo_uncertain(insured(), call, "admit", rig.call())
    assert isinstance(undone, Rejected)
    await stay.settled()


async def test_answers_that_contradict_are_never_believed(rig: Rig) -> None:
    stay = await charged(rig)
    await rig.plan("break_identity", infno="2303")
    assert isinstance(await rig.stays.presettle(stay.request(), rig.call()), Unknown)
    await rig.plan("break_identity", infno="2304")
    _, got = await stay.settle()
    assert isinstance(got, Unknown)
    (row,) = await rig.control("book")
    assert got.evidence["setl_id"] == row["setl_id"]
    await rig.plan("garble", infno="2301")
    assert await stay.upload([a_charge(8, 100)]) == Unknown("answer-invalid")


async def test_stays_clear_under_a_type_of_their_own(rig: Rig) -> None:
    stay = await charged(rig)
    split = (await stay.settled()).split
    totals = ClearingTotals(
        insurance_type="310",
        clearing_type="21",
        region="",
        first_day=START.date(),
        last_day=START.date(),
        count=1,
        total_fen=split.total_fen,
        fund_fen=split.fund_fen,
        account_fen=split.account_fen,
    )
    assert value_of(await rig.gateway.compare_totals(totals, rig.call())).agrees
    visits = msgspec.structs.replace(totals, clearing_type="")
    assert not value_of(await rig.gateway.compare_totals(visits, rig.call())).agrees


async def test_a_batch_that_does_not_fit_is_not_sent(rig: Rig) -> None:
    stay = await admitted(rig)
    many = [a_charge(1, 100, line_no=f"L{number}") for number in range(101)]
    assert isinstance(await stay.upload(many), Rejected)
    assert isinstance(await stay.upload([]), Rejected)
    assert rig.sent("2301") == []


async def test_person_without_a_stay_settles_nothing(rig: Rig) -> None:
    stay = Stay(rig, insured(EMPLOYEE), "990001000000000000999", an_admission())
    assert isinstance(await rig.stays.presettle(stay.request(), rig.call()), Rejected)
