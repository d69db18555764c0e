"""Registrations at a counter, at the action in this process: all ciphers, matching and audit on.

The index is filled by the first load; then registrations of the same people and of others come at
100 a second, and after that as fast as some that are under way at once are done.
"""

import asyncio
import os
import random
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg

from loadtests.populations import MIXES, Population, write
from loadtests.rows import Row
from service.commands.person_load import given_of, load_file
from service.kernel.clock import SystemClock
from service.kernel.context import Context, Policy
from service.kernel.migrate import migrate
from service.person import actions
from service.person.matching.traits import Line
from service.person.model import Registration
from service.person.problems import RegistrationBusy
from service.postgres.server import embedded_postgres
from tests.support.app import a_context

SEED = 6501
PEOPLE, FULL_PEOPLE = 2_000, 33_500
"""About three registrations each are loaded."""
A_SECOND = 100
PACED_S, FREE_S = 15, 10
AT_ONCE = 8
TRIES = 5


def online_row(*, full: bool) -> Row:
    """How long a registration takes at a steady rate, and how many are done in a second."""
    with tempfile.TemporaryDirectory(prefix="online") as name:
        folder = Path(name)
        folder.chmod(0o755)  # the server's program may have to run as another user
        return asyncio.run(_measure(folder, FULL_PEOPLE if full else PEOPLE))


async def _measure(folder: Path, people: int) -> Row:
    # With its own settings: commits wait for the disk, as they do in use.
    async with embedded_postgres(folder / "postgres", settings={}) as server:
        conn = await asyncpg.connect(server.dsn)
        try:
            await migrate(conn)
        finally:
            await conn.close()
        return await _on(server.dsn, folder, people)


async def _on(dsn: str, folder: Path, people: int) -> Row:
    policy = Policy(registrations_expected=max(100_000, 3 * people))
    async with a_context(dsn, policy=policy, clock=SystemClock()) as ctx:
        write(folder, Population(SEED, people, MIXES["plain"]))
        began = time.perf_counter()
        await load_file(ctx, folder / "registrations.jsonl", os.cpu_count() or 1)
        loaded_s = time.perf_counter() - began
        coming = _coming(ctx, people)
        took_ms = await _paced(ctx, coming)
        done = await _free(ctx, coming)
        async with ctx.pool.acquire() as conn:
            stored = await conn.fetchval("select count(*) from record")
    loaded = stored - len(took_ms) - done
    return Row(
        name="person: a registration at the counter",
        per_s=done / FREE_S,
        limited_by="round trips: one process, PostgreSQL beside it",
        facts={
            "loaded": loaded,
            "loaded_per_s": round(loaded / loaded_s),
            "a_second": A_SECOND,
            "p50_ms": _percentile(took_ms, 0.5),
            "p99_ms": _percentile(took_ms, 0.99),
            "at_once": AT_ONCE,
        },
    )


def _coming(ctx: Context, people: int) -> Iterator[Registration]:
    """Half of them people who are known, half not, in a drawn order."""
    now = ctx.clock.now()
    drawn = [
        line
        for seed in (SEED, SEED + 1)
        for line, _, _ in Population(seed, people, MIXES["sloppy"]).lines()
    ]
    random.Random(SEED).shuffle(drawn)
    return (given_of(Line(**line), now).registration for line in drawn)


async def _paced(ctx: Context, coming: Iterator[Registration]) -> list[float]:
    """Each at its time, whatever became of the one before; milliseconds from then on."""
    loop = asyncio.get_running_loop()
    began = loop.time()

    async def one(at: float, registration: Registration) -> float:
        await asyncio.sleep(max(0.0, at - loop.time()))
        await _register(ctx, registration)
        return (loop.time() - at) * 1000

    return list(
        await asyncio.gather(
            *(
                one(began + number / A_SECOND, registration)
                for number, registration in zip(range(PACED_S * A_SECOND), coming, strict=False)
            )
        )
    )


async def _free(ctx: Context, coming: Iterator[Registration]) -> int:
    end = time.perf_counter() + FREE_S
    done = 0

    async def go_on() -> None:
        nonlocal done
        while time.perf_counter() < end and (registration := next(coming, None)) is not None:
            await _register(ctx, registration)
            done += 1

    await asyncio.gather(*(go_on() for _ in range(AT_ONCE)))
    return done


async def _register(ctx: Context, registration: Registration) -> None:
    """As a counter does: again when two of one person came at once."""
    for _ in range(TRIES):
        try:
            await actions.register(ctx, registration)
        except RegistrationBusy:
            continue
        return


def _percentile(took_ms: list[float], share: float) -> float:
    return round(sorted(took_ms)[int(len(took_ms) * share)], 1)
