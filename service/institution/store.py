"""SQL of institutions."""

from collections.abc import Sequence
from datetime import datetime

from service.institution.model import (
    EnrolledApplication,
    EnrolledTerminal,
    Institution,
    MerchantAccount,
)
from service.kernel.database import Connection, Write, execute, find_row, insert_new, list_rows

INSERT_INSTITUTION = """
insert into institution (
  institution_id, code, name, insurance_region, level, moved_amounts, state, created_at, row_mac,
  approval_above_fen, registration_insured
)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
on conflict (code) do nothing
"""
GET_INSTITUTION = """
select institution_id, code, name, insurance_region, level, moved_amounts, state, created_at,
  row_mac, approval_above_fen, registration_insured
from institution
where institution_id = $1
"""
LIST_INSTITUTIONS = """
select institution_id, code, name, insurance_region, level, moved_amounts, state, created_at,
  row_mac, approval_above_fen, registration_insured
from institution
order by code
limit $1
"""
SAVE_SETTINGS = """
update institution
set approval_above_fen = $3, registration_insured = $4, row_mac = $5, moved_amounts = $6
where institution_id = $1 and row_mac = $2
"""
INSERT_APPLICATION = """
insert into application (
  institution_id, application_id, name, public_key, scopes, state, created_at, row_mac, key_until
)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""
GET_APPLICATION = """
select institution_id, application_id, name, public_key, scopes, state, created_at, row_mac,
  key_until
from application
where institution_id = $1 and application_id = $2
"""
LOCK_APPLICATION = """
select institution_id, application_id, name, public_key, scopes, state, created_at, row_mac,
  key_until
from application
where institution_id = $1 and application_id = $2
for update
"""
INSERT_TERMINAL = """
insert into terminal (
  institution_id, terminal_id, name, public_place, activation_hash, activation_until, state,
  created_at, row_mac
)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""
GET_TERMINAL = """
select institution_id, terminal_id, name, public_place, key_sealed, activation_hash,
  activation_until, state, created_at, row_mac
from terminal
where institution_id = $1 and terminal_id = $2
"""
LOCK_TERMINAL = """
select institution_id, terminal_id, name, public_place, key_sealed, activation_hash,
  activation_until, state, created_at, row_mac
from terminal
where institution_id = $1 and terminal_id = $2
for update
"""
FIND_BY_ACTIVATION = """
select institution_id, terminal_id, name, public_place, key_sealed, activation_hash,
  activation_until, state, created_at, row_mac
from terminal
where activation_hash = $1
"""
ACTIVATE_TERMINAL = """
update terminal
set key_sealed = $4, activation_hash = null, activation_until = null, state = 'ACTIVE', row_mac = $5
where institution_id = $1 and terminal_id = $2 and activation_hash = $3 and state = 'ENROLLED'
"""
UPSERT_MERCHANT = """
insert into merchant_account (institution_id, provider, account_name, created_at, row_mac)
values ($1, $2, $3, $4, $5)
on conflict (institution_id, provider) do update
set account_name = excluded.account_name, created_at = excluded.created_at,
  row_mac = excluded.row_mac
"""
GET_MERCHANT = """
select institution_id, provider, account_name, created_at, row_mac
from merchant_account
where institution_id = $1 and provider = $2
"""
MERCHANTS_MAX = 20
LIST_MERCHANTS = """
select institution_id, provider, account_name, created_at, row_mac
from merchant_account
where institution_id = $1
order by provider
limit $2
"""
INSERT_PATIENT = """
insert into institution_patient (institution_id, pseudonym, record_id, created_at)
values ($1, $2, $3, $4)
on conflict (institution_id, pseudonym) do nothing
"""
FIND_PATIENT = """
select record_id from institution_patient where institution_id = $1 and pseudonym = $2
"""
INSERT_NONCE = """
insert into request_nonce (institution_id, caller_id, nonce, seen_at)
values ($1, $2, $3, $4)
on conflict (institution_id, caller_id, nonce) do nothing
"""
INSERT_MESSAGES = """
insert into insurance_message (message_no, taken_at)
select message_no, $2 from unnest($1::text[]) as wanted (message_no)
on conflict (message_no) do nothing
returning message_no
"""
DELETE_OLD_MESSAGES = """
delete from insurance_message where taken_at < $1
"""
DELETE_OLD_NONCES = """
delete from request_nonce where seen_at < $1
"""


async def insert_institution(conn: Connection, row: Institution) -> bool:
    """False when the code is taken."""
    return await insert_new(
        conn,
        INSERT_INSTITUTION,
        row.institution_id,
        row.code,
        row.name,
        row.insurance_region,
        row.level,
        row.moved_amounts.value,
        row.state.value,
        row.created_at,
        row.row_mac,
        row.approval_above_fen,
        row.registration_insured,
    )


async def save_settings(conn: Connection, before: Institution, row: Institution) -> bool:
    """False when somebody was faster."""
    key = (row.institution_id, before.row_mac)
    changed = (row.approval_above_fen, row.registration_insured, row.row_mac, row.moved_amounts)
    return await execute(conn, SAVE_SETTINGS, *key, *changed) == 1


