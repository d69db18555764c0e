"""Tables of states and codes, row by row; amounts of mixed orders; hostile bytes."""

import contextlib
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.ports.outcomes import Accepted, Rejected, Unknown
from integrations.ports.payments import NoticeRefused, PaymentStatus, RefundStatus
from integrations.wechatpay import mapping, medins, notices, signing, statements, wire
from integrations.wechatpay.party import Party
from integrations.wechatpay.settings import load_keys
from integrations.wechatpay.signing import WechatPayKeyRefused
from integrations.wechatpay.verifier import SignatureRefused, Verifier
from tests.contract.wechat_rig import key_pair, settings

TRANSACTION: dict[str, Any] = {
    "appid": "a",
    "mchid": "m",
    "out_trade_no": "TRADE0001",
    "trade_state": "SUCCESS",
    "transaction_id": "4200",
    "success_time": "2026-11-21T10:00:00+08:00",
    "amount": wire.TransactionAmount(total=100),
}


def transaction(**changes: Any) -> wire.Transaction:
    return wire.Transaction(**(TRANSACTION | changes))


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("NOTPAY", PaymentStatus.UNPAID),
        ("USERPAYING", PaymentStatus.UNPAID),
        ("PAYERROR", PaymentStatus.UNPAID),
        ("SUCCESS", PaymentStatus.PAID),
        ("REFUND", PaymentStatus.REFUNDED),
        ("CLOSED", PaymentStatus.CLOSED),
        ("REVOKED", PaymentStatus.CLOSED),
    ],
)
def test_each_trade_state_has_its_status(state: str, status: PaymentStatus) -> None:
    payment = mapping.payment_of(transaction(trade_state=state))
    assert isinstance(payment, Accepted)
    assert payment.value.status is status


@pytest.mark.parametrize("state", ["ACCEPT", "", "success", "UNKNOWN"])
def test_a_state_that_no_table_lists_is_unknown(state: str) -> None:
    assert mapping.payment_of(transaction(trade_state=state)) == Unknown("status-unlisted")


@pytest.mark.parametrize(
    "change",
    [
        {"transaction_id": None},
        {"success_time": None},
        {"success_time": "yesterday"},
        {"amount": None},
        {"amount": wire.TransactionAmount(total=100, currency="USD")},
    ],
)
def test_a_paid_trade_without_its_proof_is_not_believed(change: dict[str, Any]) -> None:
    assert mapping.payment_of(transaction(**change)) == Unknown("answer-invalid")


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("PROCESSING", RefundStatus.PROCESSING),
        ("SUCCESS", RefundStatus.REFUNDED),
        ("CLOSED", RefundStatus.FAILED),
        ("ABNORMAL", RefundStatus.STUCK),
    ],
)
def test_each_refund_state_has_its_status(state: str, status: RefundStatus) -> None:
    refund = mapping.refund_of(a_refund_answer(state))
    assert isinstance(refund, Accepted)
    assert refund.value.status is status


def test_an_unlisted_refund_state_is_unknown() -> None:
    assert mapping.refund_of(a_refund_answer("CHANGE")) == Unknown("status-unlisted")


def a_refund_answer(state: str) -> wire.RefundAnswer:
    return wire.RefundAnswer(
        refund_id="5030",
        out_refund_no="R",
        out_trade_no="T",
        status=state,
        amount=wire.RefundedAmount(refund=1, total=2),
    )


CODES = [
    (400, "PARAM_ERROR", "request-invalid"),
    (400, "INVALID_REQUEST", "against-rule"),
    (400, "APPID_MCHID_NOT_MATCH", "account-misconfigured"),
    (400, "MCH_NOT_EXISTS", "account-misconfigured"),
    (400, "ORDER_CLOSED", "order-closed"),
    (401, "SIGN_ERROR", "account-misconfigured"),
    (403, "NO_AUTH", "not-authorised"),
    (403, "TRADE_ERROR", "refused-by-rule"),
    (403, "RULE_LIMIT", "refused-by-rule"),
    (403, "ACCOUNT_ERROR", "refused-by-rule"),
    (403, "NOT_ENOUGH", "balance-short"),
    (404, "ORDER_NOT_EXIST", "not-found"),
    (404, "RESOURCE_NOT_EXISTS", "not-found"),
]


