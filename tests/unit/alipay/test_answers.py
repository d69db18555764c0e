"""Answers no twin gives: forged, replayed, swapped, doubled, huge, contradicting, unlisted."""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from integrations.alipay.gateway import AlipayGateway
from integrations.alipay.settings import load_keys
from integrations.alipay.signing import AlipayKeyRefused, SigningKey, v3_answer_message
from integrations.kit.transport import Transport
from integrations.ports.outcomes import Accepted, Outcome, Rejected, Unknown
from integrations.ports.payments import PaymentStatus, RefundStatus
from tests.contract.alipay_rig import (
    START,
    HandClock,
    a_code_order,
    a_refund,
    an_order,
    by_certificates,
    counting_nonce,
    key_pair,
    settings,
)

INVALID = Unknown("answer-invalid")
FILE = json.loads((Path(__file__).parents[2] / "vectors" / "payments.json").read_bytes())
QUERY, REFUND = "alipay_trade_query_response", "alipay_trade_refund_response"
SIGNER = SigningKey(key_pair("alipay")[0])
PAID = {
    "code": "10000",
    "out_trade_no": "TRADE0001",
    "trade_no": "2026112122001400000000000101",
    "trade_status": "TRADE_SUCCESS",
    "total_amount": "123.45",
    "send_pay_date": "2026-11-21 10:00:00",
    "buyer_open_id": "074x",
}
REFUNDED = {
    "code": "10000",
    "out_trade_no": "TRADE0001",
    "trade_no": "2026112122001400000000000101",
    "fund_change": "Y",
    "refund_fee": "123.45",
    "gmt_refund_pay": "2026-11-21 11:00:00",
}


def raw(fields: dict[str, Any] | str) -> bytes:
    text = fields if isinstance(fields, str) else json.dumps(fields, ensure_ascii=False)
    return text.encode()


def envelope(name: str, content: bytes, **more: str) -> bytes:
    members = {"sign": SIGNER.sign(content), **more}
    tail = b"".join(f',"{key}":"{value}"'.encode() for key, value in members.items())
    return f'{{"{name}":'.encode() + content + tail + b"}"


