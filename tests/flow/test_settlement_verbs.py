"""``yimatong settlement``: the verbs an operator types about reviews and approval."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import msgspec
import pytest
import structlog

from service.commands import settlement as settlement_verbs
from service.installation import prepare_keys
from service.institution import actions as institution
from service.institution.model import MovedAmounts, NewInstitution
from service.kernel.claims import run_once
from service.kernel.clock import SystemClock, business_day
from service.kernel.context import Context
from service.kernel.database import transaction
from service.ledger import actions as ledger
from service.ledger import jobs
from service.ledger.model import NewPosting
from service.settings import Settings, read_settings
from service.wiring import open_context
from tests.support.clock import FakeClock

CODE = "H99000100001"
OTHER_CODE = "H99000100002"


@pytest.fixture
async def settings(fresh_database: str, tmp_path: Path) -> AsyncIterator[Settings]:
    """An installation without hospitals. The command sets up logs; they are put back."""
    (tmp_path / "partners.json").write_text("{}")
    made = read_settings(
        {"YIMATONG_STATE_DIR": str(tmp_path), "YIMATONG_DATABASE_URL": fresh_database}
    )
    prepare_keys(made)
    yield made
    structlog.reset_defaults()


WHO = "--by li --because seen"


async def test_an_institutions_settings_are_set_and_taken_away(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    new = NewInstitution(
        code=CODE,
        name="测试医院",
        insurance_region="990001",
        level=3,
        moved_amounts=MovedAmounts.ADJUST,
    )
    async with open_context(settings, "test") as ctx:
        place = await institution.enrol_institution(ctx, new)

    async def type_line(line: str) -> int:
        return await asyncio.to_thread(settlement_verbs.main, line.split(), settings)

    async def stands() -> tuple[int | None, bool]:
        async with open_context(settings, "test") as ctx:
            found = await institution.get_institution(ctx, place.institution_id)
        return found.approval_above_fen, found.registration_insured

    assert await stands() == (None, False)
    assert await type_line(f"approval-limit --institution {CODE} --above-fen 20000") == 0
    assert await type_line(f"registration --institution {CODE} --insured") == 0
    assert await stands() == (200_00, True)
    assert await type_line(f"approval-limit --institution {CODE} --none") == 0
    assert await type_line(f"registration --institution {CODE} --own") == 0
    assert await stands() == (None, False)
    assert await type_line(f"moved-amounts --institution {CODE} --wish undo") == 0
    async with open_context(settings, "test") as ctx:
        found = await institution.get_institution(ctx, place.institution_id)
    assert found.moved_amounts is MovedAmounts.UNDO
    capsys.readouterr()
    assert await type_line("approval-limit --institution H99000100009 --none") == 2
    assert "no institution has the code" in capsys.readouterr().err
    assert await type_line(f"close-day --institution {CODE} --day 2099-01-01 --by clerk") == 2
    assert "ledger-day-not-over" in capsys.readouterr().err
    assert await type_line(f"day --institution {CODE} --day 2099-01-01") == 2
    assert await type_line(f"review --settlement nothing --decision go-on {WHO}") == 2
    assert "not-found: nothing has this id" in capsys.readouterr().err


async def test_a_day_is_closed_read_and_added_up_anew(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    new = NewInstitution(
        code=OTHER_CODE,
        name="测试医院",
        insurance_region="990001",
        level=3,
        moved_amounts=MovedAmounts.ADJUST,
    )
    day = business_day(SystemClock().now()) - timedelta(days=3)
    at_noon = FakeClock(datetime.combine(day, time(4, 0), UTC))
    async with open_context(settings, "test") as ctx:
        place = await institution.enrol_institution(ctx, new)
        posting = NewPosting(
            record_id=5,
            settlement_id=7,
            institution_id=place.institution_id,
            cause="payment:1",
            debit="provider:cash",
            credit="patient",
            amount_fen=1234,
        )
        async with transaction(ctx.pool) as conn:
            await ledger.post(conn, msgspec.structs.replace(ctx, clock=at_noon), posting)
        await work_off(ctx)

    async def type_line(line: str) -> str:
        line = f"{line} --institution {OTHER_CODE} --day {day}"
        assert await asyncio.to_thread(settlement_verbs.main, line.split(), settings) == 0
        return capsys.readouterr().out

    assert "is not closed" in await type_line("check-day")
    assert f"the worker closes {day}" in await type_line("close-day --by clerk")
    assert "no day up to" in await type_line("close-day --by clerk")
    async with open_context(settings, "test") as ctx:
        while "CLOSED" not in (shown := await type_line("day")):
            assert "CLOSING, asked for by clerk" in shown
            await work_off(msgspec.structs.replace(ctx, clock=FakeClock(a_while_from_now())))
    cash = msgspec.json.decode(await type_line("day --json"))["accounts"][-1]
    assert (cash["account"], cash["opening_fen"], cash["closing_fen"]) == ("provider:cash", 0, 1234)
    assert "1 postings agree" in await type_line("check-day --again")


def a_while_from_now() -> datetime:
    """A postponed day is due again by then."""
    return SystemClock().now() + timedelta(minutes=1)


async def work_off(ctx: Context) -> None:
    """The worker's loops of the ledger, once."""
    for source in jobs.sources(ctx):
        await run_once(source, ctx.clock, ctx.metrics)


@pytest.mark.parametrize(
    "argv",
    [
        ["approval-limit", "--institution", "H1"],
        ["approval-limit", "--institution", "H1", "--above-fen", "-1"],
        ["approval-limit", "--institution", "H1", "--above-fen", "1.5"],
        ["approval-limit", "--institution", "H1", "--above-fen", "1", "--none"],
        ["review", "--settlement", "B0", "--decision", "split"],
        ["review", "--decision", "go-on"],
        ["review", "--settlement", "B0", "--decision", "go-on", "--by", "li"],
        ["review", "--settlement", "B0", "--decision", "go-on", "--because", "seen"],
    ],
)
def test_half_a_command_is_refused(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        settlement_verbs._parser().parse_args(argv)
    assert ended.value.code == 2
    assert "usage: yimatong settlement" in capsys.readouterr().err
