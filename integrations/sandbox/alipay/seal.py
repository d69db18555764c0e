"""The twin's side of signatures: checks requests of both protocols, signs answers and notices."""

import base64
import binascii
import hmac
import re
import secrets
from collections.abc import Mapping
from datetime import datetime
from urllib.parse import parse_qsl

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from integrations.sandbox.alipay.model import (
    INVALID,
    MISSING,
    UNAUTHORISED,
    Merchant,
    Refused,
    TwinApp,
    TwinKeys,
)
from integrations.sandbox.alipay.texts import read_spaced

SCHEME = "ALIPAY-SHA256withRSA "
AUTHORIZATION_MAX = 2048
FIELDS_MAX = 64
_ITEM = re.compile(r"([a-z_]{1,32})=([^,\s]{1,1024})", re.ASCII)
_MILLISECONDS = re.compile(r"[0-9]{13}", re.ASCII)


def read_form(body: bytes) -> dict[str, str]:
    """A request's form, each name once. Raises ``Refused``."""
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=bool(body),
            errors="strict",
            max_num_fields=FIELDS_MAX,
        )
    except ValueError:
        raise Refused(INVALID, "isv.invalid-encoding", "请求不是 UTF-8 表单") from None
    if len(dict(pairs)) != len(pairs):
        raise Refused(INVALID, "isv.invalid-parameter", "参数重复")
    return dict(pairs)


