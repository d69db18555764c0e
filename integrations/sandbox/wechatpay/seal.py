"""The twin's side of signatures and seals: checks requests, signs answers and notices (1.2-1.6)."""

import base64
import binascii
import re
import secrets
from collections.abc import Mapping
from datetime import datetime

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from integrations.sandbox.wechatpay.model import Refused, TwinKeys, TwinMerchant

SCHEME = "WECHATPAY2-SHA256-RSA2048"
ITEMS = frozenset({"mchid", "nonce_str", "signature", "timestamp", "serial_no"})
AUTHORIZATION_MAX = 2048
WINDOW_S = 300

_ITEM = re.compile(r'([a-z_]{1,16})="([^",]{1,1024})"', re.ASCII)
_SECONDS = re.compile(r"[0-9]{1,12}", re.ASCII)


def parse_authorization(line: str) -> dict[str, str]:
    """The five items of an Authorization line, each exactly once. Raises ``Refused``."""
    scheme, _, rest = line[: AUTHORIZATION_MAX + 1].partition(" ")
    if scheme != SCHEME or len(line) > AUTHORIZATION_MAX:
        raise _sign_error("Authorization 认证类型不正确")
    items: dict[str, str] = {}
    for part in rest.split(","):
        found = _ITEM.fullmatch(part.strip(" "))
        if found is None or found.group(1) in items:
            raise _sign_error("Authorization 格式不正确")
        items[found.group(1)] = found.group(2)
    if items.keys() != ITEMS:
        raise _sign_error("Authorization 缺少或多出字段")
    return items


class TwinSeal:
    """Merchants' public keys and the twin's private key."""

    def __init__(self, keys: TwinKeys) -> None:
        self._keys = keys
        self._merchants = {merchant.mchid: merchant for merchant in keys.merchants}
        self._public: dict[str, rsa.RSAPublicKey] = {}
        for merchant in keys.merchants:
            public = serialization.load_pem_public_key(merchant.public_key_pem.encode())
            if not isinstance(public, rsa.RSAPublicKey):
                raise TypeError("a merchant's key is no RSA key")
            self._public[merchant.mchid] = public
        private = serialization.load_pem_private_key(keys.private_key_pem.encode(), None)
        if not isinstance(private, rsa.RSAPrivateKey):
            raise TypeError("the twin's key is no RSA key")
        self._private = private

    @property
    def public_key_id(self) -> str:
        """The id that answers name as ``Wechatpay-Serial``."""
        return self._keys.public_key_id

    def merchant(self, mchid: str) -> TwinMerchant | None:
        """The merchant of that number."""
        return self._merchants.get(mchid)

    def authenticate(
        self, *, method: str, target: str, headers: Mapping[str, str], body: bytes, at: datetime
    ) -> TwinMerchant:
        """Who signed this request. ``target`` is path and query as on the wire."""
        items = parse_authorization(headers.get("authorization", ""))
        merchant = self._merchants.get(items["mchid"])
        if merchant is None:
            raise _sign_error("商户号不存在")
        if items["serial_no"] != merchant.serial:
            raise _sign_error("商户证书序列号不正确")
        if _SECONDS.fullmatch(items["timestamp"]) is None or (
            abs(at.timestamp() - int(items["timestamp"])) > WINDOW_S
        ):
            raise _sign_error("Authorization 时间戳与服务器时间相差超过 5 分钟")
        if len(items["nonce_str"]) > 32:
            raise _sign_error("nonce_str 超过 32 个字符")
        head = f"{method}\n{target}\n{items['timestamp']}\n{items['nonce_str']}\n"
        if not self._holds(merchant.mchid, head.encode() + body + b"\n", items["signature"]):
            raise _sign_error("签名验证失败")
        _check_headers(headers, self.public_key_id, has_body=bool(body))
        return merchant

    def client_signature_holds(self, mchid: str, fields: Mapping[str, str]) -> bool:
        """Whether ``paySign`` over appId, timeStamp, nonceStr and package is the merchant's."""
        lines = [fields.get(name, "") for name in ("appId", "timeStamp", "nonceStr", "package")]
        message = "".join(f"{line}\n" for line in lines).encode()
        return fields.get("signType") == "RSA" and self._holds(
            mchid, message, fields.get("paySign", "")
        )

    def _holds(self, mchid: str, message: bytes, signature: str) -> bool:
        try:
            self._public[mchid].verify(
                base64.b64decode(signature, validate=True),
                message,
                padding.PKCS1v15(),
                hashes.SHA256(),
            )
        except (InvalidSignature, binascii.Error, ValueError):
            return False
        return True

    def signed_headers(self, body: bytes, at: datetime) -> dict[str, str]:
        """The signature headers of an answer or notice sent now."""
        timestamp, nonce = str(int(at.timestamp())), secrets.token_hex(16)
        signature = self._private.sign(
            f"{timestamp}\n{nonce}\n".encode() + body + b"\n",
            padding.PKCS1v15(),
            hashes.SHA256(),
        )
        return {
            "Wechatpay-Timestamp": timestamp,
            "Wechatpay-Nonce": nonce,
            "Wechatpay-Signature": base64.b64encode(signature).decode("ascii"),
            "Wechatpay-Serial": self.public_key_id,
            "Wechatpay-Signature-Type": SCHEME,
        }

    def sealed(self, merchant: TwinMerchant, plain: bytes, associated: str) -> dict[str, str]:
        """The ``resource`` members that carry the ciphertext of a notice."""
        nonce = secrets.token_hex(6)
        box = AESGCM(merchant.api_v3_key.encode())
        ciphertext = box.encrypt(nonce.encode(), plain, associated.encode())
        return {
            "algorithm": "AEAD_AES_256_GCM",
            "ciphertext": base64.b64encode(ciphertext).decode("ascii"),
            "associated_data": associated,
            "nonce": nonce,
        }


def _check_headers(headers: Mapping[str, str], public_key_id: str, *, has_body: bool) -> None:
    if not headers.get("user-agent", "").strip():
        raise Refused(400, "PARAM_ERROR", "User-Agent 不能为空")
    if "application/json" not in headers.get("accept", ""):
        raise Refused(400, "PARAM_ERROR", "Accept 应为 application/json")
    if has_body and not headers.get("content-type", "").startswith("application/json"):
        raise Refused(400, "PARAM_ERROR", "Content-Type 应为 application/json")
    if headers.get("wechatpay-serial", public_key_id) != public_key_id:
        raise Refused(400, "PARAM_ERROR", "Wechatpay-Serial 不是有效的微信支付公钥 ID")


def _sign_error(message: str) -> Refused:
    return Refused(401, "SIGN_ERROR", message)
