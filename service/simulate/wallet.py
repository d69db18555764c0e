"""A payer's own application: what it shows, and what it pays at the provider."""

from integrations.sandbox.alipay.model import Refused as AlipayRefused
from integrations.sandbox.wechatpay.model import Refused as WechatRefused
from service.sandbox.hospital import ALIPAY_SELLER, MERCHANT
from service.simulate import centre, mixed
from service.simulate.stage import TWINS
from service.simulate.weather import NOTICES
from service.simulate.world import World

PAYER, RELATIVE = "oSimulatedPayer0001", "oSimulatedPayer0002"
WECHAT_ENDS = ("00", "00", "00", "11", "22", "33")
ALIPAY_ENDS = "111357"
"""Of payment codes: that pay, that wait for the payer, that do not hold enough, that are bad."""


def code_of(world: World, provider: str, end: str | None) -> str:
    """What his phone shows; the twins tell by its end what it does."""
    number = world.draw.randrange(10**14)
    if provider == "alipay":
        return f"28{number:015d}{end or world.draw.choice(ALIPAY_ENDS)}"
    return f"13{number:014d}{end or world.draw.choice(WECHAT_ENDS)}"


def pay_at_provider(world: World, provider: str, trade_no: str) -> None:
    """A payer's own application pays an order, if the provider lets it."""
    now = int(world.stage.clock.now().timestamp())
    spoilt = world.sky.fault_of_notice(provider) if provider in NOTICES else None
    if spoilt is not None:
        world.stage.note(f"fault {provider} notice: {spoilt.value}")
        world.twins.script(provider, spoilt, number=trade_no)
    world.stage.changes[TWINS] += 1
    if provider == centre.PROVIDER:
        centre.pay(world, trade_no)
    elif provider == "wechatpay":
        _pay_at_wechat(world, trade_no, now)
    else:
        trade = world.twins.alipay.book.find_trade(ALIPAY_SELLER, trade_no)
        if trade is None:
            return
        try:
            world.twins.alipay.trading.pay(trade.trade_no or trade.qr, trade.buyer or PAYER, now)
        except AlipayRefused:
            return


def _pay_at_wechat(world: World, trade_no: str, now: int) -> None:
    twin = world.twins.wechatpay
    order, whole = twin.book.find_order(MERCHANT, trade_no), mixed.find_ref(world, trade_no)
    if order is None:
        return
    try:
        if whole is not None:
            twin.mixed.pay(whole, now)
        else:
            twin.trading.pay(order.prepay, order.openid or PAYER, now)
    except WechatRefused:
        return
