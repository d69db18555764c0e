"""From settings to gateways: the only file that imports the partners' folders.

A payment provider is added by a folder and a line of settings (``PaymentLine``, docs/partners.md);
a partner of another kind by a folder and a member of ``PartnerSettings``.
"""

import importlib
import re
import secrets
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from pathlib import Path
from typing import Annotated, TypeVar

import httpx
import msgspec

from integrations.alipay.gateway import AlipayGateway
from integrations.alipay.settings import AlipaySettings
from integrations.alipay.statements import BILL_BYTES_MAX
from integrations.cover_generic.gateway import CoverSettings, GenericCover
from integrations.fiscal_invoice.gateway import FiscalInvoiceGateway
from integrations.fiscal_invoice.settings import FiscalInvoiceSettings
from integrations.his_generic import courier
from integrations.insurance_nhsa.gateway import NhsaGateway
from integrations.insurance_nhsa.inpatient import NhsaInpatient
from integrations.insurance_nhsa.messenger import Messenger, Sources
from integrations.insurance_nhsa.mobile_gateway import NhsaMobile
from integrations.insurance_nhsa.numbers import SEQUENCE_MAX, format_message_no
from integrations.insurance_nhsa.settings import MobileSettings, NhsaSettings
from integrations.insurance_nhsa.signin import SignDesk
from integrations.insurance_nhsa.signing import TifSigner
from integrations.kit.tools import Tools
from integrations.kit.transport import Transport
from integrations.ports.cover import CoverGateway
from integrations.ports.events_out import Courier, Reach
from integrations.ports.insurance import InsuranceGateway
from integrations.ports.insurance_inpatient import InpatientGateway
from integrations.ports.insurance_mobile import MobileInsurance
from integrations.ports.invoices import InvoiceGateway
from integrations.ports.login import LoginGateway, RealNameGateway
from integrations.ports.partners import PartnerUnknown, PerformedByHospital
from integrations.ports.payments import PaymentGateway
from integrations.realname_generic.gateway import GenericRealName, RealNameSettings
from integrations.wechat_login.gateway import WechatLogin, WechatLoginSettings
from integrations.wechatpay.gateway import WechatPayGateway
from integrations.wechatpay.settings import WechatPaySettings

Clock = Callable[[], datetime]
Draw = Callable[[int], int]
BILL_TIMEOUT_S = 120.0
"""A day's bill may be large; the link to it lives 30 seconds, its transfer longer."""
OWN_SEQUENCES = 100
"""Message numbers of a second that are the adapter's own."""
CODE = re.compile(r"[a-z0-9]{1,30}", re.ASCII)
"""A provider's name in addresses of notices, in rows and in the ledger's accounts."""
K = TypeVar("K")
V = TypeVar("V")


class PartnersFault(Exception):
    """The partners' file is missing or wrong; the message names the place, never a value."""


