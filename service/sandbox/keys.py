"""Secrets that each twin shares with our adapter, made once of random keys.

``partners.json`` is our side, ``twins.json`` theirs.
"""

import secrets
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from crypto.sm2 import PrivateKey
from integrations.alipay.settings import AlipaySettings
from integrations.cover_generic.gateway import CoverSettings
from integrations.fiscal_invoice.settings import ChargeGroup, FiscalInvoiceSettings
from integrations.insurance_nhsa.settings import MobileSettings, NhsaSettings
from integrations.realname_generic.gateway import RealNameSettings
from integrations.registry import InsuranceLine, PartnerSettings, read_partners
from integrations.sandbox.alipay.model import TwinApp
from integrations.sandbox.alipay.model import TwinKeys as AlipayTwinKeys
from integrations.sandbox.cover.wording import TwinContract
from integrations.sandbox.fiscal.model import NO_SUCH_BILL, TwinInstitution
from integrations.sandbox.insurance.app import CREDENTIAL_PATH, PREFIX
from integrations.sandbox.insurance.mobile_centre import MOBILE_PREFIX
from integrations.sandbox.insurance.mobile_seal import MobileApp, MobileKeys
from integrations.sandbox.wechatpay.model import TwinKeys, TwinMerchant
from integrations.wechat_login.gateway import WechatLoginSettings
from integrations.wechatpay.settings import WechatPaySettings
from service.installation import write_private
from service.sandbox.hospital import (
    ALIPAY_SELLER,
    HOSPITAL_CODE,
    HOSPITAL_NAME,
    MERCHANT,
    REGION,
)
from service.settings import Settings

APP_ID = "wx990000000000sandbx"
ALIPAY_APP = "2021990000000001"
PARTY = "sandbox_hosp"
PARTY_SECRET = "sandboxtoken0000000000000000001"  # noqa: S105 - the twin's published starting value
REAL_NAME_CLIENT = "yimatong"
INVOICE_APP = "SANDBOXAPP0001"
INVOICE_PLACE = "001"
INSURER = "TESTLIFE"
COVER_CLIENT = "yimatong"
CITY = "990100"
MOBILE_APP = "SANDBOXMOBILE0000000000000000001"


class TwinSecrets(msgspec.Struct, frozen=True, kw_only=True):
    """What the twins know."""

    wechatpay: TwinKeys
    alipay: AlipayTwinKeys
    fiscal: tuple[TwinInstitution, ...]
    cover: tuple[TwinContract, ...]
    mobile: MobileKeys
    login_apps: dict[str, str]
    real_name_clients: dict[str, str]


class _Pair(msgspec.Struct, frozen=True):
    private_pem: str
    public_pem: str


def _rsa_pair() -> _Pair:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return _Pair(private.decode(), public.decode())


def twins_file(settings: Settings) -> Path:
    """Where the twins' side of the secrets is."""
    return settings.state_dir / "twins.json"


class _Shared(msgspec.Struct, frozen=True, kw_only=True):
    """What both sides of each twin must agree on."""

    merchant: _Pair
    platform: _Pair
    application: _Pair
    alipay: _Pair
    api_v3_key: str
    serial: str
    public_key_id: str
    login: str
    real_name: str
    invoice: str
    cover: str
    hospital_sm2: PrivateKey
    centre_sm2: PrivateKey
    mobile: str


def make_secrets(twin_url: str) -> tuple[PartnerSettings, TwinSecrets]:
    """New keys for both sides. ``twin_url`` is where the twins answer."""
    shared = _Shared(
        merchant=_rsa_pair(),
        platform=_rsa_pair(),
        application=_rsa_pair(),
        alipay=_rsa_pair(),
        api_v3_key=secrets.token_hex(16),
        serial=secrets.token_hex(20).upper(),
        public_key_id=f"PUB_KEY_ID_{secrets.randbelow(10**20):020d}",
        login=secrets.token_hex(16),
        real_name=secrets.token_hex(32),
        invoice=secrets.token_hex(16),
        cover=secrets.token_hex(32),
        hospital_sm2=PrivateKey.generate(),
        centre_sm2=PrivateKey.generate(),
        mobile=secrets.token_hex(16).upper(),
    )
    return _our_side(shared, twin_url), _their_side(shared)


def _our_side(shared: _Shared, twin_url: str) -> PartnerSettings:
    return PartnerSettings(
        insurance=[_insurance_line(twin_url)],
        mobile_insurance=[
            MobileSettings(
                code=f"mobile-{REGION}",
                institution_code=HOSPITAL_CODE,
                address=f"{twin_url}/insurance{MOBILE_PREFIX}",
                app_id=MOBILE_APP,
                app_secret=shared.mobile,
                private_key_hex=shared.hospital_sm2.to_bytes().hex(),
                centre_public_key=shared.centre_sm2.public.to_bytes().hex(),
            )
        ],
        wechatpay=[
            WechatPaySettings(
                mchid=MERCHANT,
                appid=APP_ID,
                merchant_key_pem=shared.merchant.private_pem,
                merchant_serial=shared.serial,
                api_v3_key=shared.api_v3_key,
                public_key_id=shared.public_key_id,
                public_key_pem=shared.platform.public_pem,
                base_url=f"{twin_url}/wechatpay",
                city_id=CITY,
            )
        ],
        fiscal_invoice=[_invoice_line(shared, twin_url)],
        cover=[
            CoverSettings(
                insurer=INSURER,
                institution_code=HOSPITAL_CODE,
                client=COVER_CLIENT,
                secret=shared.cover,
                base_url=f"{twin_url}/cover",
            )
        ],
        alipay=[
            AlipaySettings(
                app_id=ALIPAY_APP,
                seller_id=ALIPAY_SELLER,
                app_key_pem=shared.application.private_pem,
                alipay_public_key_pem=shared.alipay.public_pem,
                base_url=f"{twin_url}/alipay",
            )
        ],
        wechat_login=WechatLoginSettings(
            appid=APP_ID, secret=shared.login, base_url=f"{twin_url}/wechat-login"
        ),
        real_name=RealNameSettings(
            client=REAL_NAME_CLIENT, secret=shared.real_name, base_url=f"{twin_url}/realname"
        ),
    )


