"""How a whole run is spread over processes: file by file, and what measures time last and alone.

A file stays in one process, so what its tests share is started once. Files that take long come
first, so that many short ones are left to fill the end.
"""

from collections.abc import Sequence
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

ALONE = frozenset({"test_signer.py", "test_signer_killed.py"})
"""Files that measure time: they come when everything else is done, in one process."""
EACH = frozenset({"test_openapi_fuzz.py"})
"""Long files whose tests share little: each test goes by itself."""
LONG_FIRST = (
    "test_rotation_under_load.py",
    "test_simulation.py",
    "test_many_settlements.py",
    "test_kill_processes.py",
)
"""Single files that would else end the run with one process at work."""
LONG_FOLDERS = ("tests/fault/", "tests/e2e/", "tests/flow/")


def file_of(nodeid: str) -> str:
    """The name of a test's file."""
    return nodeid.partition("::")[0].rpartition("/")[2]


def put_in_order(items: list[pytest.Item]) -> None:
    """Long files first, what must be alone last."""

    def place(item: pytest.Item) -> tuple[bool, bool, bool]:
        name = file_of(item.nodeid)
        return name in ALONE, name not in LONG_FIRST, not item.nodeid.startswith(LONG_FOLDERS)

    items.sort(key=place)


def is_one_file(arguments: Sequence[str]) -> bool:
    """Whether only tests of one file are asked for: not worth more processes."""
    files = {argument.partition("::")[0] for argument in arguments}
    return len(files) == 1 and files.pop().endswith(".py")


class Spread(LoadScopeScheduling):  # type: ignore[misc, unused-ignore]
    """Hands out files in their order; those that must be alone when all others are done."""

    def __init__(self, config: pytest.Config, log: Any) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False

    def _split_scope(self, nodeid: str) -> str:
        name = file_of(nodeid)
        if name in ALONE:
            return "alone"
        return nodeid if name in EACH else nodeid.partition("::")[0]

    def _assign_work_unit(self, node: Any) -> None:
        if self._is_alone_next() and len(self.nodes) > 1:
            # Whoever is last keeps waiting and gets it; the others go home.
            if any(other is not node and not other.shutting_down for other in self.nodes):
                node.shutdown()
            return
        super()._assign_work_unit(node)

    def remove_node(self, node: Any) -> str | None:
        """A process has gone; the last one may have been waiting for that."""
        crashed: str | None = super().remove_node(node)
        if self._is_alone_next():
            for waiting in self.nodes:
                self._reschedule(waiting)
        return crashed

    def _is_alone_next(self) -> bool:
        return next(iter(self.workqueue), None) == "alone"
