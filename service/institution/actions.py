"""Enrol institutions, applications and terminals; look them up; name their patients."""

import secrets
from datetime import timedelta

import msgspec

from crypto.sm2 import PublicKey
from crypto.sm3 import sm3
from service.institution import store
from service.institution.model import (
    Activated,
    CallerState,
    EnrolledApplication,
    EnrolledTerminal,
    Institution,
    InstitutionState,
    MerchantAccount,
    NewInstitution,
)
from service.institution.problems import ActivationRefused, AlreadyEnrolled
from service.kernel.context import Context
from service.kernel.database import Connection, connection
from service.kernel.problems import NotFound

SCOPES = frozenset({"bill", "settlement", "scan"})
ACTIVATION_LIFE = timedelta(days=3)
_ACTIVATION_ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
_ACTIVATION_LENGTH = 16
TERMINAL_KEY_LENGTH = 32


async def enrol_institution(ctx: Context, new: NewInstitution) -> Institution:
    """Raises ``AlreadyEnrolled`` when the code is taken."""
    row = Institution(
        institution_id=ctx.ids.new(),
        code=new.code,
        name=new.name,
        insurance_region=new.insurance_region,
        level=new.level,
        moved_amounts=new.moved_amounts,
        state=InstitutionState.ACTIVE,
        created_at=ctx.clock.now(),
        row_mac=b"",
    )
    row = msgspec.structs.replace(row, row_mac=ctx.sealer.row_mac("institution", row.mac_parts()))
    async with connection(ctx.pool) as conn:
        if not await store.insert_institution(conn, row):
            raise AlreadyEnrolled
    return row


async def get_institution(ctx: Context, institution_id: int) -> Institution:
    """Raises ``NotFound``; ``RowTampered`` when the row was changed from outside."""
    async with connection(ctx.pool) as conn:
        row = await store.find_institution(conn, institution_id)
    if row is None:
        raise NotFound
    ctx.sealer.check_mac("institution", row.mac_parts(), row.row_mac)
    return row


async def list_institutions(ctx: Context) -> list[Institution]:
    """At most 1,000, by code."""
    async with connection(ctx.pool) as conn:
        return await store.list_institutions(conn, 1000)


async def enrol_application(
    ctx: Context, institution_id: int, *, name: str, public_key: bytes, scopes: frozenset[str]
) -> EnrolledApplication:
    """Raises ``crypto.errors.BadKey`` for a key that is not a point, ``NotFound``, ``ValueError``."""
    if not scopes or not scopes <= SCOPES:
        raise ValueError(f"scopes are {sorted(SCOPES)}")
    row = EnrolledApplication(
        institution_id=(await get_institution(ctx, institution_id)).institution_id,
        application_id=ctx.ids.new(),
        name=name,
        public_key=PublicKey.from_bytes(public_key).to_bytes(),
        scopes=sorted(scopes),
        state=CallerState.ACTIVE,
        created_at=ctx.clock.now(),
        row_mac=b"",
    )
    row = msgspec.structs.replace(row, row_mac=ctx.sealer.row_mac("application", row.mac_parts()))
    async with connection(ctx.pool) as conn:
        await store.insert_application(conn, row)
    return row


async def enrol_terminal(
    ctx: Context, institution_id: int, *, name: str, public_place: bool
) -> tuple[EnrolledTerminal, str]:
    """A terminal and its activation code (16 characters, one use, three days)."""
    code = "".join(secrets.choice(_ACTIVATION_ALPHABET) for _ in range(_ACTIVATION_LENGTH))
    now = ctx.clock.now()
    row = EnrolledTerminal(
        institution_id=(await get_institution(ctx, institution_id)).institution_id,
        terminal_id=ctx.ids.new(),
        name=name,
        public_place=public_place,
        key_sealed=None,
        activation_hash=sm3(code.encode()),
        activation_until=now + ACTIVATION_LIFE,
        state=CallerState.ENROLLED,
        created_at=now,
        row_mac=b"",
    )
    row = msgspec.structs.replace(row, row_mac=ctx.sealer.row_mac("terminal", row.mac_parts()))
    async with connection(ctx.pool) as conn:
        await store.insert_terminal(conn, row)
    return row, code


async def activate_terminal(ctx: Context, activation_code: str) -> Activated:
    """Spend an activation code and deliver the terminal's key. Raises ``ActivationRefused``."""
    spent = sm3(activation_code.strip().upper().replace("-", "").encode())
    async with connection(ctx.pool) as conn:
        row = await store.find_by_activation(conn, spent)
        if row is None or row.activation_until is None:
            raise ActivationRefused
        ctx.sealer.check_mac("terminal", row.mac_parts(), row.row_mac)
        if row.activation_until < ctx.clock.now():
            raise ActivationRefused
        key = secrets.token_bytes(TERMINAL_KEY_LENGTH)
        sealed = ctx.sealer.seal_local("terminal", row.terminal_id.to_bytes(8), key)
        row = msgspec.structs.replace(
            row,
            key_sealed=sealed,
            activation_hash=None,
            activation_until=None,
            state=CallerState.ACTIVE,
        )
        row = msgspec.structs.replace(row, row_mac=ctx.sealer.row_mac("terminal", row.mac_parts()))
        if not await store.activate_terminal(conn, row, activation_hash=spent):
            raise ActivationRefused
    institution = await get_institution(ctx, row.institution_id)
    return Activated(terminal=row, institution_name=institution.name, key=key)


async def set_merchant_account(
    ctx: Context, institution_id: int, *, provider: str, account_name: str
) -> None:
    """Say which merchant account of ``provider`` collects for the institution."""
    row = MerchantAccount(
        institution_id=institution_id,
        provider=provider,
        account_name=account_name,
        created_at=ctx.clock.now(),
        row_mac=b"",
    )
    row = msgspec.structs.replace(
        row, row_mac=ctx.sealer.row_mac("merchant_account", row.mac_parts())
    )
    async with connection(ctx.pool) as conn:
        await store.upsert_merchant(conn, row)


async def merchant_account(ctx: Context, institution_id: int, provider: str) -> str:
    """The account name that ``Partners.payment`` takes. Raises ``NotFound``, ``RowTampered``."""
    async with connection(ctx.pool) as conn:
        row = await store.find_merchant(conn, institution_id, provider)
    if row is None:
        raise NotFound
    ctx.sealer.check_mac("merchant_account", row.mac_parts(), row.row_mac)
    return row.account_name


async def pseudonym(conn: Connection, ctx: Context, institution_id: int, record_id: int) -> str:
    """What the institution calls the record: 32 hexadecimal digits, remembered for look-up."""
    name = ctx.sealer.pseudonym(institution_id, record_id)
    await store.insert_patient(conn, institution_id, name, record_id, ctx.clock.now())
    return name.hex()


async def find_patient(ctx: Context, institution_id: int, pseudonym_text: str) -> int:
    """The record behind an institution's pseudonym. Raises ``NotFound``."""
    try:
        name = bytes.fromhex(pseudonym_text)
    except ValueError:
        raise NotFound from None
    async with connection(ctx.pool) as conn:
        record_id = await store.find_patient(conn, institution_id, name)
    if record_id is None or ctx.sealer.pseudonym(institution_id, record_id) != name:
        raise NotFound
    return record_id
