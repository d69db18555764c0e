"""SQL of phones, their credentials, what of them was revoked, and a card with its code."""

from collections.abc import Sequence
from datetime import datetime
from typing import TypeVar, cast

import msgspec

from service.healthcode.model import (
    CodeCard,
    HolderCredential,
    PhoneRow,
    RevokedCode,
    SeenKey,
)
from service.kernel.database import Connection, Write, execute, find_row, insert_new, list_rows
from service.kernel.joined_reads import Cells, Read, row_of

T = TypeVar("T", bound=msgspec.Struct)

GET_STANDING = """
select
  card.record_id, card.card, card.epoch, card.state, card.created_at, card.row_mac,
  phone.record_id, phone.phone_id, phone.account_id, phone.slot, phone.label, phone.code_id,
  phone.state, phone.enrolled_at, phone.renewed_at, phone.expires_at, phone.session_id,
  phone.row_mac,
  former.record_id, former.code_id, former.phone_id, former.code_class, former.state,
  former.issued_at, former.expires_at, former.credential, former.row_mac,
  array(
    select slot from phone where record_id = $1 and state = 'ACTIVE' and expires_at > $4
  ) as slots,
  array(
    select slot from phone
    where record_id = $1 and state = 'ACTIVE' and expires_at <= $4
    order by expires_at, phone_id
  ) as over,
  array(
    select expires_at from holder_credential
    where record_id = $1 and phone_id = $3 and expires_at > $4
    order by expires_at
  ) as expiries
from code as card
left join phone on phone.record_id = $1 and phone.phone_id = $3
left join holder_credential as former
  on former.record_id = $1 and former.code_id = phone.code_id
where card.record_id = $1 and card.card = $2
"""
ENROL = """
with held as (
  select record_id from code
  where record_id = $1 and card = $2 and epoch = $3 and state = 'ACTIVE'
  for share
),
enrolled as (
  insert into phone (
    record_id, phone_id, account_id, slot, label, code_id, state, enrolled_at, renewed_at,
    expires_at, session_id, row_mac
  )
  select record_id, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14
  from held
  on conflict (record_id, slot) where state = 'ACTIVE' do nothing
  returning record_id
)
insert into holder_credential (
  record_id, code_id, phone_id, code_class, state, issued_at, expires_at, credential, row_mac
)
select record_id, $15, $16, $17, $18, $19, $20, $21, $22
from enrolled
"""
RENEW = """
with held as (
  select record_id from code
  where record_id = $1 and card = $2 and epoch = $3 and state = 'ACTIVE'
  for share
),
renewed as (
  update phone
  set label = $7, code_id = $8, renewed_at = $9, expires_at = $10, session_id = $11,
    row_mac = $12
  from held
  where phone.record_id = $1 and phone.phone_id = $4 and phone.state = 'ACTIVE'
    and phone.code_id = $5
  returning phone.record_id
),
retired as (
  update holder_credential
  set state = 'RETIRED', row_mac = $6
  from renewed
  where holder_credential.record_id = $1 and holder_credential.code_id = $5
    and holder_credential.state = 'LIVE'
)
insert into holder_credential (
  record_id, code_id, phone_id, code_class, state, issued_at, expires_at, credential, row_mac
)
select record_id, $13, $14, $15, $16, $17, $18, $19, $20
from renewed
"""
INSERT_KEY = """
insert into holder_key (key_hash, record_id, code_id, request_hash, seen_at)
values ($1, $2, $3, $4, $5)
on conflict (key_hash) do nothing
"""
GET_KEY = """
select key_hash, record_id, code_id, request_hash, seen_at
from holder_key
where key_hash = $1
"""
GET_CREDENTIAL = """
select
  record_id, code_id, phone_id, code_class, state, issued_at, expires_at, credential, row_mac
from holder_credential
where record_id = $1 and code_id = $2
"""
LIST_PHONES = """
select
  record_id, phone_id, account_id, slot, label, code_id, state, enrolled_at, renewed_at,
  expires_at, session_id, row_mac
from phone
where record_id = $1
order by state = 'ACTIVE' desc, enrolled_at desc, phone_id
limit $2
"""
LOCK_PHONES = """
select
  record_id, phone_id, account_id, slot, label, code_id, state, enrolled_at, renewed_at,
  expires_at, session_id, row_mac
from phone
where record_id = $1 and state = 'ACTIVE'
order by phone_id
for update
"""
GET_PHONE = """
select
  record_id, phone_id, account_id, slot, label, code_id, state, enrolled_at, renewed_at,
  expires_at, session_id, row_mac
from phone
where record_id = $1 and phone_id = $2
"""
LOCK_PHONE = """
select
  record_id, phone_id, account_id, slot, label, code_id, state, enrolled_at, renewed_at,
  expires_at, session_id, row_mac
from phone
where record_id = $1 and state <> 'REVOKED' and (phone_id = $2 or session_id = $3)
order by phone_id
for update
"""
LOCK_SLOT = """
select
  record_id, phone_id, account_id, slot, label, code_id, state, enrolled_at, renewed_at,
  expires_at, session_id, row_mac
from phone
where record_id = $1 and slot = $2 and state = 'ACTIVE' and expires_at <= $3
for update
"""
REVOKE_PHONES = """
update phone
set state = listed.state, row_mac = listed.row_mac
from unnest($2::bigint[], $3::text[], $4::bytea[]) as listed (phone_id, state, row_mac)
where phone.record_id = $1 and phone.phone_id = listed.phone_id and phone.state <> 'REVOKED'
"""
LIST_UNEXPIRED = """
select
  record_id, code_id, phone_id, code_class, state, issued_at, expires_at, credential, row_mac
from holder_credential
where record_id = $1 and expires_at > $2 and state <> 'REVOKED'
order by issued_at, code_id
"""
REVOKE_CREDENTIALS = """
update holder_credential
set state = 'REVOKED', row_mac = listed.row_mac
from unnest($2::bytea[], $3::bytea[]) as listed (code_id, row_mac)
where holder_credential.record_id = $1 and holder_credential.code_id = listed.code_id
"""
INSERT_REVOKED = """
insert into revoked_code (record_id, code_id, scope, code_class, expires_at, revoked_at, row_mac)
select $1, code_id, scope, code_class, expires_at, $2, row_mac
from unnest($3::bytea[], $4::smallint[], $5::smallint[], $6::timestamptz[], $7::bytea[])
  as listed (code_id, scope, code_class, expires_at, row_mac)
on conflict (record_id, code_id) do nothing
"""
GET_CARD_AND_CREDENTIAL = """
select
  card.record_id, card.card, card.epoch, card.state, card.created_at, card.row_mac,
  held.record_id, held.code_id, held.phone_id, held.code_class, held.state, held.issued_at,
  held.expires_at, held.credential, held.row_mac
from code as card
left join holder_credential as held on held.record_id = $1 and held.code_id = $3
where card.record_id = $1 and card.card = $2
"""
GET_CARD_AND_PRINTED = """
select
  card.record_id, card.card, card.epoch, card.state, card.created_at, card.row_mac,
  held.record_id, held.printed_code_id, held.code_id, held.code_class, held.state,
  held.issued_at, held.expires_at, held.row_mac
from code as card
left join printed_code as held on held.record_id = $1 and held.code_id = $3
where card.record_id = $1 and card.card = $2
"""
DELETE_OLD_KEYS = """
delete from holder_key
where seen_at < $1
"""
DELETE_OLD_CREDENTIALS = """
delete from holder_credential
where expires_at < $1
"""
DELETE_OLD_REVOKED = """
delete from revoked_code
where expires_at < $1
"""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What one statement tells before a phone is enrolled or renewed.

    ``former`` is the phone's present credential; ``expiries`` those of its unexpired ones, soonest
    first; ``slots`` the places of the record's phones that show codes, ``over`` those of phones
    whose credential has expired, the longest first.
    """

    card: CodeCard
    phone: PhoneRow | None
    former: HolderCredential | None
    slots: list[int]
    over: list[int]
    expiries: list[datetime]


def standing_read(record_id: int, card: int, phone_id: int, now: datetime) -> Read:
    """What ``standing`` is made of. No phone has the id 0."""
    return Read(GET_STANDING, (record_id, card, phone_id, now), 30)


def standing(found: Sequence[Cells]) -> Standing | None:
    """Of what that read gave; None where the record has no such card yet."""
    if not found:
        return None
    (cells,) = found
    return Standing(
        card=row_of(CodeCard, cells[:6]),
        phone=_row_if_any(PhoneRow, cells[6:18]),
        former=_row_if_any(HolderCredential, cells[18:27]),
        slots=cast("list[int]", cells[27]),
        over=cast("list[int]", cells[28]),
        expiries=cast("list[datetime]", cells[29]),
    )


def enrol_write(card: CodeCard, phone: PhoneRow, credential: HolderCredential) -> Write:
    """Both rows, if the card still is as it was read and the slot is free; else nothing."""
    first = (card.record_id, card.card, card.epoch)
    cells = (*msgspec.structs.astuple(phone)[1:], *msgspec.structs.astuple(credential)[1:])
    return Write(ENROL, (*first, *cells))


def renew_write(
    card: CodeCard,
    phone: PhoneRow,
    credential: HolderCredential,
    former: tuple[bytes, bytes | None],
) -> Write:
    """A phone's next credential; ``former`` is (code id, row MAC once retired).

    Nothing is written unless card and phone still are as they were read.
    """
    which = (card.record_id, card.card, card.epoch, phone.phone_id, *former)
    written = (phone.label, phone.code_id, phone.renewed_at, phone.expires_at)
    cells = (*written, phone.session_id, phone.row_mac)
    return Write(RENEW, (*which, *cells, *msgspec.structs.astuple(credential)[1:]))


async def insert_key(conn: Connection, row: SeenKey) -> bool:
    """False when the key was seen before."""
    return await insert_new(conn, INSERT_KEY, *msgspec.structs.astuple(row))


async def find_key(conn: Connection, key_hash: bytes) -> SeenKey | None:
    """Whose a seen key is."""
    return await find_row(conn, SeenKey, GET_KEY, key_hash)


async def find_credential(
    conn: Connection, record_id: int, code_id: bytes
) -> HolderCredential | None:
    """By its public code id."""
    return await find_row(conn, HolderCredential, GET_CREDENTIAL, record_id, code_id)


async def list_phones(conn: Connection, record_id: int, limit: int) -> list[PhoneRow]:
    """The active ones, then the others, each newest first."""
    return await list_rows(conn, PhoneRow, LIST_PHONES, record_id, limit)


async def lock_phones(conn: Connection, record_id: int) -> list[PhoneRow]:
    """The active ones, held until the transaction ends."""
    return await list_rows(conn, PhoneRow, LOCK_PHONES, record_id)


async def find_phone(conn: Connection, record_id: int, phone_id: int) -> PhoneRow | None:
    """By id."""
    return await find_row(conn, PhoneRow, GET_PHONE, record_id, phone_id)


async def lock_phone(
    conn: Connection, record_id: int, phone_id: int, session_id: str | None
) -> list[PhoneRow]:
    """By id unless revoked, and others of this login; held until the transaction ends."""
    return await list_rows(conn, PhoneRow, LOCK_PHONE, record_id, phone_id, session_id)


async def lock_expired(
    conn: Connection, record_id: int, slot: int, now: datetime
) -> PhoneRow | None:
    """The phone that holds this place and shows nothing any more."""
    return await find_row(conn, PhoneRow, LOCK_SLOT, record_id, slot, now)


async def revoke_phones(conn: Connection, record_id: int, rows: Sequence[PhoneRow]) -> None:
    """Write the state and MAC of phones that are revoked or replaced."""
    ids, macs = [row.phone_id for row in rows], [row.row_mac for row in rows]
    await execute(conn, REVOKE_PHONES, record_id, ids, [row.state for row in rows], macs)


async def list_unexpired(conn: Connection, record_id: int, now: datetime) -> list[HolderCredential]:
    """Credentials that a reader without network would still take; at most a few a phone."""
    return await list_rows(conn, HolderCredential, LIST_UNEXPIRED, record_id, now)


async def revoke_credentials(
    conn: Connection, record_id: int, rows: Sequence[HolderCredential]
) -> None:
    """Write the state and MAC of revoked credentials."""
    ids, macs = [row.code_id for row in rows], [row.row_mac for row in rows]
    await execute(conn, REVOKE_CREDENTIALS, record_id, ids, macs)


async def insert_revoked(conn: Connection, rows: Sequence[RevokedCode]) -> None:
    """Codes of one record, revoked at one moment, for the lists; a repeat changes nothing."""
    if not rows:
        return
    await execute(
        conn,
        INSERT_REVOKED,
        rows[0].record_id,
        rows[0].revoked_at,
        [row.code_id for row in rows],
        [row.scope for row in rows],
        [row.code_class for row in rows],
        [row.expires_at for row in rows],
        [row.row_mac for row in rows],
    )


def card_and_credential_read(record_id: int, card: int, code_id: bytes) -> Read:
    """A card and one phone's credential under it."""
    return Read(GET_CARD_AND_CREDENTIAL, (record_id, card, code_id), 15)


def card_and_printed_read(record_id: int, card: int, code_id: bytes) -> Read:
    """A card and one printed code under it."""
    return Read(GET_CARD_AND_PRINTED, (record_id, card, code_id), 14)


def card_and(kind: type[T], found: Sequence[Cells]) -> tuple[CodeCard | None, T | None]:
    """Of what one of those two gave."""
    if not found:
        return None, None
    (cells,) = found
    return row_of(CodeCard, cells[:6]), _row_if_any(kind, cells[6:])


async def delete_old(
    conn: Connection, *, keys: datetime, credentials: datetime, revoked: datetime
) -> int:
    """Keys seen, credentials expired and revocations expired before these; gives how many."""
    gone = await execute(conn, DELETE_OLD_KEYS, keys)
    gone += await execute(conn, DELETE_OLD_CREDENTIALS, credentials)
    return gone + await execute(conn, DELETE_OLD_REVOKED, revoked)


def _row_if_any(kind: type[T], cells: Cells) -> T | None:
    """None where the outer join found nothing."""
    return None if cells[0] is None else row_of(kind, cells)
