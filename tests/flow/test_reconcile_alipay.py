"""A day's books against the statement that Alipay's twin made of it, whole and broken."""

from collections.abc import AsyncIterator

import pytest

from service.reconcile.model import Outcome, Sums
from tests.support.statement_rig import Counter, a_counter


@pytest.fixture
async def counter(fresh_database: str) -> AsyncIterator[Counter]:
    async with a_counter(fresh_database, alipay=True) as made:
        yield made


async def test_a_day_that_agrees(counter: Counter) -> None:
    first = await counter.paid(10_000)
    await counter.paid(2_345)
    await counter.given_back(first, 4_000)
    report = await counter.run()
    sums = Sums(trade_count=2, trade_fen=12_345, refund_count=1, refund_fen=4_000)
    assert (report.outcome, report.there, report.here) == (Outcome.EXPLAINED, sums, sums)
    assert (report.matched, report.tied) == (3, True)


async def test_what_only_we_hold(counter: Counter) -> None:
    await counter.paid()
    missing = await counter.paid(777)
    await counter.omit(missing.trade_no)
    report = await counter.run()
    assert report.classes == {"ONLY_HERE": 1}
    ((reason, evidence),) = await counter.items()
    assert (reason, evidence["number"]) == ("statement-only-here", missing.trade_no)


@pytest.mark.parametrize(
    ("fault", "reasons"),
    [
        ("bill-cut", {"row-broken", "no-footer", "charset"}),
        ("bill-doubled", {"totals-differ", "line-doubled"}),
        ("bill-grouped", {"amount-unreadable", "row-broken"}),
        ("bill-no-footer", {"no-footer"}),
        ("bill-wrong-seller", {"other-merchant"}),
    ],
)
async def test_nothing_of_a_broken_file_is_used(
    counter: Counter, fault: str, reasons: set[str]
) -> None:
    await counter.paid(123_400)
    await counter.till.fault(fault)
    report = await counter.run()
    assert (report.outcome, report.reason in reasons) == (Outcome.REFUSED, True), report
    assert await counter.count("statement_line") == 0
    assert await counter.count("statement_difference") == 0
    assert [reason for reason, _ in await counter.items()] == [f"statement-{report.reason}"]
    assert (await counter.run()).outcome is Outcome.EXPLAINED
    assert await counter.items() == []


async def test_a_quiet_day_is_explained(counter: Counter) -> None:
    quiet = await counter.run()
    assert (quiet.outcome, quiet.reason) == (Outcome.EXPLAINED, "nothing-on-either-side")


async def test_no_statement_where_there_were_payments(counter: Counter) -> None:
    attempt = await counter.paid()
    await counter.omit(attempt.trade_no)
    report = await counter.run()
    assert (report.outcome, report.reason) == (Outcome.MISSING, "missing")
