"""Log in and out, prove a token, register with a real name."""

from datetime import date
from typing import assert_never

import msgspec

from crypto.keyring import KeyKind
from integrations.ports.login import PlatformIdentity
from integrations.ports.outcomes import Accepted, NotSent, Rejected, Unknown
from integrations.ports.partners import PartnerUnknown
from service.account import rules, store, tokens
from service.account.model import (
    Account,
    AccountRecord,
    AccountState,
    Level,
    LoggedIn,
    RealName,
    Relation,
    Session,
    Standing,
)
from service.account.problems import (
    AccountBlocked,
    AlreadyRegistered,
    GuardianRequired,
    LoginCodeInvalid,
    LoginPlatformUnavailable,
    LoginProviderUnknown,
    LoginStopped,
    NameAndNumberDoNotMatch,
    RealNameAttemptsUsedUp,
    RealNameSourceUnavailable,
    RegistrationNeeded,
)
from service.audit.actions import append
from service.audit.model import AuditEntry
from service.kernel.clock import business_day
from service.kernel.context import Context
from service.kernel.database import Connection, connection, transaction
from service.kernel.masked import Masked
from service.kernel.principals import Resident
from service.kernel.problems import (
    InvariantBroken,
    NotAuthenticated,
    NotFound,
    StateConflict,
    TooManyRequests,
)
from service.kernel.signing import sign_with
from service.person import actions as person
from service.person.model import Facts, RecordView, Registered


class _Beaten(Exception):
    """Another request of the same account or subject was faster; nothing was kept of this one."""


async def login(ctx: Context, provider: str, code: str) -> LoggedIn:
    """Exchange a platform's one-time code for a session of ours.

    Raises ``LoginProviderUnknown``, ``LoginCodeInvalid``, ``LoginPlatformUnavailable``,
    ``TooManyRequests``, ``AccountBlocked``.
    """
    identity = await _identify(ctx, provider, code)
    account = await _account_of(ctx, provider, identity.subject)
    if account.state is not AccountState.ACTIVE:
        raise AccountBlocked
    now = ctx.clock.now()
    life = ctx.policy.session_life
    session = Session(
        account_id=account.account_id,
        session_id=ctx.ids.token().hex(),
        created_at=now,
        expires_at=now + life,
        ended_at=None,
        stopped=False,
    )
    async with connection(ctx.pool) as conn:
        await store.insert_session(conn, session)
        own = await store.find_self(conn, account.account_id)
    claims = tokens.Claims(
        iss=tokens.ISSUER,
        sub=ctx.public_ids.text(account.account_id, account.account_id),
        sid=session.session_id,
        iat=int(now.timestamp()),
        exp=int(session.expires_at.timestamp()),
    )
    key = ctx.ring.current(KeyKind.TOKEN, now)
    token = await sign_with(ctx, key, lambda signer: tokens.issue(key, signer, claims))
    return LoggedIn(
        token=token,
        expires_in_s=int(life.total_seconds()),
        registered=own is not None,
    )


async def authenticate(ctx: Context, token: str) -> Resident:
    """The resident behind a token whose session is open.

    Raises ``NotAuthenticated``, ``LoginStopped``.
    """
    now = ctx.clock.now()
    claims = tokens.read(ctx.ring, token, now, ctx.proved_tokens)
    try:
        account_id, same = ctx.public_ids.parse(claims.sub)
    except NotFound:
        raise NotAuthenticated from None
    async with connection(ctx.pool) as conn:
        found = await store.find_session(conn, account_id, claims.sid)
    if account_id != same or found is None:
        raise NotAuthenticated
    session, account, own = found
    ctx.sealer.check_mac("account", account.mac_parts(), account.row_mac)
    if session.stopped:
        raise LoginStopped
    if session.ended_at is not None or session.expires_at <= now:
        raise NotAuthenticated
    if account.state is not AccountState.ACTIVE:
        raise NotAuthenticated
    if own is not None:
        ctx.sealer.check_mac("account_record", own.mac_parts(), own.row_mac)
    return Resident(
        account_id=account_id,
        session_id=session.session_id,
        record_id=own.record_id if own else None,
    )


async def block(ctx: Context, account_id: int) -> None:
    """No login and no token of the account counts any more. Raises ``StateConflict``."""
    async with transaction(ctx.pool) as conn:
        account = await _account(conn, ctx, account_id)
        blocked = msgspec.structs.replace(account, state=AccountState.BLOCKED)
        if account.state is AccountState.BLOCKED or not await store.update_account(
            conn, _with_mac(ctx, blocked), account
        ):
            raise StateConflict


