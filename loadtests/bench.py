"""``make bench``: what a request and a settlement cost, beside what the cipher and PostgreSQL cost.

One run on one machine: absolute figures are of that machine, ratios are what to look at. Prints a
table and writes ``bench.json``. The full sizes fail where a target is short that is not known to
be (``targets``).
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import msgspec

from loadtests import code_rows, limits, meter, own_times, people, replay, rows, sender, statements
from loadtests.index_rows import index_rows
from loadtests.inside_counts import Needs
from loadtests.online_rows import online_row
from loadtests.reader_rows import reader_rows
from loadtests.reconcile import FULL_LINES, LINES, reconcile_row
from loadtests.rows import SECOND, Row
from loadtests.settlements import run_locust
from loadtests.simulate import simulate_row
from loadtests.targets import SHORT, Reached, judge, target_table
from service.institution import actions as institution
from service.sandbox.hospital import read_demo
from service.sandbox.journey import Journey
from service.settings import read_settings
from service.wiring import open_context
from tests.support.running import RunningSystem, running_system


class Size(msgspec.Struct, frozen=True, kw_only=True):
    """How much is measured."""

    people: int = 60
    codes_each: int = 25
    terminals: int = 16
    settlements: int = 480
    users: int = 24
    """Of settlements: so many that what they wait for does not keep the machine idle."""
    replay_s: int = 15
    replay_clients: int = 4
    """Where pgbench is at its best: more of them wait for one another's rows, and cost more."""
    overload_s: int = 60


FULL = Size(people=200, codes_each=28, terminals=32, settlements=1000, replay_s=60)


class Report(msgspec.Struct, kw_only=True):
    """What ``bench.json`` holds."""

    machine: meter.Machine
    rows: list[Row]
    rss_mib: dict[str, float]
    size: Size
    targets: list[Reached] = []


def run(size: Size, folder: Path) -> Report:
    """Start a system, measure all rows, stop it."""
    with running_system(folder, **rows.counts_in(folder)) as system:
        meter.let_twins_give_way(system)
        people_file = folder / "people.json"
        known = people.prepare(
            system.base_url, system.twin_url, seed=1, count=size.people, path=people_file
        )
        terminals = asyncio.run(_terminals(system, size.terminals))
        before = limits.cipher_cost()
        health = rows.measured(system, lambda: sender.get_health(system.base_url, 2000))
        tokens = [person.token for person in known]
        shown = rows.measured(
            system, lambda: sender.issue(system.base_url, tokens, size.codes_each)
        )
        texts = [json.loads(body)["text"] for body in shown.sent.bodies]
        scanned = rows.measured(system, lambda: sender.scan(system.base_url, texts, terminals))
        bound = code_rows.measure(system, tokens, terminals)
        # Before settlements and their replay, whose rows keep the worker and PostgreSQL busy.
        crowded = code_rows.overload_rows(system, tokens, terminals, size.overload_s)
        settled = _settle(system, people_file, size)
        steps = _steps(system, people_file, size, settled)
        cost = limits.mean(before, limits.cipher_cost())
        captured, replayed, replay_ms = _replay(system, size)
        ready = httpx.get(f"{system.base_url}/readyz", trust_env=False).json()
        return Report(
            machine=asyncio.run(meter.machine(system, ready["cipher"]["sm2"])),
            rows=[
                *_cipher_rows(cost),
                rows.http_row("GET /healthz", health, Needs(), ""),
                rows.http_row(
                    "show: issue a code",
                    shown,
                    Needs(verify=1, sign=1),
                    "code sign + verify after sign, keys held; a token is verified once",
                ),
                rows.http_row(
                    "resolve: one-time code",
                    scanned,
                    Needs(verify=1),
                    "issuer verify, key held (terminals sign with HMAC-SM3)",
                ),
                *code_rows.code_rows(bound),
                *crowded,
                _settle_row(settled, captured, replayed, replay_ms, size, steps),
                Row(
                    name="the same statements by pgbench",
                    per_s=replayed.per_s,
                    limited_by="PostgreSQL: commits to disk and CPU, shared with pgbench itself",
                    facts={
                        "clients": size.replay_clients,
                        "failed": replayed.failed,
                        "postgres_cpu_ms": round(replay_ms, 1),
                    },
                ),
            ],
            rss_mib=meter.rss_mib(system),
            size=size,
        )


def _cipher_rows(cost: limits.CipherCost) -> list[Row]:
    named = {
        "SM2 sign": cost.sign_us,
        "SM2 verify": cost.verify_us,
        "SM2 import key and verify": cost.import_and_verify_us,
        "HMAC-SM3": cost.hmac_sm3_us,
    }
    return [
        Row(name=name, per_s=SECOND / us, cpu_ms=us / 1000, limited_by="one core, bare operation")
        for name, us in named.items()
    ]


