"""Which ways to pay a settlement are offered where: a terminal shows and scans, a phone opens."""

from service.account import actions as account
from service.kernel.context import Context
from service.kernel.database import connection
from service.kernel.http_address import caller_address
from service.kernel.idempotent_http import AnyRequest
from service.kernel.masked import Masked
from service.kernel.principals import Resident
from service.payment import actions as payment
from service.payment.model import Way
from service.payment.rules import AUTHORISED, CODE, H5, JSAPI, MIXED, MOBILE_CENTRE, NATIVE
from service.settlement import door
from service.settlement.insurance import centre
from service.settlement.model import Settlement

AT_TERMINAL = frozenset({CODE, NATIVE})
ON_PHONE = frozenset({H5, JSAPI})
LOGIN_OF = {"wechatpay": "wechat"}
"""The login platform whose ids a provider knows its payers by, where it has another name."""


async def at_terminal(ctx: Context, institution_id: int) -> list[Way]:
    """A QR that the payer scans, or the payer's code before the scanner."""
    return [one for one in await payment.list_ways(ctx, institution_id) if one.way in AT_TERMINAL]


async def on_phone(ctx: Context, institution_id: int, resident: Resident) -> list[Way]:
    """Pages for browsers; the call inside the mini-program where the provider knows the payer."""
    return [
        one
        for one in await payment.list_ways(ctx, institution_id)
        if one.way in ON_PHONE
        and (one.way != JSAPI or await _known_as(ctx, resident, one.provider) is not None)
    ]


async def at_centre(ctx: Context, row: Settlement, resident: Resident) -> list[Way]:
    """The insurance's payment centre, where it serves the settlement and collects all of it."""
    if row.paid_fen > row.refunded_fen:
        return []
    async with connection(ctx.pool) as conn:
        progress = await door.progress_of(conn, ctx, row)
    if not await centre.serves(ctx, row, progress):
        return []
    return [Way(MOBILE_CENTRE, AUTHORISED), *await _mixed(ctx, row, resident)]


async def _mixed(ctx: Context, row: Settlement, resident: Resident) -> list[Way]:
    """Insurance and own part in one act, where the provider knows the payer."""
    return [
        one
        for one in await payment.list_ways(ctx, row.institution_id)
        if one.way == MIXED and await _known_as(ctx, resident, one.provider) is not None
    ]


async def payer_of(
    ctx: Context, request: AnyRequest, resident: Resident, provider: str, way: str
) -> str | None:
    """What the provider must know of who pays this way: the caller's address for a page, else its
    own id of the person, None where it has none."""
    if way == H5:
        return caller_address(request, ctx.policy.address_header)
    known = await _known_as(ctx, resident, provider)
    return known.reveal() if known is not None else None


async def _known_as(ctx: Context, resident: Resident, provider: str) -> Masked | None:
    login = LOGIN_OF.get(provider, provider)
    return await account.find_subject(ctx, resident.account_id, login)
