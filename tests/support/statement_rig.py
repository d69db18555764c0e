"""A hospital's merchant account before a payment twin, its books, and the morning after."""

import gzip
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any

from integrations.ports.outcomes import Accepted, Outcome
from integrations.ports.statements import Statement
from service.institution import actions as institution
from service.institution.model import MovedAmounts, NewInstitution
from service.kernel.context import Context, Policy
from service.kernel.database import connection, transaction
from service.payment import actions as payment
from service.payment.model import NewAttempt, PaymentAttempt, ShownQr
from service.reconcile import actions
from service.reconcile.model import Account, AccountReport
from tests.contract import alipay_rig, wechat_rig
from tests.support.app import a_context
from tests.support.clock import FakeClock
from tests.support.fakes_payments import FakePartners
from tests.support.money import House

NOON = datetime(2026, 6, 30, 4, 0, tzinfo=UTC)
DAY = date(2026, 6, 30)
Break = Callable[[bytes], bytes]
CLEAR = (
    "truncate refund, payment_attempt, payment_number, payment_notice, posting, outbox, work_item,"
    " statement_file, statement_line, statement_difference, merchant_account"
)
COUNTS = {
    "statement_file": "select count(*) from statement_file",
    "statement_line": "select count(*) from statement_line",
    "statement_difference": "select count(*) from statement_difference",
}
WHOLE = (
    "select * from statement_file",
    "select * from statement_line",
    "select * from statement_difference",
    "select * from work_item",
)


class Post:
    """The account's own gateway; a file may be spoiled on its way."""

    def __init__(self, till: Any) -> None:
        self.till = till
        self.spoil: Break | None = None
        self.fetched = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.till.gateway, name)

    async def fetch_bill(self, day: date) -> Outcome[bytes]:
        self.fetched += 1
        found: Outcome[bytes] = await self.till.gateway.fetch_bill(day)
        if self.spoil is None or not isinstance(found, Accepted):
            return found
        return Accepted(self.spoil(found.value))

    def read_bill(self, content: bytes, day: date) -> Statement:
        read: Statement = self.till.gateway.read_bill(content, day)
        return read


class Counter:
    """Payments, refunds and a statement of each day, at one account."""

    def __init__(self, ctx: Context, clock: FakeClock, post: Post, house: House) -> None:
        self.ctx = ctx
        self.clock = clock
        self.post = post
        self.till = post.till
        self.house = house
        self.provider = post.till.gateway.code
        self.trades = 0

    def advance(self, **span: float) -> None:
        """One time for all."""
        self.clock.advance(timedelta(**span))
        self.till.clock.at = self.clock.now()

    def to(self, at: datetime) -> None:
        """Go on to an instant."""
        self.clock.advance(at - self.clock.now())
        self.till.clock.at = at

    async def paid(self, amount_fen: int = 10_000, *, known: bool = True) -> PaymentAttempt:
        """The payer pays; ``known`` is whether we heard of it."""
        self.trades += 1
        attempt = await self.house.place(
            await self.house.create(settlement_id=self.trades, amount_fen=amount_fen)
        )
        shown = await payment.present(self.ctx, attempt.record_id, attempt.attempt_id)
        assert isinstance(shown, ShownQr)
        name = "code_url" if self.provider == "wechatpay" else "qr_code"
        await self.till.control("pay", **{name: shown.qr_text})
        if not known:
            return attempt
        return await self.heard(attempt)

    async def heard(self, attempt: PaymentAttempt) -> PaymentAttempt:
        """We ask the provider."""
        self.advance(seconds=31)
        return await payment.ask(self.ctx, attempt.record_id, attempt.attempt_id)

    async def given_back(self, attempt: PaymentAttempt, amount_fen: int) -> str:
        """A refund that the provider accepted; gives its number."""
        await self.house.refund(attempt, amount_fen)
        await self.house.work(rounds=3)
        self.till.clock.at = self.clock.now()
        async with connection(self.ctx.pool) as conn:
            rows = await payment.list_refunds(
                conn, self.ctx, attempt.record_id, attempt.settlement_id
            )
        return rows[0].refund_no

    async def run(self, day: date = DAY) -> AccountReport:
        """The morning after, half past ten in Beijing, or any later time."""
        morning = datetime(day.year, day.month, day.day, 2, 30, tzinfo=UTC) + timedelta(days=1)
        if self.clock.now() < morning:
            self.to(morning)
        account = Account(provider=self.provider, account_name=next(iter(self._seller().values())))
        (report,) = await actions.reconcile_day(self.ctx, day, [account])
        return report

    async def omit(self, number: str, day: date = DAY) -> None:
        """Leave a row out of the day's bill."""
        await self.till.control("bill-edits", **self._seller(), day=day.isoformat(), omit=number)

    async def change(self, number: str, **cells: str) -> None:
        """A row of WeChat's bill with other cells, by column name; the true one is left out."""
        text = wechat_text(await self._bill())
        header = text.split("\r\n")[0].split(",")
        row = next(line for line in text.split("\r\n") if f"`{number}," in line)
        values = row[1:].split(",`")
        for name, value in cells.items():
            values[header.index(name)] = value
        await self.omit(number)
        await self.till.control("bill-edits", **self._seller(), day=DAY.isoformat(), extra=values)

    async def _bill(self) -> bytes:
        before = self.till.clock.at
        self.till.clock.at = NOON + timedelta(days=1)
        found = await self.till.gateway.fetch_bill(DAY)
        self.till.clock.at = before
        assert isinstance(found, Accepted), found
        return found.value

    def _seller(self) -> dict[str, str]:
        if self.provider == "wechatpay":
            return {"mchid": wechat_rig.MCHID}
        return {"seller_id": alipay_rig.SELLER_ID}

    async def items(self) -> list[tuple[str, dict[str, Any]]]:
        """(reason, evidence) of open items about statements."""
        async with connection(self.ctx.pool) as conn:
            rows = await conn.fetch(
                "select reason, evidence from work_item where closed_at is null"
                " and kind = 'statement' order by reason"
            )
        return [(row["reason"], row["evidence"]) for row in rows]

    async def closings(self) -> list[str]:
        """Why differences were closed."""
        async with connection(self.ctx.pool) as conn:
            rows = await conn.fetch(
                "select closing from statement_difference where state = 'CLOSED' order by own_no"
            )
        return [row["closing"] for row in rows]

    async def count(self, table: str) -> int:
        """Rows of a table."""
        async with connection(self.ctx.pool) as conn:
            return int(await conn.fetchval(COUNTS[table]))

    async def snapshot(self) -> dict[str, list[str]]:
        """Everything that reconciliation and casework hold, as text."""
        async with connection(self.ctx.pool) as conn:
            return {sql: sorted(str(tuple(row)) for row in await conn.fetch(sql)) for sql in WHOLE}


