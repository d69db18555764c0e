"""A day's settlements against the bureau's totals (3201) and its lines (3202), over the twin."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from service.institution.model import MovedAmounts
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


async def settled(street: Street, ends: str = "POSTING") -> str:
    """One bill, divided, paid and settled; gives the settlement's id."""
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
    assert seen["state"] == ends
    return str(started["settlement_id"])


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
    assert (bureau.outcome, bureau.open) == (Outcome.DIFFERENCES, 2)
    evidence, line = sorted(await items(street), key=lambda one: "settlement_ref" in one)
    assert (evidence["insurance_type"], evidence["count"]) == ("310", 1)
    assert (line["there_fund_fen"], line["here_fund_fen"]) == (1, 0)
    assert (evidence["total_fen"], evidence["bureau_code"]) == (SINGLE_FEN, "1")
    book.run("update settlement set fund_fen = fund_fen - 1")
    _, again = await actions.reconcile_day(street.ctx, day)
    assert (again.outcome, again.closed, again.open) == (Outcome.EXPLAINED, 2, 0)
    assert await items(street) == []


async def test_a_bureau_that_does_not_answer_is_not_agreement(street: Street) -> None:
    await settled(street)
    await street.plan("drop_after", "3201")
    _, bureau = await next_morning(street)
    assert (bureau.outcome, bureau.reason) == (Outcome.MISSING, "answer-lost")
    assert await items(street) == []


@pytest.fixture
async def strict_street(postgres: DatabaseServer, migrated: str) -> AsyncIterator[Street]:
    """The hospital wants a settlement undone when the bureau divides otherwise than promised."""
    async with (
        postgres.database(migrated) as dsn,
        a_street(dsn, moved=MovedAmounts.UNDO) as made,
    ):
        yield made


async def of_lines(street: Street) -> dict[str, dict[str, Any]]:
    """Open items about single settlements, by reference and reversal mark."""
    found = [one for one in await items(street) if "settlement_ref" in one]
    return {f"{one['settlement_ref']}{'-' * one['reversal']}": one for one in found}


async def test_the_single_settlement_that_differs_is_named(strict_street: Street) -> None:
    street, book = strict_street, strict_street.bureau.twin.book
    await street.plan("move_counters", "2207", moves={"op.dedc": 50_000})
    undone = await settled(street, ends="REVERSED")
    kept = await settled(street)
    day = business_day(street.ctx.clock.now())
    _, bureau = await next_morning(street)
    assert (bureau.outcome, bureau.here.trade_count) == (Outcome.EXPLAINED, 3)
    first, second = (row["setl_id"] for row in book.all("select setl_id from settlement"))

    async def run() -> tuple[AccountReport, dict[str, dict[str, Any]]]:
        _, report = await actions.reconcile_day(street.ctx, day)
        return report, await of_lines(street)

    book.run("update settlement set fund_fen = fund_fen + 7 where setl_id = ?", second)
    report, lines = await run()
    assert (report.classes, list(lines)) == ({"AMOUNT_DIFFERS": 1}, [second])
    assert lines[second]["there_fund_fen"] == lines[second]["here_fund_fen"] + 7
    assert lines[second]["settlement_id"] == kept

    book.run("update settlement set fund_fen = fund_fen - 7 where setl_id = ?", second)
    report, lines = await run()
    assert (report.outcome, report.closed, lines) == (Outcome.EXPLAINED, 2, {})

    # A reversal that only we hold, and a settlement that the bureau forgot.
    book.run("update settlement set state = 'LIVE' where setl_id = ?", first)
    book.run("update settlement set state = 'UNDONE' where setl_id = ?", second)
    report, lines = await run()
    assert report.classes == {"ONLY_HERE": 2}
    assert {name: one["settlement_id"] for name, one in lines.items()} == {
        f"{first}-": undone,
        second: kept,
    }
    assert (lines[f"{first}-"]["here_fen"], lines[second]["there_fen"]) == (-SINGLE_FEN, None)


async def test_a_reversal_at_midnight_is_explained_on_the_bureaus_day(
    strict_street: Street,
) -> None:
    street, book = strict_street, strict_street.bureau.twin.book
    await street.plan("move_counters", "2207", moves={"op.dedc": 50_000})
    await settled(street, ends="REVERSED")
    day = business_day(street.ctx.clock.now())
    # We asked at half past eleven at night, and the bureau booked it as the next day's.
    async with connection(street.ctx.pool) as conn:
        await conn.execute("update insurance_call set called_at = called_at + interval '11.5 h'")
    book.run("update settlement set reversal_day = ?", (day + timedelta(days=1)).isoformat())
    street.advance(timedelta(hours=47))
    _, bureau = await actions.reconcile_day(street.ctx, day + timedelta(days=1))
    assert (bureau.classes, bureau.open) == ({"CROSSES_MIDNIGHT": 1}, 1)
    assert await of_lines(street) == {}
    _, before = await actions.reconcile_day(street.ctx, day)
    assert before.classes == {"ONLY_HERE": 1}


async def test_what_only_the_bureau_holds_is_named_and_no_broken_file_used(
    street: Street,
) -> None:
    await street.plan("break_identity", "2207")
    await settled(street, ends="NEEDS_REVIEW")
    day = business_day(street.ctx.clock.now())
    _, bureau = await next_morning(street)
    assert (bureau.outcome, bureau.classes) == (Outcome.DIFFERENCES, {"ONLY_THERE": 1})
    ((_, line),) = (await of_lines(street)).items()
    assert (line["there_fen"], line["here_fen"]) == (SINGLE_FEN, None)
    assert line["settlement_id"] is not None

    for way, why in {
        "cut": "not-a-zip",
        "doubled": "line-doubled",
        "separator": "amount-unreadable",
        "charset": "other-charset",
        "stranger": "other-institution",
        "columns": "other-columns",
    }.items():
        await street.plan("spoil_file", "9102", text=way)
        _, spoilt = await actions.reconcile_day(street.ctx, day)
        assert (spoilt.outcome, spoilt.reason) == (Outcome.MISSING, f"lines-{why}"), way
        assert list(await of_lines(street)) == [line["settlement_ref"]]
        # The refused file is a row of its own, and a work item until a usable one comes.
        assert len(await items(street)) == 3
        _, again = await actions.reconcile_day(street.ctx, day)
        assert (again.outcome, again.open) == (Outcome.DIFFERENCES, 2)
        assert len(await items(street)) == 2


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
