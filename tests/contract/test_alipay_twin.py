"""The twin's own rules by hand-signed calls: what it refuses, and under which sub-code."""

import json
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from integrations.alipay import signing
from integrations.kit.clocktext import spaced_text
from tests.contract.alipay_rig import APP_ID, PAYER, Rig, key_pair

DONE = ("10000", "")


async def ask(rig: Rig, method: str, biz: dict[str, Any] | str, **public: str) -> tuple[str, str]:
    """Code and sub-code of a rightly signed call."""
    form = {
        "app_id": APP_ID,
        "method": f"alipay.trade.{method}" if "." not in method else method,
        "charset": "utf-8",
        "sign_type": "RSA2",
        "timestamp": spaced_text(rig.clock()),
        "version": "1.0",
        "biz_content": biz if isinstance(biz, str) else json.dumps(biz),
        **public,
    }
    signed = {k: v for k, v in form.items() if v}
    sign = signing.SigningKey(key_pair("app")[0]).sign(signing.gateway_message(signed))
    answer = await rig.client.post(
        "/gateway.do",
        content=urlencode({**signed, "sign": sign}),
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    (found,) = [value for name, value in answer.json().items() if name.endswith("_response")]
    return found["code"], found.get("sub_code", "")


def create(**changes: Any) -> dict[str, Any]:
    fields = {
        "out_trade_no": "TRADE0001",
        "total_amount": "123.45",
        "subject": "门诊缴费",
        "product_code": "JSAPI_PAY",
        "op_app_id": APP_ID,
        "buyer_open_id": PAYER,
    }
    return {name: value for name, value in (fields | changes).items() if value is not None}


INVALID = ("40004", "ACQ.INVALID_PARAMETER")


@pytest.mark.parametrize(
    "change",
    [
        {"total_amount": "123.4"},
        {"total_amount": "0.00"},
        {"total_amount": "-1.00"},
        {"total_amount": "01.00"},
        {"total_amount": 123.45},
        {"total_amount": "999999999.99"},
        {"out_trade_no": "TRADE-1"},
        {"out_trade_no": "T" * 65},
        {"subject": ""},
        {"op_app_id": None},
        {"buyer_open_id": None},
        {"buyer_id": "2088990000000003"},
        {"product_code": "FACE_TO_FACE_PAYMENT"},
        {"time_expire": "2026-11-21T10:30:00"},
        {"time_expire": "2026-11-21 09:59:59"},
    ],
)
async def test_an_order_that_the_field_table_excludes_is_refused(change: dict[str, Any]) -> None:
    rig = Rig()
    assert await ask(rig, "create", create(**change)) == INVALID
    assert (await rig.book())["trades"] == []


@pytest.mark.parametrize(
    "change",
    [{"scene": "wave_code"}, {"auth_code": "31" + "9" * 16}, {"auth_code": "28"}],
)
async def test_a_code_payment_is_of_one_form(change: dict[str, str]) -> None:
    fields = {
        "out_trade_no": "TRADE0001",
        "total_amount": "1.00",
        "subject": "x",
        "product_code": "FACE_TO_FACE_PAYMENT",
        "scene": "bar_code",
        "auth_code": "289900000000000001",
    }
    assert await ask(Rig(), "pay", fields | change) == INVALID
    assert await ask(Rig(), "pay", fields) == DONE


@pytest.mark.parametrize("url", ["http://elsewhere.test/n", "ftp://x", "https://[", "nonsense"])
async def test_notices_go_to_tls_or_to_the_own_machine(url: str) -> None:
    assert await ask(Rig(), "create", create(), notify_url=url) == INVALID
    assert await ask(Rig(), "create", create(), notify_url="http://127.0.0.1:1/n") == DONE


async def test_an_order_without_a_time_lives_fifteen_days() -> None:
    rig = Rig()
    assert await ask(rig, "create", create()) == DONE
    rig.clock.forward(days=14)
    assert await ask(rig, "query", {"out_trade_no": "TRADE0001"}) == DONE
    rig.clock.forward(days=1)
    await ask(rig, "query", {"out_trade_no": "TRADE0001"})
    assert (await rig.book())["trades"][0]["trade_status"] == "TRADE_CLOSED"


async def test_no_number_and_no_json_are_refused() -> None:
    rig = Rig()
    for method in ("query", "close", "cancel", "refund"):
        assert await ask(rig, method, {}) == INVALID
        assert await ask(rig, method, "[" * 200) == INVALID
    code, sub_code = await ask(rig, "alipay.trade.unheard.of", {})
    assert (code, sub_code) == ("40002", "isv.invalid-method")


async def test_alipays_number_goes_before_the_merchants() -> None:
    rig = Rig()
    await rig.paid("TRADE0001")
    await rig.placed("TRADE0002")
    first = (await rig.book())["trades"][0]["trade_no"]
    both = {"out_trade_no": "TRADE0002", "trade_no": first, "refund_amount": "123.45"}
    assert await ask(rig, "refund", both) == DONE
    assert [row["out_trade_no"] for row in (await rig.book())["refunds"]] == ["TRADE0001"]


@pytest.mark.parametrize(
    ("fields", "sub_code"),
    [
        ({"refund_amount": "1.0"}, "INVALID_PARAMETER"),
        ({"refund_amount": "100.00"}, "REFUND_AMT_NOT_EQUAL_TOTAL"),
        ({"refund_amount": "123.46", "out_request_no": "R1"}, "REASON_TRADE_REFUND_FEE_ERR"),
    ],
)
async def test_a_refund_of_a_wrong_amount_is_refused(fields: dict[str, str], sub_code: str) -> None:
    rig = Rig()
    await rig.paid()
    refused = await ask(rig, "refund", {"out_trade_no": "TRADE0001", **fields})
    assert refused == ("40004", f"ACQ.{sub_code}")
    assert (await rig.book())["refunds"] == []


async def test_only_a_paid_trade_is_refunded() -> None:
    rig = Rig()
    await rig.placed()
    whole = {"out_trade_no": "TRADE0001", "refund_amount": "123.45"}
    assert await ask(rig, "refund", whole) == ("40004", "ACQ.TRADE_STATUS_ERROR")
    assert await ask(rig, "close", whole) == DONE
    assert await ask(rig, "refund", whole) == ("40004", "ACQ.TRADE_HAS_CLOSE")
    assert await ask(rig, "close", whole) == ("40004", "ACQ.TRADE_STATUS_ERROR")


async def test_pending_refunds_count_against_the_sum() -> None:
    rig = Rig()
    await rig.paid()
    await rig.fault("refund-pending", number="R1", delay_ms=60_000)
    first = {"out_trade_no": "TRADE0001", "refund_amount": "100.00", "out_request_no": "R1"}
    assert await ask(rig, "refund", first) == DONE
    refused = await ask(rig, "refund", first | {"out_request_no": "R2"})
    assert refused == ("40004", "ACQ.REASON_TRADE_REFUND_FEE_ERR")
    same = await ask(rig, "refund", first | {"refund_amount": "99.00"})
    assert same == ("40004", "ACQ.DISCORDANT_REPEAT_REQUEST")


async def test_a_cancel_is_refused_after_a_refund_and_after_the_end() -> None:
    rig = Rig()
    await rig.paid("TRADE0001")
    part = {"out_trade_no": "TRADE0001", "refund_amount": "1.00", "out_request_no": "R1"}
    assert await ask(rig, "refund", part) == DONE
    refused = await ask(rig, "cancel", {"out_trade_no": "TRADE0001"})
    assert refused == ("40004", "ACQ.REASON_TRADE_REFUND_FEE_ERR")
    rig.clock.forward(days=366)
    over = await ask(rig, "cancel", {"out_trade_no": "TRADE0001"})
    assert over == ("40004", "ACQ.TRADE_HAS_FINISHED")


async def test_a_shown_code_ends_at_its_time() -> None:
    rig = Rig()
    qr_code = await rig.placed(way="native", payer=None)
    rig.clock.forward(minutes=31)
    late = await rig.client.post("/sandbox/scan", json={"qr_code": qr_code})
    assert late.json()["code"] == "ACQ.TRADE_HAS_CLOSE"


@pytest.mark.parametrize(
    ("public", "answer"),
    [
        ({"timestamp": "2026-11-21"}, ("40002", "isv.invalid-timestamp")),
        ({"timestamp": ""}, ("40001", "isv.missing-timestamp")),
        ({"charset": "gbk"}, ("40002", "isv.invalid-charset")),
        ({"sign_type": "RSA"}, ("40002", "isv.invalid-sign-type")),
        ({"app_auth_token": "unknown"}, ("20001", "aop.invalid-app-auth-token")),
        ({"app_cert_sn": "00"}, ("40002", "isv.invalid-app-cert-sn")),
    ],
)
async def test_public_parameters_are_checked(
    public: dict[str, str], answer: tuple[str, str]
) -> None:
    assert await ask(Rig(), "query", {"out_trade_no": "TRADE0001"}, **public) == answer


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"bill_type": "signcustomer", "bill_date": "2026-11-20"}, "ACQ.INVALID_PARAMETER"),
        ({"bill_type": "trade", "bill_date": "2026-11"}, "ACQ.INVALID_PARAMETER"),
        ({"bill_type": "trade", "bill_date": "2026-13-40"}, "ACQ.INVALID_PARAMETER"),
        ({"bill_type": "trade", "bill_date": "2026-11-20"}, "isp.bill_not_exist"),
    ],
)
async def test_there_is_one_kind_of_bill_by_the_day(fields: dict[str, str], code: str) -> None:
    method = "alipay.data.dataservice.bill.downloadurl.query"
    assert await ask(Rig(), method, fields) == ("40004", code)