async def find_institution(conn: Connection, institution_id: int) -> Institution | None:
    """By id."""
    return await find_row(conn, Institution, GET_INSTITUTION, institution_id)


async def list_institutions(conn: Connection, limit: int) -> list[Institution]:
    """By code."""
    return await list_rows(conn, Institution, LIST_INSTITUTIONS, limit)


async def insert_application(conn: Connection, row: EnrolledApplication) -> None:
    """A new application."""
    await execute(
        conn,
        INSERT_APPLICATION,
        row.institution_id,
        row.application_id,
        row.name,
        row.public_key,
        row.scopes,
        row.state.value,
        row.created_at,
        row.row_mac,
        row.key_until,
    )


async def find_application(
    conn: Connection, institution_id: int, application_id: int
) -> EnrolledApplication | None:
    """By id."""
    return await find_row(
        conn, EnrolledApplication, GET_APPLICATION, institution_id, application_id
    )


async def lock_application(
    conn: Connection, institution_id: int, application_id: int
) -> EnrolledApplication | None:
    """By id, locked until the transaction ends."""
    return await find_row(
        conn, EnrolledApplication, LOCK_APPLICATION, institution_id, application_id
    )


async def lock_terminal(
    conn: Connection, institution_id: int, terminal_id: int
) -> EnrolledTerminal | None:
    """By id, locked until the transaction ends."""
    return await find_row(conn, EnrolledTerminal, LOCK_TERMINAL, institution_id, terminal_id)


async def insert_terminal(conn: Connection, row: EnrolledTerminal) -> None:
    """A new terminal, not yet active."""
    await execute(
        conn,
        INSERT_TERMINAL,
        row.institution_id,
        row.terminal_id,
        row.name,
        row.public_place,
        row.activation_hash,
        row.activation_until,
        row.state.value,
        row.created_at,
        row.row_mac,
    )


async def find_terminal(
    conn: Connection, institution_id: int, terminal_id: int
) -> EnrolledTerminal | None:
    """By id."""
    return await find_row(conn, EnrolledTerminal, GET_TERMINAL, institution_id, terminal_id)


async def find_by_activation(conn: Connection, activation_hash: bytes) -> EnrolledTerminal | None:
    """The terminal that waits for this activation code."""
    return await find_row(conn, EnrolledTerminal, FIND_BY_ACTIVATION, activation_hash)


async def activate_terminal(
    conn: Connection, row: EnrolledTerminal, *, activation_hash: bytes
) -> bool:
    """Store the key and spend the code; False when somebody was faster."""
    return (
        await execute(
            conn,
            ACTIVATE_TERMINAL,
            row.institution_id,
            row.terminal_id,
            activation_hash,
            row.key_sealed,
            row.row_mac,
        )
        == 1
    )


async def upsert_merchant(conn: Connection, row: MerchantAccount) -> None:
    """Set the merchant account of an institution at a provider."""
    await execute(
        conn,
        UPSERT_MERCHANT,
        row.institution_id,
        row.provider,
        row.account_name,
        row.created_at,
        row.row_mac,
    )


async def find_merchant(
    conn: Connection, institution_id: int, provider: str
) -> MerchantAccount | None:
    """By institution and provider."""
    return await find_row(conn, MerchantAccount, GET_MERCHANT, institution_id, provider)


async def list_merchants(conn: Connection, institution_id: int) -> list[MerchantAccount]:
    """All of an institution, by provider."""
    return await list_rows(conn, MerchantAccount, LIST_MERCHANTS, institution_id, MERCHANTS_MAX)


def patient_write(institution_id: int, pseudonym: bytes, record_id: int, now: datetime) -> Write:
    """Remember what an institution calls a record."""
    return Write(INSERT_PATIENT, (institution_id, pseudonym, record_id, now))


async def find_patient(conn: Connection, institution_id: int, pseudonym: bytes) -> int | None:
    """The record behind an institution's pseudonym."""
    found: int | None = await conn.fetchval(FIND_PATIENT, institution_id, pseudonym)
    return found


async def insert_nonce(
    conn: Connection, institution_id: int, caller_id: int, nonce: str, now: datetime
) -> bool:
    """False when the nonce was used before."""
    return await insert_new(conn, INSERT_NONCE, institution_id, caller_id, nonce, now)


async def delete_old_nonces(conn: Connection, before: datetime) -> int:
    """Nonces older than the signature window protect nothing any more."""
    return await execute(conn, DELETE_OLD_NONCES, before)


async def insert_messages(conn: Connection, wanted: Sequence[str], now: datetime) -> list[str]:
    """Those that nobody took before."""
    return [row[0] for row in await conn.fetch(INSERT_MESSAGES, wanted, now)]


async def delete_old_messages(conn: Connection, before: datetime) -> int:
    """A number holds its second: one of an earlier hour cannot be taken again."""
    return await execute(conn, DELETE_OLD_MESSAGES, before)
