"""Counts the CPU of the SM2 operations inside a server that is measured; only load tests use it.

Python imports a module of this name at its start when its folder is on PYTHONPATH. In each
process it puts a clock around the cipher backend's handles and keeps the sums in a file of
``LOADTEST_SM2_COUNTS``, which ``loadtests.inside_counts`` reads. The digest SM3(Z || M), some three
microseconds, is outside the clock: the share it gives is the lower one.
"""

import mmap
import os
import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

OPERATIONS = ("verify", "sign", "import")
SUMS = struct.Struct("6d")


class _Sums:
    """(count, CPU seconds) of each operation, in a file that others map."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._begin()
        os.register_at_fork(after_in_child=self._begin)

    def _begin(self) -> None:
        """From nothing, in this process's own file."""
        path = self._folder / str(os.getpid())
        path.write_bytes(bytes(SUMS.size))
        with path.open("r+b") as file:
            self._sums = memoryview(mmap.mmap(file.fileno(), SUMS.size)).cast("d")
        self._lock = threading.Lock()

    def around(self, operation: str, call: Callable[..., Any]) -> Callable[..., Any]:
        at = 2 * OPERATIONS.index(operation)

        def timed(*arguments: Any) -> Any:
            began = time.thread_time()
            try:
                return call(*arguments)
            finally:
                spent = time.thread_time() - began
                with self._lock:
                    self._sums[at] += 1
                    self._sums[at + 1] += spent

        return timed


def _install(folder: Path) -> None:
    from crypto import sm2_libcrypto as backend  # noqa: PLC0415  only where it is asked for

    sums = _Sums(folder)
    for owner, method, operation in (
        ("_Public", "verify_digest", "verify"),
        ("_Private", "sign_digest", "sign"),
        ("LibcryptoBackend", "load_public", "import"),
    ):
        handle = getattr(backend, owner)
        setattr(handle, method, sums.around(operation, getattr(handle, method)))


if "LOADTEST_SM2_COUNTS" in os.environ:
    _install(Path(os.environ["LOADTEST_SM2_COUNTS"]))