async def answered(
    body: bytes, ask: str = "query", *, status: int = 200, headers: Any = None, **changes: Any
) -> Outcome[Any]:
    """What the gateway makes of these bytes as the answer to one call."""

    def handle(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(status, content=body, headers=headers or {})

    async with httpx.AsyncClient(transport=httpx.MockTransport(handle)) as client:
        transport = Transport(client, 5.0)
        gateway = AlipayGateway(
            settings(**changes), transport, transport, HandClock(), counting_nonce()
        )
        return await ASKED[ask](gateway)


ASKED: dict[str, Callable[[AlipayGateway], Awaitable[Outcome[Any]]]] = {
    "place": lambda gateway: gateway.place(an_order("TRADE0001", START)),
    "show": lambda gateway: gateway.place(an_order("TRADE0001", START, way="native", payer=None)),
    "code": lambda gateway: gateway.pay_by_code(a_code_order("289900000000000001", START)),
    "query": lambda gateway: gateway.query("TRADE0001"),
    "close": lambda gateway: gateway.close("TRADE0001"),
    "reverse": lambda gateway: gateway.reverse("TRADE0001"),
    "refund": lambda gateway: gateway.refund(a_refund()),
    "query-refund": lambda gateway: gateway.query_refund("REFUND0001", trade_no="TRADE0001"),
    "bill": lambda gateway: gateway.fetch_bill(START.date()),
}


async def test_a_good_answer_is_taken() -> None:
    found = await answered(envelope(QUERY, raw(PAID)))
    assert isinstance(found, Accepted)
    assert (found.value.status, found.value.amount_fen) == (PaymentStatus.PAID, 12_345)


@pytest.mark.parametrize("amount", ["123.45", 123.45, "123.4", "0.00", 100, "1"], ids=repr)
async def test_amounts_are_read_exactly_from_text_and_from_numbers(amount: object) -> None:
    found = await answered(envelope(QUERY, raw(PAID | {"total_amount": amount})))
    assert isinstance(found, Accepted)
    whole, _, part = str(amount).partition(".")
    assert found.value.amount_fen == int(whole) * 100 + int(part.ljust(2, "0") or 0)


GOOD = envelope(QUERY, raw(PAID))
HOSTILE = {
    "empty": b"",
    "no object": b"[]",
    "html": b"<html>busy</html>",
    "not utf-8": envelope(QUERY, json.dumps(PAID | {"m": "成"}, ensure_ascii=False).encode("gbk")),
    "unsigned": f'{{"{QUERY}":'.encode() + raw(PAID) + b"}",
    "empty sign": f'{{"{QUERY}":'.encode() + raw(PAID) + b',"sign":""}',
    "sign is no text": f'{{"{QUERY}":'.encode() + raw(PAID) + b',"sign":{"a":1}}',
    "another key": GOOD.replace(b'"sign":"', b'"sign":"AAAA'),
    "one byte changed": GOOD.replace(b"123.45", b"123.46"),
    "blank inside": GOOD.replace(b'"code": ', b'"code":  ', 1),
    "forged before": GOOD.replace(b"{", b'{"' + QUERY.encode() + b'":{"code":"10000"},', 1),
    "forged after": GOOD[:-1] + b',"' + QUERY.encode() + b'":{"code":"10000"}}',
    "escaped twin": GOOD[:-1] + b',"alipay_trade_query\\u005fresponse":{"code":"10000"}}',
    "two answers": GOOD[:-1] + b',"error_response":{"code":"40002"}}',
    "another method": envelope("alipay_trade_close_response", raw(PAID)),
    "another trade": envelope(QUERY, raw(PAID | {"out_trade_no": "TRADE0002"})),
    "no trade": envelope(QUERY, raw({k: v for k, v in PAID.items() if k != "out_trade_no"})),
    "something behind": GOOD + b"{}",
    "cut": GOOD[:-1],
    "cut inside": GOOD[:60],
    "deep": envelope(QUERY, b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}"),
    "huge": envelope(QUERY, raw(PAID | {"subject": "x" * 300_000})),
    "many members": b"{" + b",".join(b'"a%d":1' % n for n in range(99)) + b"}",
    "code is a number": envelope(QUERY, raw(PAID | {"code": 10000})),
    "paid without number": envelope(QUERY, raw(PAID | {"trade_no": ""})),
    "paid without time": envelope(QUERY, raw(PAID | {"send_pay_date": None})),
    "paid without amount": envelope(QUERY, raw(PAID | {"total_amount": None})),
    "no such time": envelope(QUERY, raw(PAID | {"send_pay_date": "2026-02-30 10:00:00"})),
    "three decimals": envelope(QUERY, raw(PAID | {"total_amount": "123.450"})),
    "exponent": envelope(QUERY, raw(json.dumps(PAID).replace('"123.45"', "1.2e2"))),
    "negative": envelope(QUERY, raw(PAID | {"total_amount": "-123.45"})),
    "thousand separator": envelope(QUERY, raw(PAID | {"total_amount": "1,123.45"})),
    "beyond our range": envelope(QUERY, raw(PAID | {"total_amount": "9999999999.99"})),
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE.keys())
async def test_a_hostile_answer_says_nothing(body: bytes) -> None:
    assert await answered(body) == INVALID


async def test_an_answer_larger_than_the_transport_takes_is_lost() -> None:
    assert await answered(b" " * (9 * 1024 * 1024)) == Unknown("answer-too-large")


@pytest.mark.parametrize("ask", ["place", "show", "code", "close", "reverse", "refund"])
async def test_an_answer_about_another_trade_settles_nothing(ask: str) -> None:
    fields = {
        **PAID,
        **REFUNDED,
        "out_trade_no": "TRADE0002",
        "qr_code": "https://qr.alipay.com/x",
        "retry_flag": "N",
        "gmt_payment": "2026-11-21 10:00:00",
    }
    method = {"place": "create", "show": "precreate", "code": "pay", "reverse": "cancel"}
    name = f"alipay_trade_{method.get(ask, ask)}_response"
    assert await answered(envelope(name, raw(fields)), ask) == INVALID
    right = await answered(envelope(name, raw(fields | {"out_trade_no": "TRADE0001"})), ask)
    assert isinstance(right, Accepted), right


CODES = {
    ("20000", "isp.unknow-error"): Unknown("provider-fault"),
    ("40004", "ACQ.SYSTEM_ERROR"): Unknown("provider-fault"),
    ("40004", "ACQ.NEVER_SEEN"): Unknown("status-unlisted"),
    ("50000", ""): Unknown("status-unlisted"),
    ("10003", ""): Unknown("status-unlisted"),
    ("20001", "aop.invalid-app-auth-token"): "not-authorised",
    ("40001", "isv.missing-signature"): "request-invalid",
    ("40002", "isv.invalid-signature"): "request-invalid",
    ("40006", "isv.insufficient-isv-permissions"): "not-authorised",
}


@pytest.mark.parametrize(("codes", "expected"), CODES.items())
async def test_only_listed_refusals_are_refusals(
    codes: tuple[str, str], expected: Unknown | str
) -> None:
    content = raw({"code": codes[0], "msg": "m", "sub_code": codes[1], "sub_msg": "明"})
    names = {QUERY, "error_response"} if codes[0] in {"40001", "40002", "40006"} else {QUERY}
    for name in names:
        found = await answered(envelope(name, content))
        if isinstance(expected, Unknown):
            assert found == expected
        else:
            assert isinstance(found, Rejected)
            assert (found.reason, found.provider_code) == (expected, codes[1])
    unsigned = f'{{"error_response":{content.decode()}}}'.encode()
    assert await answered(unsigned) == INVALID


@pytest.mark.parametrize(
    ("ask", "sub_code", "expected"),
    [
        ("place", "ACQ.TRADE_HAS_SUCCESS", Unknown("already-paid")),
        ("place", "ACQ.CONTEXT_INCONSISTENT", Unknown("number-used")),
        ("place", "ACQ.TRADE_HAS_CLOSE", "order-closed"),
        ("close", "ACQ.TRADE_HAS_SUCCESS", "already-paid"),
        ("close", "ACQ.REASON_TRADE_STATUS_INVALID", "not-unpaid"),
        ("close", "ACQ.TRADE_NOT_EXIST", "not-found"),
        ("reverse", "ACQ.TRADE_CANCEL_TIME_OUT", "too-late"),
        ("reverse", "ACQ.SELLER_BALANCE_NOT_ENOUGH", Unknown("balance-short")),
        ("refund", "ACQ.SELLER_BALANCE_NOT_ENOUGH", Unknown("balance-short")),
        ("refund", "ACQ.TRADE_HAS_FINISHED", "too-late"),
        ("refund", "ACQ.DISCORDANT_REPEAT_REQUEST", Unknown("status-unlisted")),
        ("code", "ACQ.PAYMENT_AUTH_CODE_INVALID", "code-invalid"),
        ("code", "ACQ.BUYER_BALANCE_NOT_ENOUGH", "payer-cannot-pay"),
    ],
)
async def test_what_a_refusal_means_depends_on_what_was_asked(
    ask: str, sub_code: str, expected: Unknown | str
) -> None:
    content = raw({"code": "40004", "msg": "Business Failed", "sub_code": sub_code})
    method = {"place": "create", "code": "pay", "reverse": "cancel"}.get(ask, ask)
    found = await answered(envelope(f"alipay_trade_{method}_response", content), ask)
    if isinstance(expected, str):
        assert isinstance(found, Rejected)
        assert found.reason == expected
    else:
        assert found == expected


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"fund_change": "N"}, Unknown("refund-unconfirmed")),
        ({"fund_change": None}, Unknown("refund-unconfirmed")),
        ({"refund_fee": "123.46"}, Unknown("answer-contradicts", {"refund_fee": '"123.46"'})),
        ({"refund_fee": "0.01"}, Unknown("answer-contradicts", {"refund_fee": '"0.01"'})),
        ({"refund_fee": None}, Unknown("answer-contradicts", {"refund_fee": "null"})),
        ({"refund_fee": "1.234"}, INVALID),
        ({"gmt_refund_pay": "soon"}, INVALID),
    ],
)
async def test_a_refund_is_done_by_fund_change_and_a_sum_that_fits(
    change: dict[str, Any], expected: Unknown
) -> None:
    assert await answered(envelope(REFUND, raw(REFUNDED | change)), "refund") == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, RefundStatus.ABSENT),
        ({"refund_status": ""}, RefundStatus.ABSENT),
        ({"refund_status": "REFUND_SUCCESS"}, INVALID),
        ({"refund_status": "REFUND_NEVER_SEEN"}, Unknown("status-unlisted")),
    ],
)
async def test_a_refund_query_says_done_or_nothing(
    fields: dict[str, Any], expected: RefundStatus | Unknown
) -> None:
    content = raw({"code": "10000", **fields})
    name = "alipay_trade_fastpay_refund_query_response"
    found = await answered(envelope(name, content), "query-refund")
    if isinstance(expected, Unknown):
        assert found == expected
    else:
        assert isinstance(found, Accepted)
        assert found.value.status is expected


