"""What share of the front machine's CPU is SM2: verify over HTTP with no database.

The server counts the CPU of its SM2 operations itself; the client's is in neither figure. Real
time: codes are shown right before they are sent.
"""

import argparse
import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import psutil

from loadtests import inside_counts
from loadtests.inside_counts import Needs, Sm2Inside
from tests.support.reader_world import ReaderWorld

CLIENTS = 8
WANTED = 0.75
SEQUENCES = 250


class Row(msgspec.Struct, kw_only=True):
    """One kind of text over HTTP."""

    name: str
    texts: int
    per_s: float
    cpu_us: float
    sm2_us: float
    ratio: float
    wanted: float = WANTED
    p99_ms: float


class Front:
    """A front machine in a folder, started as its operator starts it."""

    def __init__(self, folder: Path, world: ReaderWorld) -> None:
        world.write_trust(folder / "trust.json", world.trust())
        (folder / "revoked").mkdir()
        (folder / "revoked" / "bound").write_bytes(world.signed(world.revoked(1, [])))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        verb = ["code", "serve", "--state", str(folder), "--port", str(self.port)]
        self._counts = folder / "sm2-counts"
        environ = {**os.environ, **inside_counts.counting(self._counts)}
        self._process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "service", *verb], env=environ
        )
        end = time.monotonic() + 30
        while not self._answers():
            assert time.monotonic() < end, "the front machine did not start"
            time.sleep(0.1)

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def cpu_s(self) -> float:
        """CPU seconds until now."""
        spent = psutil.Process(self._process.pid).cpu_times()
        return float(spent.user + spent.system)

    def sm2(self) -> Sm2Inside:
        """What its SM2 operations took until now."""
        return inside_counts.read(self._counts)

    def ask(self, texts: Sequence[str]) -> list[float]:
        """Send each over one connection; milliseconds of each. All must be accepted."""
        took = []
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        for text in texts:
            body = json.dumps({"text": text, "reader": "desk"})
            began = time.perf_counter()
            connection.request("POST", "/v1/verify", body)
            answer = connection.getresponse().read()
            took.append((time.perf_counter() - began) * 1000)
            assert b'"valid":true' in answer, answer
        connection.close()
        return took

    def stop(self) -> None:
        """End it and wait."""
        self._process.terminate()
        assert self._process.wait(timeout=20) == 0


def measure(front: Front, name: str, show: Callable[[], list[str]], needs: Needs) -> Row:
    """Show the codes, send them from several connections, compare."""
    texts = show()
    sm2, before, began = front.sm2(), front.cpu_s(), time.perf_counter()
    with ThreadPoolExecutor(CLIENTS) as pool:
        sent = [pool.submit(front.ask, texts[at::CLIENTS]) for at in range(CLIENTS)]
        took = sorted(one for part in sent for one in part.result())
    elapsed, spent = time.perf_counter() - began, front.cpu_s() - before
    cpu_us = spent / len(texts) * 1e6
    sm2_us = front.sm2().since(sm2).needed_us(needs)
    return Row(
        name=name,
        texts=len(texts),
        per_s=len(texts) / elapsed,
        cpu_us=cpu_us,
        sm2_us=sm2_us,
        ratio=sm2_us / cpu_us,
        p99_ms=took[len(took) * 99 // 100],
    )


def run(count: int) -> list[Row]:
    """Bound with a cold and with a cached issuer's part, and one-time."""
    world = ReaderWorld(datetime.now(UTC))
    phones = [world.phone() for _ in range(count)]
    few = phones[: 2 * CLIENTS]  # so that all showings of a phone go over one connection
    each = min(SEQUENCES, count // len(few))

    def later(first: int, last: int) -> list[str]:
        now = datetime.now(UTC)
        return [phone.show(now, seq) for seq in range(first, last) for phone in few]

    def cold() -> list[str]:
        now = datetime.now(UTC)
        return [phone.show(now) for phone in phones]

    def once() -> list[str]:
        now = datetime.now(UTC)
        return [world.once(now) for _ in range(count)]

    with tempfile.TemporaryDirectory(prefix="front") as folder:
        front = Front(Path(folder), world)
        try:
            first = Needs(verify=2, imports=1)
            rows = [measure(front, "bound, issuer's part cold", cold, first)]
            front.ask(later(1, 2))
            held = lambda: later(2, 2 + each)  # noqa: E731
            rows.append(measure(front, "bound, issuer's part cached", held, Needs(verify=1)))
            rows.append(measure(front, "one-time", once, Needs(verify=1)))
        finally:
            front.stop()
    return rows


def main(arguments: list[str]) -> int:
    """``python -m loadtests.front_rate``."""
    parser = argparse.ArgumentParser(prog="front_rate", description=__doc__)
    parser.add_argument("--texts", type=int, default=2000)
    for row in run(parser.parse_args(arguments).texts):
        print(
            f"{row.name:28} {row.texts} texts: {row.per_s:.0f}/s, p99 {row.p99_ms:.1f} ms; CPU"
            f" {row.cpu_us:.0f} us each, SM2 {row.sm2_us:.0f} us, ratio {row.ratio:.3f}"
            f" (wanted {row.wanted})"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
