"""``yimatong simulate``: runs seeds, or the stories with crashes, and says how to run them again.

Works in a database of its own, on a server that it starts and ends; ``--database`` names an empty
one instead. Exit status 1 where something was violated.
"""

import argparse
import logging
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import structlog
import uvloop

from service.kernel.database import open_pool
from service.kernel.migrate import migrate
from service.postgres.server import embedded_postgres
from service.settings import Settings
from service.simulate import crashes
from service.simulate.run import SeedReport, run_seed
from service.simulate.stories import STORIES, Told, tell
from service.simulate.weather import kinds
from service.simulate.world import Grounds, make_grounds
from service.wiring import install_ciphers

SILENT = logging.CRITICAL
"""A simulated fault is no news."""
POOL_SIZE = 16
# Only a power cut could lose what fsync saves, and the folder is thrown away.
FAST = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
IS_EMPTY = "select not exists (select 1 from institution)"
VIOLATED = 1
Say = Callable[[str], None]


class Wrong(Exception):
    """The arguments or the database are not what the verb needs."""


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """0 all agreed, 1 something was violated, 2 wrong arguments."""
    try:
        if arguments.seeds:
            seeds_of(arguments.seeds)
    except Wrong as fault:
        sys.stderr.write(f"yimatong simulate: {fault}\n")
        return 2
    install_ciphers(settings)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(SILENT))
    try:
        return uvloop.run(_run(arguments))
    except (Wrong, ValueError) as fault:
        sys.stderr.write(f"yimatong simulate: {fault}\n")
        return 2


async def _run(arguments: argparse.Namespace) -> int:
    async with a_database(arguments.database) as grounds:
        return await simulate(grounds, arguments, lambda text: print(text, flush=True))  # noqa: T201


@asynccontextmanager
async def a_database(url: str | None) -> AsyncIterator[Grounds]:
    """Grounds over the named database, or over one that exists for this block."""
    if url is not None:
        async with _grounds(url) as grounds:
            yield grounds
        return
    with tempfile.TemporaryDirectory(prefix="yimatong-simulate-") as folder:
        async with embedded_postgres(_server_folder(folder), settings=FAST) as server:
            conn = await asyncpg.connect(server.dsn)
            try:
                await migrate(conn)
            finally:
                await conn.close()
            async with _grounds(server.dsn) as grounds:
                yield grounds


def _server_folder(folder: str) -> Path:
    """The server's program may have to run as another user, who must come this far."""
    Path(folder).chmod(0o755)
    return Path(folder) / "postgres"


@asynccontextmanager
async def _grounds(url: str) -> AsyncIterator[Grounds]:
    pool = await open_pool(url, size=POOL_SIZE, application="simulate")
    try:
        async with pool.acquire() as conn:
            if not await conn.fetchval(IS_EMPTY):
                raise Wrong("the database is in use; a simulation would empty it")
        yield make_grounds(pool)
    finally:
        await pool.close()


async def simulate(grounds: Grounds, arguments: argparse.Namespace, say: Say) -> int:
    """Everything that the arguments ask for."""
    violated = 0
    if arguments.story is not None:
        violated += await _one_story(grounds, arguments, say)
    elif not (arguments.seeds or arguments.crash_points or arguments.pairs):
        raise Wrong("nothing to do: --seeds A:B, --crash-points, --pairs or --story")
    if arguments.seeds:
        violated += await _seeds(grounds, arguments, say)
    if arguments.crash_points or arguments.pairs:
        violated += await _crashes(grounds, arguments, say)
    return VIOLATED if violated else 0


def seeds_of(text: str) -> range:
    """``A:B`` from A up to and without B, ``A`` alone. Raises ``Wrong`` where that is none."""
    first, colon, end = text.partition(":")
    wanted = [first, end] if colon else [first]
    if not all(one.isascii() and one.isdecimal() for one in wanted):
        raise Wrong(f"--seeds {text}: two whole numbers are wanted, as 0:50")
    seeds = range(int(first), int(end) if colon else int(first) + 1)
    if not seeds:
        raise Wrong(f"--seeds {text}: no seed; {first}:{int(first) + 1} is one")
    return seeds


async def _seeds(grounds: Grounds, arguments: argparse.Namespace, say: Say) -> int:
    seeds = seeds_of(arguments.seeds)
    totals, faults, states = Counter[str](), Counter[str](), Counter[str]()
    began = time.perf_counter()
    for seed in seeds:
        report = await run_seed(grounds, seed, arguments.settlements)
        totals.update(
            settlements=report.settlements,
            steps=report.steps,
            crashes=report.crashes,
            violations=len(report.violations),
        )
        faults.update(report.faults)
        states.update(report.states)
        again = f"yimatong simulate --seeds {seed}:{seed + 1} --settlements {arguments.settlements}"
        say(_as_json("seed", report, again) if arguments.json else _as_text(report, again))
        if arguments.trace and not report.violations:
            say("\n".join(f"    {line}" for line in report.trace))
    seconds = time.perf_counter() - began
    summary = {
        "seeds": len(seeds),
        **totals,
        "seconds": round(seconds, 1),
        "seeds_per_second": round(len(seeds) / seconds, 2),
        "settlements_per_second": round(totals["settlements"] / seconds, 1),
        "faults": sum(faults.values()),
        "fault_kinds_met": len(set(faults) & kinds()),
        "fault_kinds": len(kinds()),
        "fault_kinds_missed": sorted(kinds() - set(faults)),
        "states": dict(sorted(states.items())),
    }
    say(_json({"kind": "summary", **summary}) if arguments.json else _summary(summary))
    return totals["violations"]


