"""Enrol institutions, applications and terminals; look them up; name their patients."""

import secrets
from datetime import datetime, timedelta

import msgspec

from crypto.keyring import Key, KeyKind
from crypto.signer import public_key_of
from crypto.sm2 import PublicKey
from crypto.sm3 import hmac_sm3, sm3
from service.institution import caller_keys, key_history, rules, store
from service.institution.model import (
    Activated,
    CallerState,
    EnrolledApplication,
    EnrolledTerminal,
    Institution,
    InstitutionState,
    MerchantAccount,
    MovedAmounts,
    NewInstitution,
)
from service.institution.problems import ActivationRefused, AlreadyEnrolled, InstitutionSuspended
from service.kernel.context import Context
from service.kernel.database import Connection, Write, claiming, connection, transaction
from service.kernel.entry import Proved
from service.kernel.principals import Application, Terminal
from service.kernel.problems import (
    NonceReused,
    NotAuthenticated,
    NotFound,
    Overloaded,
    StateConflict,
)
from service.kernel.signed_requests import SCHEME_APPLICATION, WINDOW, Claimed
from service.kernel.signing import sign_message

SCOPES = frozenset({"bill", "settlement", "scan", "insurance", "patient"})
ACTIVATION_LIFE = timedelta(days=3)
_ACTIVATION_ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
_ACTIVATION_LENGTH = 16
TERMINAL_KEY_LENGTH = 32
MESSAGE_TRIES = 50
UNPROVED = (
    "unknown or revoked caller, or a signature that is not over the eight lines of "
    "docs/integration.md; `yimatong sign-debug` prints them"
)
"""One text for all, so that nobody learns which ids exist."""
KEEP_MESSAGES = timedelta(days=1)


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
        approval_above_fen=new.approval_above_fen,
        registration_insured=new.registration_insured,
    )
    row = msgspec.structs.replace(row, row_mac=ctx.sealer.row_mac("institution", row.mac_parts()))
    async with connection(ctx.pool) as conn:
        if not await store.insert_institution(conn, row):
            raise AlreadyEnrolled
    return row


async def get_institution(ctx: Context, institution_id: int) -> Institution:
    """Raises ``NotFound``; ``RowTampered`` when the row was changed from outside."""

    async def load() -> Institution:
        async with connection(ctx.pool) as conn:
            row = await store.find_institution(conn, institution_id)
        if row is None:
            raise NotFound
        ctx.sealer.check_mac("institution", row.mac_parts(), row.row_mac)
        return row

    return await ctx.memory.get(("institution", institution_id), load)


async def set_moved_amounts(ctx: Context, institution_id: int, wish: MovedAmounts) -> None:
    """What follows when the bureau settles other amounts. Raises as the next."""
    await _set(ctx, institution_id, moved_amounts=wish)


async def set_approval_limit(ctx: Context, institution_id: int, above_fen: int | None) -> None:
    """Giving back more than ``above_fen`` needs a second person from now on; None: nothing does.
    Raises ``NotFound``, ``StateConflict`` when the row changed at the same moment."""
    await _set(ctx, institution_id, approval_above_fen=above_fen)


async def set_registration_insured(ctx: Context, institution_id: int, *, insured: bool) -> None:
    """Whether the bureau is asked to pay its part of registration fees, from now on.

    Raises ``NotFound``, ``StateConflict`` when the row changed at the same moment.
    """
    await _set(ctx, institution_id, registration_insured=insured)


async def _set(ctx: Context, institution_id: int, **settings: int | str | None) -> None:
    before = await get_institution(ctx, institution_id)
    new = msgspec.structs.replace(before, **settings)
    row = msgspec.structs.replace(new, row_mac=ctx.sealer.row_mac("institution", new.mac_parts()))
    async with connection(ctx.pool) as conn:
        if not await store.save_settings(conn, before, row):
            raise StateConflict("the institution was changed at the same moment")
    ctx.memory.forget(("institution", institution_id))


async def list_institutions(ctx: Context) -> list[Institution]:
    """At most 1,000, by code."""
    async with connection(ctx.pool) as conn:
        return await store.list_institutions(conn, 1000)