REFUND_FOUND = {
    "code": "10000",
    "refund_status": "REFUND_SUCCESS",
    "out_trade_no": "TRADE0001",
    "out_request_no": "REFUND0001",
    "refund_amount": 3.45,
}


@pytest.mark.parametrize(
    ("change", "amount_fen"),
    [
        ({}, 345),
        ({"refund_amount": "1.234"}, None),
        ({"refund_amount": None}, None),
        ({"gmt_refund_pay": "yesterday"}, None),
        ({"out_request_no": "REFUND0002"}, None),
        ({"out_trade_no": "TRADE0002"}, None),
    ],
)
async def test_a_found_refund_is_the_one_asked_for_with_its_amount(
    change: dict[str, Any], amount_fen: int | None
) -> None:
    name = "alipay_trade_fastpay_refund_query_response"
    found = await answered(envelope(name, raw(REFUND_FOUND | change)), "query-refund")
    if amount_fen is None:
        assert found == INVALID
    else:
        assert isinstance(found, Accepted)
        assert (found.value.status, found.value.amount_fen) == (RefundStatus.REFUNDED, amount_fen)


@pytest.mark.parametrize(
    ("ask", "change"),
    [
        ("code", {"code": "319900000000000001"}),
        ("code", {"code": "28990000"}),
        ("code", {"amount_fen": 0}),
        ("refund", {"amount_fen": 12_346}),
        ("refund", {"refund_no": "R-1"}),
        ("refund", {"reason": ""}),
    ],
)
async def test_a_call_that_the_field_table_excludes_is_not_sent(
    ask: str, change: dict[str, Any]
) -> None:
    async with httpx.AsyncClient() as client:
        transport = Transport(client, 0.1)
        gateway = AlipayGateway(settings(), transport, transport, HandClock(), counting_nonce())
        refused: Outcome[Any]
        if ask == "code":
            order = a_code_order("289900000000000001", START)
            refused = await gateway.pay_by_code(msgspec.structs.replace(order, **change))
        else:
            refused = await gateway.refund(a_refund(**change))
    assert isinstance(refused, Rejected)
    assert (refused.reason, refused.provider_text) == ("request-invalid", next(iter(change)))


