"""The sandbox's hospital: enrolled once, with an application, a desk terminal and kiosks.

Its secrets go to ``demo.json`` in the state folder, where ``yimatong demo``, the hospital twin and
the load tests find them.
"""

from pathlib import Path

import msgspec

from crypto.sm2 import PrivateKey
from service.installation import write_private
from service.institution import actions as institution
from service.institution.model import MovedAmounts, NewInstitution
from service.kernel.context import Context
from service.kernel.problems import NotFound
from service.settings import Settings
from service.shift import actions as shift
from service.shift.model import Tender
from service.wiring import open_context

HOSPITAL_CODE = "H99000100001"
HOSPITAL_NAME = "测试市第一人民医院"
REGION = "990001"
MERCHANT = "1900000109"
CASHIER = "1001"
ALIPAY_SELLER = "2088990000000001"


class DemoTerminal(msgspec.Struct, frozen=True, kw_only=True):
    """An activated terminal: ``key`` is 32 bytes in hexadecimal."""

    terminal_id: str
    key: str


class DemoHospital(msgspec.Struct, frozen=True, kw_only=True):
    """What ``demo.json`` holds. ``private_key`` is the application's SM2 key in hexadecimal."""

    institution_id: str
    code: str
    name: str
    application_id: str
    private_key: str
    platform_keys: list[str]
    """The platform's public keys for answers, 65 bytes each in hexadecimal."""
    merchant: str
    kiosk: DemoTerminal
    desk: DemoTerminal


def demo_file(settings: Settings) -> Path:
    """Where the demo hospital's secrets are."""
    return settings.state_dir / "demo.json"


def read_demo(settings: Settings) -> DemoHospital:
    """Raises ``FileNotFoundError`` before the first ``yimatong run``."""
    return msgspec.json.decode(demo_file(settings).read_bytes(), type=DemoHospital)


def keep_platform_keys(settings: Settings, keys: list[str]) -> None:
    """The demo hospital believes these keys from now on; the file changes at one stroke."""
    hospital = read_demo(settings)
    if hospital.platform_keys == keys:
        return
    changed = msgspec.structs.replace(hospital, platform_keys=keys)
    beside = demo_file(settings).with_name("demo.json.new")
    beside.unlink(missing_ok=True)
    write_private(beside, msgspec.json.encode(changed))
    beside.replace(demo_file(settings))


def _platform_keys(ctx: Context) -> list[str]:
    return [public.to_bytes().hex() for _, public in institution.platform_keys(ctx)]


class Prepared(msgspec.Struct, frozen=True, kw_only=True):
    """What a start tells whoever sits before it: activation codes, and the demo cashier's PIN."""

    kiosk: str
    counter: str
    cashier_pin: str


async def prepare(settings: Settings) -> Prepared:
    """Enrol the demo hospital if it is not; give fresh codes for a kiosk's and a counter's page."""
    async with open_context(settings, "run") as ctx:
        if not demo_file(settings).exists():
            hospital = await _enrol(ctx)
            write_private(demo_file(settings), msgspec.json.encode(hospital))
        keep_platform_keys(settings, _platform_keys(ctx))
        hospital = read_demo(settings)
        _, institution_id = ctx.public_ids.parse(hospital.institution_id)
        await _set_accounts(ctx, institution_id)
        _, kiosk = await institution.enrol_terminal(
            ctx, institution_id, name="演示自助机", public_place=True
        )
        _, counter = await institution.enrol_terminal(
            ctx, institution_id, name="演示收费窗口", public_place=False
        )
        pin = await _staff_counter(ctx, institution_id)
        return Prepared(kiosk=kiosk, counter=counter, cashier_pin=pin)


async def _staff_counter(ctx: Context, institution_id: int) -> str:
    """The demo cashier's new PIN; the demo hospital's counters take cash and cards."""
    if CASHIER in {one.staff_no for one in await shift.list_staff(ctx, institution_id)}:
        return await shift.new_pin(ctx, institution_id, CASHIER)
    await shift.set_tenders(ctx, institution_id, frozenset(Tender))
    return await shift.add_staff(ctx, institution_id, CASHIER)


async def _enrol(ctx: Context) -> DemoHospital:
    row = await institution.enrol_institution(
        ctx,
        NewInstitution(
            code=HOSPITAL_CODE,
            name=HOSPITAL_NAME,
            insurance_region=REGION,
            level=3,
            moved_amounts=MovedAmounts.ADJUST,
        ),
    )
    key = PrivateKey.generate()
    application = await institution.enrol_application(
        ctx,
        row.institution_id,
        name="演示HIS",
        public_key=key.public.to_bytes(),
        scopes=institution.SCOPES,
    )
    return DemoHospital(
        institution_id=ctx.public_ids.text(row.institution_id, row.institution_id),
        code=row.code,
        name=row.name,
        application_id=ctx.public_ids.text(row.institution_id, application.application_id),
        private_key=key.to_bytes().hex(),
        platform_keys=_platform_keys(ctx),
        merchant=MERCHANT,
        kiosk=await _activated(ctx, row.institution_id, "演示机器", public_place=True),
        desk=await _activated(ctx, row.institution_id, "演示窗口", public_place=False),
    )


async def _set_accounts(ctx: Context, institution_id: int) -> None:
    """The demo hospital's merchant accounts; what somebody set by hand stays."""
    for provider, account_name in (("wechatpay", MERCHANT), ("alipay", ALIPAY_SELLER)):
        try:
            await institution.merchant_account(ctx, institution_id, provider)
        except NotFound:
            await institution.set_merchant_account(
                ctx, institution_id, provider=provider, account_name=account_name
            )


async def _activated(
    ctx: Context, institution_id: int, name: str, *, public_place: bool
) -> DemoTerminal:
    row, code = await institution.enrol_terminal(
        ctx, institution_id, name=name, public_place=public_place
    )
    activated = await institution.activate_terminal(ctx, code)
    return DemoTerminal(
        terminal_id=ctx.public_ids.text(institution_id, row.terminal_id),
        key=activated.key.hex(),
    )
