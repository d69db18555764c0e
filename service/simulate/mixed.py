"""Orders of two legs in a world: which of the centre's orders WeChat collects for."""

import msgspec

from integrations.sandbox.wechatpay.mixed import MixedDoc
from service.simulate.world import World


def _docs(world: World) -> list[MixedDoc]:
    found = world.twins.wechatpay.book.list_mixed()
    return [msgspec.json.decode(text, type=MixedDoc) for text in found]


def find_ref(world: World, trade_no: str) -> str | None:
    """WeChat's number of the order of two legs under a trade number."""
    found = [one.ref for one in _docs(world) if one.body.out_trade_no == trade_no]
    return found[0] if found else None


def numbers(world: World) -> dict[str, str]:
    """By our number of the centre's order: the trade number under which WeChat collects for it."""
    return {one.body.serial_no: one.body.out_trade_no for one in _docs(world)}
