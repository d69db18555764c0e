"""The person behind the work items: brings what the system must not decide alone to an end."""

from datetime import timedelta

from service.audit.model import Decided
from service.casework.model import WorkItem
from service.kernel.database import connection, list_rows
from service.kernel.problems import Problem, StateConflict
from service.payment import actions as payment
from service.receipt import invoices
from service.sandbox.hospital import MERCHANT
from service.settlement import reviewing
from service.settlement.states import SettlementEvent
from service.simulate.world import World

LOOKS_EVERY = timedelta(minutes=4)
DECIDED = Decided("operator", "simulated")
OPEN_ITEMS = """
select record_id, item_id, kind, subject_id, institution_id, reason, evidence, owner,
  opened_at, closed_at, closing
from work_item
where closed_at is null
order by opened_at, item_id
"""


class Operator:
    """Looks at open items now and then, and acts on most of them; some he leaves, unless he is
    ``diligent``."""

    def __init__(self, world: World, *, diligent: bool = False) -> None:
        self.world = world
        self._diligent = diligent
        self._acted: set[tuple[str, int, str]] = set()
        self._left: set[tuple[str, int]] = set()

    async def live(self) -> None:
        """For ever."""
        while True:
            await self.world.stage.rest(LOOKS_EVERY, "operator")
            async with connection(self.world.ctx.pool) as conn:
                items = await list_rows(conn, WorkItem, OPEN_ITEMS)
            for item in items:
                await self._look(item)

    async def _look(self, item: WorkItem) -> None:
        subject = (item.kind, item.subject_id)
        if (*subject, item.reason) in self._acted or subject in self._left:
            return
        if not self._diligent and self.world.draw.random() < 0.25:
            self._left.add(subject)
            return
        self._acted.add((*subject, item.reason))
        try:
            await self._act(item)
        except Problem as problem:
            self.world.stage.note(f"operator: {item.kind} {item.reason}: {problem.code}")

    async def _act(self, item: WorkItem) -> None:
        ctx = self.world.ctx
        match item.kind:
            case "refund":
                await self._end_refund(item)
            case "payment" if item.reason == "amount-differs":
                await payment.end_review(
                    ctx, item.record_id, item.subject_id, decided=DECIDED, money_is_back=False
                )
            case "invoice":
                await invoices.send_again(ctx, item.record_id, item.subject_id, DECIDED)
            case "settlement" if item.evidence.get("state") == "NEEDS_REVIEW":
                await self._end_review(item)
            case _:
                pass

    async def _end_review(self, item: WorkItem) -> None:
        """A correction that stopped is gone on with or undone; anything else is undone."""
        key = (item.record_id, item.subject_id)
        if self.world.draw.random() < 0.5:
            try:
                await reviewing.review(self.world.ctx, *key, SettlementEvent.REVIEWED_GO_ON)
            except StateConflict:
                self.world.stage.note("operator: there is nothing to go on with")
            else:
                return
        await reviewing.review(self.world.ctx, *key, SettlementEvent.REVIEWED_REVERSE)

    async def _end_refund(self, item: WorkItem) -> None:
        """A refund stuck at WeChat is ended there; one that failed goes again."""
        number = str(item.evidence["refund_no"])
        if item.evidence["provider"] == "wechatpay":
            book = self.world.twins.wechatpay.book
            found = book.find_refund(MERCHANT, number)
            if found is not None and found.status == "ABNORMAL":
                now = int(self.world.stage.clock.now().timestamp())
                end = self.world.draw.choice(("SUCCESS", "CLOSED"))
                self.world.twins.wechatpay.trading.end_refund(MERCHANT, number, end, now)
                return
        await payment.retry_refund(self.world.ctx, item.record_id, item.subject_id, DECIDED)
