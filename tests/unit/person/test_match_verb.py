"""``yimatong person match``: files in, files out, whatever is in them."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

from loadtests.matching_quality import measure
from loadtests.populations import MIXES, Population, write

GOOD = {"id": "R1", "name": "王小明", "birth_date": "2020-05-06", "phone": "13900010002"}


def run(
    folder: Path, *lines: bytes, more: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    source = folder / "in.jsonl"
    source.write_bytes(b"\n".join(lines))
    command = [sys.executable, "-m", "service", "person", "match", "--input", str(source)]
    output = ["--output", str(folder / "out.csv"), "--review", str(folder / "review.csv")]
    return subprocess.run([*command, *output, *more], capture_output=True, text=True, check=False)


def rows(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def line(**changes: object) -> bytes:
    return json.dumps(GOOD | changes, ensure_ascii=False).encode()


def test_lines_that_are_none_are_named_and_the_rest_goes_on(tmp_path: Path) -> None:
    bad = [b"{", b"[1]", b'{"id": ""}', b'{"id": 7}', line(), b"\xff\xfe", line(id="x" * 70_000)]
    done = run(tmp_path, line(), *bad, b"", line(id="R2"), line(id="R3", name="\u202e<b>\x00" * 9))
    assert done.returncode == 0, done.stderr
    assert rows(tmp_path / "out.csv") == [
        ["id", "cluster"],
        ["R1", "R1"],
        ["R2", "R1"],
        ["R3", "R3"],
    ]
    refused = rows(tmp_path / "out.csv.refused.csv")
    assert [number for number, _ in refused] == ["line", "2", "3", "4", "5", "6", "7", "8"]
    assert dict(map(tuple, refused))["6"] == "id: used by an earlier line"
    assert dict(map(tuple, refused))["8"] == "too long"
    assert "3 registrations of 2 people" in done.stdout
    assert "7 lines refused" in done.stdout


def test_a_name_of_100_kb_is_refused_and_nothing_of_it_is_told(tmp_path: Path) -> None:
    done = run(tmp_path, line(name="王" * 40_000), line(id="R2"))
    assert done.returncode == 0
    assert rows(tmp_path / "out.csv.refused.csv")[1:] == [["1", "too long"]]
    assert "王王" not in done.stdout + done.stderr


def test_no_file_of_a_run_that_fails_stands_under_its_name(tmp_path: Path) -> None:
    done = run(tmp_path, line(), more=("--input", str(tmp_path / "none.jsonl")))
    assert done.returncode == 2
    assert "none.jsonl" in done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"in.jsonl"}


def test_refusals_of_an_earlier_run_do_not_stay(tmp_path: Path) -> None:
    run(tmp_path, b"{")
    assert (tmp_path / "out.csv.refused.csv").exists()
    run(tmp_path, line())
    assert not (tmp_path / "out.csv.refused.csv").exists()


@pytest.mark.parametrize("mix", sorted(MIXES))
def test_how_well_people_are_told_apart(tmp_path: Path, mix: str) -> None:
    """On seeds that nothing was tuned on; the sizes of the bench say more."""
    write(tmp_path, Population(4242, 4000, MIXES[mix]))
    found = measure(tmp_path)
    assert found.reachable.precision >= 0.999, found
    assert found.reachable.f1 >= 0.994, found
    assert found.every.f1 >= 0.985, found
    assert found.merged_or_reviewed >= 0.993, found
    assert found.review_of_1000 <= 5, found
    assert found.twins_merged <= 1, found
    assert found.parents_merged == 0, found
