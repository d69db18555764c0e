"""The ring of a running process, which follows the keystore file.

A key rotated, closed or destroyed by another process counts here within two seconds, without a
restart. What is cached must hang on ``snapshot``, which never changes, or on a key's material.
A file that does not open leaves the last ring in place: a process that serves must not stop
because an editor, a disk or a master key failed; it says so, and a person must look.
"""

import asyncio
import os
from collections.abc import Callable, Collection
from datetime import datetime
from pathlib import Path
from typing import Protocol

from crypto import keystore
from crypto.errors import CryptoError
from crypto.keyring import Key, KeyKind, KeyRing
from service.kernel.clock import Clock
from service.kernel.logs import get_logger
from service.kernel.metrics import Metrics
from service.kernel.problems import NotSetUp

LOOK_EVERY_S = 1.0
"""Half of the two seconds in which a change must count."""

_log = get_logger("ring")


class KeystoreUnreadable(NotSetUp):
    """The keystore or its master key cannot be read or opened."""


class RingSource(Protocol):
    """Where a ring comes from."""

    def mark(self) -> object:
        """Changes whenever the ring may have changed. Raises ``KeystoreUnreadable``."""

    def load(self) -> KeyRing:
        """The ring as it is now. Raises ``KeystoreUnreadable``."""


class KeystoreFile:
    """A keystore and the file of its master key.

    While a master key is being changed the new one stands beside the old as ``<name>.new``; both
    are tried, so no moment of the change, nor a crash in it, leaves the keystore closed.
    """

    made_by = (
        "`yimatong run` makes the sandbox's, `yimatong keys init` a real one, "
        "`yimatong keys restore` puts a backup in place"
    )
    put_right_by = "put the right one back, or a backup by `yimatong keys restore --replace`"

    def __init__(self, path: Path, master_file: Path) -> None:
        self.path = path
        self.master_file = master_file
        self.next_master_file = master_file.with_name(master_file.name + ".new")

    def mark(self) -> object:
        """Inode, size and time of the keystore: a replaced file always has another inode."""
        try:
            seen = self.path.stat()
        except OSError as fault:
            raise self._unreadable(fault) from None
        return seen.st_ino, seen.st_size, seen.st_mtime_ns

    def load(self) -> KeyRing:
        """Read and open. Raises ``KeystoreUnreadable``."""
        return self.open()[0]

    def open(self) -> tuple[KeyRing, bytes]:
        """The ring and the master key that opened it. Raises ``KeystoreUnreadable``."""
        refused: Exception | None = None
        for file in (self.master_file, self.next_master_file):
            try:
                master = bytes.fromhex(file.read_text("ascii").strip())
                return keystore.load(self.path, master), master
            except (OSError, ValueError, CryptoError) as fault:
                refused = refused or fault
        raise self._unreadable(refused)

    def _unreadable(self, fault: Exception | None) -> KeystoreUnreadable:
        """What is wrong with which file, and the way out."""
        if isinstance(fault, PermissionError):
            return KeystoreUnreadable(f"{fault.filename} may not be read by this user")
        if not os.path.lexists(self.path):
            return KeystoreUnreadable(f"there is no keystore {self.path}", self.made_by)
        if not os.path.lexists(self.master_file):
            missing = f"there is no master key {self.master_file} for the keystore {self.path}"
            return KeystoreUnreadable(missing, self.put_right_by)
        if isinstance(fault, OSError):
            return KeystoreUnreadable(f"{fault.filename} cannot be read", fault.strerror or "")
        if isinstance(fault, CryptoError):
            closed = (
                f"the keystore {self.path} does not open with the master key {self.master_file}"
            )
            why = f"{fault}; it is damaged, or of another master key"
            return KeystoreUnreadable(closed, f"{why}: {self.put_right_by}")
        return KeystoreUnreadable(f"{self.master_file} holds no master key", self.put_right_by)


class ServingKeystore(KeystoreFile):
    """The keystore of a process that asks a signer: private keys of its kinds must not be in it."""

    made_by = "`yimatong keys write-serving` makes it"
    put_right_by = "remove it and its master key, then `yimatong keys write-serving`"

    def __init__(self, path: Path, master_file: Path, kinds: Collection[KeyKind]) -> None:
        super().__init__(path, master_file)
        self._kinds = frozenset(kinds)

    def load(self) -> KeyRing:
        """Read and open. Raises ``KeystoreUnreadable``, also for a ring that says too much."""
        ring = super().load()
        if any(key.kind in self._kinds and not key.is_public_half for key in ring.keys):
            raise KeystoreUnreadable(f"{self.path} has private keys that only the signer may have")
        return ring


