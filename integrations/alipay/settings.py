"""What one merchant at Alipay needs, checked once when the gateway is made.

Holds secrets, so its text form shows only application and merchant number.
"""

from typing import Literal

import msgspec

from integrations.alipay.signing import (
    AlipayKeyRefused,
    SigningKey,
    VerifyKey,
    certificate_sn,
    load_certificate,
    root_certificate_sn,
)
from integrations.alipay.verifier import Verifier

MAIN_HOST = "https://openapi.alipay.com"


class AlipaySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One merchant. Either Alipay's public key, or the three certificates (5.1).

    ``seller_id`` is the merchant's own number at Alipay and the account's name for the core; an
    authorised merchant (``app_auth_token``) has its own beside the application that serves it.
    """

    app_id: str
    seller_id: str
    app_key_pem: str
    alipay_public_key_pem: str | None = None
    app_cert_pem: str | None = None
    alipay_root_cert_pem: str | None = None
    alipay_certs_pem: tuple[str, ...] = ()
    """Alipay's certificate; two while it is replaced."""
    ways: frozenset[Literal["jsapi", "native", "h5", "code"]] = frozenset(
        {"jsapi", "native", "h5", "code"}
    )
    """The products that the merchant has opened at Alipay; ``h5`` is its page for browsers."""
    app_auth_token: str | None = None
    op_app_id: str | None = None
    """The mini-program in which payers pay; left out, the application itself."""
    payer_field: Literal["buyer_open_id", "buyer_id"] = "buyer_open_id"
    """Which of its numbers for a payer Alipay gives this application."""
    protocol: Literal["gateway", "v3"] = "gateway"
    base_url: str = MAIN_HOST

    def __repr__(self) -> str:
        return f"AlipaySettings(app_id={self.app_id!r}, seller_id={self.seller_id!r})"


class AlipayKeys(msgspec.Struct, frozen=True, kw_only=True):
    """The settings' keys, loaded. The two numbers are sent in certificate mode only."""

    signing: SigningKey
    verifier: Verifier
    app_cert_sn: str | None
    root_cert_sn: str | None

    def __repr__(self) -> str:
        return f"AlipayKeys(app_cert_sn={self.app_cert_sn!r})"


def load_keys(settings: AlipaySettings) -> AlipayKeys:
    """Load and check. ``AlipayKeyRefused`` says which setting is wrong, never its value."""
    signing = SigningKey(settings.app_key_pem)
    certificates = (settings.app_cert_pem, settings.alipay_root_cert_pem, settings.alipay_certs_pem)
    if settings.alipay_public_key_pem is not None:
        if any(certificates):
            raise AlipayKeyRefused("a public key and certificates exclude one another")
        verifier = Verifier(
            public_key=VerifyKey.from_public_pem(settings.alipay_public_key_pem), certificates={}
        )
        return AlipayKeys(signing=signing, verifier=verifier, app_cert_sn=None, root_cert_sn=None)
    app_pem, root_pem, alipay_pems = certificates
    if app_pem is None or root_pem is None or not alipay_pems:
        raise AlipayKeyRefused("neither a public key nor all three certificates are set")
    known = {}
    for pem in alipay_pems:
        own = load_certificate(pem)
        known[certificate_sn(own)] = VerifyKey.from_certificate(own)
    return AlipayKeys(
        signing=signing,
        verifier=Verifier(public_key=None, certificates=known),
        app_cert_sn=certificate_sn(load_certificate(app_pem)),
        root_cert_sn=root_certificate_sn(root_pem),
    )
