"""``yimatong work``: what waits for a person is listed, shown, and closed where that is due."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
import structlog

from service import cli
from service.casework import actions as casework
from service.casework.model import Evidence, NewItem
from service.commands import work as work_verbs
from service.installation import prepare_keys
from service.institution import actions as institution
from service.institution.model import Institution, MovedAmounts, NewInstitution
from service.kernel.database import connection, transaction
from service.settings import Settings, read_settings
from service.wiring import open_context
from tests.support.audited import entries_of

CODE = "H99000100003"
WHO = ["--by", "li", "--because", "seen at the bureau"]


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


class Operator:
    """Types lines, and reads what is said."""

    def __init__(self, settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
        self._settings = settings
        self._capsys = capsys

    async def types(self, *line: str, refused: bool = False) -> str:
        """Everything said on the output, or on standard error where it is refused."""
        self._capsys.readouterr()
        status = await asyncio.to_thread(work_verbs.main, line, self._settings)
        said = self._capsys.readouterr()
        assert status == (2 if refused else 0), said.err
        return said.err if refused else said.out.removesuffix("\n")

    async def items(self, *wishes: str) -> list[tuple[str, str]]:
        """Kind and reason of what the list shows."""
        found = await self.types("list", "--json", *wishes)
        lines = [json.loads(line) for line in found.splitlines()]
        return [(line["kind"], line["reason"]) for line in lines]

    async def item(self, reason: str) -> str:
        """The id of the open item with this reason."""
        (line,) = (await self.types("list", "--json", "--reason", reason)).splitlines()
        return str(json.loads(line)["item"])


async def open_items(settings: Settings, *items: tuple[str, str, Evidence]) -> Institution:
    """A hospital with items about it, and one older item that is nobody's."""
    new = NewInstitution(
        code=CODE,
        name="测试医院",
        insurance_region="990001",
        level=3,
        moved_amounts=MovedAmounts.ADJUST,
    )
    async with open_context(settings, "test") as ctx:
        async with connection(ctx.pool) as conn:
            await conn.execute("delete from work_item")
            await conn.execute("delete from institution")
        place = await institution.enrol_institution(ctx, new)
        async with transaction(ctx.pool) as conn:
            for number, (kind, reason, evidence) in enumerate(items):
                item = NewItem(
                    record_id=ctx.ids.new(),
                    kind=kind,
                    subject_id=number + 1,
                    institution_id=place.institution_id,
                    reason=reason,
                    evidence=evidence,
                )
                await casework.open_item(conn, ctx, item)
            old = NewItem(
                record_id=0,
                kind="payment",
                subject_id=9,
                institution_id=None,
                reason="unknown-number",
                evidence={"number": "YM1"},
            )
            await casework.open_item(conn, ctx, old)
            await conn.execute(
                "update work_item set opened_at = $1 where record_id = 0",
                ctx.clock.now() - timedelta(hours=5),
            )
    return place


