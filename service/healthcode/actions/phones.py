"""Enrol a phone's key, renew it, list and revoke phones."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta

import msgspec

from crypto.healthcode.issue import CredentialRequest, prepare_credential
from crypto.healthcode.layout import SIZES, Kind, code_id, parse
from crypto.sm2 import PublicKey
from crypto.sm3 import sm3
from service.account import actions as account
from service.account import sessions
from service.healthcode import cards, enrolment, issuing, notes, revoking, rules, store_phones
from service.healthcode.actions.holding import void_codes
from service.healthcode.model import (
    Enrolled,
    EnrolRequest,
    HolderCredential,
    IssuedState,
    Phone,
    PhoneRow,
    PhoneState,
    SeenKey,
)
from service.healthcode.problems import HolderKeySeen, PhoneCredentialsUsedUp, PhoneLimitReached
from service.healthcode.store_phones import Standing
from service.kernel.context import Context
from service.kernel.database import Connection, connection, execute_together, transaction
from service.kernel.joined_reads import Cells, read_together
from service.kernel.principals import Resident
from service.kernel.problems import InvariantBroken, NotFound, StateConflict
from service.person import actions as person

PHONES_LISTED = 50
KEYS_KEPT = timedelta(days=400)
"""A credential lives at most three days: a key that comes back later opens nothing."""
CREDENTIALS_KEPT = timedelta(days=30)
"""Past their expiry, so that what a reader without network saw can still be told apart."""
REVOKED_KEPT = timedelta(days=1)
_UNSHOWN = bytes(SIZES[Kind.BOUND] - 124)
"""Where a phone puts its moment and signature."""


async def challenge(ctx: Context, resident: Resident) -> enrolment.Challenge:
    """What a phone signs to prove its new key. Nothing of it is stored."""
    return enrolment.new_challenge(ctx, resident.account_id)


async def enrol(ctx: Context, resident: Resident, request: EnrolRequest) -> Enrolled:
    """A credential for a phone's new key: of a new phone, or the next one of ``phone_id``.

    The former credential of that phone is retired in the same transaction. The same request again,
    known by its proof, gives the same credential; no answer is kept for that. Raises the problems
    of ``enrolment.prove``, ``RegistrationNeeded``, ``NotFound`` (somebody else's phone),
    ``PhoneReplaced``, ``PhoneRevoked``, ``PhoneLimitReached``, ``PhoneCredentialsUsedUp``,
    ``HolderKeySeen``, ``CodeFrozen``, ``CodeNoSuchCard``, ``StateConflict``,
    ``SignerUnavailable``; ``NotAuthenticated`` where the login ended while it was served.
    """
    key = enrolment.prove(ctx, resident.account_id, request)
    record_id = account.own_record(resident)
    try:
        return await _enrol(ctx, resident, record_id, request, key)
    except (HolderKeySeen, PhoneLimitReached, PhoneCredentialsUsedUp, StateConflict):
        again = await _enrolled_before(ctx, record_id, request)
        if again is None:
            raise
        return again


async def list_phones(ctx: Context, resident: Resident) -> list[Phone]:
    """The resident's phones, active ones first, then newest first, at most 50.

    Raises ``RowTampered``.
    """
    record_id = account.own_record(resident)
    async with connection(ctx.pool) as conn:
        rows = await store_phones.list_phones(conn, record_id, PHONES_LISTED)
        key = await ctx.sealer.record_key(conn, record_id)
    phones = []
    for row in rows:
        ctx.sealer.check_mac("phone", row.mac_parts(), row.row_mac)
        label = None
        if row.label is not None:
            label = ctx.sealer.open(key, "phone", "label", row.phone_id, row.label).decode()
        phones.append(
            Phone(
                record_id=record_id,
                phone_id=row.phone_id,
                label=label,
                enrolled_at=row.enrolled_at,
                renewed_at=row.renewed_at,
                expires_at=row.expires_at,
                state=row.state,
            )
        )
    return phones


async def revoke_phone(ctx: Context, resident: Resident, phone_public_id: str) -> None:
    """No code of this phone counts from now on; a repeat changes nothing.

    Another phone's login ends, with whatever else that login enrolled: it would enrol itself anew.
    Raises ``NotFound``, ``StateConflict``.
    """
    record_id, phone_id = ctx.public_ids.parse(phone_public_id)
    if record_id != account.own_record(resident):
        raise NotFound
    async with connection(ctx.pool) as conn:
        asked = await store_phones.find_phone(conn, record_id, phone_id)
    if asked is None:
        raise NotFound
    if asked.state is PhoneState.REVOKED:
        return
    ctx.sealer.check_mac("phone", asked.mac_parts(), asked.row_mac)
    login = None if asked.session_id == resident.session_id else asked.session_id
    if login is not None:
        await sessions.log_out_there(ctx, resident, login)
    async with transaction(ctx.pool) as conn:
        # The login has ended and is committed. Who enrols with it holds the card before reading
        # that: either it is found here, or it finds the login ended.
        await cards.lock(conn, ctx, record_id)
        rows = await store_phones.lock_phone(conn, record_id, phone_id, login)
        for row in rows:
            if row.phone_id == phone_id and row.session_id != asked.session_id:
                raise StateConflict
            revoked = await revoking.revoke_phones(conn, ctx, record_id, [row])
            facts: notes.Facts = {"phone_id": row.phone_id, "revoked": revoked}
            await notes.append_act(conn, ctx, resident, record_id, "phone.revoked", facts)


async def revoke_all(ctx: Context, resident: Resident) -> None:
    """Every phone and every code of the resident is void, printed ones too, and so is every login
    but the one that asks: a lost phone that is logged in would be enrolled anew.
    """
    record_id = account.own_record(resident)
    # Committed before the epoch is raised: whoever reads the new epoch finds his login ended.
    await sessions.log_out_elsewhere(ctx, resident)
    with suppress(NotFound):  # without a card, nothing was ever issued
        await void_codes(ctx, record_id, resident)


async def forget_codes(ctx: Context) -> int:
    """Delete what has long expired; gives how many rows."""
    now = ctx.clock.now()
    async with connection(ctx.pool) as conn:
        return await store_phones.delete_old(
            conn,
            keys=now - KEYS_KEPT,
            credentials=now - CREDENTIALS_KEPT,
            revoked=now - REVOKED_KEPT,
        )


async def _enrol(
    ctx: Context, resident: Resident, record_id: int, request: EnrolRequest, key: PublicKey
) -> Enrolled:
    """Read, sign, then write what was decided, if all still is as it was read."""
    phone_id = _phone_of(ctx, record_id, request)
    async with connection(ctx.pool) as conn:
        standing, link = await _standing(conn, ctx, record_id, phone_id)
        owner = await person.person_behind(conn, ctx, link)
        sealing = await ctx.sealer.record_key(conn, record_id)
    card = standing.card
    rules.check_card(card, card.epoch, person_frozen=owner.is_frozen)
    now = ctx.clock.now()
    was = standing.phone
    if phone_id:
        slot = rules.slot_of_renewed(was, standing.expiries, now)
    else:
        slot = rules.free_slot(standing.slots, standing.over)
    prepared = prepare_credential(
        issuing.issuer(ctx, Kind.BOUND, now),
        CredentialRequest(
            index=issuing.index_of(card),
            code_class=issuing.CODE_CLASS,
            holder_key=key,
            life_min=ctx.policy.credential_life_min,
        ),
        now,
    )
    signed = await issuing.sign_credential(ctx, prepared)
    phone_id = phone_id or ctx.ids.new()
    credential = _credential_row(ctx, record_id, phone_id, signed)
    label = was.label if was is not None else None
    if request.label is not None:
        text = request.label.encode()
        label = ctx.sealer.seal(sealing, "phone", "label", phone_id, text)
    phone = PhoneRow(
        record_id=record_id,
        phone_id=phone_id,
        account_id=resident.account_id,
        slot=slot,
        label=label,
        code_id=credential.code_id,
        state=PhoneState.ACTIVE,
        enrolled_at=was.enrolled_at if was is not None else now,
        renewed_at=now,
        expires_at=credential.expires_at,
        session_id=resident.session_id,
        row_mac=b"",
    )
    phone = msgspec.structs.replace(phone, row_mac=ctx.sealer.row_mac("phone", phone.mac_parts()))
    await _write(ctx, resident, request, standing, phone, credential)
    return _told(credential)


async def _write(
    ctx: Context,
    resident: Resident,
    request: EnrolRequest,
    standing: Standing,
    phone: PhoneRow,
    credential: HolderCredential,
) -> None:
    seen = SeenKey(
        key_hash=sm3(request.holder_key),
        record_id=phone.record_id,
        code_id=credential.code_id,
        request_hash=_request_hash(request),
        seen_at=phone.renewed_at,
    )
    async with transaction(ctx.pool) as conn:
        if not await store_phones.insert_key(conn, seen):
            raise HolderKeySeen
        if standing.phone is None and phone.slot in standing.over:
            await _clear_slot(conn, ctx, resident, standing, phone)
        if standing.phone is None:
            action, write = (
                "phone.enrolled",
                store_phones.enrol_write(standing.card, phone, credential),
            )
        else:
            former = (standing.phone.code_id, _retired_mac(ctx, standing.former))
            action, write = (
                "phone.renewed",
                store_phones.renew_write(standing.card, phone, credential, former),
            )
        facts: notes.Facts = {"phone_id": phone.phone_id, "code_id": credential.code_id.hex()}
        noted = await notes.prepare_act(conn, ctx, resident, phone.record_id, action, facts)
        if await execute_together(conn, write, noted) != 1:
            raise StateConflict
        if standing.phone is None:
            # The login may have ended since it was proved. Its end is committed before a phone is
            # stopped or the epoch raised, and both need the card, which is held here until the
            # commit: either this finds the login ended, or they find this phone and revoke it.
            # So a read of the account's own shard is enough, one of a new phone only: a renewal
            # needs its own row ACTIVE, which whoever stops it writes.
            await sessions.check_open(conn, ctx, resident)


async def _clear_slot(
    conn: Connection, ctx: Context, resident: Resident, standing: Standing, phone: PhoneRow
) -> None:
    """Revoke the phone whose place is taken: its last credential is over.

    Raises ``StateConflict`` when it was renewed meanwhile, or the card changed.
    """
    # The card first: who revokes everything holds it before any phone.
    if (await cards.lock(conn, ctx, phone.record_id)) != standing.card:
        raise StateConflict
    former = await store_phones.lock_expired(conn, phone.record_id, phone.slot, phone.renewed_at)
    if former is None:
        raise StateConflict
    revoked = await revoking.revoke_phones(
        conn, ctx, phone.record_id, [former], state=PhoneState.REPLACED
    )
    facts: notes.Facts = {"phone_id": former.phone_id, "revoked": revoked}
    await notes.append_act(conn, ctx, resident, phone.record_id, "phone.replaced", facts)


def _phone_of(ctx: Context, record_id: int, request: EnrolRequest) -> int:
    """The local id of the phone to renew, 0 for a new one. Raises ``NotFound``."""
    if request.phone_id is None:
        return 0
    of_record, phone_id = ctx.public_ids.parse(request.phone_id)
    if of_record != record_id or phone_id == 0:
        raise NotFound
    return phone_id


async def _standing(
    conn: Connection, ctx: Context, record_id: int, phone_id: int
) -> tuple[Standing, Sequence[Cells]]:
    """With the record's link; one statement, once the card is there. Raises ``RowTampered``."""
    asked = store_phones.standing_read(record_id, rules.CARD, phone_id, ctx.clock.now())
    link = person.link_read(record_id)
    stood, linked = await read_together(conn, asked, link)
    if not stood:
        await cards.find_or_make(conn, ctx, record_id)
        stood, linked = await read_together(conn, asked, link)
    found = store_phones.standing(stood)
    if found is None:
        raise InvariantBroken("a card was made and is not there")
    ctx.sealer.check_mac("code", found.card.mac_parts(), found.card.row_mac)
    if (phone := found.phone) is not None:
        ctx.sealer.check_mac("phone", phone.mac_parts(), phone.row_mac)
    if (former := found.former) is not None:
        ctx.sealer.check_mac("holder_credential", former.mac_parts(), former.row_mac)
    return found, linked


async def _enrolled_before(ctx: Context, record_id: int, request: EnrolRequest) -> Enrolled | None:
    """What this very request was given, if only its answer was lost."""
    async with connection(ctx.pool) as conn:
        seen = await store_phones.find_key(conn, sm3(request.holder_key))
        if seen is None or (seen.record_id, seen.request_hash) != (
            record_id,
            _request_hash(request),
        ):
            return None
        row = await store_phones.find_credential(conn, record_id, seen.code_id)
    if row is None:
        return None
    ctx.sealer.check_mac("holder_credential", row.mac_parts(), row.row_mac)
    return _told(row)


def _credential_row(ctx: Context, record_id: int, phone_id: int, signed: bytes) -> HolderCredential:
    code = parse(signed + _UNSHOWN)
    row = HolderCredential(
        record_id=record_id,
        code_id=code_id(code),
        phone_id=phone_id,
        code_class=code.head.code_class,
        state=IssuedState.LIVE,
        issued_at=code.head.issued_at,
        expires_at=code.head.expires_at,
        credential=signed,
        row_mac=b"",
    )
    mac = ctx.sealer.row_mac("holder_credential", row.mac_parts())
    return msgspec.structs.replace(row, row_mac=mac)


def _retired_mac(ctx: Context, former: HolderCredential | None) -> bytes | None:
    """The MAC of the former credential's row once it is retired; None when it is long gone."""
    if former is None:
        return None
    retired = msgspec.structs.replace(former, state=IssuedState.RETIRED)
    return ctx.sealer.row_mac("holder_credential", retired.mac_parts())


def _request_hash(request: EnrolRequest) -> bytes:
    """A proof is a random signature: no other request has this one."""
    return sm3(request.proof)


def _told(row: HolderCredential) -> Enrolled:
    return Enrolled(
        record_id=row.record_id,
        phone_id=row.phone_id,
        credential=row.credential,
        code_id=row.code_id,
        issued_at=row.issued_at,
        expires_at=row.expires_at,
    )
