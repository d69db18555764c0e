"""After a day's reconciliation: its books are closed, and those of the day before proved."""

from datetime import date, timedelta

from service.institution import actions as institution
from service.kernel.context import Context
from service.ledger import closing

ASKED_BY = "reconciliation"


async def close_books(ctx: Context, day: date) -> None:
    """Have the day closed for every institution, and add the day before up anew."""
    for row in await institution.list_institutions(ctx):
        await closing.ask(ctx, row.institution_id, day, ASKED_BY)
        await closing.check_day(ctx, row.institution_id, day - timedelta(days=1))
