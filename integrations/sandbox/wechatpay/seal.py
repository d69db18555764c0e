"""The twin's side of signatures and seals: checks requests, signs answers and notices (1.2-1.6)."""

import base64
import binascii
import re
import secrets
from collections.abc import Mapping
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from crypto import keyfiles, sm2, sm3, sm4
from crypto.errors import CryptoError
from integrations.sandbox.wechatpay.model import Refused, TwinKeys, TwinMerchant

SCHEME = "WECHATPAY2-SHA256-RSA2048"
SM_SCHEME = "WECHATPAY2-SM2-WITH-SM3"
ITEMS = frozenset({"mchid", "nonce_str", "signature", "timestamp", "serial_no"})
AUTHORIZATION_MAX = 2048
WINDOW_S = 300

_ITEM = re.compile(r'([a-z_]{1,16})="([^",]{1,1024})"', re.ASCII)
_SECONDS = re.compile(r"[0-9]{1,12}", re.ASCII)


def parse_authorization(line: str) -> dict[str, str]:
    """The five items of an Authorization line, each exactly once. Raises ``Refused``."""
    scheme, _, rest = line[: AUTHORIZATION_MAX + 1].partition(" ")
    if scheme not in {SCHEME, SM_SCHEME} or len(line) > AUTHORIZATION_MAX:
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


class RsaParty:
    """Whoever has this RSA public key."""

    def __init__(self, pem: str) -> None:
        public = serialization.load_pem_public_key(pem.encode())
        if not isinstance(public, rsa.RSAPublicKey):
            raise TypeError("a merchant's key is no RSA key")
        self._public = public

    def holds(self, message: bytes, signature: str) -> bool:
        """Whether the base64 signature is over exactly this message."""
        try:
            self._public.verify(
                base64.b64decode(signature, validate=True),
                message,
                padding.PKCS1v15(),
                hashes.SHA256(),
            )
        except (InvalidSignature, binascii.Error, ValueError):
            return False
        return True


class SmParty:
    """Whoever has this SM2 public key; signatures are DER."""

    def __init__(self, pem: str) -> None:
        self._public = keyfiles.load_public_pem(pem)

    def holds(self, message: bytes, signature: str) -> bool:
        """Whether the base64 signature is over exactly this message."""
        try:
            return self._public.verify_der(message, base64.b64decode(signature, validate=True))
        except (CryptoError, binascii.Error, ValueError):
            return False


