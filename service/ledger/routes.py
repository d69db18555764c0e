"""HTTP of the books: a hospital's application reads its own."""

from datetime import date

from litestar import Router, get
from litestar.di import NamedDependency
from litestar.params import FromPath

from service.kernel.context import Context
from service.kernel.principals import Application
from service.kernel.problems import MalformedRequest, NotAllowed
from service.ledger import books
from service.ledger.schemas import DayAnswer

SCOPE = "settlement"


@get("/v1/institution/ledger/days/{day:str}", tags=["institution"])
async def read_day(
    application: NamedDependency[Application], day: FromPath[str], ctx: NamedDependency[Context]
) -> DayAnswer:
    """A day's sums by account, opening to closing, and whether the day is closed.

    ``day`` is a day in China (``2026-06-30``). It takes postings until ten in the morning of the
    next; what comes later stands in the books of the day on which it came and is listed there as
    ``late`` with the day it belongs to. Sums of an open day may lag by seconds; those of a closed
    one never change.
    """
    if SCOPE not in application.scopes:
        raise NotAllowed
    return DayAnswer.of(ctx, await books.read_day(ctx, application.institution_id, _day(day)))


def _day(text: str) -> date:
    try:
        read = date.fromisoformat(text)
    except ValueError:
        raise MalformedRequest("day: not a day of the form YYYY-MM-DD") from None
    if read.isoformat() != text or read.year < 2000:
        raise MalformedRequest("day: not a day of the form YYYY-MM-DD")
    return read


router = Router(path="/", route_handlers=[read_day])
