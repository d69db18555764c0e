"""Verifier set-ups, and answers that no twin gives: unsigned refusals, foreign numbers."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from integrations.kit.transport import Transport
from integrations.ports.outcomes import Accepted, Outcome, Rejected, Unknown
from integrations.wechatpay import signing
from integrations.wechatpay.gateway import WechatPayGateway
from integrations.wechatpay.settings import load_keys
from integrations.wechatpay.verifier import SignatureRefused
from tests.contract.wechat_rig import (
    APPID,
    MCHID,
    PUBLIC_KEY_ID,
    START,
    a_refund,
    an_order,
    counting_nonce,
    key_pair,
    settings,
)

SERIAL = 0x0A1B2C3D4E


def a_certificate(name: str) -> str:
    key = serialization.load_pem_private_key(key_pair(name)[0].encode(), None)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())  # type: ignore[arg-type]
        .serial_number(SERIAL)
        .not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2031, 1, 1, tzinfo=UTC))
        .sign(key, hashes.SHA256())  # type: ignore[arg-type]
    )
    return made.public_bytes(serialization.Encoding.PEM).decode()


def signed(body: bytes, serial: str, name: str = "wechat") -> dict[str, str]:
    stamp = str(int(START.timestamp()))
    message = signing.answer_message(timestamp=stamp, nonce="n", body=body)
    return {
        "Wechatpay-Timestamp": stamp,
        "Wechatpay-Nonce": "n",
        "Wechatpay-Serial": serial,
        "Wechatpay-Signature": signing.RsaSigningKey(key_pair(name)[0]).sign(message),
    }


@pytest.mark.parametrize(
    ("changes", "taken"),
    [
        ({}, {PUBLIC_KEY_ID}),
        ({"public_key_id": None, "public_key_pem": None}, {"0A1B2C3D4E"}),
        ({"migrating": True}, {PUBLIC_KEY_ID, "0A1B2C3D4E"}),
    ],
)
def test_each_set_up_takes_its_own_serials(changes: dict[str, Any], taken: set[str]) -> None:
    if changes:
        changes = {k: v for k, v in changes.items() if k != "migrating"}
        changes["platform_certificates_pem"] = (a_certificate("wechat"),)
    keys = load_keys(settings(**changes))
    assert keys.verifier.named in taken
    for serial in (PUBLIC_KEY_ID, "0A1B2C3D4E"):
        headers = signed(b"{}", serial)
        if serial in taken:
            keys.verifier.check(headers, b"{}", START + timedelta(seconds=299))
        else:
            with pytest.raises(SignatureRefused, match="serial-unknown"):
                keys.verifier.check(headers, b"{}", START)


async def answered(
    status: int, body: bytes, *, sign: bool = True, request: str = "query", **headers: str
) -> Outcome[Any]:
    """What the gateway makes of one answer."""
    more = signed(body, PUBLIC_KEY_ID) if sign else {}
    client = httpx.AsyncClient(
        transport=httpx.MockTransport(
            lambda _: httpx.Response(status, content=body, headers=more | headers)
        )
    )
    gateway = WechatPayGateway(settings(), Transport(client, 5.0), lambda: START, counting_nonce())
    if request == "place":
        return await gateway.place(an_order("TRADE0001", START))
    if request == "refund":
        return await gateway.refund(a_refund())
    if request == "close":
        return await gateway.close("TRADE0001")
    return await gateway.query("TRADE0001")


async def test_an_unsigned_refusal_is_taken_by_its_code_but_no_success_is() -> None:
    refused = await answered(401, b'{"code":"SIGN_ERROR"}', sign=False)
    assert isinstance(refused, Rejected)
    assert await answered(200, b"{}", sign=False) == Unknown("answer-invalid")
    assert await answered(204, b"", sign=False, request="close") == Unknown("answer-invalid")


async def test_a_refusal_signed_wrongly_is_not_believed() -> None:
    body = b'{"code":"ORDER_NOT_EXIST"}'
    forged = signed(b"other", PUBLIC_KEY_ID)
    assert await answered(404, body, sign=False, **forged) == Unknown("answer-invalid")


async def test_a_page_of_some_proxy_is_no_refusal() -> None:
    assert await answered(404, b"<html>", sign=False) == Unknown("status-unlisted")
    assert await answered(403, b"", sign=False) == Unknown("status-unlisted")


async def test_an_unlisted_2xx_is_unknown() -> None:
    assert await answered(202, b'{"code":"USERPAYING"}') == Unknown("payer-busy")
    assert await answered(206, b"{}") == Unknown("status-unlisted")


async def test_a_paid_order_is_known_by_the_request_id_on_close() -> None:
    body = b'{"code":"INVALID_REQUEST","message":"x"}'
    told = await answered(400, body, request="close", **{"Request-ID": "08AB-268449538"})
    plain = await answered(400, body, request="close", **{"Request-ID": "08AB-0"})
    assert isinstance(told, Rejected)
    assert isinstance(plain, Rejected)
    assert (told.reason, plain.reason) == ("already-paid", "against-rule")


@pytest.mark.parametrize("change", ["mchid", "appid", "out_trade_no"])
async def test_a_signed_answer_about_something_else_is_invalid(change: str) -> None:
    right = {"mchid": MCHID, "appid": APPID, "out_trade_no": "TRADE0001", "trade_state": "NOTPAY"}
    assert isinstance(await answered(200, msgspec.json.encode(right)), Accepted)
    wrong = msgspec.json.encode(right | {change: "other"})
    assert await answered(200, wrong) == Unknown("answer-invalid")


async def test_a_refund_answer_of_another_amount_is_invalid() -> None:
    body = {
        "refund_id": "5030",
        "out_refund_no": "REFUND0001",
        "out_trade_no": "TRADE0001",
        "status": "SUCCESS",
        "amount": {"refund": 12_345, "total": 12_345},
    }
    assert isinstance(await answered(200, msgspec.json.encode(body), request="refund"), Accepted)
    less = msgspec.json.encode(body | {"amount": {"refund": 1, "total": 12_345}})
    assert await answered(200, less, request="refund") == Unknown("answer-invalid")


async def test_an_order_answer_without_its_reference_is_invalid() -> None:
    assert await answered(200, b'{"code_url":"x"}', request="place") == Unknown("answer-invalid")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("way", "barter"),
        ("trade_no", "short"),
        ("trade_no", "x" * 33),
        ("trade_no", "TRADE_0001"),
        ("amount_fen", 0),
        ("amount_fen", 10**12),
        ("description", ""),
        ("description", "长" * 128),
        ("payer", None),
        ("notice_url", ""),
    ],
)
async def test_an_order_outside_the_field_table_is_not_sent(field: str, value: Any) -> None:
    def unexpected(_: httpx.Request) -> httpx.Response:
        raise AssertionError("sent")

    client = httpx.AsyncClient(transport=httpx.MockTransport(unexpected))
    gateway = WechatPayGateway(settings(), Transport(client, 5.0), lambda: START, counting_nonce())
    outcome = await gateway.place(
        an_order(**({"trade_no": "TRADE0001", "at": START, field: value}))
    )
    assert outcome == Rejected(reason="request-invalid", provider_code="", provider_text=field)
