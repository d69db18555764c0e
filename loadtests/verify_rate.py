"""What share of ``yimatong code verify`` is SM2: CPU of the operations the texts need, key import
included, over all CPU of the command's processes. Prints one line a kind of text.

The command's own processes count what the operations took, so other work on the machine slows
both sides alike. Each credential returns only after more others than a verifier remembers, so every
bound text costs two verifications and an import.
"""

import argparse
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import cycle
from pathlib import Path

import msgspec
import psutil

from crypto.healthcode import text as code_text
from crypto.healthcode.index import Index
from crypto.healthcode.issue import (
    CredentialRequest,
    Moment,
    OnceRequest,
    issue_credential,
    issue_once,
    load_issuer,
    show_bound,
)
from crypto.healthcode.layout import Kind, parse
from crypto.healthcode.trust import sign_trust_list, trust_list_of
from crypto.healthcode.trustfile import write_trust_file
from crypto.keyring import KeyRing
from crypto.sm2 import PrivateKey
from loadtests import inside_counts
from loadtests.inside_counts import Needs

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
DISTINCT = 12_000
SHARES = {"bound": (1.0, 0.9), "one-time": (0.0, 0.85), "mixed": (0.5, 0.85)}
"""Name to the part of bound texts and the share that SM2 should have."""


class Row(msgspec.Struct, kw_only=True):
    """One kind of input."""

    name: str
    texts: int
    per_s: float
    cpu_us: float
    sm2_us: float
    ratio: float
    wanted: float
    rss_mib_early: float
    rss_mib_late: float


class Texts:
    """A ring's trust file and texts of two kinds that hold at ``NOW``."""

    def __init__(self, folder: Path, distinct: int) -> None:
        ring = KeyRing.generate_for_development(NOW - timedelta(hours=1))
        root = PrivateKey.generate()
        listed = trust_list_of(
            ring, sequence=1, made_at=NOW - timedelta(hours=1), next_at=NOW + timedelta(days=30)
        )
        self.trust = folder / "trust.json"
        self.trust.write_text(write_trust_file(sign_trust_list(listed, root), [root.public]))
        bound, once = (load_issuer(ring, kind, NOW) for kind in (Kind.BOUND, Kind.ONCE))
        self.bound, self.once = [], []
        for number in range(distinct):
            index = Index(record_id=number.to_bytes(8, "big"), card=0, epoch=0)
            holder = PrivateKey.generate()
            request = CredentialRequest(index=index, code_class=1, holder_key=holder.public)
            credential = issue_credential(bound, request, NOW)
            self.bound.append(show_bound(credential, holder, Moment(at=NOW)).text)
            self.once.append(issue_once(once, OnceRequest(index=index, code_class=1), NOW).text)

    def lines(self, count: int, part_bound: float) -> list[str]:
        """``count`` texts, each kind in its own cycle."""
        chance = random.Random(1)
        bound, once = cycle(self.bound), cycle(self.once)
        return [next(bound if chance.random() < part_bound else once) for _ in range(count)]


def measure(texts: Texts, name: str, count: int, jobs: int, folder: Path) -> Row:
    """Run the command once over ``count`` texts."""
    part, wanted = SHARES[name]
    lines = texts.lines(count, part)
    source, sink = folder / "texts", folder / "verdicts"
    source.write_text("\n".join(lines) + "\n")
    counts = folder / f"sm2-counts-{name}"
    environ = {**os.environ, **inside_counts.counting(counts)}
    spent, began = _children_cpu_s(), time.perf_counter()
    with source.open("rb") as stdin, sink.open("wb") as stdout:
        command = [sys.executable, "-m", "service", "code", "verify", "--trust", str(texts.trust)]
        command += ["--at", (NOW + timedelta(seconds=5)).isoformat(), "--jobs", str(jobs)]
        process = subprocess.Popen(  # noqa: S603
            command, stdin=stdin, stdout=stdout, env=environ
        )
        memory = _watch(process)
        status = process.wait()
    took, spent = time.perf_counter() - began, _children_cpu_s() - spent
    assert status == 0
    verdicts = sink.read_bytes()
    assert verdicts.count(b'{"valid":true') == count, "every text must have held"
    bound = sum(parse(code_text.decode(line)).head.kind is Kind.BOUND for line in lines) / count
    needs = Needs(verify=1 + bound, imports=bound)
    sm2_us, cpu_us = inside_counts.read(counts).needed_us(needs), spent / count * 1e6
    middle = len(memory) // 2
    return Row(
        name=name,
        texts=count,
        per_s=count / took,
        cpu_us=cpu_us,
        sm2_us=sm2_us,
        ratio=sm2_us / cpu_us,
        wanted=wanted,
        rss_mib_early=max(memory[middle // 2 : middle], default=0.0),
        rss_mib_late=max(memory[middle:], default=0.0),
    )


def _children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _watch(process: "subprocess.Popen[bytes]") -> list[float]:
    """MiB of the whole tree every quarter of a second until it ends."""
    out: list[float] = []
    root = psutil.Process(process.pid)
    while process.poll() is None:
        try:
            tree = [root, *root.children(recursive=True)]
            out.append(sum(one.memory_info().rss for one in tree) / 2**20)
        except psutil.NoSuchProcess:
            continue
        time.sleep(0.25)
    return out


def run(count: int, jobs: int) -> Iterator[Row]:
    """Every kind once, one after another."""
    with tempfile.TemporaryDirectory(prefix="verify") as folder:
        texts = Texts(Path(folder), min(DISTINCT, count))
        for name in SHARES:
            yield measure(texts, name, count, jobs, Path(folder))


def main(arguments: list[str]) -> int:
    """``python -m loadtests.verify_rate``."""
    parser = argparse.ArgumentParser(prog="verify_rate", description=__doc__)
    parser.add_argument("--texts", type=int, default=100_000)
    parser.add_argument("--jobs", type=int, default=2)
    chosen = parser.parse_args(arguments)
    for row in run(chosen.texts, chosen.jobs):
        print(
            f"{row.name:9} {row.texts} texts: {row.per_s:.0f}/s; CPU {row.cpu_us:.0f} us each,"
            f" SM2 {row.sm2_us:.0f} us, ratio {row.ratio:.3f} (wanted {row.wanted});"
            f" memory {row.rss_mib_early:.0f} MiB, then {row.rss_mib_late:.0f}",
            flush=True,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