async def test_items_are_listed_by_what_one_asks_for(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    operator = Operator(settings, capsys)
    await open_items(
        settings,
        ("settlement", "settling-stuck", {"state": "NEEDS_REVIEW"}),
        ("refund", "refund-refused", {"state": "CREATED"}),
    )
    assert await operator.items() == [
        ("payment", "unknown-number"),
        ("settlement", "settling-stuck"),
        ("refund", "refund-refused"),
    ]
    assert await operator.items("--kind", "refund") == [("refund", "refund-refused")]
    assert await operator.items("--reason", "settling-stuck") == [("settlement", "settling-stuck")]
    assert len(await operator.items("--institution", CODE)) == 2
    assert await operator.items("--older-than-h", "4") == [("payment", "unknown-number")]
    assert await operator.items("--older-than-h", "6") == []
    assert await operator.types("list", "--kind", "person") == "nothing is open"
    first, more = (await operator.types("list", "--limit", "1")).splitlines()
    assert first.endswith("payment      unknown-number")
    assert "5 h" in first or "300 min" in first
    assert more == "the oldest 1; --limit shows more"
    said = await operator.types("list", "--institution", "H99000100009", refused=True)
    assert "no institution has the code H99000100009" in said


async def test_an_item_is_shown_with_its_evidence_and_its_end(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    operator = Operator(settings, capsys)
    await open_items(settings, ("refund", "refund-refused", {"refund_no": "R1", "told": None}))
    shown = await operator.types("show", await operator.item("refund-refused"))
    assert "refund, refund-refused" in shown
    assert f"institution {CODE}" in shown
    assert "refund_no   R1" in shown
    assert "told" not in shown
    assert "what ends it: `yimatong refund retry`" in shown
    said = await operator.types("show", "nothing", refused=True)
    assert "not-found: nothing has this id" in said


async def test_only_what_nothing_else_ends_is_closed_by_hand(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    operator = Operator(settings, capsys)
    await open_items(
        settings,
        ("settlement", "visit-left-at-insurer", {"state": "REVERSING"}),
        ("settlement", "settling-stuck", {"state": "NEEDS_REVIEW"}),
        ("payment", "amount-differs", {"state": "AWAITING_PAYER"}),
        ("holder_credential", "row-tampered", {"table": "holder_credential"}),
    )
    left = await operator.item("visit-left-at-insurer")
    assert await operator.types("close", left, *WHO) == f"{left} is closed"
    shown = await operator.types("show", left)
    assert "by li: seen at the bureau" in shown
    assert "it is closed" in await operator.types("close", left, *WHO, refused=True)
    stuck = await operator.item("settling-stuck")
    said = await operator.types("close", stuck, *WHO, refused=True)
    assert "it is not closed by hand; what ends it: `yimatong settlement review`" in said
    live = await operator.item("amount-differs")
    assert "yimatong payment review" in await operator.types("close", live, *WHO, refused=True)
    await operator.types("close", await operator.item("row-tampered"), *WHO)
    assert sorted(await operator.items()) == [
        ("payment", "amount-differs"),
        ("payment", "unknown-number"),
        ("settlement", "settling-stuck"),
    ]
    async with open_context(settings, "test") as ctx:
        entries = await entries_of(ctx, 0, "work-item.closed")
    assert [(one["reason"], one["by"], one["because"]) for one in entries] == [
        ("visit-left-at-insurer", "li", "seen at the bureau"),
        ("row-tampered", "li", "seen at the bureau"),
    ]


@pytest.mark.parametrize(
    "line",
    [
        ["work"],
        ["work", "close", "B0", "--by", "li"],
        ["work", "close", "B0", "--because", "seen"],
        ["work", "list", "--limit", "0"],
        ["work", "list", "--older-than-h", "-1"],
        ["payment", "review", "--payment", "B0", "--by", "li"],
        ["refund", "retry", "--by", "li", "--because", "seen"],
        ["refund", "confirm", "--refund", "B0", "--by", "li"],
        ["refund", "given-outside", "--refund", "B0", "--by", "li", "--because", "transfer"],
        ["invoice", "send-again", "--invoice", "B0"],
    ],
)
def test_half_a_command_is_refused(line: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(line)
    assert ended.value.code == 2
    assert f"usage: yimatong {line[0]}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (["payment", "review", "--payment"], "yimatong payment: not-found"),
        (["refund", "retry", "--refund"], "yimatong refund: not-found"),
        (["refund", "confirm", "--refund"], "yimatong refund: not-found"),
        (["invoice", "send-again", "--invoice"], "yimatong invoice: not-found"),
    ],
)
async def test_a_verb_for_nothing_says_so(
    settings: Settings,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    line: list[str],
    said: str,
) -> None:
    monkeypatch.setenv("YIMATONG_STATE_DIR", str(settings.state_dir))
    monkeypatch.setenv("YIMATONG_DATABASE_URL", str(settings.database_url))
    for number in ("nothing", await of_nobody(settings)):
        assert await asyncio.to_thread(cli.main, [*line, number, *WHO]) == 2
        assert said in capsys.readouterr().err


async def of_nobody(settings: Settings) -> str:
    """An id of the right form that no row has."""
    async with open_context(settings, "test") as ctx:
        return ctx.public_ids.text(5, 7)
