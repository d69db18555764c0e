"""What ``yimatong keys`` says to a slip of the hand: a sentence, never a traceback."""

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from crypto import keybackup
from crypto.errors import BadCiphertext
from crypto.healthcode.rootfile import make_root, read_root
from crypto.passphrase import LOG2_N_MIN
from service.cli import main
from service.commands.keys import PassphraseRefused, ask_passphrase
from service.keys import changes
from tests.support.running import ROOT

RING = changes.new_ring(datetime(2026, 11, 22, 8, 0, tzinfo=UTC), 52)
WORDS = {name: f"a long passphrase of {name}" for name in ("Wu", "Li", "Chen")}


@pytest.mark.parametrize(
    ("start", "word"),
    [
        ("+9999999d", "beyond the calendar"),
        ("0001-01-01T00:00:00+08:00", "beyond the calendar"),
        ("9999-12-31T23:00:00-08:00", "beyond the calendar"),
        ("2026-03-02T10:00:00", "with its offset"),
        ("+1m", "is no time"),
        ("soon", "is no time"),
    ],
)
def test_a_time_that_is_none_is_refused_in_words(
    capsys: pytest.CaptureFixture[str], start: str, word: str
) -> None:
    with pytest.raises(SystemExit) as left:
        main(["keys", "rotate", "token", "--from", start])
    assert left.value.code == 2
    assert word in capsys.readouterr().err


@pytest.mark.parametrize(
    "asked",
    [
        ("rotate", "nonsense"),
        ("close", "nonsense", "1", "--after", "now"),
        ("cut-off", "nonsense", "1", "--before", "now"),
        ("destroy", "nonsense", "1"),
    ],
)
def test_an_unknown_kind_is_answered_with_the_kinds(
    capsys: pytest.CaptureFixture[str], asked: tuple[str, ...]
) -> None:
    with pytest.raises(SystemExit) as left:
        main(["keys", *asked])
    assert left.value.code == 2
    said = capsys.readouterr().err
    assert "there is no kind 'nonsense'" in said
    assert "issuer_bound, issuer_once" in said


def test_a_reader_that_closes_its_end_leaves_no_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("YIMATONG_STATE_DIR", str(tmp_path / "state"))
    assert main(["keys", "init", "--province", "52"]) == 0
    code = "import sys; from service.cli import main; sys.exit(main(['keys', 'list']))"
    child = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert child.stdout is not None
    child.stdout.close()
    assert child.stderr is not None
    assert child.stderr.read() == b""
    child.stderr.close()
    assert child.wait(60) == 0


def test_a_wrong_passphrase_is_called_one() -> None:
    blob = keybackup.seal_backup(RING, "a long enough passphrase", log2_n=LOG2_N_MIN)
    with pytest.raises(BadCiphertext, match="passphrase is wrong"):
        keybackup.open_backup(blob, "another long passphrase")
    root = read_root(make_root(WORDS, log2_n=LOG2_N_MIN))
    with pytest.raises(BadCiphertext, match="one of the two passphrases is wrong"):
        root.open({"Wu": WORDS["Wu"], "Li": WORDS["Chen"]})


@pytest.mark.parametrize(
    "asked",
    [
        ("backup", "kept"),
        ("root", "init", "--output", "root", "--custodian", "Wu", "Li", "Chen"),
    ],
)
def test_no_passphrase_at_all_is_answered_with_a_sentence(
    tmp_path: Path, asked: tuple[str, ...]
) -> None:
    state = {"YIMATONG_STATE_DIR": str(tmp_path / "state")}

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        verb = [sys.executable, "-W", "ignore", "-m", "service", "keys", *words]
        return subprocess.run(
            verb,
            env=os.environ | state | {"PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            cwd=tmp_path,
            start_new_session=True,
            check=False,
        )

    assert run("init", "--province", "52").returncode == 0
    done = run(*asked)
    assert done.returncode == 2
    last = done.stderr.splitlines()[-1]
    assert last.removeprefix(f"passphrase of {'Wu' if asked[0] == 'root' else 'backup'}: ") in (
        "yimatong keys: no passphrase of Wu was given",
        "yimatong keys: no passphrase of backup was given",
    )
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "kept").exists()
    assert not (tmp_path / "root").exists()


def test_a_slip_is_asked_again_of_the_same_custodian() -> None:
    good, said = WORDS["Wu"], list[str]()
    typed = iter(["short", good, good + "x", good, good])
    assert ask_passphrase("Wu", True, lambda _: next(typed), said.append) == good
    assert list(typed) == []
    assert said == [
        "a passphrase has at least 16 characters: once more",
        "the two passphrases differ: once more",
    ]
    with pytest.raises(PassphraseRefused, match="passphrase of Wu: a passphrase has at least 16"):
        ask_passphrase("Wu", True, lambda _: "short", said.append)
    assert len(said) < 10
    assert ask_passphrase("Wu", False, lambda _: "short", said.append) == "short"
