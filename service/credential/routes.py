"""HTTP of who I am: the account's standing with the insurance that is linked to it."""

from litestar import Router, get, put
from litestar.di import NamedDependency
from litestar.params import JSONBody

from service.account import actions as account
from service.account.schemas import RegistrationRequest
from service.credential import actions
from service.credential.schemas import InsuranceAnswer, Me
from service.kernel.context import Context
from service.kernel.masked import mask_name, mask_number
from service.kernel.principals import Resident
from service.person import actions as person


@get("/v1/me", tags=["resident"])
async def read_me(resident: NamedDependency[Resident], ctx: NamedDependency[Context]) -> Me:
    """Who I am here, and what insurance is linked."""
    return await _me(ctx, resident)


@put("/v1/me/registration", tags=["resident"])
async def register(
    resident: NamedDependency[Resident],
    data: JSONBody[RegistrationRequest],
    ctx: NamedDependency[Context],
) -> Me:
    """Register with name and ID number; both are checked with the real-name source.

    A repeat with the same name and number changes nothing.
    """
    await account.register(ctx, resident, data.real_name())
    return await _me(ctx, resident)


async def _me(ctx: Context, resident: Resident) -> Me:
    standing = await account.standing(ctx, resident)
    if standing.record_id is None:
        return Me(
            registered=False,
            level=standing.level,
            masked_name=None,
            masked_id_no=None,
            insurance=None,
        )
    view = await person.read(ctx, standing.record_id)
    insurance = await actions.insurance_of(ctx, standing.record_id, None)
    return Me(
        registered=True,
        level=standing.level,
        masked_name=mask_name(view.name.reveal()),
        masked_id_no=mask_number(view.id_no.reveal()),
        insurance=InsuranceAnswer.of(insurance),
    )


router = Router(path="/", route_handlers=[read_me, register])
