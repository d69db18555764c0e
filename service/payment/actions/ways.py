"""Which ways to pay an institution has: those of its merchant accounts, and no other."""

from integrations.ports.partners import PartnerUnknown
from integrations.ports.payments import NamesItself, TakesCodes
from service.institution import actions as institution
from service.kernel.context import Context
from service.kernel.problems import NotFound
from service.payment.model import Way
from service.payment.problems import PaymentWayUnknown
from service.payment.rules import CODE


async def check_way(ctx: Context, institution_id: int, provider: str, way: str) -> None:
    """Can the institution be paid like this? Raises ``PaymentWayUnknown``. For callers to ask
    before they open the transaction of ``create``."""
    try:
        account_name = await institution.merchant_account(ctx, institution_id, provider)
        ways = ctx.partners.payment(provider, account_name).ways
    except (NotFound, PartnerUnknown):
        raise PaymentWayUnknown from None
    if way not in ways:
        raise PaymentWayUnknown


async def list_ways(ctx: Context, institution_id: int) -> list[Way]:
    """Every way of every provider, providers and ways in the order of their names."""
    found = []
    for provider, account_name in await institution.list_merchant_accounts(ctx, institution_id):
        try:
            gateway = ctx.partners.payment(provider, account_name)
        except PartnerUnknown:
            continue
        name = gateway.name if isinstance(gateway, NamesItself) else None
        shape = gateway.code_shape if isinstance(gateway, TakesCodes) else None
        found += [
            Way(provider, way, name, shape if way == CODE else None) for way in sorted(gateway.ways)
        ]
    return found