class TwinSeal:
    """Applications' public keys and the twin's private key."""

    def __init__(self, keys: TwinKeys, clock_window_s: int) -> None:
        self._keys = keys
        self._window_s = clock_window_s
        self._apps = {app.app_id: app for app in keys.apps}
        self._public: dict[str, rsa.RSAPublicKey] = {}
        for app in keys.apps:
            public = serialization.load_pem_public_key(app.public_key_pem.encode())
            if not isinstance(public, rsa.RSAPublicKey):
                raise TypeError("an application's key is no RSA key")
            self._public[app.app_id] = public
        private = serialization.load_pem_private_key(
            keys.private_key_pem.encode(), None, unsafe_skip_rsa_key_validation=True
        )
        if not isinstance(private, rsa.RSAPrivateKey):
            raise TypeError("the twin's key is no RSA key")
        self._private = private

    def merchant_name(self, seller_id: str) -> str:
        """The name on the cashier page."""
        for app in self._keys.apps:
            for one in (_own(app), *app.authorised.values()):
                if one.seller_id == seller_id:
                    return one.name
        return seller_id

    def authenticate_form(self, form: Mapping[str, str], at: datetime) -> Merchant:
        """Who signed this gateway request (5.1). Raises ``Refused``."""
        for name in ("app_id", "method", "charset", "sign_type", "sign", "timestamp", "version"):
            if not form.get(name):
                code = f"isv.missing-{name.replace('_', '-')}"
                raise Refused(MISSING, code, f"缺少 {name} 参数")
        app = self._app(form["app_id"])
        fixed = {"charset": "utf-8", "sign_type": "RSA2", "version": "1.0"}
        for name, value in fixed.items():
            if form[name] != value:
                raise Refused(INVALID, f"isv.invalid-{name.replace('_', '-')}", f"{name} 不正确")
        chosen = sorted(name for name, value in form.items() if name != "sign" and value)
        text = "&".join(f"{name}={form[name]}" for name in chosen)
        self._check(app, text.encode(), form["sign"])
        self._check_clock(read_spaced(form["timestamp"]), at)
        _check_certificate(app, form.get("app_cert_sn"), form.get("alipay_root_cert_sn"))
        return _merchant(app, form.get("app_auth_token"))

    def authenticate_v3(
        self, *, method: str, target: str, headers: Mapping[str, str], body: bytes, at: datetime
    ) -> Merchant:
        """Who signed this v3 request (5.2). ``target`` is path and query as on the wire."""
        line = headers.get("authorization", "")
        auth, separator, signature = line.removeprefix(SCHEME).rpartition(",sign=")
        if not line.startswith(SCHEME) or not separator or len(line) > AUTHORIZATION_MAX:
            raise _unsigned("Authorization 格式不正确")
        items = _items(auth)
        app = self._app(items["app_id"])
        token = headers.get("alipay-app-auth-token", "")
        message = f"{auth}\n{method}\n{target}\n".encode() + body + b"\n"
        self._check(app, message + (f"{token}\n".encode() if token else b""), signature)
        stamp = items["timestamp"]
        if _MILLISECONDS.fullmatch(stamp) is None:
            raise Refused(INVALID, "isv.invalid-timestamp", "timestamp 应为毫秒")
        self._check_clock(int(stamp) // 1000, at)
        _check_certificate(app, items.get("app_cert_sn"), headers.get("alipay-root-cert-sn"))
        if not headers.get("content-type", "").startswith("application/json"):
            raise Refused(INVALID, "isv.invalid-content-type", "Content-Type 应为 application/json")
        return _merchant(app, token)

    def _app(self, app_id: str) -> TwinApp:
        app = self._apps.get(app_id)
        if app is None:
            raise Refused(INVALID, "isv.invalid-app-id", "无效的 AppID 参数")
        return app

    def _check_clock(self, seconds: int | None, at: datetime) -> None:
        if seconds is None or abs(at.timestamp() - seconds) > self._window_s:
            raise Refused(INVALID, "isv.invalid-timestamp", "非法的时间戳参数")

    def _check(self, app: TwinApp, message: bytes, signature: str) -> None:
        try:
            self._public[app.app_id].verify(
                base64.b64decode(signature, validate=True),
                message,
                padding.PKCS1v15(),
                hashes.SHA256(),
            )
        except (InvalidSignature, binascii.Error, ValueError):
            raise _unsigned("验签出错") from None

    def sign(self, message: bytes) -> str:
        """The twin's signature, base64."""
        made = self._private.sign(message, padding.PKCS1v15(), hashes.SHA256())
        return base64.b64encode(made).decode("ascii")

    @property
    def certificate_sn(self) -> str:
        """The number of the twin's certificate, empty in public-key mode."""
        return self._keys.alipay_cert_sn

    def v3_headers(self, body: bytes, at: datetime) -> dict[str, str]:
        """The signature headers of a v3 answer sent now."""
        timestamp, nonce = str(int(at.timestamp() * 1000)), secrets.token_hex(16)
        signature = self.sign(f"{timestamp}\n{nonce}\n".encode() + body + b"\n")
        headers = {
            "alipay-timestamp": timestamp,
            "alipay-nonce": nonce,
            "alipay-signature": signature,
        }
        return headers | ({"alipay-sn": self.certificate_sn} if self.certificate_sn else {})

    def sign_notice(self, parameters: Mapping[str, str]) -> str:
        """The signature of a trade notice: neither ``sign`` nor ``sign_type`` is inside (5.7)."""
        left_out = {"sign", "sign_type"}
        chosen = sorted(name for name in parameters if name not in left_out)
        return self.sign("&".join(f"{name}={parameters[name]}" for name in chosen).encode())


def _items(auth: str) -> dict[str, str]:
    items: dict[str, str] = {}
    for part in auth.split(","):
        found = _ITEM.fullmatch(part)
        if found is None or found[1] in items:
            raise _unsigned("Authorization 格式不正确")
        items[found[1]] = found[2]
    allowed = {"app_id", "app_cert_sn", "nonce", "timestamp", "expired_seconds"}
    if not {"app_id", "nonce", "timestamp"} <= items.keys() <= allowed:
        raise _unsigned("Authorization 缺少或多出字段")
    return items


def _own(app: TwinApp) -> Merchant:
    return Merchant(app_id=app.app_id, seller_id=app.seller_id, name=app.name)


def _merchant(app: TwinApp, token: str | None) -> Merchant:
    if not token:
        return _own(app)
    for known, merchant in app.authorised.items():
        if hmac.compare_digest(known.encode(), token.encode()):
            return merchant
    raise Refused(UNAUTHORISED, "aop.invalid-app-auth-token", "无效的应用授权令牌")


def _check_certificate(app: TwinApp, app_sn: str | None, root_sn: str | None) -> None:
    if (app_sn or "", root_sn or "") != (app.app_cert_sn, app.root_cert_sn):
        raise Refused(INVALID, "isv.invalid-app-cert-sn", "证书序列号不正确")


def _unsigned(text: str) -> Refused:
    return Refused(INVALID, "isv.invalid-signature", text)