async def standing(ctx: Context, resident: Resident) -> Standing:
    """Level and own record of the account."""
    async with connection(ctx.pool) as conn:
        account = await _account(conn, ctx, resident.account_id)
        own = await _self(conn, ctx, resident.account_id)
    return Standing(level=account.level, record_id=own.record_id if own else None)


def own_record(resident: Resident) -> int:
    """The record a resident is registered as. Raises ``RegistrationNeeded``."""
    if resident.record_id is None:
        raise RegistrationNeeded
    return resident.record_id


async def find_subject(ctx: Context, account_id: int, provider: str) -> Masked | None:
    """The platform's own id of the account's holder: its payer's id where it also takes money."""
    async with connection(ctx.pool) as conn:
        found = await store.find_subject(conn, account_id, provider)
    if found is None:
        return None
    login_hash, sealed = found
    return Masked(ctx.sealer.open_local("account_login", login_hash, sealed).decode())


async def check_own(ctx: Context, resident: Resident, record_id: int) -> None:
    """Raises ``NotFound`` for a record of another person, ``RegistrationNeeded``.

    The person's other records count too: a hospital's desk may have registered one before.
    """
    own = own_record(resident)
    if record_id != own and record_id not in await person.list_records(ctx, own):
        raise NotFound


async def register(ctx: Context, resident: Resident, real_name: RealName) -> int:
    """Register the resident with his real name; gives his record. A repeat gives the same.

    Raises the problems of ``person.register``, ``GuardianRequired``, ``AlreadyRegistered``,
    ``NameAndNumberDoNotMatch``, ``RealNameAttemptsUsedUp``, ``RealNameSourceUnavailable``.
    """
    registration = rules.registration_of(real_name)
    facts = person.type_of(ctx, registration)
    if (own := await _own_view(ctx, resident)) is not None:
        return _same_or_refused(facts, own)
    if rules.needs_guardian(facts.birth_date, business_day(ctx.clock.now())):
        raise GuardianRequired
    await _check_real_name(ctx, resident, facts)

    async def attach(conn: Connection, registered: Registered) -> None:
        await _attach(conn, ctx, resident, registered.record_id)

    try:
        registered = await person.register_within(ctx, registration, attach)
    except _Beaten:
        own = await _own_view(ctx, resident)
        if own is None:
            raise InvariantBroken("an account's own record vanished") from None
        return _same_or_refused(facts, own)
    return registered.record_id


async def _identify(ctx: Context, provider: str, code: str) -> PlatformIdentity:
    try:
        gateway = ctx.partners.login(provider)
    except PartnerUnknown:
        raise LoginProviderUnknown from None
    outcome = await gateway.exchange(code)
    match outcome:
        case Accepted(identity):
            return identity
        case Rejected(reason="too-often"):
            raise TooManyRequests(retry_after_s=60)
        case Rejected():
            raise LoginCodeInvalid
        case NotSent() | Unknown():
            raise LoginPlatformUnavailable(retry_after_s=2)
        case _:
            assert_never(outcome)


async def _account_of(ctx: Context, provider: str, subject: str) -> Account:
    kind = rules.login_kind(provider)
    for _ in range(2):
        async with connection(ctx.pool) as conn:
            account_id = await store.find_login(conn, ctx.sealer.blind_all(kind, subject))
            if account_id is not None:
                return await _account(conn, ctx, account_id)
        try:
            return await _new_account(
                ctx, provider, subject, ctx.sealer.blind_in_use(kind, subject)
            )
        except _Beaten:
            continue
    raise InvariantBroken("a login was neither found nor new")


async def _new_account(
    ctx: Context, provider: str, subject: str, login_hashes: tuple[bytes, ...]
) -> Account:
    """An account with its login under every key version in use: one subject, one account."""
    now = ctx.clock.now()
    row = Account(
        account_id=ctx.ids.new(),
        level=Level.LOGIN,
        state=AccountState.ACTIVE,
        created_at=now,
        row_mac=b"",
    )
    row = _with_mac(ctx, row)
    async with transaction(ctx.pool) as conn:
        await store.insert_account(conn, row)
        for login_hash in login_hashes:
            if not await store.insert_login(
                conn,
                login_hash=login_hash,
                provider=provider,
                account_id=row.account_id,
                subject_sealed=ctx.sealer.seal_local("account_login", login_hash, subject.encode()),
                now=now,
            ):
                raise _Beaten
    return row


