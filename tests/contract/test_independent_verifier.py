"""A second reading of the health-code page, in another language, judges the published vectors.

It shares no code with ours, so that a mistake of ours in both page and program shows.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

VERIFIER = Path(__file__).parent / "verifier" / "verify.mjs"
EXAMPLES = Path(__file__).resolve().parents[2] / "openapi" / "examples" / "health-code"
VECTORS = sorted(EXAMPLES.glob("*.json"))


@pytest.fixture(scope="module")
def node() -> str:
    """The JavaScript runtime that judges; without it nothing here is checked."""
    found = shutil.which("node")
    if found is None and os.environ.get("YIMATONG_REQUIRE_BROWSER"):
        pytest.fail("node is missing: the independent verifier did not run")
    if found is None:
        pytest.skip("node is missing: the independent verifier did not run")
    return found


def judged(node: str, *files: Path) -> tuple[list[dict[str, Any]], dict[str, Any], int]:
    """The verdict of each case, the closing line and the exit status."""
    run = subprocess.run(
        [node, str(VERIFIER), *map(str, files)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    assert run.stderr == ""
    *cases, closing = [json.loads(line) for line in run.stdout.splitlines()]
    return cases, closing, run.returncode


def cases_in(path: Path) -> list[dict[str, Any]]:
    """Every case of a file: its sections are its lists."""
    sections = json.loads(path.read_text("utf-8")).values()
    return [case for section in sections if isinstance(section, list) for case in section]


def test_every_published_case_passes(node: str) -> None:
    wanted = [case["id"] for path in VECTORS for case in cases_in(path)]
    cases, closing, status = judged(node, *VECTORS)
    assert wanted
    assert [case["id"] for case in cases] == wanted
    assert [case for case in cases if not case["pass"]] == []
    assert (closing["cases"], closing["passed"], status) == (len(wanted), len(wanted), 0)


def other_last_byte(signed: str) -> str:
    """Hex with one bit of its last byte flipped, which lies in the signature."""
    return signed[:-2] + f"{int(signed[-2:], 16) ^ 1:02x}"


def other_last_letters(text: str) -> str:
    """A code or offer whose last two bytes, of its signature, stand for another value."""
    return text[:-3] + ("1" if text[-3] == "0" else "0") + text[-2:]


@pytest.mark.parametrize(
    ("file", "case_id", "field", "error"),
    [
        ("one-time.json", "once-ok-plain", "text", "ISSUER_SIGNATURE"),
        ("bound.json", "bound-ok-plain", "text", "HOLDER_SIGNATURE"),
        ("bound.json", "bound-ok-context", "text", "CONTEXT_MISMATCH"),
        ("trust.json", "trust-ok-plain", "list", "LIST_SIGNATURE"),
    ],
)
def test_a_broken_signature_changes_the_verdict(
    node: str, tmp_path: Path, file: str, case_id: str, field: str, error: str
) -> None:
    vectors = json.loads((EXAMPLES / file).read_text("utf-8"))
    sections = [section for section in vectors.values() if isinstance(section, list)]
    case = next(case for section in sections for case in section if case["id"] == case_id)
    spoil = other_last_letters if field == "text" else other_last_byte
    case[field] = spoil(case[field])
    (tmp_path / file).write_text(json.dumps(vectors), "utf-8")

    cases, closing, status = judged(node, tmp_path / file)

    assert [(c["id"], c["got"]["error"]) for c in cases if not c["pass"]] == [(case_id, error)]
    assert closing["passed"] == closing["cases"] - 1
    assert status == 1


def test_a_section_that_it_does_not_know_fails(node: str, tmp_path: Path) -> None:
    """A new section must not pass because nothing judged it."""
    (tmp_path / "new.json").write_text('{"unheard": [{"id": "one", "expect": {}}]}', "utf-8")
    cases, _, status = judged(node, tmp_path / "new.json")
    assert [(case["id"], case["pass"]) for case in cases] == [("one", False)]
    assert status == 1