def wechat_text(content: bytes) -> str:
    """The plain text of a bill's file."""
    return gzip.decompress(content).decode()


@asynccontextmanager
async def a_counter(dsn: str, *, alipay: bool = False) -> AsyncIterator[Counter]:
    """An account with empty books at noon of ``DAY``."""
    clock = FakeClock(NOON)
    till: Any = alipay_rig.Rig() if alipay else wechat_rig.Rig()
    till.clock.at = NOON
    post = Post(till)
    name = alipay_rig.SELLER_ID if alipay else wechat_rig.MCHID
    partners = FakePartners({(till.gateway.code, name): post})  # type: ignore[dict-item]
    policy = Policy(notice_url_base="https://yimatong.test")
    async with a_context(
        dsn,
        clock=clock,
        partners=partners,  # type: ignore[arg-type]
        policy=policy,
    ) as ctx:
        async with transaction(ctx.pool) as conn:
            await conn.execute(CLEAR)
        place = await institution.enrol_institution(
            ctx,
            NewInstitution(
                code=f"H{ctx.ids.new() % 10**11:011d}",
                name="测试医院",
                insurance_region="990100",
                level=3,
                moved_amounts=MovedAmounts.ADJUST,
            ),
        )
        await institution.set_merchant_account(
            ctx, place.institution_id, provider=till.gateway.code, account_name=name
        )
        house = AnyProvider(ctx, clock, post, place.institution_id)
        house.provider_code = till.gateway.code
        await house.admit()
        yield Counter(ctx, clock, post, house)
        await till.client.aclose()


class AnyProvider(House):
    """A house whose attempts name the provider at hand."""

    provider_code = "wechatpay"

    async def create(self, **changes: Any) -> PaymentAttempt:
        if self.provider_code == "wechatpay":
            return await super().create(**changes)
        new = NewAttempt(
            record_id=self.record_id,
            institution_id=self.institution_id,
            provider=self.provider_code,
            way="native",
            purpose="MAIN",
            payer=None,
            expires_at=self.clock.now() + timedelta(minutes=15),
            **changes,
        )
        async with transaction(self.ctx.pool) as conn:
            return await payment.create(conn, self.ctx, new)
