"""The gateway against the bureau's twin: the whole outpatient chain and its refusals."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from integrations.kit.transport import Answer, ProviderNotReached, TransactionOpen
from integrations.ports.insurance import CredentialScan, PersonQuery
from integrations.ports.outcalls import transaction_open
from integrations.ports.outcomes import Accepted, NotSent, Rejected, Unknown
from tests.contract.insurance_rig import (
    AWAY,
    CHILD,
    COMMUNITY,
    EMPLOYEE,
    LINES,
    RETIREE,
    Rig,
    a_visit,
    insured,
    line,
    ready,
    value_of,
)


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    made = Rig()
    yield made
    await made.client.aclose()
    made.twin.book.close()


async def scan(rig: Rig, person_no: str = EMPLOYEE, purpose: str = "settlement") -> CredentialScan:
    shown = await rig.control(f"persons/{person_no}/credential")
    return CredentialScan(text=shown["credential_text"], purpose=purpose)


async def test_journey_from_scanned_credential_to_reversal(rig: Rig) -> None:
    gateway = rig.gateway
    who = value_of(await gateway.decode_credential(await scan(rig), rig.call()))
    assert (who.name, who.sex, who.region) == ("测试甲", "M", "990001")
    query = PersonQuery(token=who.token, id_no=None, name=None)
    person = value_of(await gateway.read_person(query, rig.call()))
    assert person.person_no == EMPLOYEE
    assert [one.balance_fen for one in person.enrolments if one.active] == [100_000]

    case = await ready(rig, insured(token=who.token))
    split = await case.presettled()
    parts = (split.full_own_fen, split.over_limit_fen, split.first_pay_fen, split.in_scope_fen)
    assert parts == (3_500, 1_300, 1_200, 24_800)
    assert (split.fund_fen, split.account_fen, split.cash_fen) == (0, 30_800, 0)
    settled = await case.settled()
    assert settled.split == split
    assert (settled.settled_at, settled.clearing_region) == (rig.at, "990001")
    found = await gateway.find_settlement(case.who, case.visit_ref, rig.call())
    assert found == Accepted(settled)

    reversal = value_of(
        await gateway.reverse(case.who, case.visit_ref, settled.settlement_ref, rig.call())
    )
    assert reversal != settled.settlement_ref
    assert value_of(await gateway.find_settlement(case.who, case.visit_ref, rig.call())) is None
    assert (await gateway.read_person(query, rig.call())) == Accepted(person)
    value_of(await gateway.withdraw_charges(case.who, case.visit_ref, "B1", rig.call()))
    value_of(await gateway.cancel_visit(case.who, case.visit_ref, "OP1", rig.call()))


async def test_a_face_is_exchanged_for_person_and_token(rig: Rig) -> None:
    gateway = rig.gateway
    assert isinstance(await gateway.start_face("settlement", rig.call()), Rejected)
    await rig.control("faces", {"institution": COMMUNITY, "psn_no": EMPLOYEE})
    await rig.control("faces", {"institution": "H99000100001", "psn_no": CHILD})
    call = rig.call()
    number = value_of(await gateway.start_face("settlement", call))
    assert isinstance(await gateway.start_face("settlement", call), Rejected)
    who = value_of(await gateway.take_face(number, "settlement", rig.call()))
    assert who.name == "测试甲"
    query = PersonQuery(token=who.token, id_no=None, name=None)
    assert value_of(await gateway.read_person(query, rig.call())).person_no == EMPLOYEE
    assert isinstance(await gateway.take_face(number, "settlement", rig.call()), Rejected)
    late = value_of(await gateway.start_face("registration", rig.call()))
    rig.advance(minutes=6)
    assert isinstance(await gateway.take_face(late, "registration", rig.call()), Rejected)
    for purpose, told in (("gift", "A1"), ("settlement", ""), ("settlement", "A" * 65)):
        assert isinstance(await gateway.take_face(told, purpose, rig.call()), Rejected)
    rig.line.next_answer = Answer(status=200, headers={}, body=b'{"code": 0, "data": "{}"}')
    assert await gateway.start_face("settlement", rig.call()) == Unknown("answer-invalid")


async def test_published_sample_amounts(rig: Rig) -> None:
    await rig.control(
        "counters", {"psn_no": EMPLOYEE, "moves": {"op.dedc": 50_000, "balance": -97_000}}
    )
    split = (await (await ready(rig)).settled()).split
    assert (split.fund_fen, split.account_fen, split.cash_fen) == (19_840, 3_000, 7_960)
    assert (split.balance_after_fen, split.funds) == (0, {"310100": 19_840})


async def test_counters_run_through_the_year(rig: Rig) -> None:
    first = await (await ready(rig, visit_no="OP1")).settled()
    second = await (await ready(rig, visit_no="OP2")).settled()
    third = await (await ready(rig, visit_no="OP3")).settled()
    assert [one.split.fund_fen for one in (first, second, third)] == [0, 0, 19_520]


async def test_family_balance_pays_for_the_retiree(rig: Rig) -> None:
    split = await (await ready(rig, insured(RETIREE))).presettled()
    assert (split.account_fen, split.mutual_aid_fen, split.cash_fen) == (14_025, 9_000, 16_775)


async def test_person_insured_elsewhere_needs_his_own_region(rig: Rig) -> None:
    wrong = await rig.gateway.register_visit(insured(AWAY), a_visit(), rig.call())
    assert isinstance(wrong, Rejected)
    case = await ready(rig, insured(AWAY, region="980001"))
    await rig.control("counters", {"psn_no": AWAY, "moves": {"op.dedc": 50_000}})
    assert (await case.presettled()).fund_fen == 24_800 * 70 // 100


async def test_child_is_covered_as_resident(rig: Rig) -> None:
    split = await (await ready(rig, insured(CHILD, insurance_type="390"))).presettled()
    assert (split.funds, split.account_fen) == ({"390100": 12_400}, 0)


async def test_reads_repeat_and_presettling_changes_nothing(rig: Rig) -> None:
    case = await ready(rig)
    assert await case.presettled() == await case.presettled()
    assert await rig.control("book") == []


async def test_sign_in_happens_once_a_day(rig: Rig) -> None:
    await ready(rig, visit_no="OP1")
    await ready(rig, visit_no="OP2")
    assert len(rig.sent("9001")) == 1
    rig.advance(days=1)
    await ready(rig, visit_no="OP3")
    assert len(rig.sent("9001")) == 2


@pytest.mark.parametrize(
    "manners",
    [
        {"infcode_text": True},
        {"output_text": True},
        {"negative_reversal": True},
        {"same_reversal_number": True},
    ],
)
async def test_regional_manners_make_no_difference(rig: Rig, manners: dict[str, bool]) -> None:
    await rig.control("style", manners)
    case = await ready(rig)
    settled = await case.settled()
    value_of(
        await rig.gateway.reverse(case.who, case.visit_ref, settled.settlement_ref, rig.call())
    )
    assert value_of(await rig.gateway.find_settlement(case.who, case.visit_ref, rig.call())) is None


async def test_region_that_needs_the_reference_is_asked_twice() -> None:
    rig = Rig(lookup="by-reference")
    case = await ready(rig)
    assert value_of(await rig.gateway.find_settlement(case.who, case.visit_ref, rig.call())) is None
    settled = await case.settled()
    found = await rig.gateway.find_settlement(case.who, case.visit_ref, rig.call())
    assert found == Accepted(settled)
    assert len(rig.sent("5201")) == 2


async def test_expired_and_forged_credentials_are_refused(rig: Rig) -> None:
    shown = await scan(rig)
    forged = msgspec.structs.replace(shown, text=shown.text[:-1] + str(9 - int(shown.text[-1])))
    rig.advance(minutes=3)
    for bad in (shown, forged):
        got = await rig.gateway.decode_credential(bad, rig.call())
        assert isinstance(got, Rejected)
        assert got.reason == "credential-refused"


async def test_malformed_questions_are_not_sent(rig: Rig) -> None:
    gateway = rig.gateway
    nobody = PersonQuery(token=None, id_no=None, name=None)
    many = [line(number, 100) for number in range(1, 102)]
    refused = [
        await gateway.decode_credential(CredentialScan(text="", purpose="settlement"), rig.call()),
        await gateway.decode_credential(CredentialScan(text="1", purpose="party"), rig.call()),
        await gateway.read_person(nobody, rig.call()),
        await gateway.upload_charges(insured(), "V", "B", a_visit(), many, rig.call()),
        await gateway.upload_charges(insured(), "V", "B", a_visit(), [], rig.call()),
        await gateway.undo_uncertain(insured(), rig.call(), "presettle", rig.call()),
    ]
    assert all(isinstance(one, Rejected) for one in refused)
    assert rig.line.sent == []


async def test_business_refusals_are_rejections(rig: Rig) -> None:
    case = await ready(rig)
    gateway, who, ref = rig.gateway, case.who, case.visit_ref
    promised = await case.presettled()
    other_split = msgspec.structs.replace(promised, first_pay_fen=1_201, in_scope_fen=24_799)
    other_total = msgspec.structs.replace(case.request, total_fen=1)
    refused = {
        "charges again": await gateway.upload_charges(
            who, ref, "B2", case.visit, LINES, rig.call()
        ),
        "other total": await gateway.presettle(other_total, rig.call()),
        "other split": await gateway.settle(case.settle_request(other_split), rig.call()),
        "no such settlement": await gateway.reverse(who, ref, "S1", rig.call()),
        "no such visit": await gateway.withdraw_charges(who, "V1", "B1", rig.call()),
        "same visit number": await gateway.register_visit(who, a_visit(), rig.call()),
    }
    assert {name for name, got in refused.items() if not isinstance(got, Rejected)} == set()
    settled = await case.settled()
    late = {
        "settled again": await gateway.settle(case.settle_request(promised), rig.call()),
        "cancelled": await gateway.cancel_visit(who, ref, "OP1", rig.call()),
        "withdrawn": await gateway.withdraw_charges(who, ref, "B1", rig.call()),
    }
    assert {name for name, got in late.items() if not isinstance(got, Rejected)} == set()
    assert value_of(await gateway.find_settlement(who, ref, rig.call())) == settled


async def test_withdrawing_nothing_is_done(rig: Rig) -> None:
    case = await ready(rig)
    for batch in ("B1", "B1", "0000"):
        value_of(await rig.gateway.withdraw_charges(case.who, case.visit_ref, batch, rig.call()))
    refused = await rig.gateway.presettle(case.request, rig.call())
    assert isinstance(refused, Rejected)


async def test_settlements_of_a_visit_are_reversed_last_first(rig: Rig) -> None:
    case = await ready(rig)
    first = await case.settled()
    more = [line(7, 2_000)]
    value_of(
        await rig.gateway.upload_charges(
            case.who, case.visit_ref, "B2", case.visit, more, rig.call()
        )
    )
    case.request = msgspec.structs.replace(case.request, batch_no="B2", total_fen=2_000)
    second = await case.settled()
    gateway, ref = rig.gateway, case.visit_ref
    early = await gateway.reverse(case.who, ref, first.settlement_ref, rig.call())
    assert isinstance(early, Rejected)
    value_of(await gateway.reverse(case.who, ref, second.settlement_ref, rig.call()))
    value_of(await gateway.reverse(case.who, ref, first.settlement_ref, rig.call()))


async def test_wrong_secret_proves_nothing(rig: Rig) -> None:
    stranger = rig.new_gateway(secret="wrong")
    got = await stranger.read_person(PersonQuery(token=None, id_no="1", name=None), rig.call())
    assert got == NotSent("sign-in-failed")


async def test_status_that_no_table_lists_is_unknown(rig: Rig) -> None:
    case = await ready(rig)
    request = case.settle_request(await case.presettled())
    answers = {
        b'{"infcode": 7, "err_msg": ""}': "status-unlisted",
        b'{"infcode": 0, "output": null}': "answer-invalid",
        b'{"infcode": 0, "output": {"setlinfo": {"setl_id": 5.5}}}': "answer-contradicts",
        b"<html>": "answer-invalid",
    }
    for body, why in answers.items():
        rig.line.next_answer = Answer(status=200, headers={}, body=body)
        got = await rig.gateway.settle(request, rig.call())
        assert isinstance(got, Unknown)
        assert got.why == why
    for status, why in {502: "answer-lost", 404: "answer-invalid", 302: "answer-invalid"}.items():
        rig.line.next_answer = Answer(status=status, headers={}, body=b'{"infcode": -1}')
        assert await rig.gateway.settle(request, rig.call()) == Unknown(why)


async def test_not_reached_is_not_sent(rig: Rig) -> None:
    case = await ready(rig)
    rig.line.next_answer = ProviderNotReached("not-reached")
    assert await rig.gateway.presettle(case.request, rig.call()) == NotSent("not-reached")
    rig.line.next_answer = ProviderNotReached("not-reached")
    got = await rig.gateway.decode_credential(await scan(rig), rig.call())
    assert got == NotSent("not-reached")


async def test_nothing_is_sent_inside_a_transaction(rig: Rig) -> None:
    case = await ready(rig)
    token = transaction_open.set(True)
    try:
        with pytest.raises(TransactionOpen):
            await rig.gateway.presettle(case.request, rig.call())
    finally:
        transaction_open.reset(token)


async def test_book_outlives_a_restart(tmp_path: Path) -> None:
    book = tmp_path / "bureau.sqlite"
    rig = Rig(book)
    settled = await (await ready(rig)).settled()
    rig.twin.book.close()
    again = Rig(book, at=rig.at + timedelta(minutes=1))
    rows = await again.control("book")
    assert [(row["setl_id"], row["state"]) for row in rows] == [(settled.settlement_ref, "LIVE")]
    found = await again.gateway.find_settlement(insured(), rows[0]["mdtrt_id"], again.call())
    assert value_of(found) == settled
    again.twin.book.close()


async def test_sums_for_reconciliation(rig: Rig) -> None:
    case = await ready(rig)
    settled = await case.settled()
    await (await ready(rig, insured(RETIREE), "OP2")).settled()
    day = {"first_day": "2026-01-05", "last_day": "2026-01-05", "institution": COMMUNITY}
    both = await rig.control("sums", **day)
    assert (both["count"], both["total_fen"], both["account_fen"]) == (2, 61_600, 44_825)
    rig.advance(days=1)
    value_of(
        await rig.gateway.reverse(case.who, case.visit_ref, settled.settlement_ref, rig.call())
    )
    assert await rig.control("sums", **day) == both
    next_day = await rig.control("sums", first_day="2026-01-06", last_day="2026-01-06")
    assert (next_day["count"], next_day["total_fen"]) == (1, -30_800)


async def test_many_persons_can_be_added(rig: Rig) -> None:
    people = [
        {
            "psn_no": f"99000000000000000009{number:04d}",
            "psn_name": f"测试{number}",
            "certno": f"99001119800101{number:04d}",
            "gend": "1",
            "brdy": "1980-01-01",
            "balance_fen": 10_000,
            "enrolments": [{"insutype": "310", "psn_type": "11", "insuplc_admdvs": "990001"}],
        }
        for number in range(1_000)
    ]
    assert await rig.control("persons", people) == {"added": 1_000}
    page = await rig.control("persons", limit=500)
    assert len(page) == 500
    shown = CredentialScan(text=page[-1]["credential_text"], purpose="settlement")
    who = value_of(await rig.gateway.decode_credential(shown, rig.call()))
    assert who.id_no == page[-1]["certno"]


async def test_requests_are_spelled_as_the_samples(rig: Rig) -> None:
    case = await ready(rig)
    await case.settled()
    samples = json.loads(
        (Path(__file__).parents[1] / "vectors" / "medical-insurance.json").read_text("utf-8")
    )["messages"]
    for sample in samples:
        sent = rig.sent(sample["infno"])
        if not sent or sample["infno"] == "1101":
            continue
        got = json.loads(sent[0])
        assert set(got) == set(sample["request"])
        assert _names(got["input"]) == _names(sample["request"]["input"]), sample["infno"]


def _names(node: object) -> object:
    if isinstance(node, dict):
        return {name: _names(inner) for name, inner in node.items()}
    return _names(node[0]) if isinstance(node, list) else None