@pytest.mark.parametrize(("status", "code", "reason"), CODES)
def test_each_refusal_code_has_its_reason(status: int, code: str, reason: str) -> None:
    outcome = mapping.refusal(status=status, code=code, text="t", unsettled={}, refusals={})
    assert outcome == Rejected(reason=reason, provider_code=code, provider_text="t")


def test_the_refusal_table_is_covered() -> None:
    assert {code for _, code, _ in CODES} == mapping.REFUSALS.keys()


@pytest.mark.parametrize(
    ("status", "code", "why"),
    [
        (400, "ALREADY_EXISTS", "number-used"),
        (403, "OUT_TRADE_NO_USED", "number-used"),
        (429, "FREQUENCY_LIMITED", "too-often"),
        (429, "SOMETHING_ELSE", "too-often"),
        (500, "SYSTEM_ERROR", "provider-fault"),
        (500, "PARAM_ERROR", "provider-fault"),
        (502, "", "provider-fault"),
        (503, "SERVICE_UNAVAILABLE", "provider-fault"),
        (202, "USERPAYING", "payer-busy"),
        (400, "SYSTEM_ERROR", "provider-fault"),
        (400, "BRAND_NEW", "status-unlisted"),
        (404, "", "status-unlisted"),
        (302, "PARAM_ERROR", "status-unlisted"),
    ],
)
def test_what_is_no_plain_refusal_stays_unknown(status: int, code: str, why: str) -> None:
    outcome = mapping.refusal(status=status, code=code, text="", unsettled={}, refusals={})
    assert outcome == Unknown(why)


def test_the_detail_code_of_the_request_id_tells_a_paid_order() -> None:
    assert mapping.says_paid("08A1B2-268449538")
    assert mapping.says_paid("08A1B2-268498689")
    assert not mapping.says_paid("08A1B2-268449539")
    assert not mapping.says_paid("")


MIXED: dict[str, Any] = {
    "total_fee": 202_000,
    "med_ins_gov_fee": 100_000,
    "med_ins_self_fee": 45_000,
    "med_ins_other_fee": 5_000,
    "med_ins_cash_fee": 50_000,
    "wechat_pay_cash_fee": 42_000,
    "adds": (2_000,),
    "reduces": (10_000,),
    "mix_pay_type": medins.MixPayType.CASH_AND_INSURANCE,
}
NO_CASH = {"wechat_pay_cash_fee": 0, "reduces": (52_000,)}
CASH_ONLY = {
    "total_fee": 100,
    "med_ins_gov_fee": 0,
    "med_ins_self_fee": 0,
    "med_ins_other_fee": 0,
    "med_ins_cash_fee": 0,
    "wechat_pay_cash_fee": 100,
    "adds": (),
    "reduces": (),
    "mix_pay_type": medins.MixPayType.CASH_ONLY,
}


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({}, None),
        ({"total_fee": 202_001}, "total-differs-from-paid"),
        ({"med_ins_cash_fee": 50_001}, "total-differs-from-settled"),
        ({"total_fee": -1}, "amount-out-of-range"),
        (NO_CASH, "no-cash-to-pay"),
        ({**NO_CASH, "mix_pay_type": medins.MixPayType.INSURANCE_ONLY}, None),
        ({"mix_pay_type": medins.MixPayType.INSURANCE_ONLY}, "insurance-only-with-cash"),
        ({"mix_pay_type": medins.MixPayType.CASH_ONLY}, "cash-only-with-insurance"),
        (CASH_ONLY, None),
        ({**CASH_ONLY, "med_ins_cash_fee": 100}, "cash-only-with-insurance"),
    ],
)
def test_mixed_amounts_follow_the_equations(changes: dict[str, Any], fault: str | None) -> None:
    assert medins.amounts_fault(medins.MixedAmounts(**(MIXED | changes))) == fault


