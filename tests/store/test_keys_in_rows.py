"""``yimatong keys`` against a database: a version that rows need is not destroyed."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import msgspec
import pytest

from crypto import keystore
from crypto.keyring import KeyKind
from service.casework.actions import list_open
from service.cli import main
from service.kernel.database import connection
from service.kernel.live_ring import KeystoreFile, LiveRing
from service.keys import changes
from service.keys.reminder import remind
from service.keys.schedule import PERIODS
from tests.support.app import a_context
from tests.support.clock import FakeClock

Command = Callable[..., tuple[int, str]]


@pytest.fixture
def file(tmp_path: Path) -> KeystoreFile:
    """A ring made four days ago whose column key was rotated three days ago."""
    made = datetime.now(UTC) - timedelta(days=4)
    ring = changes.new_ring(made, 99)
    later = made + timedelta(days=1)
    for kind in (KeyKind.COLUMN, KeyKind.TOKEN):
        ring = changes.rotate(ring, kind, later, later + changes.ACTIVATION)
    master = keystore.new_master_key()
    folder = tmp_path / "keys"
    folder.mkdir()
    (folder / "master").write_text(master.hex())
    keystore.create(folder / "keystore", ring, master)
    return KeystoreFile(folder / "keystore", folder / "master")


@pytest.fixture
def keys(
    tmp_path: Path,
    fresh_database: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Command:
    monkeypatch.setenv("YIMATONG_STATE_DIR", str(tmp_path))
    monkeypatch.setenv("YIMATONG_DATABASE_URL", fresh_database)

    def run(*arguments: str) -> tuple[int, str]:
        status = main(["keys", *arguments])
        said = capsys.readouterr()
        return status, said.out + said.err

    return run


async def test_a_column_key_is_destroyed_when_no_row_needs_it(
    file: KeystoreFile, keys: Command, fresh_database: str
) -> None:
    conn = await asyncpg.connect(fresh_database)
    wrapped = bytes([1, 1]) + bytes(44)
    now = datetime(2026, 11, 22, tzinfo=UTC)
    await conn.execute(
        "insert into data_key (record_id, wrapped, created_at) values (1, $1, $2)", wrapped, now
    )
    status, said = await asyncio.to_thread(keys, "destroy", "column", "1")
    assert (status, "rows need column 1: data_key 1" in said) == (2, True), said
    status, said = await asyncio.to_thread(keys, "list", "--rows", "--json")
    rows = {(r["kind"], r["version"]): r.get("rows") for r in map(json.loads, said.splitlines())}
    assert (rows["column", 1], rows["column", 2], rows["token", 1]) == (1, 0, None)
    await conn.execute("delete from data_key")
    await conn.close()
    status, said = await asyncio.to_thread(keys, "destroy", "column", "1")
    assert status == 0, said
    assert [k.version for k in file.load().keys if k.kind is KeyKind.COLUMN] == [2]


@pytest.mark.usefixtures("file")
async def test_a_destruction_by_force_takes_its_words(keys: Command) -> None:
    for wrong in ("yes", "destroy column 2"):
        status, said = await asyncio.to_thread(keys, "destroy", "column", "1", "--force", wrong)
        assert (status, 'write --force "destroy column 1"' in said) == (2, True)
    status, _ = await asyncio.to_thread(
        keys, "destroy", "column", "1", "--force", "destroy column 1"
    )
    assert status == 0
    assert (await asyncio.to_thread(keys, "destroy", "token", "1"))[0] == 0
    for kind in ("token", "issuer_once"):
        assert (await asyncio.to_thread(keys, "destroy", kind, "2"))[0] == 2


@pytest.mark.usefixtures("file")
async def test_without_a_database_nothing_is_destroyed(
    keys: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("YIMATONG_DATABASE_URL", "postgresql://127.0.0.1:1/none")
    status, said = await asyncio.to_thread(keys, "destroy", "column", "1")
    assert (status, "could not be counted" in said) == (2, True)


async def test_a_person_is_called_once_before_a_kind_has_no_key(fresh_database: str) -> None:
    clock = FakeClock()
    ring = changes.new_ring(clock.now(), 99)
    async with a_context(fresh_database, clock=clock, ring=ring) as ctx:
        assert await remind(ctx) == 0
        clock.advance(PERIODS[KeyKind.TOKEN].life - timedelta(days=6))
        ended = {KeyKind.TOKEN, KeyKind.ISSUER_BOUND, KeyKind.ISSUER_ONCE}
        for _ in range(2):
            assert await remind(ctx) == len(ended)
        items = [item for item in await list_open(ctx, 100) if item.kind == "key"]
        assert {item.evidence["kind"] for item in items} == ended
        assert {item.reason for item in items} == {"key-ending"}
        assert len(items) == len(ended)
        renewed = changes.new_ring(clock.now(), 99)
        assert await remind(msgspec.structs.replace(ctx, ring=LiveRing(renewed))) == 0
        assert [item for item in await list_open(ctx, 100) if item.kind == "key"] == []
        async with connection(ctx.pool) as conn:
            await conn.execute("delete from work_item")
