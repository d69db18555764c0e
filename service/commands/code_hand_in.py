"""``yimatong code hand-in``: what a reader's folder still owes the platform. Needs no network.

For folders of ``code verify --state``, and of a front machine that is not running; a running one
answers the same over HTTP.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from service.kernel.clock import SystemClock
from service.reader.reading import lock_state
from service.reader.shown_log import ShownLog


@contextmanager
def _owned(state: Path) -> Iterator[ShownLog]:
    """The folder's log, while no other program has it. ``OSError``, ``ValueError``."""
    if not state.is_dir():
        raise ValueError(f"no such folder: {state}")
    lock = lock_state(state)
    try:
        log = ShownLog(state)
        log.open(lambda _line: None)
        try:
            yield log
        finally:
            log.close()
    finally:
        os.close(lock)


def bodies(state: Path) -> list[str]:
    """The bodies for ``POST /v1/terminal/shown-codes``, to be sent in order."""
    with _owned(state) as log:
        return [msgspec.json.encode(body).decode() for body in log.hand_ins()]


def confirm(state: Path, taken: int) -> str:
    """Note that the platform has the first ``taken`` entries; what is left, in words."""
    with _owned(state) as log:
        log.confirm(taken, int(SystemClock().now().timestamp()))
        return f"{log.taken} of {log.count} entries are handed in"
