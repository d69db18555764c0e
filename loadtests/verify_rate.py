"""What share of ``yimatong code verify`` is SM2: CPU of the operations the texts need, key import
included, over all CPU of the command's processes. Prints one line a kind of text.

The bare operations run on the same signatures in short turns while the command runs: on a machine
whose cores share their units, or have other work, both are slowed alike. Each credential
returns only after more others than a verifier remembers, so every bound text costs two
verifications and an import.
"""

import argparse
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import cycle, islice
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
from crypto.healthcode.layout import (
    NO_CONTEXT,
    BoundCode,
    Code,
    Kind,
    holder_message,
    issuer_message,
    parse,
)
from crypto.healthcode.trust import sign_trust_list, trust_list_of
from crypto.healthcode.trustfile import write_trust_file
from crypto.keyring import KeyRing
from crypto.sm2 import PrivateKey, PublicKey

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
DISTINCT = 12_000
SAMPLE = 1500
SHARES = {"bound": (1.0, 0.9), "one-time": (0.0, 0.85), "mixed": (0.5, 0.85)}
"""Name to the part of bound texts and the share that SM2 should have."""


HolderPart = tuple[bytes, bytes, bytes]


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
        self.keys = {key: trusted.public for key, trusted in listed.keys.items()}
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
        out = []
        for number in range(count):
            kind = self.bound if chance.random() < part_bound else self.once
            out.append(kind[number % len(kind)])
        return out


class BareCost:
    """CPU of the SM2 operations alone, a few texts at a time. ``cached``: the issuer's part of
    each code is known and its holder's key imported."""

    def __init__(
        self, keys: dict[int, PublicKey], lines: Sequence[str], *, cached: bool = False
    ) -> None:
        self._keys = keys
        self._cached = cached
        self._work = cycle([parse(code_text.decode(line)) for line in lines])
        self._spent = 0.0
        self._done = 0

    def turn(self, count: int = 32) -> None:
        """Do the operations of some texts."""
        prepared = [self._operations(code) for code in islice(self._work, count)]
        began = time.thread_time()
        for key, message, signature, holder in prepared:
            good = key.verify(message, signature)
            if holder is not None:
                public = PublicKey.from_bytes(holder[0], allow_compressed=True)
                good = public.verify(holder[1], holder[2]) and good
            assert good
        self._spent += time.thread_time() - began
        self._done += count

    def _operations(self, code: Code) -> tuple[PublicKey, bytes, bytes, HolderPart | None]:
        holder = None
        if isinstance(code, BoundCode) and self._cached:
            public = PublicKey.from_bytes(code.holder_key, allow_compressed=True)
            return public, holder_message(code, NO_CONTEXT), code.holder_signature, None
        if isinstance(code, BoundCode):
            holder = (code.holder_key, holder_message(code, NO_CONTEXT), code.holder_signature)
        message = issuer_message(code, NO_CONTEXT)
        return self._keys[code.head.key_id], message, code.issuer_signature, holder

    @property
    def mean_us(self) -> float:
        """Microseconds a text."""
        return self._spent / self._done * 1e6


def measure(texts: Texts, name: str, count: int, jobs: int, folder: Path) -> Row:
    """Run the command once over ``count`` texts."""
    part, wanted = SHARES[name]
    lines = texts.lines(count, part)
    source, sink = folder / "texts", folder / "verdicts"
    source.write_text("\n".join(lines) + "\n")
    bare = BareCost(texts.keys, lines[:SAMPLE])
    spent, began = _children_cpu_s(), time.perf_counter()
    with source.open("rb") as stdin, sink.open("wb") as stdout:
        command = [sys.executable, "-m", "service", "code", "verify", "--trust", str(texts.trust)]
        command += ["--at", (NOW + timedelta(seconds=5)).isoformat(), "--jobs", str(jobs)]
        process = subprocess.Popen(command, stdin=stdin, stdout=stdout)  # noqa: S603
        memory = _watch(process, bare)
        status = process.wait()
    took, spent = time.perf_counter() - began, _children_cpu_s() - spent
    assert status == 0
    verdicts = sink.read_bytes()
    assert verdicts.count(b'{"valid":true') == count, "every text must have held"
    sm2_us, cpu_us = bare.mean_us, spent / count * 1e6
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


def _watch(process: "subprocess.Popen[bytes]", bare: BareCost) -> list[float]:
    """MiB of the whole tree every quarter of a second until it ends; bare operations between."""
    out: list[float] = []
    root = psutil.Process(process.pid)
    while process.poll() is None:
        bare.turn()
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
