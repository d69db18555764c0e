"""What one merchant account at WeChat Pay needs, checked once when the gateway is made.

Holds secrets, so its text form shows only the merchant number.
"""

import msgspec

from integrations.wechatpay.signing import (
    RsaSigningKey,
    RsaVerifyKey,
    VerifyKey,
    WechatPayKeyRefused,
    certificate_serial,
    load_certificate,
)
from integrations.wechatpay.verifier import Verifier

MAIN_HOST = "https://api.mch.weixin.qq.com"
PUBLIC_KEY_PREFIX = "PUB_KEY_ID_"


class WechatPaySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One merchant. Public key, platform certificates, or both while migrating (1.5)."""

    mchid: str
    appid: str
    merchant_key_pem: str
    merchant_serial: str
    """Serial of the merchant API certificate, upper-case hex."""
    api_v3_key: str
    """32 ASCII characters, set by the merchant in WeChat's console."""
    public_key_id: str | None = None
    """``PUB_KEY_ID_…``; goes with ``public_key_pem``."""
    public_key_pem: str | None = None
    platform_certificates_pem: tuple[str, ...] = ()
    base_url: str = MAIN_HOST

    def __repr__(self) -> str:
        return f"WechatPaySettings(mchid={self.mchid!r})"


class WechatPayKeys(msgspec.Struct, frozen=True, kw_only=True):
    """The settings' keys, loaded."""

    signing: RsaSigningKey
    verifier: Verifier
    named_serial: str
    """What requests put into ``Wechatpay-Serial`` (1.3)."""
    sealing: bytes

    def __repr__(self) -> str:
        return f"WechatPayKeys(named_serial={self.named_serial!r})"


def load_keys(settings: WechatPaySettings) -> WechatPayKeys:
    """Load and check. ``WechatPayKeyRefused`` says which setting is wrong, never its value."""
    sealing = settings.api_v3_key.encode()
    if len(sealing) != 32 or not settings.api_v3_key.isascii():
        raise WechatPayKeyRefused("api_v3_key has not 32 ASCII characters")
    known: dict[str, VerifyKey] = {}
    if (settings.public_key_id is None) != (settings.public_key_pem is None):
        raise WechatPayKeyRefused("public_key_id and public_key_pem go together")
    if settings.public_key_id is not None and settings.public_key_pem is not None:
        if not settings.public_key_id.startswith(PUBLIC_KEY_PREFIX):
            raise WechatPayKeyRefused("public_key_id does not begin with PUB_KEY_ID_")
        known[settings.public_key_id] = RsaVerifyKey.from_public_pem(settings.public_key_pem)
    for pem in settings.platform_certificates_pem:
        certificate = load_certificate(pem)
        known[certificate_serial(certificate)] = RsaVerifyKey.from_certificate(certificate)
    if not known:
        raise WechatPayKeyRefused("neither a public key nor a platform certificate is set")
    return WechatPayKeys(
        signing=RsaSigningKey(settings.merchant_key_pem),
        verifier=Verifier(known),
        named_serial=next(iter(known)),
        sealing=sealing,
    )