class LiveRing:
    """The look-ups of ``KeyRing``, over the newest ring that was read."""

    def __init__(self, ring: KeyRing, source: RingSource | None = None) -> None:
        """Begin with ``ring``; without a source it stays."""
        self._ring = ring
        self._source = source
        self._mark: object = None
        self._fault: str | None = None

    @classmethod
    def following(cls, source: RingSource) -> "LiveRing":
        """Read the source now. Raises ``KeystoreUnreadable``."""
        mark = source.mark()
        live = cls(source.load(), source)
        live._mark = mark
        return live

    @property
    def snapshot(self) -> KeyRing:
        """The ring of this moment, which never changes: what caches hang on."""
        return self._ring

    @property
    def fault(self) -> str | None:
        """Why the newest file is not in use; None when it is."""
        return self._fault

    @property
    def keys(self) -> tuple[Key, ...]:
        """Every key, by kind, then version."""
        return self._ring.keys

    def current(self, kind: KeyKind, now: datetime) -> Key:
        """The newest version that may protect something now; ``BadKey`` if there is none."""
        return self._ring.current(kind, now)

    def accepted(self, kind: KeyKind, version: int, now: datetime) -> Key:
        """That very version if it may open or verify now; ``BadKey`` otherwise."""
        return self._ring.accepted(kind, version, now)

    def all_accepted(self, kind: KeyKind, now: datetime) -> tuple[Key, ...]:
        """Every version that may open or verify now, newest first: for look-ups."""
        return self._ring.all_accepted(kind, now)

    def by_code_key_id(self, code_key_id: int) -> Key:
        """The key with this id, whatever its windows; ``BadKey`` if unknown."""
        return self._ring.by_code_key_id(code_key_id)

    def refresh(self) -> bool:
        """Read the source if it changed; True when another ring is in place.

        Never raises: a source that cannot be read leaves the last ring and sets ``fault``.
        """
        if self._source is None:
            return False
        try:
            mark = self._source.mark()
            if mark == self._mark and self._fault is None:
                return False
            ring = self._source.load()
        except KeystoreUnreadable as fault:
            self._fault = fault.what
            return False
        changed = mark != self._mark
        # The mark is older than what was read: a change in between is read once more, never missed.
        self._ring, self._mark, self._fault = ring, mark, None
        return changed

    async def follow(
        self,
        stop: asyncio.Event,
        said: Callable[["LiveRing", bool], None],
        every_s: float = LOOK_EVERY_S,
    ) -> None:
        """Refresh until ``stop``; after each look ``said(self, changed)``."""
        while not stop.is_set():
            changed = await asyncio.to_thread(self.refresh)
            said(self, changed)
            try:
                async with asyncio.timeout(every_s):
                    await stop.wait()
            except TimeoutError:
                continue


def days_left(ring: KeyRing, kind: KeyKind, now: datetime) -> float:
    """Days until no version of a kind may protect anything; 0 when none may now.

    Versions that follow one another without a gap count together.
    """
    end = now
    for key in sorted((k for k in ring.keys if k.kind is kind), key=lambda k: k.use_from):
        if key.use_from <= end:
            end = max(end, key.use_until)
    return (end - now).total_seconds() / 86_400


class RingReport:
    """Says in metrics, alarms and logs what became of the ring of this process."""

    def __init__(self, metrics: Metrics, clock: Clock) -> None:
        self._metrics = metrics
        self._clock = clock
        self._fault: str | None = None

    def __call__(self, live: LiveRing, changed: bool) -> None:
        """Take note of one look at the file."""
        if changed:
            _log.info("ring.changed", keys=len(live.keys))
        if live.fault is not None and live.fault != self._fault:
            self._metrics.alarms.labels("keystore-unreadable").inc()
            _log.error("ring.kept_old", reason=live.fault)
        self._fault = live.fault
        now = self._clock.now()
        for kind in KeyKind:
            self._metrics.key_days_left.labels(kind.value).set(days_left(live.snapshot, kind, now))
