"""``yimatong settlement``: the verbs an operator types about reviews and approval."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import structlog

from service.commands import settlement as settlement_verbs
from service.installation import prepare_keys
from service.institution import actions as institution
from service.institution.model import MovedAmounts, NewInstitution
from service.settings import Settings, read_settings
from service.wiring import open_context

CODE = "H99000100001"


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


async def test_the_limit_is_set_and_taken_away(
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

    async def limit() -> int | None:
        async with open_context(settings, "test") as ctx:
            found = await institution.get_institution(ctx, place.institution_id)
        return found.approval_above_fen

    assert await limit() is None
    assert await type_line(f"approval-limit --institution {CODE} --above-fen 20000") == 0
    assert await limit() == 200_00
    assert await type_line(f"approval-limit --institution {CODE} --none") == 0
    assert await limit() is None
    capsys.readouterr()
    assert await type_line("approval-limit --institution H99000100009 --none") == 2
    assert "no institution has the code" in capsys.readouterr().err
    assert await type_line("review --settlement nothing --decision go-on") == 2
    assert "not-found: nothing has this id" in capsys.readouterr().err


@pytest.mark.parametrize(
    "argv",
    [
        ["approval-limit", "--institution", "H1"],
        ["approval-limit", "--institution", "H1", "--above-fen", "-1"],
        ["approval-limit", "--institution", "H1", "--above-fen", "1.5"],
        ["approval-limit", "--institution", "H1", "--above-fen", "1", "--none"],
        ["review", "--settlement", "B0", "--decision", "split"],
        ["review", "--decision", "go-on"],
    ],
)
def test_half_a_command_is_refused(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        settlement_verbs._parser().parse_args(argv)
    assert ended.value.code == 2
    assert "usage: yimatong settlement" in capsys.readouterr().err
