"""The fiscal e-invoice platform: adapter against twin."""

import json
from datetime import timedelta
from typing import Any

import httpx
import msgspec
import pytest

from integrations.fiscal_invoice.signing import pack, read_answer
from integrations.ports.invoices import Invoice, InvoiceOrder, InvoiceStanding, InvoiceStay
from integrations.ports.outcomes import Accepted, NotSent, Rejected, Unknown
from integrations.sandbox.fiscal.seal import sealed_answer
from tests.contract.fiscal_rig import APPID, KEY, Rig, a_line, a_tender, a_write_off, an_order

ISSUE = "invoiceEBillOutpatient"
FIND = "getEBillByBusNo"
WRITE_OFF = "writeOffEBill"
STATES = "getEBillStatesByBillInfo"


@pytest.fixture
def rig() -> Rig:
    return Rig()


async def issued(rig: Rig, order: InvoiceOrder | None = None) -> Invoice:
    outcome = await rig.gateway.issue(order or an_order())
    assert isinstance(outcome, Accepted), outcome
    return outcome.value


def payer(**changes: str) -> Any:
    return msgspec.structs.replace(an_order().payer, **changes)


def amounts(**changes: int) -> Any:
    return msgspec.structs.replace(an_order().amounts, **changes)


async def test_an_invoice_is_issued_and_found_by_our_number(rig: Rig) -> None:
    invoice = await issued(rig)
    assert (invoice.code, invoice.number) == ("99010126", "0000000001")
    assert len(invoice.check_code) == 6
    assert invoice.issued_at == rig.at
    assert invoice.download_url == "http://invoice.invalid/99010126/0000000001"
    assert await rig.gateway.find("INV20260105000001", rig.at) == Accepted(invoice)
    assert await rig.gateway.find("INV9", rig.at) == Accepted(None)
    standing = await rig.gateway.read_standing(invoice.code, invoice.number)
    assert standing == Accepted(InvoiceStanding(is_valid=True, red=None))
    assert [bill["total_fen"] for bill in await rig.bills()] == [308_00]


async def test_the_same_order_again_is_the_same_invoice(rig: Rig) -> None:
    assert await issued(rig) == await issued(rig)
    other = await rig.gateway.issue(an_order(tenders=[a_tender(79_60, "alipay")]))
    assert isinstance(other, Rejected)
    assert other.provider_code == "E1005"
    assert other.provider_text == "业务流水号已开票，内容不一致"
    assert len(await rig.bills()) == 1


async def test_a_discharge_has_an_invoice_of_its_stay_with_the_deposit_it_counts(rig: Rig) -> None:
    stay = InvoiceStay(stay_no="ZY1", ended_at=rig.at)
    visit = msgspec.structs.replace(an_order().visit, stay=stay)
    order = an_order(visit=visit, tenders=[a_tender(50_00, "deposit"), a_tender(29_60)])
    invoice = await issued(rig, order)
    assert invoice == await issued(rig, order)
    assert [bill["total_fen"] for bill in await rig.bills()] == [308_00]
    red = await rig.gateway.write_off(a_write_off(invoice.code, invoice.number))
    assert isinstance(red, Accepted)
    # An outpatient's bill under the stay's number is another bill.
    other = await rig.gateway.issue(msgspec.structs.replace(order, visit=an_order().visit))
    assert isinstance(other, Rejected)
    unknown = await rig.gateway_with(deposit_channel="").issue(an_order("INV2", visit=visit))
    assert isinstance(unknown, Accepted), "only what counts a deposit needs its channel"
    counted = msgspec.structs.replace(order, business_no="INV3")
    refused = await rig.gateway_with(deposit_channel="").issue(counted)
    assert refused == Rejected(reason="request-invalid", provider_code="", provider_text="tenders")


