"""Blocks through several worker processes: order kept, a bounded number under way.

Each worker holds one block at a time, so nobody ever waits for a full pipe that the other does
not read. Workers end when their pipe ends, whatever became of this process.
"""

import gc
import multiprocessing
import signal
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection, wait

Turn = Callable[[bytes], bytes]
"""What turns a block into its answer."""
AHEAD = 8
"""So many answered blocks for each worker may wait for a slower one before them."""


class CrewFailed(RuntimeError):
    """A worker ended early."""


def _work(pipe: Connection, turn: Turn, inherited: Sequence[Connection]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for other in inherited:  # held here too, the ends of the pipes would outlive their owner
        other.close()
    try:
        while True:
            pipe.send_bytes(turn(pipe.recv_bytes()))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return


class Crew:
    """``give`` blocks while ``has_room``, ``take`` answers; they come in the order given.

    Made while the process has one thread: workers are copies of it, with all that ``turn`` holds,
    so that they start at once and judge by the very same lists.
    """

    def __init__(self, turn: Turn, size: int) -> None:
        context = multiprocessing.get_context("fork")
        self._workers = []
        self._idle: list[Connection] = []
        self._busy: dict[Connection, int] = {}
        self._answers: dict[int, bytes] = {}
        self._given = self._taken = 0
        self._size = size
        gc.freeze()  # or each worker's first collection would copy what it inherits
        for _ in range(size):
            ours, theirs = context.Pipe()
            self._idle.append(ours)
            work = (theirs, turn, tuple(self._idle))
            worker = context.Process(target=_work, args=work, daemon=True)
            worker.start()
            theirs.close()
            self._workers.append(worker)

    @property
    def has_room(self) -> bool:
        """True if a worker is free and not too many answers wait for an earlier one."""
        return bool(self._idle) and self._given - self._taken < AHEAD * self._size

    @property
    def is_done(self) -> bool:
        """True if every block given was answered and taken."""
        return self._given == self._taken

    def give(self, block: bytes) -> None:
        """Hand a block to a free worker."""
        pipe = self._idle.pop()
        try:
            pipe.send_bytes(block)
        except (BrokenPipeError, ConnectionResetError):
            raise CrewFailed("a worker ended early") from None
        self._busy[pipe] = self._given
        self._given += 1

    @property
    def pipes(self) -> list[Connection]:
        """What becomes readable when an answer comes."""
        return list(self._busy)

    def take(self) -> list[bytes]:
        """The answers that are next in order; may be none. Does not wait."""
        for pipe in wait(list(self._busy), timeout=0):
            if not isinstance(pipe, Connection):
                continue
            number = self._busy.pop(pipe)
            try:
                self._answers[number] = pipe.recv_bytes()
            except (EOFError, ConnectionResetError):
                raise CrewFailed("a worker ended early") from None
            self._idle.append(pipe)
        out = []
        while self._taken in self._answers:
            out.append(self._answers.pop(self._taken))
            self._taken += 1
        return out

    def close(self) -> None:
        """Let the workers go and wait for them; one that does not go is ended."""
        for pipe in [*self._idle, *self._busy]:
            pipe.close()
        for worker in self._workers:
            worker.join(timeout=5)
            if worker.is_alive():
                worker.terminate()
                worker.join()