async def test_a_gateway_answer_of_another_status_says_nothing() -> None:
    assert await answered(GOOD, status=302) == INVALID


@pytest.mark.parametrize(
    ("state", "date", "expected"),
    [
        ("TRADE_FINISHED", True, PaymentStatus.PAID),
        ("TRADE_CLOSED", True, PaymentStatus.REFUNDED),
        ("TRADE_CLOSED", False, PaymentStatus.CLOSED),
        ("TRADE_NEVER_SEEN", True, Unknown("status-unlisted")),
        ("", True, Unknown("status-unlisted")),
    ],
)
async def test_a_state_that_no_table_lists_is_unknown(
    state: str, date: bool, expected: PaymentStatus | Unknown
) -> None:
    change = {"trade_status": state} | ({} if date else {"send_pay_date": None})
    found = await answered(envelope(QUERY, raw(PAID | change)))
    if isinstance(expected, Unknown):
        assert found == expected
    else:
        assert isinstance(found, Accepted)
        assert found.value.status is expected


async def test_certificate_mode_takes_named_certificates_only() -> None:
    body = raw(PAID)
    right = load_keys(settings(**by_certificates())).verifier
    known = next(iter(right._certificates))
    for number, taken in ((known, True), ("00" * 16, False), (None, False)):
        more = {} if number is None else {"alipay_cert_sn": number}
        found = await answered(envelope(QUERY, body, **more), **by_certificates())
        assert isinstance(found, Accepted) is taken