@given(st.text(max_size=20))
def test_any_text_is_an_id_number_or_refused(text: str) -> None:
    with contextlib.suppress(medins.IdNumberRefused):
        assert len(medins.normalised_id_number(text)) == 18


@given(st.text(max_size=200) | st.from_regex(r'[A-Z0-9-]{0,30} ([a-z_]+="[^"]*",?){0,7}'))
def test_any_authorization_is_read_or_refused(line: str) -> None:
    with contextlib.suppress(signing.AuthorizationRefused):
        scheme, items = signing.parse_authorization(line)
        assert scheme in {signing.RSA_SCHEME, signing.SM_SCHEME}
        assert items.keys() == signing.AUTHORIZATION_ITEMS


NOTICE_KEYS = load_keys(settings())
HEADER_NAMES = ["Wechatpay-Timestamp", "Wechatpay-Nonce", "Wechatpay-Signature", "Wechatpay-Serial"]


@given(st.dictionaries(st.sampled_from(HEADER_NAMES), st.text(max_size=40)), st.binary(max_size=80))
def test_any_notice_is_refused_without_crashing(headers: dict[str, str], body: bytes) -> None:
    at = datetime(2026, 11, 21, tzinfo=UTC)
    with pytest.raises(NoticeRefused):
        notices.read(keys=NOTICE_KEYS, party=Party(settings()), headers=headers, body=body, at=at)


@given(st.binary(max_size=200))
def test_any_bytes_are_an_envelope_or_refused(body: bytes) -> None:
    with contextlib.suppress(wire.WireInvalid):
        wire.decode(body, wire.NoticeEnvelope)


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(wire.WireInvalid):
        wire.decode(b'{"id":' + b"[" * 100_000, wire.NoticeEnvelope)


@given(st.text(alphabet="`,\r\n1.商单号abc\ufeff", max_size=120))
def test_any_text_is_a_statement_or_refused(text: str) -> None:
    with contextlib.suppress(statements.StatementRefused):
        statements.read_statement(text)


def test_an_oversized_notice_is_refused_before_anything_is_computed() -> None:
    with pytest.raises(NoticeRefused, match="too-large"):
        notices.read(
            keys=load_keys(settings()), party=Party(settings()), headers={},
            body=b"x" * (notices.NOTICE_BYTES_MAX + 1), at=datetime(2026, 11, 21, tzinfo=UTC),
        )  # fmt: skip


@pytest.mark.parametrize(
    "changes",
    [
        {"api_v3_key": "short"},
        {"api_v3_key": "钥" * 32},
        {"public_key_id": None},
        {"public_key_id": "5F1C"},
        {"public_key_id": None, "public_key_pem": None},
        {"public_key_pem": "nonsense"},
        {"merchant_key_pem": "nonsense"},
        {"merchant_key_pem": key_pair("wechat")[1]},
        {"platform_certificates_pem": ("nonsense",)},
    ],
)
def test_unusable_settings_are_refused_without_showing_them(changes: dict[str, Any]) -> None:
    with pytest.raises(WechatPayKeyRefused) as caught:
        load_keys(settings(**changes))
    assert not any(str(value) in str(caught.value) for value in changes.values() if value)


def test_settings_hide_their_secrets() -> None:
    assert "PRIVATE" not in f"{settings()!r} {settings()} {load_keys(settings())!r}"


def test_a_certificate_serial_is_found_with_and_without_its_leading_zero() -> None:
    signed = signing.RsaSigningKey(key_pair("wechat")[0])
    at = datetime(2026, 11, 21, tzinfo=UTC)
    stamp = str(int(at.timestamp()))
    headers = {
        "wechatpay-timestamp": stamp,
        "wechatpay-nonce": "n",
        "wechatpay-signature": signed.sign(
            signing.answer_message(timestamp=stamp, nonce="n", body=b"")
        ),
        "wechatpay-serial": "A1B2",
    }
    key = signing.RsaVerifyKey.from_public_pem(key_pair("wechat")[1])
    Verifier({"0A1B2": key}).check(headers, b"", at)
    with pytest.raises(SignatureRefused, match="serial-unknown"):
        Verifier({"0A1B3": key}).check(headers, b"", at)
