"""Cashiers: take and give money at counters, and know by heart what lies in their drawers.

What a cashier remembers is the counter's own book: it is compared with our rows, the ledger and
the shift's sums. He does one thing at a time and asks again until he has an answer.
"""

from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any

from crypto.sm3 import sm3
from service.kernel.context import Context
from service.kernel.database import UNAVAILABLE, connection
from service.kernel.principals import Terminal
from service.kernel.problems import Problem
from service.settlement.counter import taking
from service.settlement.model import Settlement, TakePayment
from service.shift import actions as shift
from service.shift import store
from service.shift.actions import rows
from service.shift.model import Counted, CounterRefund, Slip, Staff, StaffState, Tender
from service.shift.problems import NoOpenShift, ShiftAlreadyOpen, ShiftInDoubt
from service.simulate.stage import HostDown
from service.simulate.world import World

FLOAT_FEN = 10_000_00
LOOKS_S = (60, 400)
"""Between two looks at what waits to be given."""
CHANGES_SHIFT_OF_100 = 12
ASKS_MAX = 400
SIGNED_IN = timedelta(days=3)


class Cashier:
    """One drawer and whoever sits at it."""

    def __init__(self, world: World, number: int) -> None:
        self.world = world
        self.name = f"cashier-{number}"
        self.number = number
        self.taken: dict[int, int] = {}
        """By payment attempt: what he took, in fen."""
        self.given: dict[int, int] = {}
        """By refund: what he gave."""
        self.drawer_fen = FLOAT_FEN
        self.slips_fen = 0
        """Of this shift: slips taken less slips given."""
        self._busy = False

    async def begin(self) -> None:
        """He is enrolled and signed in (without a PIN: stretching one costs time), and opens."""
        world, ctx = self.world, self.world.ctx
        self.terminal = Terminal(
            institution_id=world.place.institution_id, terminal_id=self.number, public_place=False
        )
        secret = ctx.ids.token()
        row = Staff(
            institution_id=world.place.institution_id,
            staff_id=ctx.ids.new(),
            staff_no=f"C{self.number}",
            pin_salt=b"",
            pin_hash=b"",
            state=StaffState.ACTIVE,
            failures=0,
            locked_until=None,
            session_hash=sm3(secret),
            session_terminal_id=self.number,
            session_until=world.stage.clock.now() + SIGNED_IN,
            created_at=world.stage.clock.now(),
            version=1,
            row_mac=b"",
        )
        async with connection(ctx.pool) as conn:
            await store.insert_staff(conn, rows.sign(ctx, row))
        self.token = f"{ctx.public_ids.text(row.institution_id, row.staff_id)}.{secret.hex()}"
        await shift.open_shift(ctx, self.terminal, self.token, self.drawer_fen)

    async def live(self) -> None:
        """For ever: gives what waits, and changes shifts."""
        world = self.world
        while True:
            await world.stage.rest(world.sky.seconds(*LOOKS_S), "looks what waits")
            await self._alone(self._give_what_waits)
            if world.draw.randrange(100) < CHANGES_SHIFT_OF_100:
                await self._alone(self._change_shift)

    async def take(self, row: Settlement, tender: str, part_fen: int | None) -> None:
        """A payer lays down what he owes, or a part of it. Refused, he has it back."""
        kind = Tender(tender)
        command = TakePayment(
            record_id=row.record_id,
            settlement_id=row.settlement_id,
            tender=kind,
            amount_fen=part_fen,
            tendered_fen=row.cash_fen if kind is Tender.CASH else None,
            slip=self._slip(kind),
            request_key=self._key(),
        )

        async def do() -> None:
            taken = await self._insist(
                lambda ctx: taking.take(ctx, self.terminal, self.token, command)
            )
            if taken is not None:
                self.taken[taken.entry.attempt_id] = taken.entry.amount_fen
                self._keep(kind, taken.entry.amount_fen)

        await self._alone(do)

    async def _give_what_waits(self) -> None:
        ctx, place = self.world.ctx, self.world.place
        for one in await shift.list_waiting(ctx, place.institution_id, None):
            await self._give(one)

    async def _give(self, one: CounterRefund) -> None:
        key, slip = self._key(), self._slip(one.tender)
        of = (one.record_id, one.refund_id)
        entry = await self._insist(
            lambda ctx: taking.give(ctx, self.terminal, self.token, of, slip, key)
        )
        if entry is not None:
            self.given[one.refund_id] = self.given.get(one.refund_id, 0) + entry.amount_fen
            self._keep(one.tender, -entry.amount_fen)

    async def _change_shift(self) -> None:
        """He counts, closes and opens again; his count must be what the books expect."""
        await self._insist(self._close)
        self.slips_fen = 0
        await self._insist(
            lambda ctx: shift.open_shift(ctx, self.terminal, self.token, self.drawer_fen)
        )

    async def _close(self, ctx: Context) -> None:
        counted = Counted(cash_fen=self.drawer_fen, pos_fen=self.slips_fen, explanation=None)
        await shift.close(ctx, self.terminal, self.token, counted)

    async def go_home(self) -> None:
        """At the end: his last count, in peace."""
        try:
            await self._close(self.world.ctx)
        except Problem as problem:
            self._violated(problem)

    def _violated(self, problem: Problem) -> None:
        known = (NoOpenShift, ShiftAlreadyOpen)
        if problem.code.startswith("shift-") and not isinstance(problem, known):
            sums = ", ".join(f"{name} {value}" for name, value in problem.extensions.items())
            self.world.violations.append(f"{self.name}: {problem.code}: {sums}")

    def _keep(self, tender: Tender, amount_fen: int) -> None:
        if tender is Tender.CASH:
            self.drawer_fen += amount_fen
        else:
            self.slips_fen += amount_fen

    def _slip(self, tender: Tender) -> Slip | None:
        if tender is Tender.CASH:
            return None
        return Slip(slip_no=self._key(), slip_ref="R-1")

    def _key(self) -> str:
        return self.world.draw.randbytes(8).hex()

    async def _alone(self, act: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """One thing at a time at one drawer; others queue."""
        while self._busy:
            await self.world.stage.rest(timedelta(seconds=3), "queues")
        self._busy = True
        try:
            await act()
        finally:
            self._busy = False

    async def _insist(self, act: Callable[[Context], Coroutine[Any, Any, Any]]) -> Any:
        """Until there is an answer; None where it was refused."""
        for _ in range(ASKS_MAX):
            try:
                return await self.world.request(act)
            except ShiftInDoubt:
                pass
            except Problem as problem:
                self.world.stage.note(f"{self.name}: {problem.code}")
                self._violated(problem)
                return None
            except (HostDown, *UNAVAILABLE):
                pass
            await self.world.stage.rest(self.world.sky.seconds(1, 5), "asks again")
        raise RuntimeError(f"{self.name}: no answer at all")