class InsuranceLine(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One institution's line to its bureau, with the secret of its signed headers."""

    line: NhsaSettings
    party: str
    secret: str
    service: str | None = None

    def __repr__(self) -> str:
        return f"InsuranceLine({self.line.institution_code!r})"


class OwnInsurance(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An institution whose own machine performs its insurance calls and reports them signed."""

    institution_code: str


class PaymentLine(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A merchant account at a provider that this file does not name.

    ``integrations/FOLDER/partner.py`` has ``SETTINGS``, the Struct of ``settings``, and
    ``open_account(settings, tools) -> (account name, PaymentGateway)``.
    """

    folder: Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]{1,29}$(?!\n)")]
    settings: msgspec.Raw

    def __repr__(self) -> str:
        return f"PaymentLine({self.folder!r})"


class PartnerSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every partner of an installation. The file holds secrets: keep it for its owner alone."""

    insurance: list[InsuranceLine] = []
    own_insurance: list[OwnInsurance] = []
    mobile_insurance: list[MobileSettings] = []
    wechatpay: list[WechatPaySettings] = []
    fiscal_invoice: list[FiscalInvoiceSettings] = []
    cover: list[CoverSettings] = []
    alipay: list[AlipaySettings] = []
    payments: list[PaymentLine] = []
    wechat_login: WechatLoginSettings | None = None
    real_name: RealNameSettings | None = None


def read_partners(path: Path) -> PartnerSettings:
    """Read and check the partners' file. Raises ``PartnersFault``."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=PartnerSettings)
    except FileNotFoundError:
        raise PartnersFault(
            f"{path}: no such file; the sandbox's is made by `yimatong run`"
        ) from None
    except msgspec.ValidationError as fault:
        raise PartnersFault(f"{path}: {fault}") from None
    except msgspec.DecodeError:
        raise PartnersFault(f"{path}: not JSON") from None


class OpenPartners:
    """The gateways, found by the names the core uses."""

    def __init__(
        self,
        *,
        insurance: dict[str, tuple[InsuranceGateway, InpatientGateway] | None],
        mobile_insurance: dict[str, MobileInsurance],
        invoices: dict[str, InvoiceGateway],
        covers: dict[tuple[str, str], CoverGateway],
        payments: dict[tuple[str, str], PaymentGateway],
        logins: dict[str, LoginGateway],
        real_name: RealNameGateway | None,
    ) -> None:
        self._insurance = insurance
        self._mobile_insurance = mobile_insurance
        self._invoices = invoices
        self._covers = covers
        self._payments = payments
        self._logins = logins
        self._real_name = real_name

    def insurance(self, institution_code: str) -> InsuranceGateway:
        """The bureau's line of one institution."""
        return self._chains(institution_code)[0]

    def inpatient(self, institution_code: str) -> InpatientGateway:
        """The same line, for stays."""
        return self._chains(institution_code)[1]

    def _chains(self, institution_code: str) -> tuple[InsuranceGateway, InpatientGateway]:
        chains = _found(self._insurance, institution_code)
        if chains is None:
            raise PerformedByHospital(institution_code)
        return chains

    def mobile_insurance(self, institution_code: str) -> MobileInsurance:
        """The mobile payment centre's line of one institution."""
        return _found(self._mobile_insurance, institution_code)

    def invoice(self, institution_code: str) -> InvoiceGateway:
        """The e-invoice line of one institution."""
        return _found(self._invoices, institution_code)

    def insurers(self, institution_code: str) -> list[str]:
        """The commercial insurers that one institution has a line to."""
        return sorted(insurer for code, insurer in self._covers if code == institution_code)

    def cover(self, institution_code: str, insurer: str) -> CoverGateway:
        """One institution's line to one commercial insurer."""
        return _found(self._covers, (institution_code, insurer))

    def payment(self, provider: str, account_name: str) -> PaymentGateway:
        """One merchant account."""
        return _found(self._payments, (provider, account_name))

    def login(self, provider: str) -> LoginGateway:
        """A mini-program platform."""
        return _found(self._logins, provider)

    def real_name(self) -> RealNameGateway:
        """The real-name source."""
        if self._real_name is None:
            raise PartnerUnknown("real-name")
        return self._real_name


def _found(table: dict[K, V], key: K) -> V:
    try:
        return table[key]
    except KeyError:
        raise PartnerUnknown(str(key)) from None


def open_partners(
    settings: PartnerSettings,
    client: httpx.AsyncClient,
    timeout_s: float,
    clock: Clock,
    draw: Draw = secrets.randbelow,
) -> OpenPartners:
    """Make all gateways over one HTTP client. ``draw`` gives a number below the one it is given.

    Raises ``PartnersFault`` for a wrong payment line, or two lines of one institution's insurance.
    """
    transport = Transport(client, timeout_s)
    logins: dict[str, LoginGateway] = {}
    if settings.wechat_login is not None:
        logins["wechat"] = WechatLogin(settings.wechat_login, transport)
    real_name = None
    if settings.real_name is not None:
        real_name = GenericRealName(settings.real_name, transport, clock, _nonce)
    bills = Transport(client, BILL_TIMEOUT_S, answer_bytes_max=BILL_BYTES_MAX)
    payments: dict[tuple[str, str], PaymentGateway] = {
        ("wechatpay", one.mchid): WechatPayGateway(one, transport, clock, _nonce, bills)
        for one in settings.wechatpay
    }
    for merchant in settings.alipay:
        gateway = AlipayGateway(merchant, transport, bills, clock, _nonce)
        payments["alipay", merchant.seller_id] = gateway
    tools = Tools(transport=transport, bills=bills, clock=clock, nonce=_nonce)
    for place, line in enumerate(settings.payments):
        name, added = _account(place, line, tools)
        if (added.code, name) in payments:
            raise PartnersFault(f"payments[{place}]: this account stands twice")
        payments[added.code, name] = added
    chains: dict[str, tuple[InsuranceGateway, InpatientGateway] | None] = {
        line.line.institution_code: _insurance(line, transport, clock, draw)
        for line in settings.insurance
    }
    for place, own in enumerate(settings.own_insurance):
        if own.institution_code in chains:
            raise PartnersFault(f"own_insurance[{place}]: this institution has a line already")
        chains[own.institution_code] = None
    return OpenPartners(
        insurance=chains,
        mobile_insurance={
            one.institution_code: NhsaMobile(one, transport) for one in settings.mobile_insurance
        },
        invoices={
            one.institution_code: FiscalInvoiceGateway(one, transport, _nonce)
            for one in settings.fiscal_invoice
        },
        covers={
            (one.institution_code, one.insurer): GenericCover(one, transport, clock, _nonce)
            for one in settings.cover
        },
        payments=payments,
        logins=logins,
        real_name=real_name,
    )


def _account(place: int, line: PaymentLine, tools: Tools) -> tuple[str, PaymentGateway]:
    where = f"integrations.{line.folder}.partner"
    try:
        partner = importlib.import_module(where)
    except ModuleNotFoundError as fault:
        if not where.startswith(fault.name or "?"):
            raise
        raise PartnersFault(f"payments[{place}]: there is no {where}") from None
    try:
        settings = msgspec.json.decode(line.settings, type=partner.SETTINGS)
    except msgspec.ValidationError as fault:
        raise PartnersFault(f"payments[{place}].settings: {fault}") from None
    opened: tuple[str, PaymentGateway] = partner.open_account(settings, tools)
    if CODE.fullmatch(opened[1].code) is None:
        raise PartnersFault(f"payments[{place}]: a code is 1 to 30 small letters and digits")
    return opened


def open_courier(reach: Reach) -> AbstractAsyncContextManager[Courier]:
    """What carries events to hospitals."""
    return courier.open_courier(reach)


def _nonce() -> str:
    return secrets.token_hex(16)


def _insurance(
    line: InsuranceLine, transport: Transport, clock: Clock, draw: Draw
) -> tuple[InsuranceGateway, InpatientGateway]:
    """Both chains of one line: they share its sign-in."""
    code = line.line.institution_code

    def message_no() -> str:
        # The core numbers its own messages below this; sign-ins are few.
        sequence = SEQUENCE_MAX - draw(OWN_SEQUENCES)
        return format_message_no(code, clock(), sequence)

    signer = TifSigner(party=line.party, secret=line.secret, service=line.service)
    sources = Sources(clock=clock, nonce=_nonce, message_no=message_no)
    desk = SignDesk()
    stays = NhsaInpatient(line.line, Messenger(line.line, transport, signer, sources, desk))
    return NhsaGateway(line.line, transport, signer, sources, desk), stays
