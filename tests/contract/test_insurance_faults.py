"""Each fault of the bureau's twin, and what the gateway makes of it."""

from collections.abc import AsyncIterator

import msgspec
import pytest

from integrations.ports.insurance import CallId, PersonQuery
from integrations.ports.outcomes import Accepted, NotSent, Rejected, Unknown
from integrations.sandbox.insurance.faults import Fault, FaultPlan, RandomFaults
from tests.contract.insurance_rig import EMPLOYEE, Case, Rig, insured, ready, value_of

LOST = Unknown("answer-lost")


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    made = Rig()
    yield made
    await made.client.aclose()
    made.twin.book.close()


async def states(rig: Rig) -> list[str]:
    return [row["state"] for row in await rig.control("book")]


async def settle(case: Case) -> tuple[CallId, object]:
    request = case.settle_request(await case.presettled())
    call = case.rig.call()
    return call, await case.rig.gateway.settle(request, call)


@pytest.mark.parametrize(
    ("fault", "outcome", "there"),
    [
        ("drop_before", LOST, []),
        ("drop_after", LOST, ["LIVE"]),
        ("error_before", LOST, []),
        ("error_after", LOST, ["LIVE"]),
        ("garble", Unknown("answer-invalid"), ["LIVE"]),
        ("other_charset", Unknown("answer-invalid"), ["LIVE"]),
    ],
)
async def test_uncertain_settlement_is_undone_by_its_number(
    rig: Rig, fault: str, outcome: Unknown, there: list[str]
) -> None:
    case = await ready(rig)
    before = value_of(await _person(rig))
    await rig.plan(fault, infno="2207")
    call, got = await settle(case)
    assert got == outcome
    assert await states(rig) == there
    for _ in range(2):
        undone = await rig.gateway.undo_uncertain(case.who, call, "settle", rig.call())
        assert undone == Accepted(None)
    assert "LIVE" not in await states(rig)
    assert value_of(await _person(rig)) == before
    again = await settle(case)
    assert isinstance(again[1], Accepted)
    assert (await states(rig)).count("LIVE") == 1


async def _person(rig: Rig) -> object:
    query = PersonQuery(token=None, id_no=insured().id_no, name=None)
    return await rig.gateway.read_person(query, rig.call())


async def test_message_that_was_undone_before_it_came_never_settles(rig: Rig) -> None:
    case = await ready(rig)
    request = case.settle_request(await case.presettled())
    late = rig.call()
    value_of(await rig.gateway.undo_uncertain(case.who, late, "settle", rig.call()))
    assert isinstance(await rig.gateway.settle(request, late), Rejected)
    assert await states(rig) == []


async def test_bureau_that_knows_no_such_message_may_refuse(rig: Rig) -> None:
    await rig.control("style", {"absent_original": "reject"})
    case = await ready(rig)
    got = await rig.gateway.undo_uncertain(case.who, rig.call(), "settle", rig.call())
    assert isinstance(got, Rejected)


@pytest.mark.parametrize("fault", ["drop_before", "drop_after"])
async def test_uncertain_reversal_is_undone_and_repeated(rig: Rig, fault: str) -> None:
    case = await ready(rig)
    settled = await case.settled()
    await rig.plan(fault, infno="2208")
    call = rig.call()
    gateway, ref = rig.gateway, case.visit_ref
    assert await gateway.reverse(case.who, ref, settled.settlement_ref, call) == LOST
    value_of(await gateway.undo_uncertain(case.who, call, "reverse", rig.call()))
    assert await states(rig) == ["LIVE"]
    assert value_of(await gateway.find_settlement(case.who, ref, rig.call())) == settled
    value_of(await gateway.reverse(case.who, ref, settled.settlement_ref, rig.call()))
    assert await states(rig) == ["REVERSED"]


async def test_reversed_settlement_is_not_undone_again(rig: Rig) -> None:
    case = await ready(rig)
    call, got = await settle(case)
    assert isinstance(got, Accepted)
    reference = got.value.settlement_ref
    value_of(await rig.gateway.reverse(case.who, case.visit_ref, reference, rig.call()))
    refused = await rig.gateway.undo_uncertain(case.who, call, "settle", rig.call())
    assert isinstance(refused, Rejected)


async def test_answer_that_contradicts_itself_is_never_accepted(rig: Rig) -> None:
    case = await ready(rig)
    promised = await case.presettled()
    await rig.plan("break_identity", infno="2206")
    assert isinstance(await rig.gateway.presettle(case.request, rig.call()), Unknown)
    await rig.plan("break_identity", infno="2207")
    got = await rig.gateway.settle(case.settle_request(promised), rig.call())
    assert isinstance(got, Unknown)
    assert got.why == "answer-contradicts"
    assert got.evidence["faults"] == "person-parts"
    assert got.evidence["psn_cash_pay"] == "0.01"
    row = (await rig.control("book"))[0]
    assert got.evidence["setl_id"] == row["setl_id"]
    value_of(await rig.gateway.reverse(case.who, case.visit_ref, row["setl_id"], rig.call()))


