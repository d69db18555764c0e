"""A counter before the settlement's rig: drawers, cashiers, and what they hold by the books."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from service.kernel.database import connection
from service.kernel.principals import Terminal
from service.settlement.counter import taking
from service.settlement.model import Channel, Settlement, TakePayment
from service.shift import actions as shift
from service.shift.model import Counted, CounterRefund, Entry, Report, Slip, Tender
from tests.support.settlement_rig import Rig, a_rig

BOTH = frozenset(Tender)
LEDGER_OF = """
select coalesce(sum(case when debit = $2 then amount_fen else 0 end), 0)
  - coalesce(sum(case when credit = $2 then amount_fen else 0 end), 0)
from posting
where institution_id = $1
"""


class Drawer:
    """A cashier signed in at a terminal of his own."""

    def __init__(self, desk: "Desk", terminal: Terminal, token: str, staff_no: str) -> None:
        self.desk, self.terminal, self.token, self.staff_no = desk, terminal, token, staff_no

    async def sign_in_again(self) -> None:
        """After the session ended."""
        pin = self.desk.pins[self.staff_no]
        signed = await shift.sign_in(self.desk.rig.ctx, self.terminal, self.staff_no, pin)
        assert signed.shift is not None
        self.token = signed.token

    async def take(
        self, row: Settlement, tender: Tender = Tender.CASH, **deviations: Any
    ) -> taking.Taken:
        """All that is owed, in notes that fit or by a new slip, a second after what was before."""
        self.desk.rig.clock.advance(timedelta(seconds=1))
        wishes: dict[str, Any] = {
            "record_id": row.record_id,
            "settlement_id": row.settlement_id,
            "tender": tender,
            "amount_fen": None,
            "tendered_fen": None,
            "slip": a_slip() if tender is Tender.POS else None,
            "request_key": secrets.token_hex(8),
        }
        if tender is Tender.CASH and "tendered_fen" not in deviations:
            wishes["tendered_fen"] = deviations.get("amount_fen") or 10_000_00
        command = TakePayment(**{**wishes, **deviations})
        return await taking.take(self.desk.rig.ctx, self.terminal, self.token, command)

    async def give(self, one: CounterRefund, slip: Slip | None = None, key: str = "") -> Entry:
        """Give what waits."""
        of = (one.record_id, one.refund_id)
        if slip is None and one.tender is Tender.POS:
            slip = a_slip()
        request_key = key or secrets.token_hex(8)
        ctx = self.desk.rig.ctx
        return await taking.give(ctx, self.terminal, self.token, of, slip, request_key)

    async def report(self) -> Report:
        """The open shift's books."""
        return await shift.report(self.desk.rig.ctx, self.terminal, self.token, None)

    async def close(self, cash_fen: int, pos_fen: int = 0, words: str | None = None) -> Report:
        """End the shift over a count."""
        counted = Counted(cash_fen=cash_fen, pos_fen=pos_fen, explanation=words)
        return await shift.close(self.desk.rig.ctx, self.terminal, self.token, counted)


def a_slip(slip_no: str | None = None) -> Slip:
    """A card terminal's slip, with a number of its own unless one is given."""
    return Slip(slip_no=slip_no or secrets.token_hex(4), slip_ref="R-1")


class Desk:
    """The counters of the rig's hospital."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.pins: dict[str, str] = {}
        self.terminals = 0

    def terminal(self, *, public_place: bool = False) -> Terminal:
        """Another terminal."""
        self.terminals += 1
        return Terminal(
            institution_id=self.rig.place.institution_id,
            terminal_id=self.terminals,
            public_place=public_place,
        )

    async def hire(self, staff_no: str) -> str:
        """A cashier's PIN."""
        pin = await shift.add_staff(self.rig.ctx, self.rig.place.institution_id, staff_no)
        self.pins[staff_no] = pin
        return pin

    async def drawer(self, staff_no: str, float_fen: int = 0) -> Drawer:
        """A new cashier with an open shift at a new terminal."""
        pin = await self.hire(staff_no)
        terminal = self.terminal()
        signed = await shift.sign_in(self.rig.ctx, terminal, staff_no, pin)
        await shift.open_shift(self.rig.ctx, terminal, signed.token, float_fen)
        return Drawer(self, terminal, signed.token, staff_no)

    async def presettled(self, *amounts_fen: int) -> Settlement:
        """An insured bill whose division is known; the fund pays 60 of 100."""
        charged = await self.rig.push_bill(*amounts_fen)
        row = await self.rig.start(charged, channel=Channel.COUNTER, terminal_id=1, account_id=None)
        await self.rig.work()
        return await self.rig.read(row)

    async def waiting(self) -> list[CounterRefund]:
        """What waits for its payer."""
        return await shift.list_waiting(self.rig.ctx, self.rig.place.institution_id, None)

    async def in_ledger(self, tender: Tender) -> int:
        """Debits less credits of the tender's account over all settlements of the hospital."""
        async with connection(self.rig.ctx.pool) as conn:
            found: int = await conn.fetchval(
                LEDGER_OF, self.rig.place.institution_id, f"provider:{tender.value}"
            )
        return int(found)


@asynccontextmanager
async def a_desk(dsn: str, **wishes: Any) -> AsyncIterator[Desk]:
    """A hospital whose counters take cash and cards."""
    async with a_rig(dsn, **wishes) as rig:
        await shift.set_tenders(rig.ctx, rig.place.institution_id, BOTH)
        yield Desk(rig)
