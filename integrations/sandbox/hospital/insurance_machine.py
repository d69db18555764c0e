"""The hospital's own insurance machine (医保前置机), written from docs/own-insurance.md alone.

It takes calls from the platform, divides and settles by a small rule of its own in the bureau's
place, keeps a book by the platform's numbers, and reports. It commits faults on demand. What is in
the book survives ``crash``; what was taken and is not in it does not.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime
from enum import StrEnum
from typing import Any

import httpx
import msgspec

FUND_PERCENT = 60
ACCOUNT_FEN = 20_00
"""What a person has in the account."""

Call = Callable[..., Awaitable[Any]]
"""``call(method, target, body)``: signed, and the answer's signature checked."""
Answer = dict[str, Any]


class MachineFault(StrEnum):
    """What the machine does wrong with one call."""

    SILENT = "silent"
    """It does it, writes it down and never reports it."""
    CRASH = "crash"
    """It dies after taking it: nothing was done or written down."""
    TWICE = "twice"
    """It reports the same a second time."""
    CONTRADICT = "contradict"
    """It reports something else afterwards."""
    UNEVEN = "uneven"
    """Its sums are wrong, at first; of an answer with sums."""
    MOVED = "moved"
    """The bureau settles other amounts than it divided."""
    REFUSE = "refuse"
    UNKNOWN = "unknown"
    """It does it, and says that it cannot tell."""


class Booked(msgspec.Struct, kw_only=True):
    """A settlement in the bureau's book."""

    ref: str
    settlement_id: str
    message_no: str
    split: dict[str, Any]
    settled_at: str
    live: bool = True


class Planned(msgspec.Struct, frozen=True):
    """A fault for the next call of a kind."""

    ask: str
    fault: MachineFault