async def test_every_tender_and_part_is_told(rig: Rig) -> None:
    order = an_order(
        amounts=amounts(total_fen=308_00, fund_fen=190_00, cash_fen=80_00, hospital_fen=8_00),
        lines=[
            a_line(amount_fen=300_00),
            a_line("2", catalogue_code="", local_code="S7", name="诊察费", amount_fen=8_00),
        ],
    )
    await issued(rig, order)
    own = an_order(
        "INV2",
        amounts=amounts(fund_fen=0, account_fen=0, cash_fen=308_00),
        tenders=[a_tender(8_00, "cash"), a_tender(200_00), a_tender(100_00, "pos")],
        payer=msgspec.structs.replace(order.payer, insurance_type=None, person_no=None),
    )
    await issued(rig, own)
    free = an_order("INV3", amounts=amounts(fund_fen=278_00, cash_fen=0))
    await issued(rig, free)
    assert len(await rig.bills()) == 3


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"amounts": amounts(cash_fen=79_61)}, "amounts"),
        ({"amounts": amounts(total_fen=0, fund_fen=0, account_fen=0, cash_fen=0)}, "amounts"),
        ({"amounts": amounts(fund_fen=-1, cash_fen=278_01)}, "amounts"),
        ({"lines": [a_line(amount_fen=1)]}, "lines"),
        ({"tenders": []}, "tenders"),
        ({"tenders": [a_tender(79_60, "shells")]}, "tenders"),
        ({"tenders": [a_tender(79_60), a_tender(1)]}, "tenders"),
        ({"tenders": [a_tender(80_60), a_tender(-1_00, "cash")]}, "tenders"),
        ({"business_no": "1" * 51}, "business_no"),
        ({"payer": payer(id_type="03")}, "id_type"),
        ({"payer": payer(id_no="")}, "id_no"),
    ],
)
async def test_what_does_not_add_up_is_not_sent(
    rig: Rig, changes: dict[str, Any], field: str
) -> None:
    outcome = await rig.gateway.issue(an_order(**changes))
    assert outcome == Rejected(reason="request-invalid", provider_code="", provider_text=field)
    assert await rig.bills() == []


async def test_an_invoice_is_written_off_once(rig: Rig) -> None:
    invoice = await issued(rig)
    red = await rig.gateway.write_off(a_write_off(invoice.code, invoice.number))
    assert isinstance(red, Accepted)
    assert red.value.number == "0000000002"
    again = await rig.gateway.write_off(a_write_off(invoice.code, invoice.number))
    assert isinstance(again, Rejected)
    assert again.provider_code == "E1006"
    standing = await rig.gateway.read_standing(invoice.code, invoice.number)
    assert isinstance(standing, Accepted)
    assert standing.value.is_valid is False
    assert standing.value.red is not None
    assert (standing.value.red.number, standing.value.red.check_code) == (
        red.value.number,
        red.value.check_code,
    )
    nothing = await rig.gateway.write_off(a_write_off(invoice.code, "9999999999"))
    assert isinstance(nothing, Rejected)
    assert await rig.gateway.read_standing(invoice.code, "9999999999") == Unknown("status-unlisted")


@pytest.mark.parametrize(
    ("fault", "outcome", "stands"),
    [
        ("drop-before", Unknown("answer-lost"), False),
        ("drop-after", Unknown("answer-lost"), True),
        ("error-before", Unknown("provider-fault"), False),
        ("error-after", Unknown("provider-fault"), True),
        ("too-often", Unknown("too-often"), False),
        ("forged", Unknown("answer-invalid"), True),
        ("garbled", Unknown("answer-invalid"), True),
    ],
)
async def test_a_lost_answer_is_found_by_a_question(
    rig: Rig, fault: str, outcome: Unknown, stands: bool
) -> None:
    await rig.fault(fault, method=ISSUE)
    assert await rig.gateway.issue(an_order()) == outcome
    found = await rig.gateway.find("INV20260105000001", rig.at)
    assert isinstance(found, Accepted)
    assert (found.value is not None) is stands
    assert await issued(rig) == await issued(rig)
    assert len(await rig.bills()) == 1


async def test_a_late_result_is_first_absent_then_there(rig: Rig) -> None:
    await rig.fault("late", number="INV20260105000001", delay_ms=60_000)
    assert await rig.gateway.issue(an_order()) == Unknown("answer-lost")
    assert await rig.gateway.find("INV20260105000001", rig.at) == Accepted(None)
    rig.at += timedelta(minutes=1)
    found = await rig.gateway.find("INV20260105000001", rig.at)
    assert isinstance(found, Accepted)
    assert found.value is not None


async def test_a_lost_write_off_is_found_by_a_question(rig: Rig) -> None:
    invoice = await issued(rig)
    await rig.fault("drop-after", method=WRITE_OFF)
    order = a_write_off(invoice.code, invoice.number)
    assert await rig.gateway.write_off(order) == Unknown("answer-lost")
    standing = await rig.gateway.read_standing(invoice.code, invoice.number)
    assert isinstance(standing, Accepted)
    assert standing.value.red is not None


async def test_an_absence_counts_only_under_a_code_that_was_agreed(rig: Rig) -> None:
    bare = rig.gateway_with(absent_codes=())
    assert await bare.find("INV9", rig.at) == Unknown("status-unlisted")
    await rig.fault("refuse", method=FIND)
    assert await rig.gateway.find("INV9", rig.at) == Unknown("status-unlisted")


