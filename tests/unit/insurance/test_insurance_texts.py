"""Numbers, headers, outer messages, refunds, statements and invoices of the insurance side."""

from datetime import UTC, datetime

import msgspec
import pytest

from integrations.fiscal_invoice import signing as invoice
from integrations.insurance_nhsa.credential import decoded, read_credential_answer
from integrations.insurance_nhsa.envelope import (
    AnswerUnreadable,
    code_of,
    read_answer,
    read_json,
    read_output,
)
from integrations.insurance_nhsa.numbers import format_message_no
from integrations.insurance_nhsa.orders import order_faults, order_state, refund_faults
from integrations.insurance_nhsa.signing import TifSigner, tif_signature
from integrations.insurance_nhsa.statement import (
    UPLOAD_COLUMNS,
    pack,
    read_line,
    unpack,
    upload_row,
    write_line,
)
from integrations.insurance_nhsa.wire import VisitOutput
from integrations.insurance_nhsa.wire_mobile import MobileOrder, RefundRequest
from integrations.ports.insurance import ClearingLine
from integrations.ports.outcomes import Accepted, Rejected, Unknown
from integrations.ports.statements import StatementUnusable

AT = datetime(2026, 1, 5, 1, 31, tzinfo=UTC)


def test_message_number_is_institution_beijing_time_and_sequence() -> None:
    assert format_message_no("H99000100001", AT, 8) == "H99000100001202601050931000008"


@pytest.mark.parametrize(
    ("institution", "sequence"),
    [("H9900010000", 1), ("h99000100001", 1), ("H99000100001", 10_000), ("H99000100001", -1)],
)
def test_message_number_refuses_what_does_not_fit(institution: str, sequence: int) -> None:
    with pytest.raises(ValueError, match=r"institution|sequence"):
        format_message_no(institution, AT, sequence)


def test_headers_carry_the_signature_and_never_the_secret() -> None:
    signer = TifSigner(party="sandbox_hosp", secret="topsecret", service="S1")
    headers = signer.headers(AT, "nonce123")
    stamp = str(int(AT.timestamp()))
    assert headers["x-tif-signature"] == tif_signature(stamp, "topsecret", "nonce123")
    assert headers["x-tif-serviceId"] == "S1"
    assert "topsecret" not in str(headers) + repr(signer)


def test_numbers_with_a_fraction_stay_exact() -> None:
    assert read_json('{"a": 308.10, "b": 5}') == {"a": "308.10", "b": 5}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"\xff",
        b"[" * 100_000,
        b'{"a":' * 40 + b"1" + b"}" * 40,
        b'{"a": NaN}',
        b'{"a": ' + b"9" * 5000 + b"}",
        b" " * (4 * 1024 * 1024 + 1),
    ],
    ids=["empty", "html", "bytes", "brackets", "deep", "nan", "long number", "large"],
)
def test_unreadable_answer_is_refused_and_never_crashes(body: bytes) -> None:
    with pytest.raises(AnswerUnreadable):
        read_json(body)


@pytest.mark.parametrize(
    "body", [b"[]", b"{}", b'{"infcode": true}', b'{"infcode": 0, "output": 5}']
)
def test_answer_of_another_shape_is_refused(body: bytes) -> None:
    with pytest.raises(AnswerUnreadable):
        read_answer(body)


@pytest.mark.parametrize("infcode", ["0", '"0"', '" 0 "'])
@pytest.mark.parametrize(
    "output", ['{"data": {"mdtrt_id": "V1"}}', '"{\\"data\\": {\\"mdtrt_id\\": \\"V1\\"}}"']
)
def test_code_and_output_are_taken_in_either_form(infcode: str, output: str) -> None:
    answer = read_answer(f'{{"infcode": {infcode}, "output": {output}}}'.encode())
    assert code_of(answer) == "0"
    found = read_output(answer, VisitOutput)
    assert msgspec.to_builtins(found) == {"data": {"mdtrt_id": "V1"}}


@pytest.mark.parametrize("output", ['""', "null", '"x"', '{"data": []}'])
def test_missing_output_is_unreadable(output: str) -> None:
    answer = read_answer(f'{{"infcode": 0, "output": {output}}}'.encode())
    with pytest.raises(AnswerUnreadable):
        read_output(answer, VisitOutput)


def test_expired_credential_is_a_refusal() -> None:
    got = decoded(read_credential_answer('{"code": -1, "message": "二维码已失效"}'))
    assert got == Rejected(
        reason="credential-refused", provider_code="-1", provider_text="二维码已失效"
    )


@pytest.mark.parametrize(
    "data", ["null", '""', '"{"', '{"ecToken": "", "idNo": "1"}', '{"ecToken": "t"}']
)
def test_success_without_a_person_is_unknown(data: str) -> None:
    answer = read_credential_answer(f'{{"code": 0, "data": {data}}}')
    assert decoded(answer) == Unknown("answer-invalid")


