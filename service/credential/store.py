"""SQL of credentials."""

from datetime import datetime

import msgspec

from service.credential.model import Credential
from service.kernel.database import Connection, execute, insert_new, list_rows
from service.kernel.joined_reads import Read

LIST_LINKED = """
select record_id, credential_id, kind, owner, number_hash, sealed, region, insurance_type, state,
  linked_at, checked_at, ended_at, row_mac
from credential
where record_id = $1 and kind = $2 and state = 'LINKED'
order by linked_at, credential_id
limit $3
"""
INSERT_CREDENTIAL = """
insert into credential (
  record_id, credential_id, kind, owner, number_hash, sealed, region, insurance_type, state,
  linked_at, checked_at, ended_at, row_mac
)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
on conflict (record_id, kind, number_hash, insurance_type) where state = 'LINKED' do nothing
"""
UPDATE_CREDENTIAL = """
update credential
set region = $4, state = $5, checked_at = $6, ended_at = $7, row_mac = $8
where record_id = $1 and credential_id = $2 and checked_at = $3 and number_hash = $9
  and state = 'LINKED'
"""


async def list_linked(conn: Connection, record_id: int, kind: str, limit: int) -> list[Credential]:
    """The credentials of one kind that are linked now, oldest first."""
    return await list_rows(conn, Credential, LIST_LINKED, record_id, kind, limit)


def linked_read(record_id: int, kind: str, limit: int) -> Read:
    """The same, to be read together with other rows of the record."""
    width = len(Credential.__struct_fields__)
    return Read(LIST_LINKED, (record_id, kind, limit), width, many=True)


async def insert_credential(conn: Connection, row: Credential) -> bool:
    """False when the same one is linked already."""
    return await insert_new(conn, INSERT_CREDENTIAL, *msgspec.structs.astuple(row))


async def update_credential(conn: Connection, row: Credential, was_checked_at: datetime) -> bool:
    """Compare-and-set on the last check and the hash that the MAC covers; False when changed."""
    return (
        await execute(
            conn,
            UPDATE_CREDENTIAL,
            row.record_id,
            row.credential_id,
            was_checked_at,
            row.region,
            row.state,
            row.checked_at,
            row.ended_at,
            row.row_mac,
            row.number_hash,
        )
        == 1
    )
