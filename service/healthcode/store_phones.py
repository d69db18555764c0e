"""SQL of phones, their credentials, printed codes, and what of these was revoked."""

from collections.abc import Sequence

from service.healthcode.model import RevokedCode
from service.kernel.database import Connection, execute

INSERT_REVOKED = """
insert into revoked_code (record_id, code_id, scope, code_class, expires_at, revoked_at)
select $1, code_id, scope, code_class, expires_at, $2
from unnest($3::bytea[], $4::smallint[], $5::smallint[], $6::timestamptz[])
  as listed (code_id, scope, code_class, expires_at)
on conflict (record_id, code_id) do nothing
"""


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
    )
