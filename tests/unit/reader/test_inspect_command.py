"""``yimatong code inspect``: what a text is, what was undone to read it, and whether it holds."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from service.commands.code_inspect import inspect
from service.kernel.clock import SystemClock
from service.reader.repair import Damage
from service.settings import read_settings
from tests.support.reader_world import CutOffTill, ReaderWorld
from tests.support.running import ROOT

WORLD = ReaderWorld(SystemClock().now())
CODE = WORLD.printed()


@pytest.fixture(autouse=True)
def _at_this_moment() -> None:
    """Offers last minutes, and the command looks at the machine's clock."""
    WORLD.now = SystemClock().now()


@pytest.fixture
def trust(tmp_path: Path) -> str:
    path = tmp_path / "trust.json"
    WORLD.write_trust(path, WORLD.trust())
    return str(path)


def seen(text: str, folder: Path, trust: str | None = None) -> dict[str, Any]:
    """With no key ring here."""
    found: dict[str, Any] = json.loads(
        inspect(text, read_settings({"YIMATONG_STATE_DIR": str(folder / "state")}), trust)
    )
    return found


def test_a_whole_code_is_judged_and_nothing_was_repaired(tmp_path: Path, trust: str) -> None:
    found = seen(CODE, tmp_path, trust)
    assert (found["recognised"], found["valid"], found["kind"]) == ("OURS", True, "printed")
    assert "repaired" not in found
    assert seen(CODE, tmp_path)["valid"] is None
    assert "not verified" in seen(CODE, tmp_path)["note"]


def test_what_was_undone_is_said_with_the_text_that_was_judged(tmp_path: Path, trust: str) -> None:
    found = seen(f"x{CODE.lower()}\r\n", tmp_path, trust)
    assert (found["valid"], found["repaired"], found["text"]) == (True, True, CODE)
    assert found["repairs"] == [Damage.BLANKS, Damage.FORMS, Damage.LETTERS_BEFORE]
    card = seen(" 1234567890123456789012345678\n", tmp_path, trust)
    assert (card["recognised"], card["repaired"]) == ("INSURANCE_CREDENTIAL", True)


def test_a_text_that_is_too_long_is_not_cut_into_a_code(tmp_path: Path, trust: str) -> None:
    found = seen(CODE + " " * 1300, tmp_path, trust)
    assert (found["recognised"], found["valid"]) == ("UNKNOWN", None)


def test_an_offer_tells_who_asks_for_what_until_when(tmp_path: Path, trust: str) -> None:
    till = CutOffTill(WORLD)
    found = seen(till.offer(), tmp_path, trust)
    said = ("recognised", "valid", "name", "institution", "terminal", "purpose", "amount_fen")
    assert [found[one] for one in said] == [
        "OFFER",
        True,
        "测试医院",
        "H99000100001",
        "0000000000000007",
        "pay",
        12_345,
    ]
    assert found["certificate_state"] == "VALID"
    assert found["expires_at"] > found["issued_at"]
    unproved = seen(till.offer(), tmp_path)
    assert (unproved["valid"], unproved["name"]) == (None, "测试医院")
    assert "certificate_state" not in unproved
    damaged = seen(till.offer().lower() + "\n", tmp_path, trust)
    assert (damaged["valid"], damaged["repairs"]) == (True, [Damage.BLANKS, Damage.FORMS])


@pytest.mark.parametrize("link", ["http://127.0.0.1:8080/#/offer/", "HTTPS://CODE.CN/#/OFFER/"])
def test_an_offer_is_known_in_the_link_of_a_till_s_symbol(
    tmp_path: Path, trust: str, link: str
) -> None:
    text = CutOffTill(WORLD).offer()
    found = seen(f" {link}{text}\r\n", tmp_path, trust)
    assert (found["recognised"], found["valid"]) == ("OFFER", True)
    assert found["link"] == link[: -len("#/offer/")]
    assert seen(f"javascript:{link}{text}", tmp_path, trust)["recognised"] == "UNKNOWN"


def test_a_line_of_standard_input_is_a_text(tmp_path: Path, trust: str) -> None:
    verb = [sys.executable, "-m", "service", "code", "inspect", "-", "--trust", trust]

    def run(given: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            verb, input=given, capture_output=True, text=True, cwd=ROOT, check=False
        )

    done = run(f"{CODE}\n\n{CutOffTill(WORLD).offer()}\r\n\x0bnone\n")
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(one["recognised"], one["valid"]) for one in found] == [
        ("OURS", True),
        ("UNKNOWN", None),
        ("OFFER", True),
        ("UNKNOWN", None),
    ]
    nothing = run("\n")
    said = "yimatong code inspect: nothing on standard input\n"
    assert (nothing.returncode, nothing.stderr) == (2, said)


def test_an_offer_that_does_not_hold_says_why(tmp_path: Path, trust: str) -> None:
    till = CutOffTill(WORLD)
    stranger = seen(CutOffTill(ReaderWorld(WORLD.now)).offer(), tmp_path, trust)
    assert stranger["valid"] is False
    assert stranger["certificate_state"] == stranger["error"]
    assert stranger["error"] in {"TILL_SIGNATURE", "TILL_UNKNOWN"}
    text = till.offer()
    changed = text[:-1] + ("0" if text[-1] != "0" else "1")
    spoilt = seen(changed, tmp_path, trust)
    assert spoilt["valid"] is False
    broken = seen("YMO1:ABC", tmp_path, trust)
    assert (broken["recognised"], broken["error"]) == ("OFFER", "OFFER_MALFORMED")


def test_a_trust_file_that_is_none_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "trust.json").write_text("{}")
    with pytest.raises(ValueError, match="not a trust file"):
        seen(CODE, tmp_path, str(tmp_path / "trust.json"))
