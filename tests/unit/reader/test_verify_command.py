"""``yimatong code verify``: order, bounds, ends. Runs the command as a process."""

import json
import shlex
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest

from crypto.healthcode import text as code_text
from crypto.healthcode.layout import Purpose, code_id, parse
from crypto.healthcode.offer import open_offer
from service.reader.lines import LINE_MAX, Judgement, LineCutter, judge_blocks, lines_of
from tests.support.reader_world import NOON, CutOffTill, ReaderWorld

WORLD = ReaderWorld()
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def trust_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("trust") / "trust.json"
    WORLD.write_trust(path, WORLD.trust())
    return path


def command(trust_file: Path, *extra: str) -> list[str]:
    at = (NOON + timedelta(seconds=1)).isoformat()
    verb = [sys.executable, "-m", "service", "code", "verify"]
    return [*verb, "--trust", str(trust_file), "--at", at, *extra]


def verdicts(trust_file: Path, content: bytes, *extra: str) -> list[dict[str, Any]]:
    done = subprocess.run(
        command(trust_file, *extra), input=content, capture_output=True, cwd=ROOT, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.count(b"\n") == len(done.stdout.splitlines())
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_every_line_gets_its_verdict_in_order_from_two_workers(trust_file: Path) -> None:
    texts = [WORLD.once() for _ in range(40)]
    ids = [code_id(parse(code_text.decode(text))).hex() for text in texts]
    lines = [texts[at % 40] if at % 3 else f"not a code {at}" for at in range(2400)]
    found = verdicts(trust_file, "\n".join(lines).encode(), "--jobs", "2")
    assert [one.get("code_id") for one in found] == [
        ids[at % 40] if at % 3 else None for at in range(2400)
    ]


def test_odd_lines_are_refused_and_their_neighbours_are_not(trust_file: Path) -> None:
    text = WORLD.once().encode()
    odd = [b"", b"A" * 3_000_000, text + b"\r", "YM1:测".encode(), b"\xff\xfe\0", text + b" "]
    lines = [line for one in odd for line in (one, text)]
    found = [one["valid"] for one in verdicts(trust_file, b"\n".join(lines))]
    assert found[1::2] == [True] * 6
    assert found[0::2] == [False, False, True, False, False, False]


def test_with_a_state_the_second_showing_is_refused_also_by_the_next_run(
    trust_file: Path, tmp_path: Path
) -> None:
    phone = WORLD.phone()
    text = phone.show(NOON).encode()
    state = ("--state", str(tmp_path / "state"))
    assert [one["error"] for one in verdicts(trust_file, text + b"\n" + text, *state)] == [
        None,
        "ALREADY_SHOWN",
    ]
    later = phone.show(NOON, seq=1).encode()
    assert [one["error"] for one in verdicts(trust_file, text + b"\n" + later, *state)] == [
        "ALREADY_SHOWN",
        None,
    ]
    assert [one["error"] for one in verdicts(trust_file, text + b"\n" + text)] == [None, None]


def test_revocation_lists_and_purpose(trust_file: Path, tmp_path: Path) -> None:
    lost, kept = WORLD.phone().show(NOON), WORLD.phone().show(NOON)
    listed = WORLD.revoked(1, [code_id(parse(code_text.decode(lost)))])
    path = tmp_path / "revoked"
    path.write_bytes(WORLD.signed(listed))
    content = f"{lost}\n{kept}\n".encode()
    found = verdicts(trust_file, content, "--revoked", str(path))
    assert [(one["error"], one.get("level")) for one in found] == [
        ("REVOKED", None),
        (None, "present"),
    ]
    found = verdicts(trust_file, content, "--purpose", "pay")
    assert {one["error"] for one in found} == {"PURPOSE_MISMATCH"}


@pytest.mark.parametrize("is_remembered", [False, True])
def test_with_an_offer_only_codes_bound_to_it_hold(
    trust_file: Path, tmp_path: Path, is_remembered: bool
) -> None:
    till, phone = CutOffTill(WORLD), WORLD.phone()
    offer = tmp_path / "offer"
    offer.write_text(till.offer() + "\n")
    other = CutOffTill(WORLD, terminal=8).asked.context()
    texts = [
        phone.show(NOON, purpose=Purpose.PAY, context=till.asked.context()),
        phone.show(NOON, seq=1, purpose=Purpose.PAY),
        phone.show(NOON, seq=2, purpose=Purpose.PAY, context=other),
        phone.show(NOON, seq=3),
    ]
    extra = ("--state", str(tmp_path / "state")) if is_remembered else ()
    found = verdicts(trust_file, "\n".join(texts).encode(), "--offer", str(offer), *extra)
    assert [one["error"] for one in found] == [
        None,
        "PURPOSE_MISMATCH",
        "CONTEXT_MISMATCH",
        "PURPOSE_MISMATCH",
    ]


def test_workers_know_the_offer_too(trust_file: Path) -> None:
    till = CutOffTill(WORLD)
    bound = WORLD.phone().show(NOON, purpose=Purpose.PAY, context=till.asked.context())
    content = "\n".join([bound, WORLD.once()] * 300).encode()
    found = verdicts(trust_file, content, "--offer", till.offer(), "--jobs", "2")
    assert [one["error"] for one in found] == [None, "PURPOSE_MISMATCH"] * 300


def test_an_offer_ends_while_texts_come() -> None:
    till = CutOffTill(WORLD)
    text = WORLD.phone().show(NOON, purpose=Purpose.PAY, context=till.asked.context())
    trust = WORLD.trust()
    judgement = Judgement(
        trust=trust,
        revoked=None,
        purpose=Purpose.PAY,
        at=None,
        offer=open_offer(till.offer(life_s=10), trust, NOON),
    )
    times = iter([NOON, NOON + timedelta(seconds=40)])
    judge = judge_blocks(judgement, lambda: next(times))
    found = [json.loads(judge(f"{text}\n".encode())) for _ in range(2)]
    assert [one["error"] for one in found] == [None, "OFFER_EXPIRED"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--trust", "/nowhere"), b"verify: --trust /nowhere: No such file"),
        (("--jobs", "0"), b"'0' is no number from 1"),
        (("--at", "2026-11-22T04:00:00"), b"--at: a time with its offset, such as 2026-03"),
        (("--at", "yesterday"), b"--at: a time with its offset, such as 2026-03"),
        (("--offer", "/nowhere"), b"verify: --offer /nowhere: No such file"),
        (("--offer", "YMO1:000"), b"OFFER_MALFORMED"),
        (("--offer", "/dev/null"), b"--offer: there is no offer in it"),
        (("--offer", ""), b"--offer: there is no offer in it"),
        (("--offer", "BLANK", "--purpose", "identify"), b"--offer: there is no offer in it"),
        (("--offer", "BLANK", "--state", "STATE"), b"--offer: there is no offer in it"),
        (("--offer", CutOffTill(WORLD).offer(), "--purpose", "identify"), b"asks for pay"),
        (("--offer", CutOffTill(ReaderWorld()).offer()), b"TILL_SIGNATURE"),
        (("--offer", CutOffTill(ReaderWorld()).offer(), "--state", "STATE"), b"TILL_SIGNATURE"),
        (("--revoked", "/nowhere"), b"verify: --revoked /nowhere: No such file"),
    ],
)
def test_what_cannot_begin_says_why(
    trust_file: Path, tmp_path: Path, arguments: tuple[str, ...], said: bytes
) -> None:
    (tmp_path / "blank").write_text(" \r\n")
    paths = {"STATE": str(tmp_path / "state"), "BLANK": str(tmp_path / "blank")}
    given = [paths.get(one, one) for one in arguments]
    done = subprocess.run(
        command(trust_file, *given), input=b"", capture_output=True, cwd=ROOT, check=False
    )
    assert done.returncode == 2
    assert said in done.stderr
    assert b"Traceback" not in done.stderr


