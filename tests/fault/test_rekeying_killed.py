"""kill -9 of workers that re-key, and two of them at once: every row once, none left, none lost."""

import asyncio
import secrets
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from crypto import keystore
from crypto.keyring import KeyKind, KeyRing
from service import features
from service.account.model import Account, AccountState, Level
from service.kernel.clock import SystemClock
from service.kernel.context import Context
from service.kernel.database import connection
from service.rekeying import actions as rekeying
from service.rekeying.model import JobState
from tests.support.app import a_context
from tests.support.running import ROOT

ROWS = 3000
SHORT_LEASE_S = 2.0
"""So that a killed worker is soon replaced."""
LONG_LEASE_S = 30.0
"""So that no page is cut off on a busy machine: its rows would be right, and not counted."""
INSERT = """
insert into account (account_id, level, state, created_at, row_mac)
values ($1, $2, $3, $4, $5)
"""


class Rows:
    """Accounts under version 1, a ring with version 2 beside it, and its keystore file."""

    def __init__(self, ctx: Context, dsn: str, file: Path, master: bytes) -> None:
        self.ctx = ctx
        self.dsn = dsn
        self.file = file
        self.master = master

    async def versions(self) -> dict[int, int]:
        async with connection(self.ctx.pool) as conn:
            found = await conn.fetch(
                "select get_byte(row_mac, 0) as version, count(*) from account group by 1"
            )
        return {row["version"]: row["count"] for row in found}

    async def moved(self, at_least: int) -> int:
        for _ in range(1500):
            if (done := (await self.versions()).get(2, 0)) >= at_least:
                return done
            await asyncio.sleep(0.02)
        raise AssertionError(f"fewer than {at_least} rows moved in time")

    async def changed(self) -> int:
        jobs = await rekeying.progress(self.ctx, KeyKind.ROW_MAC)
        return sum(job.changed for job in jobs)

    @asynccontextmanager
    async def worker(
        self, pause_s: float, lease_s: float = SHORT_LEASE_S
    ) -> AsyncIterator[asyncio.subprocess.Process]:
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.support.rekeying_worker",
            self.dsn,
            str(self.file),
            self.master.hex(),
            str(pause_s),
            str(lease_s),
            cwd=ROOT,
        )
        try:
            yield child
        finally:
            if child.returncode is None:
                child.kill()
            await child.wait()


@pytest.fixture
async def rows(fresh_database: str, tmp_path: Path) -> AsyncIterator[Rows]:
    now = datetime.now(UTC)
    old = KeyRing.generate_for_development(now - timedelta(days=2))
    master = secrets.token_bytes(32)
    async with a_context(fresh_database, clock=SystemClock(), ring=old) as ctx:
        made = []
        for _ in range(ROWS):
            row = Account(
                account_id=ctx.ids.new(),
                level=Level.LOGIN,
                state=AccountState.ACTIVE,
                created_at=now,
                row_mac=b"",
            )
            mac = ctx.sealer.row_mac("account", row.mac_parts())
            made.append((row.account_id, "LOGIN", "ACTIVE", now, mac))
        async with connection(ctx.pool) as conn:
            await conn.execute("truncate account, rekeying")
            await conn.executemany(INSERT, made)
    # Rotated an hour ago: no process writes under the old version any more.
    ring = old.rotated(
        KeyKind.ROW_MAC,
        now - timedelta(hours=1),
        life=timedelta(days=365),
        overlap=timedelta(minutes=1),
    )
    file = tmp_path / "keystore"
    keystore.create(file, ring, master)
    async with a_context(fresh_database, clock=SystemClock(), ring=ring) as ctx:
        yield Rows(ctx, fresh_database, file, master)


async def finished(rows: Rows) -> None:
    await rows.moved(ROWS)
    for _ in range(600):
        jobs = await rekeying.progress(rows.ctx, KeyKind.ROW_MAC)
        if all(job.state is JobState.DONE for job in jobs):
            break
        await asyncio.sleep(0.05)
    assert {job.state for job in jobs} == {JobState.DONE}
    assert await rows.versions() == {2: ROWS}
    left = await rekeying.remaining(rows.ctx, features.KEYED_ROWS, KeyKind.ROW_MAC, 1)
    assert left.nothing
    async with connection(rows.ctx.pool) as conn:
        for row in await conn.fetch("select * from account"):
            account = Account(
                account_id=row["account_id"],
                level=Level(row["level"]),
                state=AccountState(row["state"]),
                created_at=row["created_at"],
                row_mac=row["row_mac"],
            )
            rows.ctx.sealer.check_mac("account", account.mac_parts(), account.row_mac)


async def test_a_killed_worker_is_replaced_and_every_row_moves(rows: Rows) -> None:
    killed_at = []
    for at_least in (200, 900, 1700):
        async with rows.worker(pause_s=0.05) as child:
            await rows.moved(at_least)
            child.send_signal(signal.SIGKILL)
            await child.wait()
        killed_at.append((await rows.versions()).get(2, 0))
    assert killed_at == sorted(killed_at)
    assert killed_at[-1] < ROWS
    async with rows.worker(pause_s=0):
        await finished(rows)
    # What was done in an unsaved page is not done again.
    assert await rows.changed() <= ROWS


async def test_two_workers_share_and_do_no_row_twice(rows: Rows) -> None:
    async with (
        rows.worker(pause_s=0.01, lease_s=LONG_LEASE_S),
        rows.worker(pause_s=0.01, lease_s=LONG_LEASE_S),
    ):
        await finished(rows)
    assert await rows.changed() == ROWS