@pytest.mark.parametrize("wrong", [{"key": "other"}, {"appid": "NOBODY"}])
async def test_a_stranger_gets_nothing(rig: Rig, wrong: dict[str, str]) -> None:
    assert await rig.gateway_with(**wrong).issue(an_order()) == Unknown("status-unlisted")
    assert await rig.bills() == []


async def test_another_place_is_refused(rig: Rig) -> None:
    outcome = await rig.gateway_with(place_code="002").issue(an_order())
    assert isinstance(outcome, Rejected)
    assert outcome.provider_code == "E1007"


async def test_a_message_is_taken_once(rig: Rig) -> None:
    plain = {"busNo": "INV9", "busDateTime": "20260105093700000"}
    message = pack(appid=APPID, key=KEY, noise="0123456789abcdef0123456789abcdef", plain=plain)
    codes = []
    for _ in range(2):
        answer = await rig.client.post(f"/api/medical/{FIND}", content=msgspec.json.encode(message))
        told = msgspec.json.decode(answer.content, type=type(message))
        codes.append(read_answer(told, KEY).result)
    assert codes == ["E1404", "E1002"]


async def test_nothing_listens_there(rig: Rig) -> None:
    def refuse(_request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    rig.client._transport = httpx.MockTransport(refuse)
    assert await rig.gateway.issue(an_order()) == NotSent("not-reached")


STANDS = {"billBatchCode": "A", "billNo": "1", "state": "1", "isScarlet": "0"}


class Liar(Rig):
    """A platform that signs rightly whatever it is told to say."""

    async def said(self, content: dict[str, Any] | str, result: str = "S0000") -> None:
        who = self.app.state.twin.institutions[APPID]
        body = sealed_answer(who, "f" * 32, result, content)

        async def app(_scope: Any, _receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": body})

        self.client._transport.app = app  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"billBatchCode": "", "billNo": "1", "random": "a"},
        {"billBatchCode": "A", "billNo": 1, "random": "a"},
        {"billBatchCode": "A", "billNo": "1", "random": "a", "createTime": "2026"},
        {"billBatchCode": "A", "billNo": "1", "random": "a", "createTime": "20261305093700000"},
        "not json",
        "[1]",
    ],
)
async def test_an_answer_that_says_too_little_is_not_believed(content: Any) -> None:
    liar = Liar()
    await liar.said(content)
    assert await liar.gateway.issue(an_order()) == Unknown("answer-invalid")


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({}, Accepted(InvoiceStanding(is_valid=True, red=None))),
        ({"state": "2"}, Accepted(InvoiceStanding(is_valid=False, red=None))),
        ({"state": "3"}, Unknown("status-unlisted")),
        ({"isScarlet": "1"}, Unknown("status-unlisted")),
        ({"isScarlet": "2"}, Unknown("status-unlisted")),
        ({"billNo": "2"}, Unknown("answer-invalid")),
    ],
)
async def test_a_standing_that_no_table_lists_is_unknown(
    changes: dict[str, str], outcome: Any
) -> None:
    liar = Liar()
    await liar.said(STANDS | changes)
    assert await liar.gateway.read_standing("A", "1") == outcome


async def test_random_faults_repeat_by_their_seed(rig: Rig) -> None:
    async def run() -> list[str]:
        seen = Rig()
        await seen.client.post("/sandbox/faults/random", json={"seed": 7, "rate_permille": 500})
        outcomes = [await seen.gateway.find(f"INV{n}", seen.at) for n in range(20)]
        await seen.client.post("/sandbox/faults/clear")
        assert await seen.gateway.find("INV9", seen.at) == Accepted(None)
        return [str(outcome) for outcome in outcomes]

    first = await run()
    assert first == await run()
    assert len(set(first)) > 2
    refused = await rig.client.post("/sandbox/faults", content=b"{")
    assert refused.status_code == 400


async def test_a_wrong_method_or_body_is_answered_by_its_status(rig: Rig) -> None:
    assert (await rig.client.post("/api/medical/turnPaper", json={})).status_code == 404
    for body in (b"", b"[]", b"{", json.dumps({"appid": "A"}).encode()):
        answer = await rig.client.post(f"/api/medical/{STATES}", content=body)
        assert answer.status_code == 401


async def test_the_book_page_shows_bills_escaped_and_takes_faults(rig: Rig) -> None:
    await issued(rig, an_order("<b>1</b>"))
    page = await rig.client.get("/sandbox/")
    assert "script-src 'nonce-" in page.headers["content-security-policy"]
    assert "&lt;b&gt;1&lt;/b&gt;" in page.text
    assert "<b>1" not in page.text
    assert "<td>308.00</td>" in page.text
    assert "0000000001" in page.text
