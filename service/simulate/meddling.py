"""A second device of one payer, which asks for anything at any time."""

from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from service.kernel.context import Context
from service.settlement import actions
from service.settlement.model import PHONES, Channel, Place
from service.simulate.asking import ask

if TYPE_CHECKING:
    from service.simulate.people import Payer

KIOSKS = tuple(Place(channel=Channel.KIOSK, terminal_id=number) for number in (71, 72))


class Meddler:
    """A second device of the same payer, which asks for anything at any time."""

    def __init__(self, payer: "Payer") -> None:
        self.payer = payer
        self.world = payer.world

    async def live(self) -> None:
        """A few requests, each drawn."""
        draw = self.world.draw
        for _ in range(draw.randint(1, 6)):
            await self.world.stage.rest(timedelta(seconds=draw.randint(1, 60)), "second device")
            await draw.choice(
                (self._start, self._pay, self._confirm, self._look, self._abandon, self._take_over)
            )()

    async def _start(self) -> None:
        await ask(self.world, lambda ctx: actions.start(ctx, self.payer.start_command()))

    async def _pay(self) -> None:
        draw = self.world.draw
        await self.payer.pay_by(
            draw.choice(("wechatpay", "alipay")), draw.choice(("native", "jsapi"))
        )

    async def _confirm(self) -> None:
        await self._act(actions.confirm)

    async def _look(self) -> None:
        await self._act(actions.get)

    async def _abandon(self) -> None:
        if self.world.draw.random() < 0.2:
            await self._act(actions.abandon)

    async def _take_over(self) -> None:
        if self.world.draw.random() < 0.3:
            await self.payer.take_over(self.world.draw.choice((PHONES, *KIOSKS)))

    async def _act(self, act: Callable[[Context, int, int], Coroutine[Any, Any, Any]]) -> None:
        row = self.payer.row
        if row is not None:
            await ask(self.world, lambda ctx: act(ctx, row.record_id, row.settlement_id))
