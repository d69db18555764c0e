"""Whose stay an admission number is: the first bill that names it says so. Moves no money."""

from service.bill import store
from service.bill.model import BillRow
from service.bill.problems import BillRefused
from service.kernel.context import Context
from service.kernel.database import Connection, connection
from service.kernel.problems import NotFound


async def claim(conn: Connection, row: BillRow) -> None:
    """A stay's deposits and its discharge are one person's. Raises ``BillRefused``."""
    if row.stay_no is None:
        return
    await store.insert_stay(conn, row)
    if await store.find_stay(conn, row.institution_id, row.stay_no) != row.record_id:
        raise BillRefused("stay.stay_no: the stay of another patient")


async def is_over(conn: Connection, record_id: int, institution_id: int, stay_no: str) -> bool:
    """Whether a discharge of the stay is being settled, or was: it counts no later deposit."""
    return await store.has_discharge(conn, record_id, institution_id, stay_no)


async def find(ctx: Context, institution_id: int, stay_no: str) -> int:
    """The record that a stay lies with. Raises ``NotFound``."""
    async with connection(ctx.pool) as conn:
        record_id = await store.find_stay(conn, institution_id, stay_no)
    if record_id is None:
        raise NotFound
    return record_id