class Settled(msgspec.Struct, kw_only=True):
    """A run of settlements without faults."""

    posted: int
    begun: int
    took_s: float
    cpu_s: dict[str, float]
    median_s: float


def _settle(system: RunningSystem, people_file: Path, size: Size) -> Settled:
    earlier = meter.cpu_s(system)
    run_locust(
        system,
        people_file,
        "SettleUser",
        users=size.users,
        environ={"YIMATONG_LOAD_SETTLEMENTS": str(size.settlements)},
    )
    cpu_s = meter.cpu_s_since(system, earlier)
    row = asyncio.run(_one(system, _RUN))
    return Settled(
        posted=row["posted"],
        begun=row["begun"],
        took_s=row["took_s"],
        cpu_s=cpu_s,
        median_s=row["median_s"],
    )


def _steps(
    system: RunningSystem, people_file: Path, size: Size, peak: Settled
) -> dict[str, dict[str, float]]:
    """What each step of a settlement takes at half the rate that was reached: our server by itself,
    and its caller, who waits for the payment provider too."""
    file = people_file.with_name("steps.json")
    half_per_s = peak.posted / peak.took_s / 2
    before = own_times.read(system.base_url)
    run_locust(
        system,
        people_file,
        "SettleUser",
        users=size.users,
        environ={
            "YIMATONG_LOAD_SETTLEMENTS": str(size.settlements // 2),
            "YIMATONG_LOAD_EVERY_S": str(size.users / half_per_s),
            "YIMATONG_LOAD_STEPS": str(file),
        },
    )
    own = own_times.since(before, own_times.read(system.base_url))
    callers = msgspec.json.decode(file.read_bytes(), type=dict[str, dict[str, float]])
    return {
        name: {
            **times,
            "caller_p50_ms": callers[name]["p50_ms"],
            "caller_p99_ms": callers[name]["p99_ms"],
        }
        for name, times in own.items()
    }


_RUN = """
select count(*) filter (where state = 'POSTED') as posted, count(*) as begun,
       extract(epoch from max(updated_at) - min(created_at))::float8 as took_s,
       percentile_cont(0.5) within group (
         order by extract(epoch from updated_at - created_at))::float8 as median_s
from settlement
"""


async def _one(system: RunningSystem, sql: str, *values: object) -> Any:
    conn = await asyncpg.connect(meter.dsn(system))
    try:
        return await conn.fetchrow(sql, *values)
    finally:
        await conn.close()


def _replay(
    system: RunningSystem, size: Size
) -> tuple[statements.Captured, replay.Replayed, float]:
    """The statements of one settlement by pgbench, and what PostgreSQL's processes spend on them in
    milliseconds."""
    captured, own_record = asyncio.run(_capture(system))
    records = asyncio.run(_records(system, size.replay_clients))
    earlier = meter.cpu_s(system)
    replayed = replay.replay(
        meter.dsn(system), captured, records, own_record, seconds=size.replay_s
    )
    spent_s = meter.cpu_s_since(system, earlier)["postgres"]
    return captured, replayed, spent_s / (replayed.per_s * size.replay_s) * 1000


def _settle_row(
    settled: Settled,
    captured: statements.Captured,
    replayed: replay.Replayed,
    replay_ms: float,
    size: Size,
    steps: dict[str, dict[str, float]],
) -> Row:
    """``replay_ms``: what PostgreSQL's processes spend on one settlement's statements when pgbench
    sends them; they spend as long on ours where nothing is asked in vain."""
    per_s = settled.posted / settled.took_s
    begun = max(1, settled.begun)
    postgres_ms = settled.cpu_s["postgres"] / begun * 1000
    return Row(
        name="settle: bill, split, payment, settlement, posting",
        per_s=per_s,
        cpu_ms=sum(settled.cpu_s[role] for role in ("serve", "worker", "postgres")) / begun * 1000,
        ratio=per_s / replayed.per_s,
        against="the same statements by pgbench at its best",
        limited_by=rows.limit(settled.cpu_s, settled.took_s),
        facts={
            "users": size.users,
            "posted": settled.posted,
            "begun": settled.begun,
            "median_s": round(settled.median_s, 2),
            "own_cpu_ms": round(
                (settled.cpu_s["serve"] + settled.cpu_s["worker"]) / begun * 1000, 1
            ),
            "postgres_cpu_ms": round(postgres_ms, 1),
            "work_of_pgbench": round(replay_ms / postgres_ms, 2),
            "steps": steps,
            "statements": captured.statements,
            "commits": captured.commits,
            "claims": captured.claims,
            "idle_statements_per_s": round(captured.idle_per_s, 1),
            "cores": rows.cores(settled.cpu_s, settled.took_s),
        },
    )


async def _terminals(system: RunningSystem, count: int) -> list[sender.TerminalKey]:
    """More kiosks at the demo hospital: one alone is held to 200 requests a second."""
    settings = read_settings({k: v for k, v in system.env.items() if k.startswith("YIMATONG_")})
    made = []
    async with open_context(settings, "bench") as ctx:
        _, institution_id = ctx.public_ids.parse(read_demo(settings).institution_id)
        for number in range(count):
            row, code = await institution.enrol_terminal(
                ctx, institution_id, name=f"压测机器{number}", public_place=True
            )
            activated = await institution.activate_terminal(ctx, code)
            terminal_id = ctx.public_ids.text(institution_id, row.terminal_id)
            made.append(sender.TerminalKey(terminal_id=terminal_id, key=activated.key))
    return made


async def _capture(system: RunningSystem) -> tuple[statements.Captured, int]:
    """The statements of one settlement of the demo's journey, and its record."""
    settings = read_settings({k: v for k, v in system.env.items() if k.startswith("YIMATONG_")})
    async with (
        httpx.AsyncClient(base_url=system.base_url, timeout=30.0, trust_env=False) as client,
        httpx.AsyncClient(base_url=system.twin_url, timeout=30.0, trust_env=False) as twins,
    ):
        journey = Journey(client, twins, read_demo(settings))
        for step in (
            journey.born,
            journey.logged_in,
            journey.registered,
            journey.code_shown,
            journey.scanned,
        ):
            await step()

        async def act() -> float:
            began = time.perf_counter()
            for part in (
                journey.billed,
                journey.split,
                journey.paid,
                journey.settled,
                journey.posted,
                journey.receipt,
            ):
                await part()
            return time.perf_counter() - began

        log = system.state_dir / "postgres.log"
        captured = await statements.capture(meter.dsn(system), log, act)
    newest = "select record_id from settlement order by created_at desc limit 1"
    return captured, int((await _one(system, newest))["record_id"])


async def _records(system: RunningSystem, count: int) -> list[int]:
    """Records of the people of the load, one for each client."""
    sql = "select array(select record_id from data_key order by created_at limit $1) as found"
    return list((await _one(system, sql, count))["found"])


def table(report: Report) -> str:
    """The rows for a person."""
    facts = report.machine
    lines = [
        f"{facts.cpu}, {facts.cores} cores, {facts.memory_mib} MiB, {facts.system}",
        f"Python {facts.python}, PostgreSQL {facts.postgres}, SM2 by {facts.sm2}",
        "",
        f"{'what':50} {'per s':>10} {'CPU ms':>9} {'ratio':>6}  limited by",
    ]
    for row in report.rows:
        cpu = f"{row.cpu_ms:9.3f}" if row.cpu_ms is not None else " " * 9
        ratio = f"{row.ratio:6.2f}" if row.ratio is not None else " " * 6
        lines.append(f"{row.name:50} {row.per_s:10.1f} {cpu} {ratio}  {row.limited_by}")
        if row.against:
            lines.append(f"    ratio: {row.against}")
        if "statements" in row.facts:
            lines.append(
                f"    each {row.facts['statements']} statements, {row.facts['commits']} commits"
                f" that wait for the disk, {row.facts['claims']} that do not;"
                f" median {row.facts['median_s']} s from bill to posting, payer's pauses in it"
            )
            lines.append(f"    own CPU (serve, worker) {row.facts['own_cpu_ms']} ms each")
            lines.append("    at half this rate, p50 and p99 in ms: " + _step_times(row))
    memory = ", ".join(f"{role} {mib:.0f}" for role, mib in report.rss_mib.items())
    lines += ["", f"own memory in MiB: {memory}"]
    return "\n".join(lines)


def _step_times(row: Row) -> str:
    times = row.facts["steps"].items()
    return ", ".join(f"{name} {one['p50_ms']:.0f} {one['p99_ms']:.0f}" for name, one in times)


def _write(report: Report, path: Path) -> None:
    path.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=2))


def main(arguments: list[str]) -> int:
    """Run by ``make bench`` and ``make bench-full``."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--full", action="store_true", help="the full sizes")
    parser.add_argument("--output", type=Path, default=Path("bench.json"))
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="bench") as folder:
        report = run(FULL if chosen.full else Size(), Path(folder))
    lines = FULL_LINES if chosen.full else LINES
    for measure in (
        lambda: reader_rows(full=chosen.full),
        lambda: [asyncio.run(reconcile_row(os.environ, lines))],
        lambda: index_rows(full=chosen.full),
        lambda: [online_row(full=chosen.full)],
        lambda: [simulate_row(full=chosen.full)],
    ):
        _write(report, chosen.output)  # what is known, should the next not come to its end
        report.rows += measure()
    report.targets = judge(report.rows)
    _write(report, chosen.output)
    print(table(report))
    print("\n" + target_table(report.targets))
    print(f"\nwritten to {chosen.output}")
    short = any(one.stands == SHORT for one in report.targets)
    return 1 if chosen.full and short else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
