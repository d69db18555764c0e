"""Which ways to pay a settlement are offered where: a terminal shows and scans, a phone opens."""

from service.kernel.context import Context
from service.kernel.masked import Masked
from service.payment import actions as payment
from service.payment.model import Way
from service.payment.rules import CODE, H5, JSAPI, NATIVE

AT_TERMINAL = frozenset({CODE, NATIVE})
ON_PHONE = frozenset({H5, JSAPI})


async def at_terminal(ctx: Context, institution_id: int) -> list[Way]:
    """A QR that the payer scans, or the payer's code before the scanner."""
    return [one for one in await payment.list_ways(ctx, institution_id) if one.way in AT_TERMINAL]


async def on_phone(
    ctx: Context, institution_id: int, payers: dict[str, Masked | None]
) -> list[Way]:
    """Pages for browsers; the call inside the mini-program where the provider knows the payer, by
    the id in ``payers``."""
    return [
        one
        for one in await payment.list_ways(ctx, institution_id)
        if one.way in ON_PHONE and (one.way != JSAPI or payers.get(one.provider) is not None)
    ]
