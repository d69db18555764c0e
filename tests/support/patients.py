"""What an institution calls a record, remembered as a scan there would have."""

from service.institution import actions as institution
from service.kernel.context import Context
from service.kernel.database import Connection, execute


async def name_patient(conn: Connection, ctx: Context, institution_id: int, record_id: int) -> str:
    """32 hexadecimal digits."""
    write = institution.patient_write(ctx, institution_id, record_id)
    await execute(conn, write.sql, *write.args)
    return ctx.sealer.pseudonym(institution_id, record_id).hex()
