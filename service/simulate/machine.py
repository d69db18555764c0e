"""The hospital's own insurance machine at work: it takes calls from our server and reports them.

What it does with a call is the twin's; how its requests fare on the way is decided here.
"""

from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any

import httpx
import msgspec

from integrations.sandbox.hospital.insurance_machine import InsuranceMachine, MachineFault
from service.kernel.context import Context
from service.kernel.database import UNAVAILABLE
from service.kernel.principals import Application
from service.kernel.problems import Problem
from service.settlement.asks import answering
from service.settlement.asks.model import SignedReport
from service.settlement.asks.schemas import AnswerRequest, AskAnswer, RecordedAnswer, TakeRequest
from service.simulate.couriers import Request
from service.simulate.stage import ROWS, HostDown, Stage
from service.simulate.weather import HOSPITAL, Sky, WireFault

Act = Callable[[Context], Coroutine[Any, Any, Any]]
LOOKS_EVERY = timedelta(minutes=5)
"""Where nothing changed in our rows meanwhile: it waits in its request."""
_TAKE = "/take"
_NEVER_CAME = frozenset({WireFault.NOT_REACHED, WireFault.LOST_REQUEST, WireFault.LATE_REQUEST})


class NoAnswer(Exception):
    """The machine has no answer to its request."""


class MachineAtWork:
    """One machine of one institution, calling by way of ``request``, which raises ``HostDown``."""

    def __init__(self, stage: Stage, sky: Sky, request: Request, institution_id: int) -> None:
        self._stage = stage
        self._sky = sky
        self._request = request
        self._application = Application(
            institution_id=institution_id, application_id=2, scopes=frozenset({"insurance"})
        )
        self._held = answering.HeldTakes()
        self.twin = InsuranceMachine(self._call, stage.clock.now)

    async def live(self) -> None:
        """Work for ever; a request without an answer is made again."""
        while True:
            try:
                await self.twin.work()
            except NoAnswer:
                self._stage.note("the machine has no answer")
            await self._stage.rest(LOOKS_EVERY, "machine looks", until_change=ROWS)

    async def _call(self, _method: str, target: str, body: dict[str, Any]) -> Any:
        """A request of the machine's. Raises ``NoAnswer``, ``httpx.HTTPStatusError``."""
        takes = target.endswith(_TAKE)
        act = self._take(body) if takes else self._answer(target, body)
        fault = self._sky.fault_of_call(HOSPITAL, "take" if takes else "answer")
        if fault is WireFault.LATE_REQUEST or fault is WireFault.DOUBLED_REQUEST:
            self._later(act)
        if fault in _NEVER_CAME:
            raise NoAnswer
        answer = await self._done(act)
        if fault is WireFault.SLOW:
            await self._stage.rest(self._sky.seconds(1, 7), "slow answer to the machine")
        if fault is WireFault.LOST_ANSWER:
            raise NoAnswer
        if takes:
            self._script(answer)
        return answer

    async def _done(self, act: Act) -> Any:
        try:
            return msgspec.to_builtins(await self._request(act))
        except Problem as refused:
            response = httpx.Response(refused.status)
            request = httpx.Request("PUT", "https://yimatong.test")
            raise httpx.HTTPStatusError("refused", request=request, response=response) from None
        except (HostDown, *UNAVAILABLE):
            raise NoAnswer from None

    def _later(self, act: Act) -> None:
        """The same request arrives once more, or at last; nobody reads the answer."""
        span = self._sky.seconds(1, 90)

        async def arrive() -> None:
            await self._stage.rest(span, "late request of the machine")
            try:
                await self._done(act)
            except (NoAnswer, httpx.HTTPStatusError):
                return

        self._stage.play("late request of the machine", None, arrive)

    def _script(self, taken: dict[str, Any]) -> None:
        """What the machine does wrong with each call that it took."""
        for ask in taken["asks"]:
            fault = self._sky.fault_of_call(HOSPITAL, ask["ask"])
            if isinstance(fault, MachineFault):
                self._stage.note(f"fault {HOSPITAL} {ask['ask']}: {fault.value}")
                self.twin.plan(ask["ask"], fault)

    def _take(self, body: dict[str, Any]) -> Act:
        wanted = msgspec.convert(body, TakeRequest)

        async def act(ctx: Context) -> dict[str, Any]:
            found = await answering.take(
                ctx, self._application, self._held, wait_s=wanted.wait_s, again=wanted.again
            )
            return {"asks": [AskAnswer.of(ctx, one) for one in found]}

        return act

    def _answer(self, target: str, body: dict[str, Any]) -> Act:
        number = target.rsplit("/", 2)[1]
        text = msgspec.json.encode(body)
        told = msgspec.json.decode(text, type=AnswerRequest).told()
        report = SignedReport(
            method="PUT",
            host="yimatong.test",
            target=target,
            authorization="as the machine signed it",
            idempotency_key=number,
            body=text.decode(),
        )

        async def act(ctx: Context) -> RecordedAnswer:
            view = await answering.answer(ctx, self._application, number, told, report)
            return RecordedAnswer.of(ctx, view, with_report=False)

        return act
