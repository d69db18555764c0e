"""``yimatong run`` and ``yimatong demo`` as a newcomer uses them: start, stop, start again."""

import json
import re
import subprocess
from pathlib import Path

import httpx
import psutil
import pytest

from tests.support.running import RunningSystem, free_port

STEPS = 15


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> RunningSystem:
    folder: Path = tmp_path_factory.mktemp("running")
    made = RunningSystem(folder, (free_port(), free_port()), {})
    yield made
    if made.process is not None and made.process.poll() is None:
        made.stop()


def steps_of(done: subprocess.CompletedProcess[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in done.stdout.splitlines()]


def own_processes(system: RunningSystem) -> list[str]:
    """Every process that was started for this system's folder, by environment or command line."""
    mark = str(system.state_dir)
    found = []
    for one in psutil.process_iter():
        try:
            command = " ".join(one.cmdline())
            if mark in command or one.environ().get("YIMATONG_STATE_DIR") == mark:
                found.append(command)
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    return found


def test_the_demo_before_the_first_run_says_what_to_do(system: RunningSystem) -> None:
    early = system.run("demo")
    assert early.returncode == 2
    assert "make run" in early.stderr


def test_start_demo_stop_start_demo(system: RunningSystem) -> None:
    system.start()
    told = system.text_since_start()
    for address in (f"{system.base_url}/", f"{system.base_url}/kiosk#", system.twin_url):
        assert address in told
    books = re.findall('href="(.*?)"', httpx.get(system.twin_url).text)
    assert {httpx.get(system.twin_url + one).status_code for one in books} == {200}
    assert len(books) == 6, "every partner with a book, and the hospital"
    trust = httpx.get(f"{system.base_url}/readyz").json()["trust_list"]
    assert (trust["ok"], trust["sequence"]) == (True, 1)
    first = system.run("demo", "--json")
    assert first.returncode == 0, first.stdout + first.stderr
    steps = steps_of(first)
    assert len(steps) == STEPS
    assert all(step["pass"] is True for step in steps)
    assert str(steps[-1]["seen"]).startswith("present, not revoked as of "), "verified offline"
    for path in ("trust", "revoked/bound/0", "revoked/printed/0?since=1"):
        assert httpx.get(f"{system.base_url}/v1/lists/{path}").status_code == 200
    demo = (system.state_dir / "demo.json").read_bytes()

    assert system.stop() == 0
    assert own_processes(system) == []
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{system.base_url}/healthz", trust_env=False)

    system.start()
    assert (system.state_dir / "demo.json").read_bytes() == demo, "the same hospital"
    second = system.run("demo")
    assert second.returncode == 0, second.stdout + second.stderr
    assert second.stdout.count("ok  ") == STEPS
    assert "the whole journey in" in second.stdout
    settled = httpx.get(f"{system.twin_url}/insurance/sandbox/book", trust_env=False).json()
    assert [row["state"] for row in settled] == ["LIVE", "LIVE"], "the first day's book is kept"

    assert system.stop() == 0
    assert own_processes(system) == []
    stopped = system.run("demo")
    assert stopped.returncode != 0


def test_a_wrong_answer_fails_the_demo_loudly(system: RunningSystem) -> None:
    system.start()
    fault = {"fault": "reject", "infno": "2206"}
    httpx.post(f"{system.twin_url}/insurance/sandbox/faults", json=[fault], trust_env=False)
    done = system.run("demo", "--json")
    assert done.returncode == 1
    steps = steps_of(done)
    assert [step["pass"] for step in steps] == [True] * (len(steps) - 1) + [False]
    assert steps[-1]["step"] == "insurance split it"
    assert system.stop() == 0
