"""The verbs of bills: what hospitals do with them, and how one holder at a time pays one."""

from service.bill.model import AmendBill, Bill, PushBill
from service.kernel.context import Context
from service.kernel.database import Connection


async def push(ctx: Context, new: PushBill) -> Bill:
    """Take a new bill. The same number, patient and content again gives the bill that stands.

    Raises ``BillPartsDoNotSum``, ``BillRefused``, ``BillNumberExists``, ``NotFound`` (patient).
    """
    raise NotImplementedError


async def amend(ctx: Context, amended: AmendBill) -> Bill:
    """Replace the version named. An expired bill is open again.

    Raises as ``push``, and ``BillVersionStale``, ``BillLocked``, ``BillNotPayable`` (withdrawn).
    """
    raise NotImplementedError


async def withdraw(ctx: Context, institution_id: int, application_id: int, bill_no: str) -> Bill:
    """Take a bill back; again changes nothing. Raises ``BillLocked``, ``NotFound``."""
    raise NotImplementedError


async def list_payable(ctx: Context, record_id: int, institution_id: int | None) -> list[Bill]:
    """The record's open and locked bills whose time is not over, newest first, at most 100."""
    raise NotImplementedError


async def read(ctx: Context, record_id: int, bill_id: int) -> Bill:
    """One bill with visit and lines. Raises ``NotFound``."""
    raise NotImplementedError


async def read_number(ctx: Context, institution_id: int, bill_no: str) -> Bill:
    """The institution's bill of that number. Raises ``NotFound``."""
    raise NotImplementedError


async def lock(
    conn: Connection,
    ctx: Context,
    record_id: int,
    bill_id: int,
    holder_id: int,
    expected_version: int,
) -> Bill:
    """Hold an open bill for one payer, in the caller's transaction. Again by the holder: the same.

    Raises ``BillLocked`` (another holder), ``BillNotPayable``, ``BillVersionStale``, ``NotFound``.
    """
    raise NotImplementedError


async def release(
    conn: Connection, ctx: Context, record_id: int, bill_id: int, holder_id: int
) -> None:
    """Give a held or paid bill back: it is open again. Nothing if the holder does not hold it."""
    raise NotImplementedError


async def mark_paid(
    conn: Connection, ctx: Context, record_id: int, bill_id: int, holder_id: int
) -> None:
    """The holder paid. Again changes nothing. Raises ``BillLocked`` unless the holder holds it."""
    raise NotImplementedError
