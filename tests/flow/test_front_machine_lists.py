"""A running front machine takes newer lists from its folder without a restart, and no older."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from crypto.healthcode import text as code_text
from crypto.healthcode.layout import code_id, parse
from tests.support.reader_world import ReaderWorld
from tests.support.running import ROOT, free_port

TAKEN_WITHIN_S = 15.0
"""The promise is ten minutes; it looks every two seconds, on machines that are busy with tests."""


class Front:
    """A ``yimatong code serve`` over a folder."""

    def __init__(self, folder: Path, port: int) -> None:
        self.world = ReaderWorld(datetime.now(UTC).replace(microsecond=0))
        self.folder = folder
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False)
        (folder / "revoked").mkdir(parents=True)
        self.world.write_trust(folder / "trust.json", self.world.trust(5))
        self.put(7, [])

    def put(self, sequence: int, ids: list[bytes]) -> None:
        listed = self.world.revoked(sequence, ids, datetime.now(UTC))
        (self.folder / "revoked" / "list").write_bytes(self.world.signed(listed))

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = self.http.get("/v1/status").json()
        return found

    def sequences(self) -> list[int]:
        return [one["sequence"] for one in self.status()["lists"]]

    def wait(self, until: Callable[[], bool]) -> None:
        end = time.monotonic() + TAKEN_WITHIN_S
        while True:
            try:
                if until():
                    return
            except httpx.TransportError:
                pass
            assert time.monotonic() < end
            time.sleep(0.2)


@pytest.fixture
def front(tmp_path: Path) -> Iterator[Front]:
    port = free_port()
    one = Front(tmp_path / "front", port)
    command = ["code", "serve", "--state", str(one.folder), "--port", str(port)]
    child = subprocess.Popen([sys.executable, "-m", "service", *command], cwd=ROOT)
    try:
        one.wait(lambda: one.sequences() == [5, 7])
        yield one
    finally:
        child.terminate()
        child.wait(10)
        one.http.close()


def test_newer_lists_count_while_it_runs_and_older_ones_never(front: Front) -> None:
    phone = front.world.phone()
    lost = code_id(parse(code_text.decode(phone.show(datetime.now(UTC)))))
    front.put(8, [lost])
    front.wait(lambda: front.sequences() == [5, 8])
    shown = {"text": phone.show(datetime.now(UTC), seq=1)}
    assert front.http.post("/v1/verify", json=shown).json()["error"] == "REVOKED"
    front.world.write_trust(front.folder / "trust.json", front.world.trust(6))
    front.wait(lambda: front.sequences() == [6, 8])
    front.put(7, [])
    front.world.write_trust(front.folder / "trust.json", front.world.trust(5))
    older = {"trust.json": "LIST_ROLLED_BACK", "list": "LIST_ROLLED_BACK"}
    front.wait(lambda: bool(front.status()["refused_lists"] == older))
    assert front.sequences() == [6, 8]
    shown = {"text": phone.show(datetime.now(UTC), seq=2)}
    assert front.http.post("/v1/verify", json=shown).json()["error"] == "REVOKED"
