"""Notices and answers that a provider's own key signed rightly, with whatever a test wants in them.

Written from the documents, not with the adapters' code. Keys and names are the twins' rigs'.
"""

import base64
import json
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any, Protocol
from urllib.parse import urlencode

import httpx
import msgspec
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from integrations.kit.transport import Answer
from service.payment.model import PaymentAttempt
from tests.contract import alipay_rig, wechat_rig

BEIJING = timezone(timedelta(hours=8))
Message = tuple[dict[str, str], bytes]
"""Headers and body."""


def rsa_sign(pem: str, message: bytes) -> str:
    """PKCS#1 v1.5 with SHA-256, base64."""
    key = serialization.load_pem_private_key(pem.encode(), password=None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return base64.b64encode(key.sign(message, padding.PKCS1v15(), hashes.SHA256())).decode()


class Forger(Protocol):
    """What one provider would say of a paid attempt, and how it signs."""

    def facts(self, attempt: PaymentAttempt, at: datetime, **changes: Any) -> dict[str, Any]:
        """The trade as paid, with changes."""

    def notice(self, facts: dict[str, Any], at: datetime, **how: Any) -> Message:
        """A signed notice of these facts."""

    def answer(self, facts: dict[str, Any], at: datetime, **how: Any) -> Message:
        """A signed answer to a question about the trade."""


class WechatForger:
    """WeChat Pay v3 with its public key."""

    def facts(self, attempt: PaymentAttempt, at: datetime, **changes: Any) -> dict[str, Any]:
        amount = {
            "total": changes.pop("total", attempt.amount_fen),
            "payer_total": attempt.amount_fen,
            "currency": changes.pop("currency", "CNY"),
            "payer_currency": "CNY",
        }
        return {
            "appid": wechat_rig.APPID,
            "mchid": wechat_rig.MCHID,
            "out_trade_no": attempt.trade_no,
            "transaction_id": f"42000000{attempt.trade_no[-12:]}",
            "trade_type": "NATIVE",
            "trade_state": "SUCCESS",
            "trade_state_desc": "支付成功",
            "bank_type": "OTHERS",
            "success_time": at.astimezone(BEIJING).isoformat(timespec="seconds"),
            "payer": {"openid": wechat_rig.PAYER},
            "amount": amount,
            **changes,
        }

    def notice(self, facts: dict[str, Any], at: datetime, **how: Any) -> Message:
        nonce, context = "n0123456789a", "transaction"
        plain = json.dumps(facts, ensure_ascii=False).encode(how.get("charset", "utf-8"))
        key = str(how.get("api_key", wechat_rig.API_V3_KEY)).encode()
        sealed = AESGCM(key).encrypt(nonce.encode(), plain, context.encode())
        body = json.dumps(
            {
                "id": how.get("notice_id", f"EV-{facts['out_trade_no']}"),
                "create_time": at.astimezone(BEIJING).isoformat(timespec="seconds"),
                "resource_type": "encrypt-resource",
                "event_type": how.get("event", "TRANSACTION.SUCCESS"),
                "summary": "支付成功",
                "resource": {
                    "original_type": context,
                    "algorithm": "AEAD_AES_256_GCM",
                    "ciphertext": base64.b64encode(sealed).decode(),
                    "associated_data": context,
                    "nonce": nonce,
                },
            },
            ensure_ascii=False,
        ).encode()
        return self._headers(body, at, **how), body

    def answer(self, facts: dict[str, Any], at: datetime, **how: Any) -> Message:
        body = json.dumps(facts, ensure_ascii=False).encode(how.get("charset", "utf-8"))
        return self._headers(body, at, **how), body

    def _headers(self, body: bytes, at: datetime, **how: Any) -> dict[str, str]:
        stamp = str(int((at - timedelta(seconds=how.get("old_s", 0))).timestamp()))
        pem = wechat_rig.key_pair(how.get("key", "wechat"))[0]
        message = f"{stamp}\nnonce1\n".encode() + body + b"\n"
        return {
            "Wechatpay-Timestamp": stamp,
            "Wechatpay-Nonce": "nonce1",
            "Wechatpay-Signature": rsa_sign(pem, message),
            "Wechatpay-Serial": wechat_rig.PUBLIC_KEY_ID,
            "Content-Type": "application/json",
        }


class AlipayForger:
    """Alipay's gateway protocol with its public key."""

    def facts(self, attempt: PaymentAttempt, at: datetime, **changes: Any) -> dict[str, Any]:
        total = changes.pop("total", attempt.amount_fen)
        return {
            "out_trade_no": attempt.trade_no,
            "trade_no": f"20261121220014{attempt.trade_no[-12:]}",
            "trade_status": "TRADE_SUCCESS",
            "total_amount": f"{total // 100}.{total % 100:02d}",
            "buyer_open_id": alipay_rig.PAYER,
            "gmt_payment": _spaced(at),
            "send_pay_date": _spaced(at),
            **changes,
        }

    def notice(self, facts: dict[str, Any], at: datetime, **how: Any) -> Message:
        form = {
            "notify_type": how.get("event", "trade_status_sync"),
            "notify_id": how.get("notice_id", f"EV{facts['out_trade_no']}"),
            "notify_time": _spaced(at),
            "app_id": alipay_rig.APP_ID,
            "seller_id": alipay_rig.SELLER_ID,
            "charset": "utf-8",
            "version": "1.0",
            "subject": "医疗费用",
            "sign_type": "RSA2",
            **facts,
        }
        signed = {name: text for name, text in form.items() if name not in {"sign", "sign_type"}}
        charset = how.get("charset", "utf-8")
        message = "&".join(f"{name}={signed[name]}" for name in sorted(signed)).encode(charset)
        pem = alipay_rig.key_pair(how.get("key", "alipay"))[0]
        return {}, urlencode({**form, "sign": rsa_sign(pem, message)}, encoding=charset).encode()

    def answer(self, facts: dict[str, Any], at: datetime, **how: Any) -> Message:
        content = {"code": "10000", "msg": "成功", **facts}
        node = json.dumps(content, ensure_ascii=False).encode(how.get("charset", "utf-8"))
        pem = alipay_rig.key_pair(how.get("key", "alipay"))[0]
        tail = f',"sign":"{rsa_sign(pem, node)}"}}'.encode()
        return {}, b'{"alipay_trade_query_response":' + node + tail


def _spaced(at: datetime) -> str:
    return at.astimezone(BEIJING).strftime("%Y-%m-%d %H:%M:%S")


class MadeUp(httpx.AsyncBaseTransport):
    """A wire on which answers are replaced; ``change`` gets the true one."""

    def __init__(
        self, inner: httpx.AsyncBaseTransport, change: Callable[[httpx.Response], httpx.Response]
    ) -> None:
        self._inner = inner
        self._change = change

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await self._inner.handle_async_request(request)
        await answer.aread()
        return self._change(answer)


class Changed:
    """The bureau's line; the next answer to 2207 arrives changed. The bureau did its work.

    ``how``: other bytes, another charset, another result code, or other members of ``setlinfo``.
    """

    def __init__(self, inner: Any, how: Any) -> None:
        self.inner = inner
        self.how = how
        self.met = 0

    async def send(self, *, method: str, url: str, headers: Any, content: bytes) -> Answer:
        answer = await self.inner.send(method=method, url=url, headers=headers, content=content)
        if not url.endswith("2207") or self.met:
            return answer
        self.met += 1
        return msgspec.structs.replace(answer, body=self.changed(answer.body))

    def changed(self, body: bytes) -> bytes:
        if isinstance(self.how, bytes):
            return self.how
        told = json.loads(body)
        match self.how:
            case str(charset):
                told["err_msg"] = "成功"
                return json.dumps(told, ensure_ascii=False).encode(charset)
            case int(code):
                told["infcode"] = code
            case {**node}:
                told["output"]["setlinfo"] |= node["setlinfo"]
        return json.dumps(told).encode()