def _insurance_line(twin_url: str) -> InsuranceLine:
    return InsuranceLine(
        line=NhsaSettings(
            code=f"nhsa-{REGION}",
            address=f"{twin_url}/insurance{PREFIX}",
            credential_url=f"{twin_url}/insurance{CREDENTIAL_PATH}",
            institution_code=HOSPITAL_CODE,
            institution_name=HOSPITAL_NAME,
            area=REGION,
            operator_no="0001",
            operator_name="演示收费员",
            operator_mac="00-00-5E-00-53-01",
            operator_ip="192.0.2.10",
        ),
        party=PARTY,
        secret=PARTY_SECRET,
    )


def _invoice_line(shared: _Shared, twin_url: str) -> FiscalInvoiceSettings:
    return FiscalInvoiceSettings(
        institution_code=HOSPITAL_CODE,
        base_url=f"{twin_url}/fiscal",
        appid=INVOICE_APP,
        key=shared.invoice,
        place_code=INVOICE_PLACE,
        payee="演示收费员",
        author="演示收费员",
        checker="演示复核员",
        groups=(
            ChargeGroup(code="YLMZ09", name="西药费", prefixes=("X",)),
            ChargeGroup(code="YLMZ11", name="中成药费", prefixes=("Z",)),
        ),
        other_group=ChargeGroup(code="YLMZ14", name="其他费"),
        deposit_channel="99",
        centre_channel="98",
        cover_channel="97",
        absent_codes=(NO_SUCH_BILL,),
    )


def _their_side(shared: _Shared) -> TwinSecrets:
    return TwinSecrets(
        wechatpay=TwinKeys(
            public_key_id=shared.public_key_id,
            private_key_pem=shared.platform.private_pem,
            merchants=(
                TwinMerchant(
                    mchid=MERCHANT,
                    name=HOSPITAL_NAME,
                    appids=(APP_ID,),
                    serial=shared.serial,
                    public_key_pem=shared.merchant.public_pem,
                    api_v3_key=shared.api_v3_key,
                ),
            ),
        ),
        alipay=AlipayTwinKeys(
            private_key_pem=shared.alipay.private_pem,
            apps=(
                TwinApp(
                    app_id=ALIPAY_APP,
                    seller_id=ALIPAY_SELLER,
                    name=HOSPITAL_NAME,
                    public_key_pem=shared.application.public_pem,
                ),
            ),
        ),
        login_apps={APP_ID: shared.login},
        real_name_clients={REAL_NAME_CLIENT: shared.real_name},
        mobile=MobileKeys(
            private_key_hex=shared.centre_sm2.to_bytes().hex(),
            apps=(
                MobileApp(
                    app_id=MOBILE_APP,
                    app_secret=shared.mobile,
                    public_key_hex=shared.hospital_sm2.public.to_bytes().hex(),
                    institution=HOSPITAL_CODE,
                ),
            ),
        ),
        fiscal=(
            TwinInstitution(
                appid=INVOICE_APP,
                key=shared.invoice,
                place_codes=(INVOICE_PLACE,),
                name=HOSPITAL_NAME,
            ),
        ),
        cover=(
            TwinContract(client=COVER_CLIENT, secret=shared.cover, institution_code=HOSPITAL_CODE),
        ),
    )


def prepare_secrets(settings: Settings) -> None:
    """Write both files if they are not there; add the twins that an older pair does not know."""
    if settings.twin_url is None:
        return
    path, held = twins_file(settings), {}
    if path.exists():
        held = msgspec.json.decode(path.read_bytes())
    missing = {"alipay", "fiscal", "mobile", "cover"} - set(held)
    if held and not missing:
        return
    ours, theirs = make_secrets(settings.twin_url)
    if held:
        added = {name: getattr(theirs, name) for name in missing}
        theirs = msgspec.convert({**held, **added}, TwinSecrets)
        old, new = read_partners(settings.partners_file), ours
        ours = msgspec.structs.replace(
            old,
            alipay=[*old.alipay, *(new.alipay if "alipay" in missing else [])],
            mobile_insurance=[
                *old.mobile_insurance,
                *(new.mobile_insurance if "mobile" in missing else []),
            ],
            fiscal_invoice=[
                *old.fiscal_invoice,
                *(new.fiscal_invoice if "fiscal" in missing else []),
            ],
            cover=[*old.cover, *(new.cover if "cover" in missing else [])],
        )
    for file, content in ((settings.partners_file, ours), (path, theirs)):
        file.unlink(missing_ok=True)
        write_private(file, msgspec.json.encode(content))
