"""How much CPU the SM2 operations took inside the servers that are measured.

The servers themselves count (``loadtests/inside``), so both sides of a ratio are the same process
at the same moments: another load on the machine slows both alike.
"""

import os
from collections.abc import Collection, Mapping
from pathlib import Path

import msgspec

from loadtests.inside.sitecustomize import OPERATIONS, SUMS

ROOT = Path(__file__).resolve().parents[1]


class Needs(msgspec.Struct, frozen=True, kw_only=True):
    """The SM2 operations that one request cannot do without."""

    verify: float = 0
    sign: float = 0
    imports: float = 0
    """Of a key that stands in the request."""

    def __str__(self) -> str:
        parts = (("verify", self.verify), ("sign", self.sign), ("key import", self.imports))
        return " + ".join(f"{count} {name}" for name, count in parts if count)


class Sm2Inside(msgspec.Struct, frozen=True, kw_only=True):
    """Operation to (how many, CPU seconds), over all processes that count."""

    sums: dict[str, tuple[float, float]]

    def since(self, earlier: "Sm2Inside") -> "Sm2Inside":
        """What was done between two moments."""
        return Sm2Inside(
            sums={
                name: (count - earlier.sums[name][0], spent - earlier.sums[name][1])
                for name, (count, spent) in self.sums.items()
            }
        )

    def needed_us(self, needs: Needs) -> float:
        """CPU microseconds of what one request needs, at what each operation cost here."""
        counts = {"verify": needs.verify, "sign": needs.sign, "import": needs.imports}
        return sum(count * self._mean_us(name) for name, count in counts.items() if count)

    def done_each(self, requests: int) -> dict[str, float]:
        """How many of each operation were done for one request."""
        return {name: round(count / requests, 2) for name, (count, _) in self.sums.items()}

    def _mean_us(self, name: str) -> float:
        count, spent = self.sums[name]
        return spent / count * 1e6 if count else 0.0


def counting(folder: Path) -> Mapping[str, str]:
    """The environment in which a server counts into ``folder``, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    path = os.pathsep.join((str(ROOT), str(ROOT / "loadtests" / "inside")))
    return {"PYTHONPATH": path, "LOADTEST_SM2_COUNTS": str(folder)}


def read(folder: Path, pids: Collection[int] | None = None) -> Sm2Inside:
    """The sums of these processes until now, or of all."""
    totals = [0.0] * len(OPERATIONS) * 2
    for file in folder.iterdir():
        if pids is not None and int(file.name) not in pids:
            continue
        values = SUMS.unpack(file.read_bytes())
        totals = [total + value for total, value in zip(totals, values, strict=True)]
    return Sm2Inside(
        sums={name: (totals[2 * at], totals[2 * at + 1]) for at, name in enumerate(OPERATIONS)}
    )
