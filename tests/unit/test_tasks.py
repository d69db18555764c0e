"""The commands: right environment or a clear sentence, and nothing done twice."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


def load(folder: Path) -> ModuleType:
    """A copy of ``tasks.py`` that works on a project of its own in ``folder``."""
    shutil.copy(ROOT / "tasks.py", folder)
    shutil.copy(ROOT / "pyproject.toml", folder)
    (folder / "requirements").mkdir()
    for name in ("run", "dev", "build"):
        (folder / "requirements" / f"{name}.lock").write_text(f"{name}==1\n", encoding="utf-8")
    spec = importlib.util.spec_from_file_location(f"tasks_{folder.name}", folder / "tasks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def tasks(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run the real file as a person does."""
    return subprocess.run(
        [sys.executable, cwd / "tasks.py", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_every_verb_is_listed_and_in_the_makefile() -> None:
    listed = tasks("help")
    assert listed.returncode == 0
    verbs = [line.split()[0] for line in listed.stdout.splitlines()[1:]]
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert f"VERBS := {' '.join(verbs)}\n" in makefile
    assert {"run", "test", "check", "bench", "bench-full", "soak"} <= set(verbs)


def test_unknown_verb_shows_the_verbs_and_fails() -> None:
    answer = tasks("tset")
    assert answer.returncode == 2
    assert "Usage" in answer.stdout


def test_stamp_follows_the_locks_and_the_project_table(tmp_path: Path) -> None:
    module = load(tmp_path)
    before = module._fingerprints()
    project = tmp_path / "pyproject.toml"
    text = project.read_text(encoding="utf-8")

    project.write_text(text.replace("max-complexity = 10", "max-complexity = 9"), encoding="utf-8")
    assert module._fingerprints() == before

    project.write_text(text.replace('version = "', 'version = "9'), encoding="utf-8")
    assert module._fingerprints() != before

    project.write_text(text, encoding="utf-8")
    (tmp_path / "requirements" / "dev.lock").write_text("dev==2\n", encoding="utf-8")
    after = module._fingerprints()
    assert after["run"] == before["run"]
    assert after["dev"] != before["dev"]


def test_stamped_environment_is_left_alone(tmp_path: Path) -> None:
    module = load(tmp_path)
    (tmp_path / ".venv").mkdir()
    stamp = tmp_path / ".venv" / "installed"
    wanted = module._fingerprints()
    stamp.write_text("".join(f"{value}\n" for value in wanted.values()), encoding="utf-8")
    module.prepare("run")
    module.prepare("dev")
    assert sorted(path.name for path in (tmp_path / ".venv").iterdir()) == ["installed"]


def test_environment_without_a_working_python_is_noticed(tmp_path: Path) -> None:
    module = load(tmp_path)
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    assert not module._venv_works()
    (tmp_path / ".venv" / "bin" / "python").symlink_to("/nonexistent/python")
    assert not module._venv_works()


def test_old_python_is_told_what_is_needed(tmp_path: Path) -> None:
    source = (ROOT / "tasks.py").read_text(encoding="utf-8")
    newer = tmp_path / "tasks.py"
    newer.write_text(source.replace("< (3, 11)", "< (9, 0)"), encoding="utf-8")
    answer = tasks("help", cwd=tmp_path)
    assert answer.returncode == 1
    assert "needs Python 3.11 or newer" in answer.stderr


def test_check_for_old_python_comes_before_what_it_cannot_read() -> None:
    source = (ROOT / "tasks.py").read_text(encoding="utf-8")
    assert source.index("version_info <") < source.index("import tomllib")


@pytest.mark.skipif(shutil.which("make") is None, reason="no make on this machine")
def test_make_passes_the_verb_and_the_exit_code() -> None:
    answer = subprocess.run(
        ["make", "-s", "help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={key: value for key, value in os.environ.items() if key != "MAKEFLAGS"},
    )
    assert answer.returncode == 0
    assert answer.stdout.startswith("Usage:")


def test_clean_refuses_to_remove_the_data_of_a_running_system(tmp_path: Path) -> None:
    fcntl = pytest.importorskip("fcntl")
    module = load(tmp_path)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    state = tmp_path / ".yimatong"
    state.mkdir()
    (state / "postgres.location").write_text(f"{elsewhere}\n", encoding="utf-8")
    with (state / "postgres.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert module.clean(["--data"]) == 1
        assert state.exists()
        assert elsewhere.exists()
    assert module.clean(["--data"]) == 0
    assert not state.exists()
    assert not elsewhere.exists()


def test_without_node_the_clients_are_said_to_be_lacking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = load(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert module._build_clients() == "Node 18 or newer with npm is not there."
    assert module.clients([]) == 1


def test_clients_are_built_once_and_again_when_a_source_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module = load(tmp_path)
    source = tmp_path / "clients" / "holder" / "src" / "index.js"
    source.parent.mkdir(parents=True)
    source.write_text("export {};\n", encoding="utf-8")
    (tmp_path / "service" / "web" / "built").mkdir(parents=True)
    programs = tmp_path / "programs"
    programs.mkdir()
    npm = f'mkdir -p node_modules; echo "$@" >>{tmp_path}/calls'
    for name, script in (("node", "echo v18.20.4"), ("npm", npm)):
        (programs / name).write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    assert [module.clients([]), module.clients([])] == [0, 0]
    assert "A system that runs serves it when it is started again" in capsys.readouterr().out
    calls = tmp_path / "calls"
    assert calls.read_text(encoding="utf-8").split("\n")[:-1] == ["ci", "run --silent build"]
    calls.unlink()
    source.write_text("export const changed = true;\n", encoding="utf-8")
    assert module.clients([]) == 0
    assert calls.is_file()