def test_sex_and_birth_date_come_in_our_words() -> None:
    data = '{"ecToken": "t", "idNo": "99000119800101001x", "gender": "女", "birthday": "nonsense"}'
    got = decoded(read_credential_answer(f'{{"code": "0", "data": {data}}}'))
    assert isinstance(got, Accepted)
    assert (got.value.sex, got.value.birth_date) == ("F", None)
    assert got.value.id_no == "99000119800101001X"


ORIGINAL = MobileOrder(
    feeSumamt="100.00", ownPayAmt="20.00", psnAcctPay="30.00", fundPay="50.00", payOrdId="O1"
)
ALL = RefundRequest(
    payOrdId="O1",
    appRefdSn="R1",
    payAuthNo="A1",
    refdType="ALL",
    totlRefdAmt="100.00",
    cashRefdAmt="20.00",
    psnAcctRefdAmt="30.00",
    fundRefdAmt="50.00",
)


def cash(amount: str) -> dict[str, str]:
    return {
        "refdType": "CASH",
        "totlRefdAmt": amount,
        "cashRefdAmt": amount,
        "psnAcctRefdAmt": "0.00",
        "fundRefdAmt": "0.00",
    }


INSURED = {"refdType": "HI", "totlRefdAmt": "80.00", "cashRefdAmt": "0.00"}


@pytest.mark.parametrize(
    "changes", [{}, cash("20.00"), cash("5.00"), INSURED, {"payAuthNo": "", "ecToken": "T"}]
)
def test_refund_that_may_be_sent(changes: dict[str, str]) -> None:
    assert refund_faults(ORIGINAL, msgspec.structs.replace(ALL, **changes)) == []


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"totlRefdAmt": "99.99"}, "sum"),
        (cash("20.01"), "kind"),
        (cash("0.00"), "sum"),
        (cash("-1.00"), "range"),
        (INSURED | {"totlRefdAmt": "79.00", "fundRefdAmt": "49.00"}, "kind"),
        ({"refdType": "HI"}, "kind"),
        ({"refdType": "PART"}, "kind"),
        ({"ecToken": "T"}, "proof"),
        ({"payAuthNo": ""}, "proof"),
        ({"appRefdSn": ""}, "number"),
        ({"totlRefdAmt": "1e2"}, "unreadable"),
    ],
)
def test_refund_that_would_be_refused(changes: dict[str, str], fault: str) -> None:
    assert fault in refund_faults(ORIGINAL, msgspec.structs.replace(ALL, **changes))


def test_finished_order_must_add_up() -> None:
    assert order_faults(ORIGINAL) == []
    other = msgspec.structs.replace(ORIGINAL, hospPartAmt="1.00")
    assert order_faults(other) == ["total-parts"]
    assert order_faults(MobileOrder(ordStas="2")) == ["unreadable"]


def test_state_outside_the_table_is_unknown() -> None:
    assert order_state("99") == "unknown"


LINE = ClearingLine(
    settlement_ref="S1",
    visit_ref="V1",
    person_no="P1",
    total_fen=-30800,
    fund_fen=-19840,
    account_fen=-3000,
    cash_fen=-7960,
    reversed=True,
)


def test_statement_line_of_a_reversal() -> None:
    text = write_line(UPLOAD_COLUMNS, upload_row(LINE))
    assert text == "S1\tV1\tP1\t-308.00\t-198.40\t-30.00\t1\tnull"
    assert read_line(UPLOAD_COLUMNS, text) == upload_row(LINE)


@pytest.mark.parametrize("value", ["a\tb", "a\nb", "null"])
def test_value_that_would_break_the_line_is_refused(value: str) -> None:
    row = upload_row(LINE) | {"setl_id": value}
    with pytest.raises(StatementUnusable):
        write_line(UPLOAD_COLUMNS, row)


def test_statement_file_that_is_none_is_refused() -> None:
    assert unpack(pack(["a\tb", "c\td"], "x.txt")) == ["a\tb", "c\td"]
    with pytest.raises(StatementUnusable):
        unpack(b"PK\x03\x04 not really")
    with pytest.raises(StatementUnusable):
        read_line(UPLOAD_COLUMNS, "a\tb")


def test_forged_invoice_is_refused() -> None:
    message = invoice.pack(appid="A", key="K", noise="N", plain={"totalAmt": "1.00"})
    assert invoice.unpack(message, "K") == {"totalAmt": "1.00"}
    with pytest.raises(invoice.InvoiceUnreadable):
        invoice.unpack(message, "L")
    message.data = "AAAA"
    with pytest.raises(invoice.InvoiceUnreadable):
        invoice.unpack(message, "K")


def test_invoice_refusal_in_plain_text_is_told() -> None:
    plain = {"result": "E0001", "message": "余额不足"}
    got = invoice.read_answer(invoice.pack(appid="A", key="K", noise="N", plain=plain), "K")
    assert (got.result, got.content) == ("E0001", "余额不足")