class TwinSeal:
    """Merchants' public keys and the twin's private keys."""

    def __init__(self, keys: TwinKeys) -> None:
        self._keys = keys
        self._merchants = {merchant.mchid: merchant for merchant in keys.merchants}
        self._parties = {one.mchid: _party(one) for one in keys.merchants}
        self._clients = {
            one.mchid: RsaParty(one.client_public_key_pem or one.public_key_pem)
            for one in keys.merchants
            if one.scheme == "RSA" or one.client_public_key_pem
        }
        private = serialization.load_pem_private_key(keys.private_key_pem.encode(), None)
        if not isinstance(private, rsa.RSAPrivateKey):
            raise TypeError("the twin's key is no RSA key")
        self._private = private
        self._sm = (
            keyfiles.load_private_pem(keys.sm_private_key_pem) if keys.sm_private_key_pem else None
        )
        self._serials = [
            f"{x509.load_pem_x509_certificate(pem.encode()).serial_number:X}"
            for pem in keys.certificates_pem
        ]

    def serial(self, scheme: str) -> str:
        """What answers name as ``Wechatpay-Serial``."""
        if scheme == SM_SCHEME:
            return self._keys.sm_public_key_id
        return self._serials[-1] if self._serials else self._keys.public_key_id

    def certificates(self, merchant: TwinMerchant) -> list[dict[str, object]]:
        """Every platform certificate, sealed for the merchant (1.5)."""
        return [
            {
                "serial_no": serial,
                "effective_time": "",
                "expire_time": "",
                "encrypt_certificate": self.sealed(merchant, pem.encode(), "certificate"),
            }
            for serial, pem in zip(self._serials, self._keys.certificates_pem, strict=True)
        ]

    def merchant(self, mchid: str) -> TwinMerchant | None:
        """The merchant of that number."""
        return self._merchants.get(mchid)

    def authenticate(
        self, *, method: str, target: str, headers: Mapping[str, str], body: bytes, at: datetime
    ) -> TwinMerchant:
        """Who signed this request. ``target`` is path and query as on the wire."""
        line = headers.get("authorization", "")
        items = parse_authorization(line)
        merchant = self._merchants.get(items["mchid"])
        if merchant is None:
            raise _sign_error("商户号不存在")
        if line.partition(" ")[0] != scheme_of(merchant):
            raise _sign_error("认证类型与商户不符")
        if items["serial_no"] != merchant.serial:
            raise _sign_error("商户证书序列号不正确")
        if _SECONDS.fullmatch(items["timestamp"]) is None or (
            abs(at.timestamp() - int(items["timestamp"])) > WINDOW_S
        ):
            raise _sign_error("Authorization 时间戳与服务器时间相差超过 5 分钟")
        if len(items["nonce_str"]) > 32:
            raise _sign_error("nonce_str 超过 32 个字符")
        head = f"{method}\n{target}\n{items['timestamp']}\n{items['nonce_str']}\n"
        if not self._parties[merchant.mchid].holds(
            head.encode() + body + b"\n", items["signature"]
        ):
            raise _sign_error("签名验证失败")
        known = {self.serial(scheme_of(merchant)), *self._serials}
        _check_headers(headers, known, has_body=bool(body))
        return merchant

    def client_signature_holds(self, mchid: str, fields: Mapping[str, str]) -> bool:
        """Whether ``paySign`` over appId, timeStamp, nonceStr and package is the merchant's."""
        lines = [fields.get(name, "") for name in ("appId", "timeStamp", "nonceStr", "package")]
        message = "".join(f"{line}\n" for line in lines).encode()
        client = self._clients.get(mchid)
        if client is None or fields.get("signType") != "RSA":
            return False
        return client.holds(message, fields.get("paySign", ""))

    def signed_headers(self, body: bytes, at: datetime, scheme: str = SCHEME) -> dict[str, str]:
        """The signature headers of an answer or notice sent now."""
        timestamp, nonce = str(int(at.timestamp())), secrets.token_hex(16)
        message = f"{timestamp}\n{nonce}\n".encode() + body + b"\n"
        if scheme == SM_SCHEME and self._sm is not None:
            signature = self._sm.sign_der(message)
        else:
            scheme = SCHEME
            signature = self._private.sign(message, padding.PKCS1v15(), hashes.SHA256())
        return {
            "Wechatpay-Timestamp": timestamp,
            "Wechatpay-Nonce": nonce,
            "Wechatpay-Signature": base64.b64encode(signature).decode("ascii"),
            "Wechatpay-Serial": self.serial(scheme),
            "Wechatpay-Signature-Type": scheme,
        }

    def sealed(self, merchant: TwinMerchant, plain: bytes, associated: str) -> dict[str, str]:
        """The ``resource`` members that carry the ciphertext of a notice."""
        nonce = secrets.token_hex(6)
        key = merchant.api_v3_key.encode()
        if merchant.scheme == "SM":
            algorithm = "AEAD_SM4_GCM"
            sealed = sm4.gcm_encrypt(sm3.sm3(key)[:16], nonce.encode(), plain, associated.encode())
        else:
            algorithm = "AEAD_AES_256_GCM"
            sealed = AESGCM(key).encrypt(nonce.encode(), plain, associated.encode())
        return {
            "algorithm": algorithm,
            "ciphertext": base64.b64encode(sealed).decode("ascii"),
            "associated_data": associated,
            "nonce": nonce,
        }

    def open_field(self, merchant: TwinMerchant, text: str) -> str:
        """A sensitive field that was sealed for the twin's key. Raises ``Refused``."""
        try:
            sealed = base64.b64decode(text, validate=True)
            if merchant.scheme == "SM" and self._sm is not None:
                return self._sm.decrypt(sealed, sm2.CiphertextForm.DER).decode()
            return self._private.decrypt(sealed, OAEP).decode()
        except (CryptoError, ValueError, binascii.Error):
            raise Refused(400, "PARAM_ERROR", "敏感信息解密失败") from None


OAEP = padding.OAEP(
    # SHA-1 twice is the partner's rule for sensitive fields.
    mgf=padding.MGF1(hashes.SHA1()),  # noqa: S303
    algorithm=hashes.SHA1(),  # noqa: S303
    label=None,
)


def scheme_of(merchant: TwinMerchant) -> str:
    """The scheme that a merchant speaks and is spoken to in."""
    return SM_SCHEME if merchant.scheme == "SM" else SCHEME


def _party(merchant: TwinMerchant) -> RsaParty | SmParty:
    make = SmParty if merchant.scheme == "SM" else RsaParty
    return make(merchant.public_key_pem)


def _check_headers(headers: Mapping[str, str], known: set[str], *, has_body: bool) -> None:
    if not headers.get("user-agent", "").strip():
        raise Refused(400, "PARAM_ERROR", "User-Agent 不能为空")
    if "application/json" not in headers.get("accept", ""):
        raise Refused(400, "PARAM_ERROR", "Accept 应为 application/json")
    if has_body and not headers.get("content-type", "").startswith("application/json"):
        raise Refused(400, "PARAM_ERROR", "Content-Type 应为 application/json")
    named = headers.get("wechatpay-serial")
    if named is not None and named not in known:
        raise Refused(400, "PARAM_ERROR", "Wechatpay-Serial 不是有效的微信支付公钥 ID 或证书序列号")


def _sign_error(message: str) -> Refused:
    return Refused(401, "SIGN_ERROR", message)
