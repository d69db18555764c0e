"""Steps of tests of the index: registrations, a moment apart, and a steward."""

from datetime import date, timedelta

from service.audit.model import Decided
from service.kernel.context import Context
from service.person import actions
from service.person.model import Registered, Registration, Source
from tests.support.clock import FakeClock
from tests.support.fakes_identity import citizen_number

BORN = date(1980, 1, 1)
BY = Decided("测试员", "papers seen")


def tick(ctx: Context) -> None:
    """A moment passes."""
    assert isinstance(ctx.clock, FakeClock)
    ctx.clock.advance(timedelta(seconds=1))


async def register(
    ctx: Context,
    serial: int | None,
    name: str = "测试甲",
    source: Source = Source.WINDOW,
    phone: str | None = None,
) -> Registered:
    """A moment later; ``serial`` makes the number, None: there is none."""
    tick(ctx)
    given = Registration(
        source=source,
        institution_id=None,
        name=name,
        id_type="01",
        id_no=None if serial is None else citizen_number(BORN, serial),
        phone=phone,
    )
    return await actions.register(ctx, given)
