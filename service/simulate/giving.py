"""The hospital's clerk, who gives back lines of a posted bill, or all of it."""

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from service.bill import actions as bill
from service.bill.model import Bill
from service.kernel.context import Context
from service.kernel.database import UNAVAILABLE
from service.kernel.problems import Problem
from service.settlement.corrections import correcting
from service.settlement.corrections.model import (
    AskCorrection,
    BillAfter,
    Correction,
    GivenLine,
    Person,
)
from service.settlement.states import CorrectionState
from service.simulate.stage import HostDown

if TYPE_CHECKING:
    from service.simulate.people import Payer

ASKS_MAX = 100


class Clerk:
    """Gives back for one payer."""

    def __init__(self, payer: "Payer") -> None:
        self.payer = payer
        self.world = payer.world

    async def give_back(self, wish: str) -> None:
        """Ask, at a second window too, and let another person decide where one is needed."""
        row = self.payer.row
        if row is None:
            return
        charged: Bill | None = await self._insist(
            lambda ctx: bill.read(ctx, row.record_id, row.bill_id)
        )
        if charged is None:
            return
        self.world.last_start = max(self.world.last_start, self.world.stage.clock.now())
        if self.payer.plan.second_window:
            self.world.stage.play(
                f"{self.payer.plan.name}/window", None, lambda: self._ask_only(charged)
            )
        asked: Correction | None = await self._insist(
            lambda ctx: correcting.ask(ctx, self._command(charged, wish, "A1"))
        )
        if asked is not None and asked.state is CorrectionState.AWAITING_APPROVAL:
            await self._decide(asked)

    async def _ask_only(self, charged: Bill) -> None:
        asked: Correction | None = await self._insist(
            lambda ctx: correcting.ask(ctx, self._command(charged, "all", "A2"))
        )
        if asked is not None and asked.state is CorrectionState.AWAITING_APPROVAL:
            await self._decide(asked)

    async def _decide(self, asked: Correction) -> None:
        """A second person, after a while."""
        await self.world.stage.rest(self.world.sky.seconds(5, 120), "second person")
        act = correcting.approve if self.payer.plan.approval == "approves" else correcting.refuse
        key = (asked.record_id, asked.correction_id)
        await self._insist(lambda ctx: act(ctx, self._person("B1"), *key))

    def _command(self, charged: Bill, wish: str, staff_no: str) -> AskCorrection:
        lines = []
        if wish != "all":
            line = charged.lines[0]
            quantity_e4 = line.quantity_e4 if wish == "line" else line.quantity_e4 // 2
            lines = [GivenLine(line_no=line.line_no, quantity_e4=max(1, quantity_e4))]
        return AskCorrection(
            record_id=charged.record_id,
            settlement_id=charged.holder_id or 0,
            bill_version=charged.version,
            lines=lines,
            bill_after=BillAfter.WITHDRAWN,
            reason="未做检查",
            person=self._person(staff_no),
        )

    def _person(self, staff_no: str) -> Person:
        return Person(
            institution_id=self.world.place.institution_id,
            staff_no=staff_no,
            caller_kind="application",
            caller_id=1,
        )

    async def _insist(self, act: Callable[[Context], Coroutine[Any, Any, Any]]) -> Any:
        """Until there is an answer; None where it was refused."""
        for _ in range(ASKS_MAX):
            try:
                return await self.world.request(act)
            except Problem as problem:
                self.world.stage.note(f"clerk: {problem.code}")
                return None
            except (HostDown, *UNAVAILABLE):
                await self.world.stage.rest(self.world.sky.seconds(1, 5), "clerk asks again")
        return None
