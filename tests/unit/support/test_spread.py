"""A run in several processes keeps a file together and ends with what must be alone."""

import os
import subprocess
import sys
from pathlib import Path

from tests.support import spread

ROOT = Path(__file__).resolve().parents[3]
CONFTEST = """
import os, time
import pytest
from tests.conftest import pytest_collection_modifyitems, pytest_xdist_make_scheduler

@pytest.fixture(autouse=True)
def noted(request):
    def note(what):
        with open("notes", "a") as notes:
            notes.write(f"{what} {request.node.nodeid} {os.getpid()}\\n")
    note("begin")
    time.sleep(0.02)
    yield
    note("end")
"""
FOUR = (
    "import pytest\n@pytest.mark.parametrize('n', range(4))\ndef test_it(n): assert n != {wrong}\n"
)


def run(
    folder: Path, files: dict[str, int], processes: int
) -> tuple[subprocess.CompletedProcess[str], list[list[str]]]:
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "pytest.ini").write_text("[pytest]\n")
    for name, wrong in files.items():
        (folder / name).write_text(FOUR.format(wrong=wrong))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "xdist", "-n", str(processes)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    notes = (folder / "notes").read_text().splitlines()
    return done, [line.split() for line in notes]


def test_what_is_alone_comes_last_and_alone_and_files_stay_together(tmp_path: Path) -> None:
    alone, each = sorted(spread.ALONE)[0], sorted(spread.EACH)[0]
    names = ("test_1.py", alone, "test_2.py", each, "test_3.py")
    done, notes = run(tmp_path, dict.fromkeys(names, 9), 3)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "20 passed" in done.stdout
    assert [(what, spread.file_of(test)) for what, test, _ in notes[-8:]] == [
        ("begin", alone),
        ("end", alone),
    ] * 4
    for name in ("test_1.py", "test_2.py", "test_3.py", alone):
        assert len({pid for _, test, pid in notes if test.startswith(name)}) == 1
    assert len({pid for *_, pid in notes}) == 3


def test_one_failure_is_told_once_and_in_full(tmp_path: Path) -> None:
    alone = sorted(spread.ALONE)[0]
    done, notes = run(tmp_path, {"test_1.py": 2, alone: 9}, 2)
    assert done.returncode == 1
    assert done.stdout.count("assert 2 != 2") == 2, "once in its place, once in the summary"
    assert "FAILED test_1.py::test_it[2]" in done.stdout
    assert "1 failed, 7 passed" in done.stdout
    assert [spread.file_of(test) for _, test, _ in notes[-8:]] == [alone] * 8


def test_only_what_must_be_alone_runs_too(tmp_path: Path) -> None:
    done, notes = run(tmp_path, dict.fromkeys(spread.ALONE, 9), 3)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len({pid for *_, pid in notes}) == 1


def test_every_file_that_is_named_is_there() -> None:
    names = {path.name for path in (ROOT / "tests").rglob("test_*.py")}
    assert spread.ALONE | spread.EACH | set(spread.LONG_FIRST) <= names
