"""``yimatong person`` for stewards, and where a code leads while persons are merged and after."""

import asyncio
from collections.abc import AsyncIterator
from datetime import date, timedelta
from pathlib import Path

import pytest
import structlog

from service import cli
from service.audit.model import Decided
from service.commands import person as person_verbs
from service.installation import prepare_keys
from service.kernel.database import connection
from service.person import actions as person
from service.person import merging
from service.person.model import Registration, Source
from service.settings import Settings, read_settings
from service.wiring import open_context
from tests.support.audited import entries_of
from tests.support.fakes_identity import citizen_number
from tests.support.identity_rig import IdentityRig, an_identity_rig

WHO = ["--by", "li", "--because", "papers seen"]
BY = Decided("li", "papers seen")


@pytest.fixture
async def settings(fresh_database: str, tmp_path: Path) -> AsyncIterator[Settings]:
    """An installation without hospitals. The command sets up logs; they are put back."""
    (tmp_path / "partners.json").write_text("{}")
    made = read_settings(
        {
            "YIMATONG_STATE_DIR": str(tmp_path),
            "YIMATONG_DATABASE_URL": fresh_database,
            "YIMATONG_MODE": "sandbox",
        }
    )
    prepare_keys(made)
    yield made
    structlog.reset_defaults()


async def two_with_one_number(settings: Settings) -> tuple[str, str]:
    """The public ids of two records that say one number and two names."""
    found = []
    async with open_context(settings, "test") as ctx:
        for name in ("测试甲", "王某人"):
            given = Registration(
                source=Source.WINDOW,
                institution_id=None,
                name=name,
                id_type="01",
                id_no=citizen_number(date(1980, 1, 1), 77),
                phone=None,
            )
            done = await person.register(ctx, given)
            found.append(ctx.public_ids.text(done.record_id, done.record_id))
    return found[0], found[1]


async def test_a_steward_rules_and_takes_it_back(
    settings: Settings, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    async def types(*line: str, status: int = 0) -> str:
        capsys.readouterr()
        assert await asyncio.to_thread(person_verbs.main, list(line), settings) == status
        said = capsys.readouterr()
        return said.err if status else said.out

    one, two = await two_with_one_number(settings)
    pair = ("--record", one, "--other", two)
    assert two not in await types("show", "--record", one)
    assert "SAME" in await types("say-same", *pair, *WHO)
    # One number and two names: asked, and ruled same.
    assert "window + window             1          -   0.0000    1.0000" in await types("quality")
    shown = await types("show", "--record", two)
    assert one in shown
    assert "测试" not in shown
    change = shown.splitlines()[-1].split()[1]
    said = await types("keep-apart", *pair, *WHO, status=2)
    assert "withdraw it first" in said
    assert "undone by UNMERGE" in await types("undo", "--change", change, *WHO)
    assert "DIFFERENT" in await types("keep-apart", *pair, *WHO)
    assert "withdrawn" in await types("withdraw", *pair, *WHO)
    assert "no ruling" in await types("withdraw", *pair, *WHO, status=2)
    assert "undone: papers seen" in await types("show", "--record", two)
    told = tmp_path / "named.json"
    again = ("register-again", "--record", one, "--learnt", "name-changed", "--input", str(told))
    assert "holds no registration" in await types(*again, *WHO, status=2)
    told.write_text('{"source": "window", "name": "测试丁", "id_type": "01"}', encoding="utf-8")
    assert "registered: " in await types(*again, *WHO)
    assert await types("died", "--record", one, *WHO) == f"{one}: died\n"
    assert "already" in await types("died", "--record", one, *WHO, status=2)
    assert await types("alive", "--record", one, *WHO) == f"{one}: alive\n"
    async with open_context(settings, "test") as ctx:
        record_id, _ = ctx.public_ids.parse(two)
        moved = await entries_of(ctx, record_id, "person.merged")
        ruled = await entries_of(ctx, record_id, "ruling.made")
    assert [(facts["by"], facts["because"]) for facts in moved] == [("li", "papers seen")]
    assert [facts["verdict"] for facts in ruled] == ["SAME", "DIFFERENT"]


def test_the_verbs_say_how_they_are_used(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        cli.main(["person", "say-same", "--record", "x"])
    assert left.value.code == 2
    assert "--other" in capsys.readouterr().err


@pytest.fixture
async def rig(fresh_database: str) -> AsyncIterator[IdentityRig]:
    async with an_identity_rig(fresh_database) as opened:
        yield opened


async def test_a_code_leads_to_the_person_of_its_record_before_during_and_after(
    rig: IdentityRig,
) -> None:
    phones = [await rig.resident(81), await rig.resident(82, "测试乙")]

    async def scanned() -> list[str]:
        found = []
        for phone in phones:
            rig.clock.advance(timedelta(minutes=2))
            answer = await rig.scan(await phone.code(), terminal=rig.desk)
            assert answer.status_code == 200, answer.text
            found.append(answer.json()["patient_id"])
        return found

    before = await scanned()
    assert before[0] != before[1]
    async with connection(rig.ctx.pool) as conn:
        rows = await conn.fetch(
            "select distinct link.record_id, link.person_id, link.from_at from link"
            " join account_record using (record_id)"
            " where link.to_at is null and link.from_at >= $1 order by link.from_at",
            rig.clock.now() - timedelta(hours=1),
        )
    records = [row["record_id"] for row in rows][-2:]
    people = [row["person_id"] for row in rows][-2:]
    change = await merging.merge(rig.ctx, people[0], people[1], BY)
    assert (await person.read(rig.ctx, records[1])).person_id == people[0]
    during = await scanned()
    assert during == before
    await person.freeze(rig.ctx, people[1], "reported-lost")
    for phone in phones:
        refused = await phone.ask("POST", "/v1/me/codes", {"purpose": "identify", "symbol": False})
        assert refused.json()["code"] == "code-frozen", refused.text
    await person.unfreeze(rig.ctx, people[0])
    rig.clock.advance(timedelta(seconds=1))
    await merging.undo(rig.ctx, change.person_id, change.change_id, BY)
    assert await scanned() == before
    assert [(await person.read(rig.ctx, one)).person_id for one in records] == people
