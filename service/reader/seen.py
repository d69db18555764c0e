"""What was shown at this reader already (check 11): bounded, forgotten when codes expire.

A bound code must rise from showing to showing, a one-time code comes once, a printed one as often
as it likes. Lives in memory; the shown log is what it is filled from after a restart.
"""

from itertools import islice

from crypto.healthcode.layout import BoundCode, Code, PrintedCode

TOLERANCE_S = 30
_ONCE = -1


class SeenMap:
    """Code id to the highest rise seen and the second from which it may be forgotten.

    Over ``codes_max`` the longest known go first. That lets no old showing pass: one-time codes
    die within 150 s and a bound code's step within 90 s, and so many are not shown meanwhile.
    """

    def __init__(self, codes_max: int = 1_000_000) -> None:
        self._codes_max = codes_max
        self._seen: dict[bytes, tuple[int, int]] = {}
        self._sweep_at = 1024

    def __len__(self) -> int:
        return len(self._seen)

    def has(self, code: Code, code_id: bytes) -> bool:
        """True if this showing, or a later one of the same credential, was taken before."""
        before = self._seen.get(code_id)
        if before is None:
            return False
        return not isinstance(code, BoundCode) or code.rise <= before[0]

    def take(self, code: Code, code_id: bytes, now: int) -> None:
        """Remember a genuine showing. ``now`` in seconds since 1970."""
        if isinstance(code, PrintedCode):
            return
        rise = code.rise if isinstance(code, BoundCode) else _ONCE
        before = self._seen.pop(code_id, None)
        if before is not None:
            rise = max(rise, before[0])
        self._seen[code_id] = (rise, code.head.expires + TOLERANCE_S)
        if len(self._seen) >= self._sweep_at:
            self.forget_expired(now)

    def forget_expired(self, now: int) -> None:
        """Drop what no longer matters. Called by itself often enough that the cost is spread."""
        self._seen = {name: held for name, held in self._seen.items() if held[1] > now}
        if len(self._seen) > self._codes_max:
            excess = len(self._seen) - self._codes_max * 7 // 8
            for name in list(islice(self._seen, excess)):
                del self._seen[name]
        self._sweep_at = max(1024, min(2 * len(self._seen), self._codes_max + 1))