async def enrol_application(
    ctx: Context, institution_id: int, *, name: str, public_key: bytes, scopes: frozenset[str]
) -> EnrolledApplication:
    """Enrol by a bare key, which counts until certificates take its place.

    Raises as ``application_row`` does; ``CertificateKeyEnded``, ``CertificateKeyTaken``.
    """
    row = await application_row(
        ctx, institution_id, name=name, public_key=public_key, scopes=scopes, key_until=None
    )
    async with transaction(ctx.pool) as conn:
        await key_history.check_free(ctx, conn, row.public_key, row.application_id)
        await store.insert_application(conn, row)
    return row


async def application_row(
    ctx: Context,
    institution_id: int,
    *,
    name: str,
    public_key: bytes,
    scopes: frozenset[str],
    key_until: datetime | None,
) -> EnrolledApplication:
    """A new application, not stored yet; its bare key counts until ``key_until``, or for good.

    Raises ``BadKey`` for a key that is not a point, ``NotFound``, ``ValueError`` (scopes).
    """
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
        key_until=key_until,
    )
    return msgspec.structs.replace(row, row_mac=ctx.sealer.row_mac("application", row.mac_parts()))


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
    ctx.memory.forget(("merchant account", institution_id, provider))


async def merchant_account(ctx: Context, institution_id: int, provider: str) -> str:
    """The account name that ``Partners.payment`` takes. Raises ``NotFound``, ``RowTampered``."""

    async def load() -> str:
        async with connection(ctx.pool) as conn:
            row = await store.find_merchant(conn, institution_id, provider)
        if row is None:
            raise NotFound
        ctx.sealer.check_mac("merchant_account", row.mac_parts(), row.row_mac)
        return row.account_name

    return await ctx.memory.get(("merchant account", institution_id, provider), load)


async def list_merchant_accounts(ctx: Context, institution_id: int) -> list[tuple[str, str]]:
    """(provider, account name) of all who collect for the institution. Raises ``RowTampered``."""
    async with connection(ctx.pool) as conn:
        found = await store.list_merchants(conn, institution_id)
    for row in found:
        ctx.sealer.check_mac("merchant_account", row.mac_parts(), row.row_mac)
    return [(row.provider, row.account_name) for row in found]


def patient_write(ctx: Context, institution_id: int, record_id: int) -> Write:
    """Lets the institution's pseudonym of the record be looked up (``find_patient``)."""
    name = ctx.sealer.pseudonym(institution_id, record_id)
    return store.patient_write(institution_id, name, record_id, ctx.clock.now())


async def find_patient(ctx: Context, institution_id: int, pseudonym_text: str) -> int:
    """The record behind an institution's pseudonym. Raises ``NotFound``."""
    try:
        name = bytes.fromhex(pseudonym_text)
    except ValueError:
        raise NotFound from None
    async with connection(ctx.pool) as conn:
        record_id = await store.find_patient(conn, institution_id, name)
    if record_id is None or ctx.sealer.pseudonym(institution_id, record_id) != name:
        raise NotFound("no patient of this institution has that patient_id")
    return record_id


async def prove(ctx: Context, claimed: Claimed, text: bytes, changes_state: bool) -> Proved:
    """Prove who signed ``text``.

    Raises ``NotAuthenticated``, ``NonceReused``, ``InstitutionSuspended``.

    An unknown id, a revoked caller and a wrong signature are answered alike. The nonce is spent
    only after the signature holds, and only for requests that change state.
    """
    try:
        institution_id, caller_id = ctx.public_ids.parse(claimed.caller_id)
    except NotFound:
        raise NotAuthenticated(UNPROVED) from None
    if claimed.scheme == SCHEME_APPLICATION:
        proved = await _prove_application(ctx, institution_id, caller_id, claimed, text)
    else:
        proved = await _prove_terminal(ctx, institution_id, caller_id, claimed, text)
    institution = await get_institution(ctx, institution_id)
    if institution.state is not InstitutionState.ACTIVE:
        raise InstitutionSuspended
    if changes_state:
        async with claiming(ctx.pool) as conn:
            if not await store.insert_nonce(
                conn, institution_id, caller_id, claimed.nonce, ctx.clock.now()
            ):
                raise NonceReused
    return proved