async def test_counters_that_moved_in_between_change_the_division(rig: Rig) -> None:
    case = await ready(rig)
    promised = await case.presettled()
    await rig.plan("move_counters", infno="2207", moves={"op.dedc": 50_000})
    got = value_of(await rig.gateway.settle(case.settle_request(promised), rig.call()))
    assert (promised.fund_fen, got.split.fund_fen) == (0, 19_840)
    assert got.split.total_fen == promised.total_fen


async def test_refusal_on_demand(rig: Rig) -> None:
    case = await ready(rig)
    await rig.plan("reject", infno="2206", text="系统维护")
    got = await rig.gateway.presettle(case.request, rig.call())
    assert got == Rejected(reason="partner-refused", provider_code="-1", provider_text="系统维护")
    await case.presettled()


async def test_late_answer_is_still_an_answer(rig: Rig) -> None:
    case = await ready(rig)
    await rig.plan("delay", infno="2206", delay_ms=20)
    await case.presettled()


async def test_lost_sign_in_is_renewed_for_a_read_under_a_new_number(rig: Rig) -> None:
    case = await ready(rig)
    await rig.plan("signed_out", infno="2206")
    await case.presettled()
    first, second = (msgspec.json.decode(one)["msgid"] for one in rig.sent("2206"))
    assert first != second
    assert len(rig.sent("9001")) == 2


async def test_lost_sign_in_is_renewed_for_a_write_under_the_same_number(rig: Rig) -> None:
    case = await ready(rig)
    await rig.plan("signed_out", infno="2207")
    call, got = await settle(case)
    assert isinstance(got, Accepted)
    assert [msgspec.json.decode(one)["msgid"] for one in rig.sent("2207")] == [call.message_no] * 2
    value_of(await rig.gateway.undo_uncertain(case.who, call, "settle", rig.call()))
    assert await states(rig) == ["UNDONE"]


async def test_sign_in_is_renewed_once_only(rig: Rig) -> None:
    case = await ready(rig)
    await rig.plan("signed_out", infno="2206", times=2)
    assert isinstance(await rig.gateway.presettle(case.request, rig.call()), Rejected)
    assert len(rig.sent("2206")) == 2


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ("drop_before", "sign-in-failed"),
        ("reject", "sign-in-refused"),
        ("garble", "sign-in-failed"),
    ],
)
async def test_without_sign_in_nothing_is_sent(rig: Rig, fault: str, why: str) -> None:
    await rig.plan(fault, infno="9001")
    assert await _person(rig) == NotSent(why)
    assert rig.sent("1101") == []
    assert isinstance(await _person(rig), Accepted)


async def test_faults_meet_only_what_they_name(rig: Rig) -> None:
    await rig.plan("reject", infno="2206", psn_no="990000000000000000001002")
    await rig.plan("reject", msgid="H99000100003202601050900000000")
    await (await ready(rig)).presettled()
    assert len((await rig.control("faults"))["scripted"]) == 2
    assert (await rig.client.delete("/sandbox/faults")).json() == {"planned": 0}


def test_seeded_faults_repeat_and_keep_their_rate() -> None:
    def drawn(seed: str) -> list[Fault | None]:
        plan = FaultPlan()
        plan.random = RandomFaults(
            seed=seed, rate_e4=2_000, kinds=[Fault.DROP_BEFORE, Fault.DROP_AFTER]
        )
        found = (plan.take("2207", f"M{number}", EMPLOYEE) for number in range(1_000))
        return [None if one is None else one.fault for one in found]

    assert drawn("a") == drawn("a") != drawn("b")
    assert 150 < sum(one is not None for one in drawn("a")) < 250
    assert {*drawn("a")} == {None, Fault.DROP_BEFORE, Fault.DROP_AFTER}


async def test_random_faults_are_planned_over_the_control_route(rig: Rig) -> None:
    await rig.control("faults/random", {"rate_e4": 10_000, "kinds": ["error_before"]})
    assert await _person(rig) == NotSent("sign-in-failed")
    await rig.control("faults/random", {"rate_e4": 0})
    assert isinstance(await _person(rig), Accepted)


async def test_malformed_control_request_is_refused(rig: Rig) -> None:
    answer = await rig.client.post("/sandbox/faults", json=[{"fault": "explode"}])
    assert answer.status_code == 400
