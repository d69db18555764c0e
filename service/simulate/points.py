"""Crash points: every transaction boundary and every outgoing call, by the place in the code.

A point's name is its kind and the function of the product on whose behalf it was passed, so two
runs that do the same pass the same points, and what was never crashed at can be named.
"""

import sys
from collections.abc import Collection
from types import FrameType

_AROUND = (
    "service.kernel",
    "service.simulate",
    "service.worker",
    "service.cli",
    "service.commands",
)
"""What begins, carries and awaits the work of features, and is no place in it."""


class CrashPoints:
    """Counts the points passed; says die at the chosen ones.

    ``at`` numbers the points from one, over the whole story; None: nobody counts.
    """

    def __init__(self, at: Collection[int] | None = None) -> None:
        self.at = frozenset(at or ())
        self.passed: list[str] = []
        self.crashed_at: list[str] = []
        self.counting = at is not None

    def hit(self, name: str) -> bool:
        """Pass a point; True: die here."""
        if not self.counting:
            return False
        self.passed.append(name)
        if len(self.passed) not in self.at:
            return False
        self.crashed_at.append(name)
        return True


def place_of() -> str:
    """The innermost function of a feature that is at work, and its caller."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - there is no other way to the caller
    found: list[str] = []
    while frame is not None and len(found) < 2:
        module = frame.f_globals.get("__name__", "")
        if module.startswith("service.") and not module.startswith(_AROUND):
            name = f"{module.removeprefix('service.')}.{frame.f_code.co_name}"
            if not found or found[-1] != name:
                found.append(name)
        frame = frame.f_back
    return " < ".join(found) or "worker"
