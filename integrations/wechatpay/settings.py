"""What one merchant account at WeChat Pay needs, checked once when the gateway is made.

Holds secrets, so its text form shows only the merchant number.
"""

from typing import Literal

import msgspec
from cryptography import x509

from integrations.wechatpay.sealing import AES_ALGORITHM
from integrations.wechatpay.shangmi import SM_ALGORITHM, Sm2SigningKey, Sm2VerifyKey
from integrations.wechatpay.signing import (
    FieldKey,
    RsaSigningKey,
    RsaVerifyKey,
    WechatPayKeyRefused,
    certificate_serial,
    load_certificate,
)
from integrations.wechatpay.verifier import Verifier

MAIN_HOST = "https://api.mch.weixin.qq.com"
STANDBY_HOST = "https://api2.mch.weixin.qq.com"
PUBLIC_KEY_PREFIX = "PUB_KEY_ID_"


class WechatPaySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One merchant. Public key, platform certificates, or both while migrating (1.5).

    With ``sp_mchid`` and ``sp_appid`` a service provider signs (``merchant_key_pem`` and serial are
    then the provider's), and ``mchid`` and ``appid`` are the sub-merchant's.
    """

    mchid: str
    appid: str
    merchant_key_pem: str
    merchant_serial: str
    """Serial of the merchant API certificate, upper-case hex."""
    api_v3_key: str
    """32 ASCII characters, set by the merchant in WeChat's console."""
    scheme: Literal["RSA", "SM"] = "RSA"
    """SM: every key is SM2 and resources are under SM4; WeChat opens it on request (1.7)."""
    client_key_pem: str | None = None
    """The RSA key of ``paySign`` where ``scheme`` is SM; left out, jsapi is not possible."""
    sp_mchid: str | None = None
    sp_appid: str | None = None
    public_key_id: str | None = None
    """``PUB_KEY_ID_…``; goes with ``public_key_pem``."""
    public_key_pem: str | None = None
    platform_certificates_pem: tuple[str, ...] = ()
    downloads_certificates: bool = False
    """Certificate mode: ask for new platform certificates twice a day and for an unknown serial.
    Merchants in public-key mode are answered 404 (1.5), so this is off for them."""
    ways: frozenset[Literal["jsapi", "native", "h5", "code"]] = frozenset(
        {"jsapi", "native", "h5", "code"}
    )
    """The products that the merchant has opened at WeChat."""
    code_api: Literal["v3", "v2"] = "v3"
    """Which API takes pay-by-code: the documents disagree (2.5), so each merchant is set."""
    api_v2_key: str | None = None
    """32 ASCII characters; needed where ``code_api`` is v2."""
    v2_base_url: str | None = None
    """Where V2 calls go if not to ``base_url``: ``/secapi`` wants a TLS client certificate."""
    device_id: str = "YIMATONG"
    device_ip: str = "127.0.0.1"
    store_id: str = "1"
    """Where a shown code is taken (``scene_info``)."""
    city_id: str | None = None
    """Of mixed insurance orders, as issued by Tencent; left out, none are placed."""
    med_ins_test: bool = False
    """``med_ins_test_env``: true for joint tests alone."""
    base_url: str = MAIN_HOST
    standby_url: str | None = None
    """``STANDBY_HOST`` in production: tried once when ``base_url`` cannot be reached. Scheme and
    host alone, for the signature covers the path."""

    def __repr__(self) -> str:
        return f"WechatPaySettings(mchid={self.mchid!r})"

    @property
    def signing_mchid(self) -> str:
        """Who signs requests."""
        return self.sp_mchid or self.mchid


class WechatPayKeys(msgspec.Struct, frozen=True, kw_only=True):
    """The settings' keys, loaded."""

    signing: RsaSigningKey | Sm2SigningKey
    client: RsaSigningKey | None
    """For ``paySign``, which is RSA under either scheme."""
    verifier: Verifier
    algorithm: str
    """Of sealed resources."""
    sealing: bytes

    def __repr__(self) -> str:
        return f"WechatPayKeys(named_serial={self.verifier.named!r})"


def load_keys(settings: WechatPaySettings) -> WechatPayKeys:
    """Load and check. ``WechatPayKeyRefused`` says which setting is wrong, never its value."""
    _check_texts(settings)
    known: dict[str, FieldKey] = {}
    if settings.public_key_id is not None and settings.public_key_pem is not None:
        known[settings.public_key_id] = _public_key(settings)
    for pem in settings.platform_certificates_pem:
        certificate = load_certificate(pem)
        known[certificate_serial(certificate)] = certificate_key(settings, certificate)
    if not known and not settings.downloads_certificates:
        raise WechatPayKeyRefused("neither a public key nor a platform certificate is set")
    is_sm = settings.scheme == "SM"
    signing = _signing_key(settings)
    client = signing if isinstance(signing, RsaSigningKey) else None
    if client is None and settings.client_key_pem is not None:
        client = RsaSigningKey(settings.client_key_pem)
    return WechatPayKeys(
        signing=signing,
        client=client,
        verifier=Verifier(known),
        algorithm=SM_ALGORITHM if is_sm else AES_ALGORITHM,
        sealing=settings.api_v3_key.encode(),
    )


def certificate_key(settings: WechatPaySettings, certificate: x509.Certificate) -> FieldKey:
    """The key of a platform certificate under the merchant's scheme."""
    if settings.scheme == "SM":
        return Sm2VerifyKey.from_certificate(certificate)
    return RsaVerifyKey.from_certificate(certificate)


def _check_texts(settings: WechatPaySettings) -> None:
    if len(settings.api_v3_key) != 32 or not settings.api_v3_key.isascii():
        raise WechatPayKeyRefused("api_v3_key has not 32 ASCII characters")
    if (settings.public_key_id is None) != (settings.public_key_pem is None):
        raise WechatPayKeyRefused("public_key_id and public_key_pem go together")
    if not (settings.public_key_id or PUBLIC_KEY_PREFIX).startswith(PUBLIC_KEY_PREFIX):
        raise WechatPayKeyRefused("public_key_id does not begin with PUB_KEY_ID_")
    if (settings.sp_mchid is None) != (settings.sp_appid is None):
        raise WechatPayKeyRefused("sp_mchid and sp_appid go together")
    v2_key = settings.api_v2_key or ""
    if settings.code_api == "v2" and (len(v2_key) != 32 or not v2_key.isascii()):
        raise WechatPayKeyRefused("api_v2_key has not 32 ASCII characters")


def _public_key(settings: WechatPaySettings) -> FieldKey:
    pem = settings.public_key_pem or ""
    if settings.scheme == "SM":
        return Sm2VerifyKey.from_public_pem(pem)
    return RsaVerifyKey.from_public_pem(pem)


def _signing_key(settings: WechatPaySettings) -> RsaSigningKey | Sm2SigningKey:
    if settings.scheme == "SM":
        return Sm2SigningKey(settings.merchant_key_pem)
    return RsaSigningKey(settings.merchant_key_pem)
