"""A stay in hospital: deposits one after another, then the discharge that counts them."""

from datetime import timedelta

from msgspec.structs import replace

from service.bill.states import BillKind
from service.settlement.states import SettlementState
from service.simulate.giving import Clerk
from service.simulate.people import Payer
from service.simulate.plans import Plan
from service.simulate.world import World


class Stayer:
    """One patient's stay, from its first deposit to what is left of them in the end."""

    def __init__(self, world: World, plan: Plan) -> None:
        self.world = world
        self.plan = plan
        self.discharge = Payer(world, replace(plan, starts_after=timedelta(seconds=20)))
        count = len(plan.deposits_fen)
        self.deposits = [Payer(world, self._deposit(number)) for number in range(count)]

    @property
    def done(self) -> bool:
        """Whether every one of his bills has its end."""
        return self.discharge.done and all(one.done for one in self.deposits)

    async def live(self) -> None:
        """Deposits, the last of them perhaps too late; the discharge; what is left goes back."""
        world, in_time = self.world, list(self.deposits)
        await world.stage.rest(self.plan.starts_after, "is admitted")
        if self.plan.late_deposit and in_time:
            late = in_time.pop()
            world.stage.play(late.plan.name, None, late.live)
        for one in in_time:
            await one.live()
        await self.discharge.live()
        row = self.discharge.row
        if row is not None and row.state is SettlementState.REVERSED:
            for one in in_time:
                await self._give_back(one)

    async def _give_back(self, one: Payer) -> None:
        """There will be no other discharge: the hospital owes the deposit to its patient."""
        if one.row is not None and one.row.state is SettlementState.POSTED:
            await Clerk(one).give_back("all")
            await one.until_over()

    def _deposit(self, number: int) -> Plan:
        return replace(
            self.plan,
            name=f"{self.plan.name}/deposit-{number}",
            kind=BillKind.DEPOSIT,
            amounts_fen=(self.plan.deposits_fen[number],),
            starts_after=timedelta(seconds=30 * number),
            gives_back=(),
            relief_fen=0,
            cover="",
            insured=False,
            other_way=None,
            second_device=False,
        )