@pytest.mark.parametrize(
    "change",
    [
        {"Authorization": ""},
        {"Authorization": "ALIPAY-SHA256withRSA app_id=x,sign=AAAA"},
        {"Authorization": "ALIPAY-SHA256withRSA app_id=1,app_id=2,nonce=n,timestamp=1,sign=AAAA"},
        {"Authorization": f"ALIPAY-SHA256withRSA app_id={APP_ID},nonce=n,timestamp=1,sign=AAAA"},
        {"Authorization": "ALIPAY-SHA256withRSA " + "a" * 3000},
        {"alipay-app-auth-token": "added-behind-the-signature"},
        {"alipay-root-cert-sn": "00"},
        {"Content-Type": "text/plain"},
        {"stamp": "1795226400"},
        {"late": "1"},
    ],
)
async def test_a_v3_line_is_checked_item_by_item(change: dict[str, str]) -> None:
    rig = Rig()
    at = rig.clock() - timedelta(minutes=11 if "late" in change else 0)
    stamp = int(change.get("stamp", int(at.timestamp() * 1000)))
    auth = signing.auth_text(app_id=APP_ID, app_cert_sn=None, nonce="n", timestamp_ms=stamp)
    path, body = "/v3/alipay/trade/query", b'{"out_trade_no":"TRADE0001"}'
    message = signing.v3_message(
        auth=auth, method="POST", path_and_query=path, body=body, app_auth_token=None
    )
    sign = signing.SigningKey(key_pair("app")[0]).sign(message)
    headers = {
        "Authorization": f"{signing.SCHEME} {auth},sign={sign}",
        "Content-Type": "application/json",
    }
    good = await rig.client.post(path, content=body, headers=headers)
    if "stamp" not in change and "late" not in change:
        assert good.json()["code"] == "ACQ.TRADE_NOT_EXIST"
    bad = await rig.client.post(path, content=body, headers=headers | change)
    assert bad.status_code == 400
    assert bad.json()["code"].startswith("isv.invalid-")


async def test_faults_and_clock_are_told_by_their_routes() -> None:
    rig = Rig()
    await rig.control("faults/random", seed=3, rate_permille=1000, faults=["error-before"])
    assert (await ask(rig, "query", {"out_trade_no": "TRADE0001"}))[0] == "20000"
    await rig.control("faults/clear")
    assert (await ask(rig, "query", {"out_trade_no": "TRADE0001"}))[0] == "40004"
    for body in ({"trade_no": "1", "qr_code": "2"}, {}, {"qr_code": "https://elsewhere/x"}):
        assert (await rig.client.post("/sandbox/pay", json=body)).status_code == 400
    backwards = await rig.client.post("/sandbox/clock", json={"forward_s": -1})
    assert backwards.status_code == 400
