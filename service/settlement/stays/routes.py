"""HTTP of stays in hospital: what is held for one."""

from litestar import Router, get
from litestar.di import NamedDependency
from litestar.params import FromPath

from service.kernel.context import Context
from service.kernel.principals import Application
from service.kernel.problems import NotAllowed
from service.settlement.routes import SCOPE
from service.settlement.stays import deposits
from service.settlement.stays.schemas import StayAnswer


@get("/v1/institution/stays/{stay_no:str}", tags=["institution"])
async def read_stay(
    stay_no: FromPath[str], application: NamedDependency[Application], ctx: NamedDependency[Context]
) -> StayAnswer:
    """The deposits for one of this hospital's stays, by its admission number."""
    if SCOPE not in application.scopes:
        raise NotAllowed
    return StayAnswer.of(ctx, await deposits.read_stay(ctx, application.institution_id, stay_no))


router = Router(path="/", route_handlers=[read_stay])