def test_an_interrupt_ends_it_and_its_workers_quietly(trust_file: Path) -> None:
    # What runs in a shell's background ignores interrupts, and would hand that on.
    process = subprocess.Popen(
        ["env", "--default-signal=INT", *command(trust_file, "--jobs", "2")],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        cwd=ROOT,
    )
    assert process.stdin is not None
    process.stdin.write(b"x\n" * 80_000)
    process.stdin.flush()
    root, workers = psutil.Process(process.pid), []
    end = time.monotonic() + 20
    while len(workers) < 2 and time.monotonic() < end:
        workers = root.children(recursive=True)
        time.sleep(0.05)
    assert len(workers) >= 2
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    _, complaint = process.communicate(timeout=20)
    assert (process.returncode, complaint) == (130, b"")
    assert psutil.wait_procs(workers, timeout=10)[1] == []


def test_a_reader_that_goes_away_ends_it_quietly(trust_file: Path, tmp_path: Path) -> None:
    texts = tmp_path / "texts"
    texts.write_bytes(b"x\n" * 120_000)
    line = shlex.join(command(trust_file, "--jobs", "2"))
    done = subprocess.run(
        ["bash", "-c", f"{line} < {texts} | head -c 3300000 > /dev/null; exit ${{PIPESTATUS[0]}}"],
        capture_output=True,
        cwd=ROOT,
        timeout=40,
        check=False,
    )
    assert (done.returncode, done.stderr) == (141, b"")


def test_a_file_of_another_kind_is_named_as_no_revocation_list(trust_file: Path) -> None:
    done = subprocess.run(
        command(trust_file, "--revoked", str(trust_file)),
        input=b"",
        capture_output=True,
        cwd=ROOT,
        check=False,
    )
    said = f"yimatong code verify: {trust_file}: JSON is no revocation list\n"
    assert (done.returncode, done.stderr.decode()) == (2, said)


def test_lines_are_cut_alike_wherever_the_pieces_end() -> None:
    content = b"a\n\n" + b"b" * (LINE_MAX + 500) + b"\nc\r\n" + b"d" * LINE_MAX + b"\nlast"
    whole = ["a", "", "b" * LINE_MAX, "c", "d" * LINE_MAX, "last"]
    for size in (1, 2, 3, 7, LINE_MAX - 1, LINE_MAX, LINE_MAX + 1, 5000):
        cutter, found = LineCutter(), []
        for at in range(0, len(content), size):
            block = cutter.feed(content[at : at + size])
            found += lines_of(block) if block else []
        found += lines_of(cutter.end())
        assert found == whole
