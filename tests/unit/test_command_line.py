"""``yimatong``: a verb without what it begins with says so in one line; a closed pipe is quiet."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from crypto import keystore
from service.cli import main
from tests.support.running import ROOT

VECTORS = ROOT / "openapi" / "examples" / "health-code"
MADE = "`yimatong keys init`"
VERBS = (
    ("certificates", "list"),
    ("notice", "show", "--institution", "H99000100001"),
    ("reconcile", "--day", "2026-11-20"),
    ("staff", "list", "--institution", "H99000100001"),
    ("settlement", "approval-limit", "--institution", "H99000100001", "--none"),
    ("worker",),
    ("signer", "--socket", "signer.sock"),
    ("keys", "list"),
    ("keys", "check"),
    ("keys", "rotate", "token"),
)


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A state folder that is not there. Verbs set up logs; they are put back."""
    monkeypatch.setenv("YIMATONG_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    yield tmp_path / "state"
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def one_line(capsys: pytest.CaptureFixture[str], verb: tuple[str, ...]) -> str:
    """What a verb that cannot begin says: one line, status 2."""
    capsys.readouterr()
    assert main(list(verb)) == 2
    said = capsys.readouterr()
    assert said.out == ""
    (line,) = said.err.splitlines()
    assert line.startswith("yimatong")
    return line


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_without_a_keystore_every_verb_names_it_and_what_makes_it(
    state: Path, capsys: pytest.CaptureFixture[str], verb: tuple[str, ...]
) -> None:
    said = one_line(capsys, verb)
    assert f"there is no keystore {state}/keys/keystore" in said
    assert MADE in said


def test_what_is_missing_next_is_named_next(
    state: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["keys", "init", "--province", "52"]) == 0
    assert f"{state}/partners.json: no such file" in one_line(capsys, ("certificates", "list"))
    (state / "partners.json").write_text('{"wechatpay": 1}')
    assert f"{state}/partners.json: " in one_line(capsys, ("worker",))
    (state / "partners.json").write_text("{}")
    for verb in (("certificates", "list"), ("migrate",)):
        assert "start `yimatong run`, or set YIMATONG_DATABASE_URL" in one_line(capsys, verb)
    monkeypatch.setenv("YIMATONG_DATABASE_URL", "postgresql://us:secret@127.0.0.1:1/us")
    for verb in (("certificates", "list"), ("migrate",), ("keys", "list", "--rows")):
        said = one_line(capsys, verb)
        assert "what YIMATONG_DATABASE_URL names" in said
        assert "secret" not in said


def test_a_keystore_that_does_not_open_is_named_with_the_way_out(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["keys", "init", "--province", "52"]) == 0
    sealed, master = state / "keys" / "keystore", state / "keys" / "master"
    right, whole = master.read_text(), sealed.read_bytes()
    closed = f"the keystore {sealed} does not open with the master key {master}"
    for verb in (("keys", "list"), ("keys", "check"), ("certificates", "list")):
        master.write_text(keystore.new_master_key().hex())
        assert closed in one_line(capsys, verb)
        master.write_text(right)
        sealed.write_bytes(whole[:-1])
        said = one_line(capsys, verb)
        assert closed in said
        assert "damaged, or of another master key" in said
        assert "`yimatong keys restore --replace`" in said
        sealed.write_bytes(whole)
    master.write_text("nothing")
    assert f"{master} holds no master key" in one_line(capsys, ("keys", "list"))
    master.unlink()
    assert f"there is no master key {master}" in one_line(capsys, ("keys", "list"))


@pytest.mark.parametrize(
    "verb",
    [("conformance", str(VECTORS / "text.json")), ("code", "inspect", "none")],
    ids=lambda verb: verb[0],
)
def test_whoever_reads_may_stop_reading(state: Path, verb: tuple[str, ...]) -> None:
    code = f"import sys; from service.cli import main; sys.exit(main({list(verb)!r}))"
    child = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert child.stdout is not None
    child.stdout.close()
    assert child.stderr is not None
    assert child.stderr.read() == b""
    child.stderr.close()
    assert child.wait(60) == 141


@pytest.mark.parametrize(
    ("seeds", "said"),
    [
        ("5:5", "--seeds 5:5: no seed; 5:6 is one"),
        ("7:5", "--seeds 7:5: no seed; 7:8 is one"),
        ("five", "--seeds five: two whole numbers are wanted, as 0:50"),
        ("1:", "--seeds 1:: two whole numbers are wanted, as 0:50"),
        ("-1:3", "--seeds -1:3: two whole numbers are wanted, as 0:50"),
    ],
)
def test_seeds_that_are_none_are_refused_before_anything_starts(
    seeds: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["simulate", f"--seeds={seeds}"]) == 2
    assert capsys.readouterr().err == f"yimatong simulate: {said}\n"
