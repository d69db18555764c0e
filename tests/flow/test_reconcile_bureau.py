"""A day's settlements against the bureau's totals (3201), through the real adapter and the twin."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from service.kernel.clock import business_day
from service.kernel.database import connection
from service.reconcile import actions
from service.reconcile.model import AccountReport, Outcome
from tests.support.database import DatabaseServer
from tests.support.settlement_street import SINGLE_FEN, Street, a_street


@pytest.fixture
async def street(postgres: DatabaseServer, migrated: str) -> AsyncIterator[Street]:
    async with postgres.database(migrated) as dsn, a_street(dsn) as made:
        yield made


async def settled(street: Street) -> None:
    """One bill, divided, paid and settled."""
    bill_id = await street.push_bill()
    base = f"/v1/terminal/scans/{street.scan['scan_id']}/settlements"
    body = {"bill_id": bill_id, "use_account": False, "insured": True}
    started = await street.ask(street.kiosk, "POST", base, body)
    await street.work()
    path = f"{base}/{started['settlement_id']}"
    shown = await street.ask(
        street.kiosk, "POST", f"{path}/payment", {"provider": "wechatpay", "way": "native"}
    )
    await street.till.control("pay", code_url=shown["payment"]["qr_text"])
    await street.run_for(timedelta(minutes=1))
    seen = await street.ask(street.kiosk, "GET", path)
    assert seen["state"] == "POSTING"


async def next_morning(street: Street) -> tuple[AccountReport, AccountReport]:
    """Yesterday's run: the till's report and the bureau's."""
    day = business_day(street.ctx.clock.now())
    street.advance(timedelta(hours=23))
    till, bureau = await actions.reconcile_day(street.ctx, day)
    return till, bureau


async def items(street: Street) -> list[dict[str, Any]]:
    async with connection(street.ctx.pool) as conn:
        rows = await conn.fetch(
            "select evidence from work_item where kind = 'statement' and closed_at is null"
        )
    return [row["evidence"] for row in rows]


async def test_a_day_that_agrees_on_all_three_sides(street: Street) -> None:
    await settled(street)
    till, bureau = await next_morning(street)
    assert (till.outcome, till.matched) == (Outcome.EXPLAINED, 1)
    assert (bureau.provider, bureau.outcome) == ("insurance", Outcome.EXPLAINED)
    assert (bureau.here.trade_count, bureau.here.trade_fen) == (1, SINGLE_FEN)
    assert await items(street) == []


async def test_what_the_bureau_holds_otherwise_is_found_and_later_explained(
    street: Street,
) -> None:
    await settled(street)
    day = business_day(street.ctx.clock.now())
    book = street.bureau.twin.book
    book.run("update settlement set fund_fen = fund_fen + 1")
    _, bureau = await next_morning(street)
    assert (bureau.outcome, bureau.open) == (Outcome.DIFFERENCES, 1)
    (evidence,) = await items(street)
    assert (evidence["insurance_type"], evidence["count"]) == ("310", 1)
    assert (evidence["total_fen"], evidence["bureau_code"]) == (SINGLE_FEN, "1")
    book.run("update settlement set fund_fen = fund_fen - 1")
    _, again = await actions.reconcile_day(street.ctx, day)
    assert (again.outcome, again.closed, again.open) == (Outcome.EXPLAINED, 1, 0)
    assert await items(street) == []


async def test_a_bureau_that_does_not_answer_is_not_agreement(street: Street) -> None:
    await settled(street)
    await street.plan("drop_after", "3201")
    _, bureau = await next_morning(street)
    assert (bureau.outcome, bureau.reason) == (Outcome.MISSING, "answer-lost")
    assert await items(street) == []


async def test_a_correction_counts_on_the_days_of_its_settlements(street: Street) -> None:
    await settled(street)
    first = business_day(street.ctx.clock.now())
    (one,) = (await street.ask(street.his, "GET", "/v1/institution/settlements"))["settlements"]
    path = f"/v1/institution/settlements/{one['settlement_id']}"
    await street.ask(street.his, "POST", f"{path}/posting", {"hospital_ref": "HIS-1"})
    street.advance(timedelta(hours=23))
    body = {
        "bill_version": 1,
        "lines": [{"line_no": "1", "quantity_e4": 4_000}],
        "reason": "少取药",
        "asked_by": "A1",
    }
    await street.ask(street.his, "POST", f"{path}/corrections", body)
    await street.run_for(timedelta(minutes=2))
    _, second = await next_morning(street)
    assert (second.outcome, second.here.trade_count) == (Outcome.EXPLAINED, 2)
    assert second.here.trade_fen == SINGLE_FEN * 6 // 10 - SINGLE_FEN
    _, again = await actions.reconcile_day(street.ctx, first)
    assert (again.outcome, again.here.trade_fen) == (Outcome.EXPLAINED, SINGLE_FEN)
