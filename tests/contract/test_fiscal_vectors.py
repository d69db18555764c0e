"""Every published e-invoice case, through the adapter and through the twin."""

import json
from pathlib import Path
from typing import Any

import msgspec

from integrations.fiscal_invoice import mapping, signing, wire
from integrations.sandbox.fiscal import seal
from tests.contract.fiscal_rig import Rig, an_order, settings

FILE = Path(__file__).parents[1] / "vectors" / "medical-insurance.json"
CASES: dict[str, dict[str, Any]] = {
    case["id"]: case for case in json.loads(FILE.read_bytes())["fiscal_e_invoice"]
}
ASKED, ANSWERED = CASES["INV-OUTP"], CASES["INV-OUTP-RSP"]
NOT_PUBLISHED = {"patientNo", "balancedNumber"}
"""What we tell beyond the case."""


def test_all_cases_are_tested_here() -> None:
    assert set(CASES) == {"INV-OUTP", "INV-OUTP-RSP"}


def test_adapter_and_twin_sign_alike() -> None:
    for case in CASES.values():
        message = msgspec.convert(case["wire"], signing.InvoiceMessage)
        assert signing.sign_string(message, case["appKey"]) == case["sign_string"]
        outer = seal.read_outer(msgspec.json.encode(case["wire"]))
        assert seal.holds(outer, case["appKey"])
        assert not seal.holds(outer, case["appKey"] + "0")


def test_our_order_becomes_the_published_request() -> None:
    order = an_order(lines=[])
    bill = mapping.outpatient_bill(settings(), an_order())
    got = msgspec.to_builtins(bill)
    assert got.pop("listDetail")[0]["std"] == "154.0000"
    expected = dict(ASKED["plain"])
    expected.pop("listDetail")
    assert {name: value for name, value in got.items() if name not in NOT_PUBLISHED} == expected
    assert mapping.order_fault(settings(), order) == "lines"
    assert msgspec.to_builtins(wire.read(ASKED["plain"], wire.OutpatientBill)) == ASKED["plain"]


async def test_the_twin_takes_the_published_request_and_answers_in_kind() -> None:
    rig = Rig()
    answer = await rig.client.post("/" + ASKED["path"], json=ASKED["wire"])
    message = msgspec.json.decode(answer.content, type=signing.InvoiceMessage)
    told = signing.read_answer(message, ASKED["appKey"])
    published = signing.read_answer(
        msgspec.convert(ANSWERED["wire"], signing.InvoiceMessage), ANSWERED["appKey"]
    )
    assert told.result == published.result == "S0000"
    assert set(told.content) == set(published.content)
    assert [bill["bus_no"] for bill in await rig.bills()] == ["INV20260105000001"]


def test_the_published_answer_becomes_an_invoice() -> None:
    message = msgspec.convert(ANSWERED["wire"], signing.InvoiceMessage)
    content = signing.read_answer(message, ANSWERED["appKey"]).content
    invoice = mapping.invoice_of(wire.read(content, wire.IssuedAnswer))
    assert (invoice.code, invoice.number) == (content["billBatchCode"], content["billNo"])
    assert invoice.check_code == content["random"]
    assert invoice.download_url == content["pictureUrl"]
    assert invoice.issued_at is not None
