"""``make soak``: settlements under load with random faults in the twins, then all books compared.

Exit status 1 on any difference or on a settlement that did not end.
"""

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
import msgspec

from loadtests import books, meter, people
from loadtests.actors import Signer
from service.sandbox.hospital import DemoHospital
from tests.support.running import RunningSystem, running_system

LOCUSTFILE = Path(__file__).with_name("locustfile.py")
PACE = {
    "YIMATONG_POLL_EVERY_S": "2",
    "YIMATONG_RETRY_AFTER_S": "1",
    "YIMATONG_LEASE_S": "10",
    "YIMATONG_PAY_WITHIN_S": "30",
}
"""As a hospital's day, but faster: what waits for minutes waits for seconds."""
WECHAT_FAULTS = [
    "drop-before",
    "drop-after",
    "error-before",
    "error-after",
    "too-often",
    "answer-unsigned",
    "answer-forged",
    "answer-stale",
    "answer-garbled",
    "slow",
    "paid-before-close",
    "paid-during-close",
    "paid-at-once",
    "balance-short",
    "notice-lost",
    "notice-doubled",
    "notice-late",
    "notice-reordered",
    "notice-stale",
    "notice-forged",
]
INSURANCE_FAULTS = [
    "drop_before",
    "drop_after",
    "error_before",
    "error_after",
    "garble",
    "delay",
    "reject",
    "signed_out",
]


class Soak(msgspec.Struct, frozen=True, kw_only=True):
    """What to run. Rates are faults in a thousand calls."""

    settlements: int = 2000
    users: int = 16
    seed: int = 1
    wechat_permille: int = 40
    insurance_permille: int = 40
    end_within_s: float = 300.0


class Outcome(msgspec.Struct, kw_only=True):
    """What came of it."""

    totals: books.Totals
    differences: list[str]
    stuck: dict[str, int]
    load_s: float
    calming_s: float
    settlements: int

    @property
    def passed(self) -> bool:
        """All books agree and nothing is under way for ever."""
        return not self.differences and not self.stuck


def run(soak: Soak, folder: Path) -> Outcome:
    """A system of its own in ``folder``, the load, the calm, the comparison."""
    with running_system(folder, **PACE) as system:
        begun = time.monotonic()
        people_file = folder / "people.json"
        known = max(soak.users, soak.settlements // 8)
        people.prepare(
            system.base_url, system.twin_url, seed=soak.seed, count=known, path=people_file
        )
        set_faults(system, soak)
        run_locust(
            system,
            people_file,
            "SettleUser",
            users=soak.users,
            environ={
                "YIMATONG_LOAD_SETTLEMENTS": str(soak.settlements),
                "YIMATONG_LOAD_WHIMS": "1",
            },
        )
        loaded = time.monotonic()
        set_faults(system, msgspec.structs.replace(soak, wechat_permille=0, insurance_permille=0))
        stuck = asyncio.run(_calm(system, soak.end_within_s))
        calm = time.monotonic()
        found = asyncio.run(books.read(meter.dsn(system), system.twin_url))
    return Outcome(
        totals=books.totals(found),
        differences=books.differences(found),
        stuck=stuck,
        load_s=loaded - begun,
        calming_s=calm - loaded,
        settlements=len(found.settlements),
    )


def set_faults(system: RunningSystem, soak: Soak) -> None:
    """Seeded random faults in both money twins; rate 0 ends them."""
    with httpx.Client(base_url=system.twin_url, trust_env=False, timeout=10.0) as twins:
        wechat: dict[str, Any] = {
            "seed": soak.seed,
            "rate_permille": soak.wechat_permille,
            "faults": WECHAT_FAULTS,
        }
        insurance: dict[str, Any] = {
            "seed": str(soak.seed),
            "rate_e4": soak.insurance_permille * 10,
            "kinds": INSURANCE_FAULTS,
            "delay_ms": 500,
        }
        twins.post("/wechatpay/sandbox/faults/random", json=wechat).raise_for_status()
        twins.post("/insurance/sandbox/faults/random", json=insurance).raise_for_status()


def run_locust(
    system: RunningSystem, people_file: Path, user: str, *, users: int, environ: dict[str, str]
) -> str:
    """Headless locust until its users have stopped; gives what it printed."""
    log = system.output.with_name("locust.log")
    with log.open("wb") as output:
        subprocess.run(  # noqa: S603 - our own interpreter
            [
                *("nice", "-n", str(meter.GIVES_WAY)),
                *(sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), user, "--headless"),
                *("--users", str(users), "--spawn-rate", str(users)),
                *("--host", system.base_url, "--only-summary", "--exit-code-on-error", "0"),
            ],
            env={
                **os.environ,
                "PYTHONPATH": system.env["PYTHONPATH"],
                "YIMATONG_LOAD_DEMO": str(system.state_dir / "demo.json"),
                "YIMATONG_LOAD_PEOPLE": str(people_file),
                "YIMATONG_LOAD_TWINS": system.twin_url,
                **environ,
            },
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            check=True,
        )
    return log.read_text("utf-8", errors="replace")


