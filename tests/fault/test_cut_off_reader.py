"""A phone and a reader that have no route anywhere: the one shows, the other accepts.

Each runs in a network namespace of its own with not even loopback up. Skipped where the kernel
forbids namespaces, unless YIMATONG_REQUIRE_BROWSER says that everything must run.
"""

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from crypto.healthcode import text as code_text
from crypto.healthcode.layout import code_id, parse
from tests.support.cut_off import run_cut_off
from tests.support.reader_world import Phone, ReaderWorld

SHOW = """
import socket, sys
from datetime import UTC, datetime
from crypto.healthcode.issue import Moment, show_bound
from crypto.sm2 import PrivateKey
try:
    socket.create_connection(("192.0.2.1", 9), timeout=2)
except OSError as fault:
    sys.stderr.write(f"no route: {fault.errno}\\n")
credential, key, at, seq = sys.argv[1:]
moment = Moment(at=datetime.fromisoformat(at), seq=int(seq))
holder = PrivateKey.from_bytes(bytes.fromhex(key))
print(show_bound(bytes.fromhex(credential), holder, moment).text)
"""
NO_ROUTE = "no route: 101\n"
"""ENETUNREACH: there is no way out, not merely nobody who answers."""


def shown(phone: Phone, at: datetime, seq: int = 0) -> str:
    """The text that the phone makes without a network."""
    arguments = [phone.credential.hex(), phone.key.to_bytes().hex(), at.isoformat(), str(seq)]
    done = run_cut_off([sys.executable, "-c", SHOW, *arguments])
    assert done.stderr == NO_ROUTE
    return done.stdout.strip()


class Desk:
    """A reader's folder, and what it says without a network."""

    def __init__(self, folder: Path, world: ReaderWorld) -> None:
        folder.mkdir()
        self.folder = folder
        world.write_trust(folder / "trust.json", world.trust())
        (folder / "revoked").write_bytes(world.signed(world.revoked(1, [])))

    def read(self, *texts: str, at: datetime) -> list[dict[str, Any]]:
        files = ["--trust", "trust.json", "--revoked", "revoked", "--state", "state"]
        command = [sys.executable, "-m", "service", "code", "verify", "--at", at.isoformat()]
        for at_file in (1, 3, 5):
            files[at_file] = str(self.folder / files[at_file])
        done = run_cut_off([*command, *files], "".join(f"{text}\n" for text in texts))
        assert (done.returncode, done.stderr) == (0, "")
        return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_phone_and_two_readers_without_any_route(tmp_path: Path) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    world = ReaderWorld(now)
    phone = world.phone()
    one, other = Desk(tmp_path / "one", world), Desk(tmp_path / "other", world)
    text = shown(phone, now)

    (first,) = one.read(text, at=now)
    assert (first["valid"], first["level"], first["marks"]) == (True, "present", [])
    assert one.read(text, at=now)[0]["error"] == "ALREADY_SHOWN"
    assert other.read(text, text, at=now)[0]["valid"]
    assert other.read(text, at=now)[0]["error"] == "ALREADY_SHOWN"

    again = shown(phone, now, seq=1)
    assert one.read(again, at=now)[0]["valid"]

    revoked = world.revoked(2, [code_id(parse(code_text.decode(text)))])
    (one.folder / "revoked").write_bytes(world.signed(revoked))
    last = shown(phone, now, seq=2)
    assert one.read(last, at=now)[0]["error"] == "REVOKED"
    assert other.read(last, at=now)[0]["valid"]


def test_the_bound_of_a_screenshot_at_a_second_cut_off_reader(tmp_path: Path) -> None:
    """A screenshot taken at the beginning of a step is good elsewhere for 60 s and no longer; at a
    reader whose clock is behind by a step, too: 90 s in all."""
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    world = ReaderWorld(now - timedelta(minutes=5))
    text = shown(world.phone(), now)
    bounds = ((-31, "STEP_AHEAD"), (-30, None), (59, None), (60, "STEP_OLD"), (300, "STEP_OLD"))
    for seconds, error in bounds:
        desk = Desk(tmp_path / str(seconds), world)
        assert desk.read(text, at=now + timedelta(seconds=seconds))[0]["error"] == error
