"""Insurance paid by phone: the gateway against the twin of the mobile payment centre."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from crypto.sm2 import PrivateKey
from integrations.insurance_nhsa.mobile import canonical_json
from integrations.kit.transport import Answer, ProviderNotReached
from integrations.ports.insurance_mobile import (
    MobileAmounts,
    MobileNotice,
    MobileStage,
    PayerProof,
    ReturnKind,
)
from integrations.ports.outcomes import Accepted, NotSent, Rejected, Unknown
from integrations.ports.payments import NoticeRefused
from integrations.sandbox.insurance import mobile_seal
from tests.contract.insurance_rig import CHILD, COMMUNITY, RETIREE, insured, ready, value_of
from tests.contract.mobile_rig import APP_ID, APP_SECRET, CENTRES, OWN_FEN, MobileRig, keys_of

LOST, INVALID = Unknown("answer-lost"), Unknown("answer-invalid")


@pytest.fixture
async def rig() -> AsyncIterator[MobileRig]:
    made = MobileRig()
    await made.own_part()
    yield made
    await made.client.aclose()
    made.twin.book.close()


async def notice(rig: MobileRig, order_ref: str) -> dict[str, Any]:
    found: dict[str, Any] = await rig.control(f"mobile/orders/{order_ref}/notice")
    return found


async def test_journey_from_upload_to_full_return(rig: MobileRig) -> None:
    order, proof = await rig.uploaded()
    assert (await rig.query(order)).stage is MobileStage.OPEN
    waiting = value_of(await rig.pay(order, proof))
    paid = MobileAmounts(
        total_fen=30_800,
        fund_fen=19_840,
        account_fen=3_000,
        own_fen=OWN_FEN,
        hospital_fen=0,
        other_fen=0,
    )
    assert (waiting.stage, waiting.code, waiting.amounts) == (MobileStage.OPEN, "2", paid)
    assert await rig.states() == []
    await rig.control(f"mobile/orders/{order.order_ref}/own-money", {})
    hint = rig.mobile.read_notice(json.dumps(await notice(rig, order.order_ref)).encode())
    assert hint == MobileNotice(order_ref=order.order_ref, order_no="MO1", code="6")
    done = await rig.query(order)
    assert (done.stage, done.whole, done.amounts) == (MobileStage.CANDIDATE, True, paid)
    assert await rig.states() == ["LIVE"]

    back = rig.a_return(done, proof, ReturnKind.ALL)
    returned = value_of(await rig.mobile.refund(order, back, rig.at))
    assert value_of(await rig.mobile.refund(order, back, rig.at)) == returned
    gone = await rig.query(order)
    assert (gone.stage, gone.code) == (MobileStage.RETURNED, "7")
    assert await rig.states() == ["REVERSED"]


async def test_nothing_of_his_own_to_pay_settles_at_once(rig: MobileRig) -> None:
    await rig.control("counters", {"psn_no": insured().person_no, "moves": {"balance": 97_000}})
    order, proof = await rig.uploaded()
    done = value_of(await rig.pay(order, proof))
    assert (done.code, done.amounts and done.amounts.own_fen) == ("6", 0)
    assert await rig.states() == ["LIVE"]


async def test_a_visit_registered_before_carries_the_order(rig: MobileRig) -> None:
    case = await ready(rig)
    fees = await rig.fees(visit_ref=case.visit_ref)
    taken = await rig.mobile.upload_fees(fees, rig.at)
    # The batch of the visit has these very line numbers already.
    assert isinstance(taken, Rejected)
    value_of(await rig.gateway.withdraw_charges(case.who, case.visit_ref, "B1", rig.call()))
    order = value_of(await rig.mobile.upload_fees(fees, rig.at))
    assert order.visit_ref == case.visit_ref


async def test_uploading_again_under_the_same_number_is_one_order(rig: MobileRig) -> None:
    fees = await rig.fees()
    await rig.plan("drop_after", infno="6201")
    assert await rig.mobile.upload_fees(fees, rig.at) == LOST
    order = value_of(await rig.mobile.upload_fees(fees, rig.at))
    # The payer had to say yes again: still the same order.
    fresh = msgspec.structs.replace(fees, proof=await rig.proof())
    assert value_of(await rig.mobile.upload_fees(fresh, rig.at)) == order
    other = msgspec.structs.replace(fees, use_account=False)
    assert isinstance(await rig.mobile.upload_fees(other, rig.at), Rejected)
    assert len(await rig.control("mobile/orders")) == 1


async def test_a_batch_has_one_order_until_it_is_revoked(rig: MobileRig) -> None:
    order, _ = await rig.uploaded("MO1")
    rival = await rig.fees("MO2", batch_no="B-MO1")
    assert isinstance(await rig.mobile.upload_fees(rival, rig.at), Rejected)
    for _ in range(2):
        value_of(await rig.mobile.revoke(order, rig.at))
    assert (await rig.query(order)).code == "12"
    value_of(await rig.mobile.upload_fees(rival, rig.at))


@pytest.mark.parametrize("fault", ["drop_before", "drop_after", "error_after", "garble"])
async def test_an_uncertain_payment_is_asked_for_and_then_revoked(
    rig: MobileRig, fault: str
) -> None:
    order, proof = await rig.uploaded()
    await rig.plan(fault, infno="6202")
    assert isinstance(await rig.pay(order, proof), Unknown)
    assert (await rig.query(order)).stage is MobileStage.OPEN
    value_of(await rig.mobile.revoke(order, rig.at))
    assert isinstance(await rig.pay(order, proof), Accepted)
    assert (await rig.query(order)).code == "12"
    assert await rig.states() == []


async def test_what_is_settled_is_not_revoked(rig: MobileRig) -> None:
    order, _, _ = await rig.settled()
    refused = await rig.mobile.revoke(order, rig.at)
    assert isinstance(refused, Rejected)
    assert refused.reason == "not-revoked"
    assert await rig.states() == ["LIVE"]


async def test_an_order_grows_old(rig: MobileRig) -> None:
    order, proof = await rig.uploaded()
    value_of(await rig.pay(order, proof))
    rig.at += timedelta(hours=3)
    old = await rig.query(order)
    assert (old.stage, old.code, old.needs_person) == (MobileStage.FAILED, "15", False)
    late = await rig.client.post(f"/sandbox/mobile/orders/{order.order_ref}/own-money", json={})
    assert late.status_code == 400
    assert await rig.states() == []


async def test_a_division_that_moved_meanwhile_settles_nothing(rig: MobileRig) -> None:
    order, proof = await rig.uploaded()
    value_of(await rig.pay(order, proof))
    moved = {"psn_no": insured().person_no, "moves": {"balance": -1_000}}
    await rig.control("counters", moved)
    await rig.control(f"mobile/orders/{order.order_ref}/own-money", {})
    assert (await rig.query(order)).code == "15"
    assert await rig.states() == []


async def test_returns_in_parts_end_whole(rig: MobileRig) -> None:
    order, proof, done = await rig.settled()

    async def give(kind: ReturnKind, number: str, own_fen: int = 0) -> str:
        back = rig.a_return(done, proof, kind, refund_no=number, own_fen=own_fen)
        outcome = await rig.mobile.refund(order, back, rig.at)
        return (await rig.query(order)).code if isinstance(outcome, Accepted) else "refused"

    assert await give(ReturnKind.OWN, "R1", 1_000) == "10"
    assert await give(ReturnKind.ALL, "R2") == "refused"
    assert await give(ReturnKind.OWN, "R3", OWN_FEN) == "refused"
    assert await give(ReturnKind.INSURANCE, "R4") == "11"
    assert await give(ReturnKind.INSURANCE, "R5") == "refused"
    assert await rig.states() == ["REVERSED"]
    assert await give(ReturnKind.OWN, "R6", OWN_FEN - 1_000) == "7"


async def test_a_return_that_the_centre_would_refuse_is_not_sent(rig: MobileRig) -> None:
    order, proof, done = await rig.settled()
    for changes in (
        {"own_fen": OWN_FEN + 1},
        {"own_fen": 0},
        {"own_fen": 1, "proof": PayerProof()},
        {"own_fen": 1, "refund_no": ""},
    ):
        own = rig.a_return(done, proof, ReturnKind.OWN)
        back = msgspec.structs.replace(own, **changes)
        assert isinstance(await rig.mobile.refund(order, back, rig.at), Rejected)
    assert rig.sent("refund_Order") == []


async def test_an_uncertain_return_is_repeated_under_its_number(rig: MobileRig) -> None:
    order, proof, done = await rig.settled()
    back = rig.a_return(done, proof, ReturnKind.OWN, own_fen=500)
    await rig.plan("drop_after", infno="6203")
    assert await rig.mobile.refund(order, back, rig.at) == LOST
    rig.at += timedelta(minutes=10)
    value_of(await rig.mobile.refund(order, back, rig.at))
    other = msgspec.structs.replace(back, own_fen=600)
    assert isinstance(await rig.mobile.refund(order, other, rig.at), Rejected)
    rest = rig.a_return(done, proof, ReturnKind.OWN, own_fen=OWN_FEN - 500, refund_no="R2")
    value_of(await rig.mobile.refund(order, rest, rig.at))
    assert (await rig.query(order)).code == "9"


async def test_sides_that_disagree_need_a_person(rig: MobileRig) -> None:
    order, proof, done = await rig.settled()
    await rig.plan("uneven_refund", infno="6203")
    back = rig.a_return(done, proof, ReturnKind.ALL)
    assert await rig.mobile.refund(order, back, rig.at) == Unknown(
        "answer-contradicts", {"refStatus": "EXP"}
    )
    uneven = await rig.query(order)
    assert (uneven.stage, uneven.needs_person) == (MobileStage.FAILED, True)


@pytest.mark.parametrize(
    "changes",
    [
        {"total_fen": 30_801},
        {"name": "测试乙"},
        {"insured": insured(RETIREE)},
        {"insured": insured(insurance_type="390")},
        {"insured": insured(region="980001")},
        {"proof": PayerProof(authorisation="AUTH0")},
        {"proof": PayerProof(token="T0")},
        {"visit_ref": "990001000000000000999"},
        {"lines": []},
    ],
)
async def test_a_bill_that_does_not_hold_is_refused(
    rig: MobileRig, changes: dict[str, Any]
) -> None:
    if "insured" in changes:
        changes["proof"] = await rig.proof()
    refused = await rig.mobile.upload_fees(await rig.fees(**changes), rig.at)
    assert isinstance(refused, Rejected)
    assert await rig.control("mobile/orders") == []


@pytest.mark.parametrize("proof", [PayerProof(), PayerProof(token="T", authorisation="A")])
async def test_exactly_one_proof_is_sent(rig: MobileRig, proof: PayerProof) -> None:
    refused = await rig.mobile.upload_fees(await rig.fees(proof=proof), rig.at)
    assert refused == Rejected(reason="proof", provider_code="", provider_text="")
    assert rig.sent("uldFeeInfo") == []


async def test_an_authorisation_serves_one_order_and_not_long(rig: MobileRig) -> None:
    _, proof = await rig.uploaded("MO1")
    second = await rig.fees("MO2", proof=proof)
    assert isinstance(await rig.mobile.upload_fees(second, rig.at), Rejected)
    late = await rig.fees("MO3")
    rig.advance(minutes=11)
    assert isinstance(await rig.mobile.upload_fees(late, rig.at), Rejected)
    strangers = await rig.fees("MO4", proof=await rig.proof(CHILD))
    assert isinstance(await rig.mobile.upload_fees(strangers, rig.at), Rejected)


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        ("unsigned", INVALID),
        ("forge", INVALID),
        ("other_charset", INVALID),
        ("garble", INVALID),
        ("drop_after", LOST),
        ("error_before", LOST),
        ("unknown_state", Unknown("status-unlisted", {"ordStas": "99"})),
    ],
)
async def test_an_answer_that_does_not_hold_says_nothing(
    rig: MobileRig, fault: str, outcome: Unknown
) -> None:
    order, _, _ = await rig.settled()
    await rig.plan(fault, infno="6301")
    assert await rig.mobile.query(order, rig.at) == outcome
    assert (await rig.query(order)).whole


@pytest.mark.parametrize(
    ("fault", "why"), [("other_order", "other-order"), ("break_identity", "total-parts")]
)
async def test_an_answer_that_contradicts_is_evidence_only(
    rig: MobileRig, fault: str, why: str
) -> None:
    order, _, _ = await rig.settled()
    await rig.plan(fault, infno="6301")
    got = await rig.mobile.query(order, rig.at)
    assert isinstance(got, Unknown)
    assert (got.why, got.evidence["faults"]) == ("answer-contradicts", why)
    assert not {"测试甲", insured().id_no} & set(got.evidence.values())


async def test_another_total_than_ours_is_a_contradiction(rig: MobileRig) -> None:
    order, _, _ = await rig.settled()
    other = msgspec.structs.replace(order, total_fen=30_801)
    got = await rig.mobile.query(other, rig.at)
    assert isinstance(got, Unknown)
    assert got.evidence["faults"] == "other-total"


async def test_a_refusal_must_be_signed_too(rig: MobileRig) -> None:
    order, _ = await rig.uploaded()
    await rig.plan("reject", infno="6301", text="系统维护")
    refused = await rig.mobile.query(order, rig.at)
    assert refused == Rejected(
        reason="partner-refused", provider_code="-1", provider_text="系统维护"
    )
    rig.line.next_answer = Answer(
        status=200, headers={}, body=b'{"code": -1, "message": "x", "success": false}'
    )
    assert await rig.mobile.query(order, rig.at) == INVALID
    rig.line.next_answer = Answer(status=401, headers={}, body=b"{}")
    assert await rig.mobile.query(order, rig.at) == INVALID
    rig.line.next_answer = ProviderNotReached("not-reached")
    assert await rig.mobile.query(order, rig.at) == NotSent("not-reached")


async def test_the_centre_admits_only_its_own(rig: MobileRig) -> None:
    fees = await rig.fees()
    strangers = {
        "key": {"private_key_hex": PrivateKey.generate().to_bytes().hex()},
        "secret": {"app_secret": "X" * 32},
        "application": {"app_id": "9" * 32},
    }
    for name, changes in strangers.items():
        stranger = rig.new_mobile(**changes)
        assert await stranger.upload_fees(fees, rig.at) == INVALID, name
    for late in (timedelta(seconds=301), timedelta(seconds=-301)):
        assert await rig.mobile.upload_fees(fees, rig.at + late) == INVALID
    value_of(await rig.mobile.upload_fees(fees, rig.at))
    replayed = await rig.client.post(
        "/org/local/api/hos/uldFeeInfo", content=rig.sent("uldFeeInfo")[-1]
    )
    assert replayed.status_code == 401
    assert len(await rig.control("mobile/orders")) == 1


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        ({"appId": "2" * 32}, "other-application"),
        ({"signData": ""}, "signature"),
        ({"timestamp": "20260105093501"}, "signature"),
        ({"encData": ""}, "not-deciphered"),
        ({"encData": "00" * 16}, "not-deciphered"),
    ],
)
async def test_a_notice_that_does_not_hold_is_refused(
    rig: MobileRig, spoil: dict[str, str], why: str
) -> None:
    order, _, _ = await rig.settled()
    body = json.dumps(await notice(rig, order.order_ref) | spoil).encode()
    with pytest.raises(NoticeRefused) as caught:
        rig.mobile.read_notice(body)
    assert caught.value.reason == why


async def test_a_notice_under_another_key_or_in_another_charset_is_refused(
    rig: MobileRig,
) -> None:
    app = keys_of(COMMUNITY).apps[0]
    data = {"payOrdId": "O1", "medOrgOrd": "MO1", "ordStas": "6"}
    forged = mobile_seal.seal(app, PrivateKey.generate(), {"version": "2.0.1"}, data)
    without_order = mobile_seal.seal(app, CENTRES, {"version": "2.0.1"}, {"ordStas": "6"})
    for body in (
        json.dumps(forged).encode(),
        json.dumps(without_order).encode(),
        json.dumps({"appId": APP_ID, "x": "测"}, ensure_ascii=False).encode("gb18030"),
        b"[]",
        b"{",
        b"[" * 100_000,
    ):
        with pytest.raises(NoticeRefused):
            rig.mobile.read_notice(body)


async def test_a_doubled_notice_reads_alike_and_settles_nothing(rig: MobileRig) -> None:
    order, _, _ = await rig.settled()
    body = json.dumps(await notice(rig, order.order_ref)).encode()
    assert rig.mobile.read_notice(body) == rig.mobile.read_notice(body)
    assert await rig.states() == ["LIVE"]


async def test_secrets_and_persons_are_in_no_repr(rig: MobileRig) -> None:
    order, proof = await rig.uploaded()
    shown = f"{order!r}{proof!r}{rig.mobile._settings!r}{keys_of(COMMUNITY)!r}"
    for hidden in (APP_SECRET, insured().id_no, order.order_token, proof.authorisation or "-"):
        assert hidden not in shown


VECTORS = json.loads(
    (Path(__file__).parents[1] / "vectors" / "medical-insurance.json").read_text(encoding="utf-8")
)
ENVELOPES = [case for case in VECTORS["crypto"] if case["kind"] == "envelope"]


@pytest.mark.parametrize("case", ENVELOPES, ids=lambda case: case["id"])
def test_the_twins_envelope_is_the_published_one_too(case: dict[str, Any]) -> None:
    app = mobile_seal.MobileApp(
        app_id=case["appId"],
        app_secret=case["appSecret"],
        public_key_hex=case["publicKeyHex"],
        institution="",
    )
    assert mobile_seal.sm4_key(app).decode() == case["sm4_key_ascii"]
    data = mobile_seal.open_message(app, case["wire"])
    assert mobile_seal.compact(data) == case["cleaned_data_json"] == canonical_json(data)
    signed = mobile_seal.text_to_sign({**case["wire"], "data": data}, app.app_secret)
    assert signed.decode() == case["sign_string"]


async def test_the_twin_refuses_the_published_negatives() -> None:
    by_id = {case["id"]: case for case in VECTORS["crypto"]}
    for case in VECTORS["crypto"]:
        if case["kind"] != "negative":
            continue
        base = by_id[case["base"]]
        app = mobile_seal.MobileApp(
            app_id=base["appId"],
            app_secret=base["appSecret"],
            public_key_hex=base["publicKeyHex"],
            institution="",
        )
        with pytest.raises(mobile_seal.NotOpened):
            mobile_seal.open_message(app, case["wire"])