async def _calm(system: RunningSystem, within_s: float) -> dict[str, int]:
    """Let everything end; the hospital acknowledges what is left. Gives what does not end."""
    demo = msgspec.json.decode((system.state_dir / "demo.json").read_bytes(), type=DemoHospital)
    hospital = Signer(
        system.base_url, caller_id=demo.application_id, key=demo.private_key, application=True
    )
    end = time.monotonic() + within_s
    async with httpx.AsyncClient(base_url=system.base_url, trust_env=False, timeout=30.0) as client:
        while left := await books.unfinished(meter.dsn(system)):
            if time.monotonic() > end:
                return left
            await _post_all(client, hospital)
            await asyncio.sleep(1.0)
    return {}


async def _post_all(client: httpx.AsyncClient, hospital: Signer) -> None:
    target = "/v1/institution/settlements?to_post=true&limit=50"
    answer = await client.get(target, headers=hospital.headers("GET", target, b"", ""))
    for row in answer.raise_for_status().json()["settlements"]:
        target = f"/v1/institution/settlements/{row['settlement_id']}/posting"
        reference = f"HIS{row['bill_no']}"
        body = msgspec.json.encode({"hospital_ref": reference})
        headers = hospital.headers("POST", target, body, reference)
        await client.post(target, content=body, headers=headers)


def describe(outcome: Outcome) -> str:
    """The summary a person reads."""
    sums = outcome.totals
    lines = [
        f"settlements      {outcome.settlements} begun; "
        + ", ".join(f"{state} {count}" for state, count in sorted(sums.states.items())),
        f"time             load {outcome.load_s:.0f} s, then {outcome.calming_s:.0f} s to the end",
        f"posted           {sums.posted_fen} fen",
        f"provider keeps   {sums.provider_kept_fen} fen after refunds of {sums.refunded_fen} fen",
        f"insurer owes     {sums.insurer_fen} fen",
        "work items       " + (", ".join(f"{k} {v}" for k, v in sums.items.items()) or "none"),
        "not ended        " + (", ".join(f"{k} {v}" for k, v in outcome.stuck.items()) or "none"),
        "differences      " + ("none" if not outcome.differences else ""),
        *(f"  {line}" for line in outcome.differences),
    ]
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    """Run by ``make soak``."""
    parser = argparse.ArgumentParser(prog="soak", description=__doc__)
    parser.add_argument("--settlements", type=int, default=2000)
    parser.add_argument("--users", type=int, default=16)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="kept afterwards; default: a temporary one")
    chosen = parser.parse_args(arguments)
    soak = Soak(settlements=chosen.settlements, users=chosen.users, seed=chosen.seed)
    if chosen.folder is not None:
        chosen.folder.mkdir(parents=True, exist_ok=True)
        outcome = run(soak, chosen.folder)
    else:
        with tempfile.TemporaryDirectory(prefix="soak") as folder:
            outcome = run(soak, Path(folder))
    print(describe(outcome))
    return 0 if outcome.passed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
