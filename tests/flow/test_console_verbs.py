"""``yimatong console``: operators are made, changed and listed, each change in the audit log."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import structlog

from service import cli
from service.commands import operators as console_verbs
from service.console import signing
from service.console.problems import ConsoleSignInRefused
from service.installation import prepare_keys
from service.settings import Settings, read_settings
from service.wiring import open_context
from tests.support.audited import entries_of
from tests.support.console_rig import code_at

WHO = ["--by", "chief", "--because", "hired"]


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


async def test_an_operator_from_the_first_line_to_the_last(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    async def types(*line: str, status: int = 0) -> str:
        capsys.readouterr()
        assert await asyncio.to_thread(console_verbs.main, list(line), settings) == status
        said = capsys.readouterr()
        return said.err if status else said.out

    async def signs_in(handed: str) -> frozenset[str]:
        password = re.search(r"password (\S+)", handed)
        factor = re.search(r"otpauth://\S+", handed)
        assert password is not None
        assert factor is not None
        async with open_context(settings, "test") as ctx:
            code = code_at(factor[0], int(ctx.clock.now().timestamp()))
            session = await signing.sign_in(ctx, "li.na", password[1], code)
        return session.operator.roles

    name = ("--name", "li.na")
    assert await types("list") == "nobody may sign in to the console\n"
    handed = await types("add", *name, "--role", "steward", *WHO)
    assert await signs_in(handed) == {"steward"}
    assert "taken" in await types("add", *name, "--role", "admin", *WHO, status=2)
    renewed = await types("new-secrets", *name, *WHO)
    with pytest.raises(ConsoleSignInRefused):
        await signs_in(handed)
    await types("roles", *name, "--role", "finance", "--role", "auditor", *WHO)
    assert await signs_in(renewed) == {"auditor", "finance"}
    await types("suspend", *name, *WHO)
    assert await types("list") == f"{'li.na':<20} {'SUSPENDED':<10} auditor, finance\n"
    with pytest.raises(ConsoleSignInRefused):
        await signs_in(renewed)
    await types("resume", *name, *WHO)
    await types("unlock", *name, *WHO)
    assert "nobody" not in await types("list")
    assert "no operator" in await types("unlock", "--name", "wang", *WHO, status=2)
    async with open_context(settings, "test") as ctx:
        for action in ("added", "secrets-renewed", "roles-set", "suspended", "active", "unlocked"):
            (entry,) = await entries_of(ctx, 0, f"operator.{action}")
            assert {"name": "li.na", "by": "chief", "because": "hired"}.items() <= entry.items()


def test_the_command_knows_its_verbs(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["console", "add"])
    assert "--name" in capsys.readouterr().err
