"""What people do: a payer who settles one bill, and his hospital.

Each is a script of ordinary requests; what he wants is drawn before he begins. A request that got
no answer is made again, as a person or a program would. New ways to act are added to ``_TURNS``.
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from service.bill import actions as bill
from service.bill.model import Bill, PushBill
from service.bill.problems import BillNotPayable
from service.bill.states import BillKind
from service.institution import actions as institution
from service.kernel.context import Context
from service.kernel.database import UNAVAILABLE, connection, execute
from service.kernel.masked import Masked
from service.kernel.principals import Resident
from service.kernel.problems import Problem
from service.settlement import actions, paying, taking_over
from service.settlement.model import (
    PHONES,
    Channel,
    Place,
    Settlement,
    SettlementView,
    StartPayment,
    StartSettlement,
    TakeOver,
)
from service.settlement.pay_links import sharing
from service.settlement.states import SettlementState
from service.simulate import centre, wallet
from service.simulate.asking import Ask, ask
from service.simulate.counter import Cashier
from service.simulate.giving import Clerk
from service.simulate.meddling import KIOSKS, Meddler
from service.simulate.plans import ALLOWED, MIXED, Plan, content_of
from service.simulate.reading import look_at
from service.simulate.stage import HostDown
from service.simulate.world import World

TURNS_MAX = 200
LOOKS_S = (4, 40)
"""Between two looks of a payer at his settlement."""
BY_LINK = frozenset({"native", "jsapi"})
LOST_PATIENCE = timedelta(hours=3)


_S = SettlementState
OVER = frozenset({_S.POSTED, _S.REVERSED, _S.NEEDS_REVIEW})


class Payer:
    """One bill from its push to its end."""

    def __init__(self, world: World, plan: Plan) -> None:
        self.world = world
        self.plan = plan
        self.charged: Bill | None = None
        self.row: Settlement | None = None
        self.done = False
        self.place = PHONES
        self._came_at = world.began
        self._changed_way = False
        self._was_at_counter = False
        self._shown: set[tuple[str, str]] = set()
        """(provider, trade number) of orders that he saw on a screen."""

    async def live(self) -> None:
        """The whole script; ends when the settlement is over or he gives up looking."""
        world = self.world
        try:
            await world.stage.rest(self.plan.starts_after, "comes")
            self._came_at = world.stage.clock.now()
            self.charged = await self._insist(self._push)
            if not await self._begin():
                return
            world.last_start = max(world.last_start, world.stage.clock.now())
            if self.plan.second_device:
                meddler = Meddler(self)
                world.stage.play(f"{self.plan.name}/second", None, meddler.live)
            await self.until_over()
            clerk = Clerk(self)
            for wish in self.plan.gives_back:
                if self.row is not None and self.row.state is _S.POSTED:
                    await clerk.give_back(wish)
                    await self.until_over()
            if self.plan.pays_again:
                await world.stage.rest(world.sky.seconds(1, 300), "finds an old code")
                self._pay_shown()
        finally:
            self.done = True

    async def _begin(self) -> bool:
        """Begin to settle; False where the stay of a deposit is being discharged already."""
        for _ in range(TURNS_MAX):
            try:
                self.row = await self.world.request(
                    lambda ctx: actions.start(ctx, self.start_command())
                )
            except BillNotPayable:
                if self.plan.kind is BillKind.DEPOSIT:
                    return False
            except (HostDown, Problem, *UNAVAILABLE):
                pass
            else:
                return True
            await self.world.stage.rest(self.world.sky.seconds(1, 5), "asks again")
        raise RuntimeError(f"{self.plan.name}: never begun")

    async def until_over(self) -> None:
        """Look and act until the settlement is over, and compare the books then."""
        for _ in range(TURNS_MAX):
            if await self._turn() or self._is_tired():
                break
        await self._compare()

    async def _compare(self) -> None:
        """His settlement is over: everybody's books agree on it from now on."""
        if self.row is not None and self.row.state in (_S.POSTED, _S.REVERSED):
            found = await look_at(self.world, self.row.settlement_id)
            self.world.violations += [f"when it was over: {text}" for text in found]

    async def _turn(self) -> bool:
        """Look, and do what comes next; True when it is over."""
        row = self.row
        assert row is not None  # noqa: S101 - live() made it
        view = await self._ask(lambda ctx: actions.get(ctx, row.record_id, row.settlement_id))
        if view is not None:
            self.row = view.settlement
            if self.row.state in OVER:
                return True
            self._see(view)
            await _TURNS.get(self.row.state, Payer._wait)(self, view)
        span = timedelta(seconds=self.world.draw.randint(*LOOKS_S))
        await self.world.stage.rest(span, "looks again")
        return False

    def _is_tired(self) -> bool:
        return self.world.stage.clock.now() - self._came_at > LOST_PATIENCE

    async def _wait(self, _view: SettlementView) -> None:
        """Nothing to do."""

    async def _decide(self, view: SettlementView) -> None:
        """PRESETTLED: confirm, pay, give up or walk away."""
        row, plan = view.settlement, self.plan
        if plan.pays == "abandons":
            await self._ask(lambda ctx: actions.abandon(ctx, row.record_id, row.settlement_id))
        elif plan.pays == "leaves":
            return
        elif _owed_fen(row) == 0:
            await self._ask(lambda ctx: actions.confirm(ctx, row.record_id, row.settlement_id))
        elif plan.tender is not None and not self._was_at_counter:
            self._was_at_counter = True
            await self.at_counter(row)
        elif plan.relative and plan.way in BY_LINK:
            await self.pay_by_relative(row)
        else:
            await self.pay_by(plan.provider, plan.way)

    async def pay_by_relative(self, row: Settlement) -> None:
        """Somebody who is not here orders by the link that he was sent, perhaps twice."""
        key, plan = (row.record_id, row.settlement_id), self.plan
        himself = Resident(account_id=1, session_id="1", record_id=row.record_id)
        relative = Resident(account_id=2, session_id="2", record_id=None)
        link = await self._ask(lambda ctx: sharing.make(ctx, himself, key))
        if link is None:
            return
        wanted = (plan.provider, plan.way, wallet.RELATIVE if plan.way == "jsapi" else None)
        for _ in range(self.world.draw.choice((1, 1, 2))):
            await self._ask(lambda ctx: sharing.pay(ctx, relative, link.text, wanted))

    async def at_counter(self, row: Settlement) -> None:
        """He lays money on a counter, for all or a part of it."""
        cashiers, draw = self.world.cashiers, self.world.draw
        cashier: Cashier = cashiers[draw.randrange(len(cashiers))]
        owed = _owed_fen(row)
        part = draw.randrange(1, owed + 1) if self.plan.part_at_counter else None
        await cashier.take(row, self.plan.tender or "cash", part)

    async def _pay(self, _view: SettlementView) -> None:
        """AWAITING_PAYER: change the way once, then pay what was shown."""
        plan = self.plan
        if plan.takes_over and self.place is PHONES:
            # Only sure that he has it when he is told so; what he saw before may still be paid.
            if await self.take_over(KIOSKS[0]):
                self.place = KIOSKS[0]
        elif plan.other_way is not None and not self._changed_way:
            self._changed_way = True
            await self.pay_by(*plan.other_way)
        elif plan.pays == "soon" or (plan.pays == "late" and self._is_late()):
            self._pay_shown()

    async def take_over(self, place: Place) -> bool:
        """Ask for the settlement at a place; whether it is held there now."""
        row = self.row
        if row is None:
            return False
        command = TakeOver(
            key=(row.record_id, row.settlement_id), place=place, held_since=row.held_since
        )
        taken = await self._ask(lambda ctx: taking_over.take_over(ctx, command))
        return taken is not None and taken.is_held_at(place)

    def _is_late(self) -> bool:
        row = self.row
        now = self.world.stage.clock.now() + timedelta(seconds=30)
        return row is not None and row.deadline_at is not None and now >= row.deadline_at

    async def _collect(self, _view: SettlementView) -> None:
        """COLLECTING: pay the difference, or not."""
        if self.plan.pays_difference:
            await self.pay_by(self.plan.provider, self.plan.way)
            self._pay_shown()

    async def _post(self, view: SettlementView) -> None:
        """POSTING: the hospital's system takes it into its books."""
        row, kind = view.settlement, self.plan.hospital
        now = self.world.stage.clock.now()
        too_early = kind == "late" and row.deadline_at is not None and now < row.deadline_at
        if kind == "never" or too_early:
            await self.world.stage.rest(timedelta(minutes=5), "hospital waits")
            return
        await self._ask(lambda ctx: self._acknowledge(ctx, row))

    async def _acknowledge(self, ctx: Context, row: Settlement) -> Settlement:
        text = ctx.public_ids.text(row.record_id, row.settlement_id)
        ref = f"HIS-{self.plan.name}"
        application, version = self.world.application, row.bill_version
        return await actions.acknowledge_posting(ctx, application, text, ref, version)

    async def pay_by(self, provider: str, way: str) -> None:
        """Ask for an order."""
        row = self.row
        if row is None:
            return
        command = StartPayment(
            record_id=row.record_id,
            settlement_id=row.settlement_id,
            provider=provider,
            way=way,
            payer=wallet.PAYER if way in ("jsapi", MIXED[1]) else None,
            code=Masked(wallet.code_of(self.world, provider, self.plan.code_end))
            if way == "code"
            else None,
            authorisation=Masked(centre.allow(self.world, row.record_id))
            if way in ALLOWED
            else None,
            place=self.place,
        )
        await self._ask(lambda ctx: paying.pay(ctx, command))

    def _see(self, view: SettlementView) -> None:
        """A code on the screen can be paid from now on, whatever the screen shows later."""
        if view.attempt is not None and view.presentation is not None:
            self._shown.add((view.attempt.provider, view.attempt.trade_no))

    def _pay_shown(self) -> None:
        """The payer's own phone pays an order that he saw; the provider may refuse."""
        if self._shown:
            shown = sorted(self._shown)
            wallet.pay_at_provider(self.world, *shown[self.world.draw.randrange(len(shown))])

    async def _push(self, ctx: Context) -> Bill:
        """The hospital sends the bill; again is the same bill."""
        if self.charged is not None:
            return self.charged
        world = self.world
        async with connection(ctx.pool) as conn:
            write = institution.patient_write(ctx, world.place.institution_id, self.plan.patient)
            await execute(conn, write.sql, *write.args)
        patient = ctx.sealer.pseudonym(world.place.institution_id, self.plan.patient).hex()
        pushed = await bill.push(
            ctx,
            PushBill(
                institution_id=world.place.institution_id,
                application_id=1,
                bill_no=f"B-{self.plan.name}",
                patient=patient,
                content=content_of(self.plan, world.began),
            ),
        )
        world.charged_fen[pushed.bill_id] = pushed.total_fen
        world.relief_fen[pushed.bill_id] = sum(one.amount_fen for one in pushed.reliefs)
        return pushed

    def start_command(self) -> StartSettlement:
        if self.charged is None:
            raise RuntimeError("a bill is pushed before it is settled")
        return StartSettlement(
            record_id=self.charged.record_id,
            bill_id=self.charged.bill_id,
            institution_id=None,
            channel=Channel.PHONE,
            terminal_id=None,
            account_id=1,
            use_account=self.plan.use_account,
            insured=self.plan.insured,
        )

    async def _insist(self, act: Ask) -> Any:
        """Until it is answered."""
        for _ in range(TURNS_MAX):
            answer = await self._ask(act)
            if answer is not None:
                return answer
            await self.world.stage.rest(self.world.sky.seconds(1, 5), "asks again")
        raise RuntimeError(f"{self.plan.name}: no answer at all")

    async def _ask(self, act: Ask) -> Any:
        """A request; None where it was refused or nobody answered."""
        return await ask(self.world, act)


def _owed_fen(row: Settlement) -> int:
    """Of the payer's part, less the deposits that count as paid."""
    return max(0, (row.cash_fen or 0) - row.paid_fen + row.refunded_fen)


Turn = Callable[[Payer, SettlementView], Awaitable[None]]
_TURNS: dict[SettlementState, Turn] = {
    _S.PRESETTLED: Payer._decide,  # noqa: SLF001
    _S.AWAITING_PAYER: Payer._pay,  # noqa: SLF001
    _S.COLLECTING: Payer._collect,  # noqa: SLF001
    _S.POSTING: Payer._post,  # noqa: SLF001
}
"""What a payer, or the hospital, does in a state; in all others he waits."""