async def _account(conn: Connection, ctx: Context, account_id: int) -> Account:
    row = await store.find_account(conn, account_id)
    if row is None:
        raise InvariantBroken("a login names an account that does not exist")
    ctx.sealer.check_mac("account", row.mac_parts(), row.row_mac)
    return row


def _with_mac(ctx: Context, row: Account) -> Account:
    return msgspec.structs.replace(row, row_mac=ctx.sealer.row_mac("account", row.mac_parts()))


async def _self(conn: Connection, ctx: Context, account_id: int) -> AccountRecord | None:
    row = await store.find_self(conn, account_id)
    if row is not None:
        ctx.sealer.check_mac("account_record", row.mac_parts(), row.row_mac)
    return row


async def _own_view(ctx: Context, resident: Resident) -> RecordView | None:
    now_standing = await standing(ctx, resident)
    if now_standing.record_id is None:
        return None
    return await person.read(ctx, now_standing.record_id)


def _same_or_refused(facts: Facts, own: RecordView) -> int:
    if not rules.says_the_same(facts, own):
        raise AlreadyRegistered
    return own.record_id


async def _check_real_name(ctx: Context, resident: Resident, facts: Facts) -> None:
    day = business_day(ctx.clock.now())
    id_no = facts.id_no or ""
    counted = [
        ("attempts of account", str(resident.account_id), rules.ACCOUNT_ATTEMPTS_A_DAY),
        ("attempts for number", id_no, rules.NUMBER_ATTEMPTS_A_DAY),
    ]
    for kind, text, limit in counted:
        await _count_attempt(ctx, kind, text, day, limit)
    try:
        gateway = ctx.partners.real_name()
    except PartnerUnknown:
        raise RealNameSourceUnavailable from None
    outcome = await gateway.check(facts.name, id_no, ctx.ids.trade_no())
    match outcome:
        case Accepted(True):
            return
        case Accepted(_) | Rejected(reason="not-on-record"):
            raise NameAndNumberDoNotMatch
        case Rejected() | NotSent() | Unknown():
            async with connection(ctx.pool) as conn:
                for kind, text, _limit in counted:
                    for subject_hash in ctx.sealer.blind_in_use(kind, text):
                        await store.give_back_attempt(conn, subject_hash, day)
            raise RealNameSourceUnavailable(retry_after_s=5)
        case _:
            assert_never(outcome)


async def _count_attempt(ctx: Context, kind: str, text: str, day: date, limit: int) -> None:
    """Count one more under every key version in use; a rotation forgets no attempt of the day."""
    async with transaction(ctx.pool) as conn:
        so_far = await store.most_attempts(conn, ctx.sealer.blind_all(kind, text), day)
        counts = [
            await store.count_attempt(conn, subject_hash, day, limit, so_far)
            for subject_hash in ctx.sealer.blind_in_use(kind, text)
        ]
        if not all(counts):
            wait_s = rules.seconds_to_tomorrow(ctx.clock.now())
            raise RealNameAttemptsUsedUp(retry_after_s=wait_s)


async def _attach(conn: Connection, ctx: Context, resident: Resident, record_id: int) -> None:
    """Make a fresh record the account's own and raise its level, in the registering transaction."""
    row = AccountRecord(
        account_id=resident.account_id,
        record_id=record_id,
        relation=Relation.SELF,
        from_at=ctx.clock.now(),
        to_at=None,
        row_mac=b"",
    )
    mac = ctx.sealer.row_mac("account_record", row.mac_parts())
    if not await store.insert_account_record(conn, msgspec.structs.replace(row, row_mac=mac)):
        raise _Beaten
    account = await _account(conn, ctx, resident.account_id)
    raised = msgspec.structs.replace(account, level=Level.TWO_FACTOR)
    if not await store.update_account(conn, _with_mac(ctx, raised), account):
        raise _Beaten
    await append(
        conn,
        ctx,
        AuditEntry(
            record_id=record_id,
            action="account.registered",
            actor_kind="resident",
            actor_id=resident.account_id,
            institution_id=None,
            facts={"level": Level.TWO_FACTOR.value},
        ),
    )