def _as_text(report: SeedReport, again: str) -> str:
    states = ", ".join(f"{name} {count}" for name, count in report.states.items())
    head = (
        f"seed {report.seed} ({report.weather}): {report.settlements} settlements,"
        f" {report.steps} steps, {report.crashes} crashes, {sum(report.faults.values())} faults,"
        f" {report.seconds:.1f} s, {report.digest[:12]}: {states}"
    )
    return "\n".join([head, *_violations(report.violations, report.trace, again)])


def _violations(violations: list[str], trace: list[str], again: str) -> list[str]:
    if not violations:
        return []
    steps = [f"    {line}" for line in trace]
    found = [f"  VIOLATION {text}" for text in violations]
    return [*found, "  last steps:", *steps, f"  again: {again}"]


def _as_json(kind: str, report: msgspec.Struct, again: str) -> str:
    return _json({"kind": kind, "again": again, **msgspec.to_builtins(report)})


def _json(values: dict[str, Any]) -> str:
    return msgspec.json.encode(values).decode()


def _summary(found: dict[str, Any]) -> str:
    states = ", ".join(f"{name} {count}" for name, count in found["states"].items())
    missed = ", ".join(found["fault_kinds_missed"])
    return (
        f"{found['settlements']} settlements in {found['seeds']} seeds:"
        f" {found['violations']} violations\n"
        f"{found['seconds']} s, {found['seeds_per_second']} seeds/s,"
        f" {found['settlements_per_second']} settlements/s; {found['steps']} steps,"
        f" {found['crashes']} crashes, {found['faults']} faults of {found['fault_kinds_met']} of"
        f" {found['fault_kinds']} kinds{' (not met: ' + missed + ')' if missed else ''}\n{states}"
    )


async def _crashes(grounds: Grounds, arguments: argparse.Namespace, say: Say) -> int:
    violated = 0

    def on_told(told: Told) -> None:
        nonlocal violated
        if told.violations:
            violated += 1
            say(_told(told, as_json=arguments.json))

    in_pairs = partial(crashes.crash_in_pairs, wanted=_pairs_of(arguments))
    for wanted, name, act in (
        (arguments.crash_points, "crash points", crashes.crash_singly),
        (arguments.pairs, "pairs of crash points", in_pairs),
    ):
        if not wanted:
            continue
        began = time.perf_counter()
        report = await act(grounds, on_told)
        seconds = time.perf_counter() - began
        violated += report.found != report.passed
        if arguments.json:
            say(_json({"kind": name, **msgspec.to_builtins(report), "seconds": round(seconds, 1)}))
        else:
            say(
                f"{name}: found {report.found}, passed {report.passed}"
                f" ({report.tellings} tellings, {seconds:.1f} s)"
            )
    return violated


def _pairs_of(arguments: argparse.Namespace) -> crashes.Pairs:
    """What was asked for. Raises ``Wrong``."""
    share, slash, shares = arguments.share.partition("/")
    if not (slash and share.isdecimal() and shares.isdecimal() and 1 <= int(share) <= int(shares)):
        raise Wrong("--share K/N: the K-th of N, from 1")
    return crashes.Pairs(
        every_story=arguments.every_story,
        draw=arguments.draw,
        share=int(share) - 1,
        shares=int(shares),
    )


def _told(told: Told, *, as_json: bool) -> str:
    again = f"yimatong simulate --story {told.story} --crash-at {','.join(map(str, told.at))}"
    if as_json:
        return _as_json("story", told, again)
    where = ", ".join(told.crashed_at) or "no crash"
    return "\n".join(
        [f"story {told.story} ({where}):", *_violations(told.violations, told.trace, again)]
    )


async def _one_story(grounds: Grounds, arguments: argparse.Namespace, say: Say) -> int:
    story = next((one for one in STORIES if one.name == arguments.story), None)
    if story is None:
        raise Wrong(f"no such story; there are {', '.join(one.name for one in STORIES)}")
    at = tuple(int(number) for number in arguments.crash_at.split(",") if number)
    told = await tell(grounds, story, at)
    if arguments.json:
        say(_told(told, as_json=True))
    else:
        say(f"story {told.story}: {told.states}, {len(told.passed)} crash points")
        say("\n".join(f"    {line}" for line in told.trace))
        if told.violations:
            say(_told(told, as_json=False))
    return len(told.violations)