class InsuranceMachine:
    """Takes, performs, writes down, reports. One call after another."""

    def __init__(self, call: Call, clock: Callable[[], datetime]) -> None:
        self._call = call
        self._clock = clock
        self.away = False
        """It takes nothing."""
        self.answers: dict[str, Answer] = {}
        """The book: what was reported, or is to be, under each number."""
        self.undone: set[str] = set()
        """Numbers that are never performed any more."""
        self.settlements: list[Booked] = []
        self.reversals: dict[str, Booked] = {}
        self.divided: set[str] = set()
        """Settlements of which a division stands."""
        self.performed: list[tuple[str, str]] = []
        self.faults: list[Planned] = []
        self.refused: list[int] = []
        """Statuses by which the platform refused a report."""
        self._look_again = True

    @property
    def live(self) -> list[Booked]:
        """What the bureau pays for."""
        return [one for one in self.settlements if one.live]

    def plan(self, ask: str, *faults: MachineFault) -> None:
        """Let the next calls of a kind go wrong in these ways."""
        self.faults.extend(Planned(ask, fault) for fault in faults)

    async def work(self, wait_s: int = 0) -> int:
        """Take what there is and report it; gives how many calls that were.

        After a crash, and after a request that failed, what was taken before is taken again.
        """
        if self.away:
            return 0
        again, self._look_again = self._look_again, True
        body = {"wait_s": wait_s, "again": again}
        taken = await self._call("POST", "/v1/institution/insurance/asks/take", body)
        self._look_again = False
        for ask in taken["asks"]:
            await self._handle(ask)
        return len(taken["asks"])

    async def _handle(self, ask: dict[str, Any]) -> None:
        number, fault = ask["message_no"], self._take_fault(ask["ask"])
        if fault is MachineFault.CRASH:
            self._look_again = True
            return
        answer = self.answers.get(number)
        if answer is None:
            answer = self._perform(ask, fault)
            self.answers[number] = answer
        if fault is MachineFault.SILENT:
            return
        if fault is MachineFault.UNKNOWN:
            answer = self.answers[number] = {"result": "unknown"}
        if fault is MachineFault.UNEVEN and _amounts_in(answer) is not None:
            await self._report(number, _changed(answer, fund=7, cash=0))
        await self._report(number, answer)
        if fault is MachineFault.TWICE:
            await self._report(number, answer)
        if fault is MachineFault.CONTRADICT:
            await self._report(number, _changed(answer, fund=-1, cash=1))

    def _take_fault(self, kind: str) -> MachineFault | None:
        for place, planned in enumerate(self.faults):
            if planned.ask == kind:
                return self.faults.pop(place).fault
        return None

    async def _report(self, number: str, answer: Answer) -> None:
        target = f"/v1/institution/insurance/asks/{number}/answer"
        try:
            await self._call("PUT", target, answer)
        except httpx.HTTPStatusError as refused:
            self.refused = [*self.refused[-99:], refused.response.status_code]

    def _perform(self, ask: dict[str, Any], fault: MachineFault | None) -> Answer:
        number = ask["message_no"]
        if number in self.undone:
            return _refusal("undone before it was done")
        if fault is MachineFault.REFUSE:
            return _refusal("医保不予结算")
        self.performed.append((ask["ask"], number))
        if ask["ask"] == "settle":
            return self._settle(ask, 1_00 if fault is MachineFault.MOVED else 0)
        acts: dict[str, Callable[[dict[str, Any]], Answer]] = {
            "presettle": self._presettle,
            "reverse": self._reverse,
            "undo": self._undo,
            "withdraw": self._withdraw,
            "find": self._find,
        }
        return acts[ask["ask"]](ask)

    def _presettle(self, ask: dict[str, Any]) -> Answer:
        if sum(line["amount_fen"] for line in ask["lines"]) != ask["total_fen"]:
            return _refusal("the lines are not the total")
        self.divided.add(ask["settlement_id"])
        return {"result": "done", "split": self._divide(ask, 0)}

    def _withdraw(self, ask: dict[str, Any]) -> Answer:
        if any(one.settlement_id == ask["settlement_id"] for one in self.live):
            return _refusal("settled")
        self.divided.discard(ask["settlement_id"])
        return {"result": "done"}

    def _find(self, ask: dict[str, Any]) -> Answer:
        found = [one for one in self.live if one.settlement_id == ask["settlement_id"]]
        return {"result": "done"} | ({"settled": _told(found[0])} if found else {})

    def _divide(self, ask: dict[str, Any], moved_fen: int) -> dict[str, Any]:
        total = ask["total_fen"]
        fund = max(0, total * FUND_PERCENT // 100 - moved_fen)
        own = total - fund
        account = min(own, ACCOUNT_FEN) if ask.get("use_account") else 0
        return {
            "total_fen": total,
            "fund_fen": fund,
            "account_fen": account,
            "cash_fen": own - account,
            "full_own_fen": 0,
            "over_limit_fen": 0,
            "first_pay_fen": 0,
            "in_scope_fen": total,
            "funds": {"310100": fund},
        }

    def _settle(self, ask: dict[str, Any], moved_fen: int) -> Answer:
        settlement = ask["settlement_id"]
        if any(one.settlement_id == settlement for one in self.live):
            return _refusal("settled already")
        if settlement not in self.divided:
            return _refusal("nothing was divided")
        booked = Booked(
            ref=f"HS{len(self.settlements) + 1:06d}",
            settlement_id=settlement,
            message_no=ask["message_no"],
            split=self._divide(ask, moved_fen),
            settled_at=self._clock().isoformat(),
        )
        self.settlements.append(booked)
        return {"result": "done", "settled": _told(booked)}

    def _reverse(self, ask: dict[str, Any]) -> Answer:
        for one in self.live:
            if (one.ref, one.settlement_id) == (ask["settlement_ref"], ask["settlement_id"]):
                one.live = False
                self.reversals[ask["message_no"]] = one
                return {"result": "done", "reversal_ref": f"R{one.ref}"}
        return _refusal("no such settlement")

    def _undo(self, ask: dict[str, Any]) -> Answer:
        number = ask["of_message_no"]
        self.undone.add(number)
        for one in self.settlements:
            if one.message_no == number:
                one.live = False
        if number in self.reversals:
            self.reversals.pop(number).live = True
        return {"result": "done"}


def _told(booked: Booked) -> dict[str, Any]:
    return {
        "settlement_ref": booked.ref,
        "split": booked.split,
        "settled_at": booked.settled_at,
        "clearing_type": "11",
    }


def _refusal(text: str) -> Answer:
    return {"result": "refused", "code": "-1", "text": text}


def _amounts_in(answer: Answer) -> dict[str, Any] | None:
    """How the bill is divided, where an answer says it."""
    split: dict[str, Any] | None = answer.get("settled", answer).get("split")
    return split


def _changed(answer: Answer, *, fund: int, cash: int) -> Answer:
    """The same answer with other amounts; without amounts, a refusal."""
    split = _amounts_in(answer)
    if split is None:
        return _refusal("otherwise")
    holder = answer.get("settled", answer)
    moved = {
        "fund_fen": split["fund_fen"] + fund,
        "cash_fen": split["cash_fen"] + cash,
        "funds": {"310100": split["fund_fen"] + fund},
    }
    told = {**holder, "split": {**split, **moved}}
    return {**answer, "settled": told} if "settled" in answer else told