async def _prove_application(
    ctx: Context, institution_id: int, application_id: int, claimed: Claimed, text: bytes
) -> Proved:
    async with connection(ctx.pool) as conn:
        row = await store.find_application(conn, institution_id, application_id)
        if row is None or row.state is not CallerState.ACTIVE:
            raise NotAuthenticated(UNPROVED)
        ctx.sealer.check_mac("application", row.mac_parts(), row.row_mac)
        keys = await caller_keys.accepted_keys(ctx, conn, row)
    if not any(rules.signature_holds(key, text, claimed.signature) for key in keys):
        raise NotAuthenticated(UNPROVED)
    principal = Application(
        institution_id=institution_id,
        application_id=application_id,
        scopes=frozenset(row.scopes),
    )
    return Proved(principal, lambda answer: _sign_answer(ctx, answer))


async def _sign_answer(ctx: Context, answer: bytes) -> tuple[str, bytes]:
    key = ctx.ring.current(KeyKind.TRANSPORT, ctx.clock.now())
    return f"transport-{key.version}", await sign_message(ctx, key, answer)


def platform_key(ctx: Context) -> PublicKey:
    """Our public key, by which callers check the signatures of our answers."""
    key = ctx.ring.current(KeyKind.TRANSPORT, ctx.clock.now())
    return public_key_of(key)


def platform_keys(ctx: Context) -> list[tuple[Key, PublicKey]]:
    """Every key that may stand under an answer, the next one before its time too."""
    now = ctx.clock.now()
    return [
        (key, public_key_of(key))
        for key in ctx.ring.keys
        if key.kind is KeyKind.TRANSPORT and key.is_accepted(max(now, key.use_from))
    ]


async def _prove_terminal(
    ctx: Context, institution_id: int, terminal_id: int, claimed: Claimed, text: bytes
) -> Proved:
    async def load() -> tuple[Terminal, bytes]:
        async with connection(ctx.pool) as conn:
            row = await store.find_terminal(conn, institution_id, terminal_id)
        if row is None or row.state is not CallerState.ACTIVE or row.key_sealed is None:
            raise NotAuthenticated(UNPROVED)
        ctx.sealer.check_mac("terminal", row.mac_parts(), row.row_mac)
        key = ctx.sealer.open_local("terminal", terminal_id.to_bytes(8), row.key_sealed)
        principal = Terminal(
            institution_id=institution_id, terminal_id=terminal_id, public_place=row.public_place
        )
        return principal, key

    principal, key = await ctx.memory.get(("terminal", institution_id, terminal_id), load)
    if not rules.mac_holds(key, text, claimed.signature):
        raise NotAuthenticated(UNPROVED)

    async def sign(answer: bytes) -> tuple[str, bytes]:
        return "terminal", hmac_sm3(key, answer)

    return Proved(principal, sign)


async def take_message_no(conn: Connection, ctx: Context, institution_code: str) -> str:
    """A number for one message to the bureau, never given twice. Raises ``Overloaded``."""
    return (await take_message_nos(conn, ctx, institution_code, 1))[0]


async def take_message_nos(
    conn: Connection, ctx: Context, institution_code: str, count: int
) -> list[str]:
    """Numbers for messages that are sent at once, one after another. Raises ``Overloaded``."""
    now = ctx.clock.now()
    first = ctx.ids.new()
    taken: list[str] = []
    for step in range(MESSAGE_TRIES):
        places = range(step * count, step * count + count - len(taken))
        wanted = [rules.message_no(institution_code, now, first + place * 7) for place in places]
        taken += await store.insert_messages(conn, wanted, now)
        if len(taken) == count:
            return taken
    raise Overloaded("more messages in one second than the bureau's numbers tell apart")


async def forget_nonces(ctx: Context) -> int:
    """Delete nonces that the signature window has made useless, and message numbers long past."""
    async with connection(ctx.pool) as conn:
        now = ctx.clock.now()
        gone = await store.delete_old_messages(conn, now - KEEP_MESSAGES)
        return gone + await store.delete_old_nonces(conn, now - 2 * WINDOW)