def v3_headers(body: bytes) -> dict[str, str]:
    message = v3_answer_message(timestamp="1795226400000", nonce="n", body=body)
    return {
        "alipay-timestamp": "1795226400000",
        "alipay-nonce": "n",
        "alipay-signature": SIGNER.sign(message),
    }


async def test_a_v3_answer_is_held_to_its_headers() -> None:
    body = raw(PAID)
    good = v3_headers(body)
    taken = await answered(body, headers=good, protocol="v3")
    assert isinstance(taken, Accepted)
    for name in good:
        rest = {key: value for key, value in good.items() if key != name}
        assert await answered(body, headers=rest, protocol="v3") == INVALID
        changed = {**good, name: good[name].replace("1", "2").replace("n", "m").replace("A", "B")}
        assert changed != good
        assert await answered(body, headers=changed, protocol="v3") == INVALID
    assert await answered(body + b" ", headers=good, protocol="v3") == INVALID
    assert await answered(body, headers=good, status=201, protocol="v3") == Unknown(
        "status-unlisted"
    )


async def test_a_v3_refusal_counts_only_when_signed() -> None:
    body = raw({"code": "ACQ.TRADE_NOT_EXIST", "message": "交易不存在", "details": [], "links": []})
    assert await answered(body, status=400, protocol="v3") == INVALID
    found = await answered(body, status=400, headers=v3_headers(body), protocol="v3")
    assert isinstance(found, Accepted)
    assert found.value.status is PaymentStatus.ABSENT
    broken = await answered(body, status=500, headers=v3_headers(body), protocol="v3")
    assert broken == Unknown("provider-fault")


@pytest.mark.parametrize(
    "url",
    [
        "http://elsewhere.test/bill",
        "ftp://twin.test/bill",
        "file:///etc/passwd",
        "https://user@elsewhere.test/bill",
        "https://",
        "https://[bad/bill",
        "",
    ],
)
async def test_a_bill_is_fetched_over_tls_or_from_our_own_host_only(url: str) -> None:
    name = "alipay_data_dataservice_bill_downloadurl_query_response"
    content = raw({"code": "10000", "bill_download_url": url})
    assert await answered(envelope(name, content), "bill") == INVALID


SHORT_KEY = (
    rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505 - refused below
    .private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    .decode()
)
ROOTS = next(case for case in FILE["vectors"] if case["kind"] == "root_cert_sn")["certs_pem"]
SM2_ONLY = ROOTS[: ROOTS.index("-----END CERTIFICATE-----")] + "-----END CERTIFICATE-----\n"


@pytest.mark.parametrize(
    "change",
    [
        {"app_key_pem": "x"},
        {"app_cert_pem": by_certificates()["app_cert_pem"]},
        {"app_key_pem": SHORT_KEY},
        {**by_certificates(), "alipay_root_cert_pem": SM2_ONLY},
        {"alipay_public_key_pem": "x"},
        {"alipay_public_key_pem": None},
        {"app_cert_pem": "x"},
        {**by_certificates(), "alipay_root_cert_pem": "x"},
        {**by_certificates(), "alipay_certs_pem": ()},
        {**by_certificates(), "alipay_certs_pem": ("x",)},
    ],
)
def test_settings_are_checked_when_the_gateway_is_made(change: dict[str, Any]) -> None:
    with pytest.raises(AlipayKeyRefused):
        load_keys(settings(**change))
