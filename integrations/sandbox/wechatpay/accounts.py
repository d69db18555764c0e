"""Whose order it is, and what types alone cannot check of it (1.1, 2.2)."""

import hashlib
from urllib.parse import urlsplit

import msgspec

from integrations.sandbox.wechatpay.model import OrderBody, Refused, TwinMerchant
from integrations.sandbox.wechatpay.texts import read_rfc3339

UNPAID_LIVES_S = 7 * 86_400
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
WITH_PAYER = frozenset({"jsapi", "codepay"})


class Owner(msgspec.Struct, frozen=True, kw_only=True):
    """The merchant an order is for; the provider's members are empty for a direct one."""

    mchid: str
    appid: str
    sp_mchid: str = ""
    sp_appid: str = ""


def owner_of(merchant: TwinMerchant, body: OrderBody, *, partner: bool) -> Owner:
    """The owner of an order that ``merchant`` signed. Raises ``Refused``."""
    differs = Refused(400, "APPID_MCHID_NOT_MATCH", "appid 与 mchid 不匹配")
    if not partner:
        if body.mchid != merchant.mchid or body.appid not in merchant.appids:
            raise differs
        return Owner(mchid=merchant.mchid, appid=body.appid)
    subs = {sub.mchid: sub.appid for sub in merchant.subs}
    if body.sp_mchid != merchant.mchid or body.sp_appid not in merchant.appids:
        raise differs
    sub_mchid = body.sub_mchid or ""
    if sub_mchid not in subs or body.sub_appid not in {None, subs[sub_mchid]}:
        raise differs
    return Owner(
        mchid=sub_mchid,
        appid=subs[sub_mchid],
        sp_mchid=merchant.mchid,
        sp_appid=body.sp_appid,
    )


def sub_or_self(merchant: TwinMerchant, sub_mchid: str | None) -> str:
    """The merchant that a shared path speaks of. Raises ``Refused``."""
    if not merchant.subs and not sub_mchid:
        return merchant.mchid
    if sub_mchid not in {sub.mchid for sub in merchant.subs}:
        raise Refused(400, "PARAM_ERROR", "sub_mchid 与签名商户不一致")
    return sub_mchid


def check_order(body: OrderBody, way: str, now: int) -> int:
    """Check what types cannot, and give the second at which the order expires."""
    if body.amount.currency != "CNY":
        raise Refused(400, "PARAM_ERROR", "货币类型应为 CNY")
    if (way in WITH_PAYER) != (body.payer is not None):
        raise Refused(400, "PARAM_ERROR", "payer 只用于 JSAPI 和付款码下单，且必填")
    _check_scene(body, way)
    if way == "codepay":
        return now + UNPAID_LIVES_S
    check_notify_url(body.notify_url or "")
    if body.time_expire is None:
        return now + UNPAID_LIVES_S
    expires_at = read_rfc3339(body.time_expire)
    if expires_at is None or expires_at <= now:
        raise Refused(400, "PARAM_ERROR", "time_expire 不是有效的将来时间")
    return expires_at


def _check_scene(body: OrderBody, way: str) -> None:
    scene = body.scene_info
    if way == "h5" and (scene is None or scene.h5_info is None or not scene.payer_client_ip):
        raise Refused(400, "PARAM_ERROR", "H5 下单须有 payer_client_ip 与 h5_info")
    if way == "codepay" and (scene is None or scene.store_info is None or not scene.device_ip):
        raise Refused(400, "PARAM_ERROR", "付款码支付须有 device_ip 与 store_info")


def check_notify_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        host = None
        parts = urlsplit("")
    # Plain http is only for a merchant on the twin's own machine; the document wants https.
    good_scheme = parts.scheme == "https" or (parts.scheme == "http" and host in LOOPBACK)
    if not host or not good_scheme or parts.query or parts.fragment:
        raise Refused(400, "PARAM_ERROR", "notify_url 应为不带参数的 https 地址")


def hash_of(body: msgspec.Struct) -> str:
    return hashlib.sha256(msgspec.json.encode(body, order="sorted")).hexdigest()
