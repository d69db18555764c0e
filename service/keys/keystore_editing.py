"""Edits the keystore file: one editor at a time, at one stroke, with a line in the journal.

The journal (``keystore.journal``, JSON lines) says what was done to which version and when: once
as begun, and again when it is done, because a crash may come between. It holds no material; after
a restore it tells which versions must not come back, and which numbers were given. Copies of it
belong away from the machine, like the backups.
"""

import fcntl
import itertools
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from pathlib import Path

import msgspec

from crypto import keystore
from crypto.keyring import KeyRing
from service.kernel.live_ring import KeystoreFile, KeystoreUnreadable
from service.keys.private_files import blank, reseal, write_private
from service.keys.serving_copy import ServingCopy

LOCK_WITHIN_S = 10.0
JOURNAL_MAX = 8 << 20
BEGUN = "begin "
"""Before an action in the journal: it was about to be done. Done it stands without the word."""


class KeystoreBusy(Exception):
    """Somebody else is editing the keystore."""


class KeystoreInTheWay(Exception):
    """A keystore is there already and is never written over unasked."""


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing done to the keys."""

    at: datetime
    action: str
    kind: str | None = None
    version: int | None = None
    code_key_id: int | None = None
    instant: datetime | None = None
    """From when on it was closed, or until when it was cut off."""
    word: str | None = None
    """What the person who forced it wrote."""


class KeystoreEditor:
    """Reads, changes and replaces one keystore."""

    def __init__(
        self,
        file: KeystoreFile,
        *,
        serving: ServingCopy | None = None,
        lock_within_s: float = LOCK_WITHIN_S,
    ) -> None:
        self.file = file
        self.serving = serving
        self.left_behind: str | None = None
        """What to say when the keystore was changed and the serving copy could not be."""
        self._lock_within_s = lock_within_s
        self._lock_path = file.path.with_name(file.path.name + ".lock")
        self.journal_path = file.path.with_name(file.path.name + ".journal")

    def create(self, ring: KeyRing, entries: list[Entry]) -> None:
        """Write a first keystore, and a master key unless there is one. Raises
        ``KeystoreInTheWay`` and, for a master key that is no key, ``KeystoreUnreadable``."""
        self.put_back(ring, entries, replace=False)

    def put_back(self, ring: KeyRing, entries: list[Entry], *, replace: bool) -> None:
        """Write a ring from a backup. Raises as ``create`` does; then nothing was changed.

        With ``replace`` a keystore that is there is kept beside, as ``<name>.before-restore``, the
        next as ``<name>.before-restore-2``: the backup may turn out to be the older of the two.
        """
        self.file.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._locked():
            is_there = self.file.path.exists()
            if is_there and not replace:
                raise KeystoreInTheWay(f"{self.file.path} is there already")
            master = self._master()
            if is_there:
                self._keep_present()
                keystore.replace(self.file.path, ring, master)
            else:
                keystore.create(self.file.path, ring, master)
            self._note(entries)
            self._publish(ring)

    def _master(self) -> bytes:
        """The master key, made if there is none."""
        path = self.file.master_file
        if not path.exists():
            write_private(path, keystore.new_master_key().hex().encode())
        try:
            master = bytes.fromhex(path.read_text("ascii").strip())
        except ValueError:
            raise KeystoreUnreadable(f"{path} holds no master key") from None
        if len(master) != keystore.MASTER_KEY_SIZE:
            raise KeystoreUnreadable(f"{path} holds no master key")
        return master

    def _keep_present(self) -> None:
        """A second name for the keystore that is about to be replaced, never one in use."""
        first = self.file.path.name + ".before-restore"
        for name in itertools.chain([first], (f"{first}-{n}" for n in itertools.count(2))):
            try:
                os.link(self.file.path, self.file.path.with_name(name))
            except FileExistsError:
                continue
            return

    def change(
        self, changed: Callable[[KeyRing], KeyRing], noted: Callable[[KeyRing], list[Entry]]
    ) -> KeyRing:
        """Put ``changed(ring)`` in place and note ``noted`` of it, before as begun and after.

        The very ring back means that there is nothing to do: then nothing is written. Raises
        ``KeystoreBusy``, ``KeystoreUnreadable`` and what ``changed`` raises; then neither.
        """
        self.file.mark()
        with self._locked():
            ring, master = self.file.open()
            self._note_what_was_done(ring)
            fresh = changed(ring)
            if fresh is ring:
                return ring
            entries = noted(fresh)
            self._note_begun(entries)
            keystore.replace(self.file.path, fresh, master)
            self._note(entries)
            self._publish(fresh)
            return fresh

    def overwrite_and_change(
        self, changed: Callable[[KeyRing], KeyRing], noted: Callable[[KeyRing], list[Entry]]
    ) -> KeyRing:
        """``change``, and the old file's bytes are overwritten where they lie.

        On disks and file systems that move what is written that is no promise: what makes the old
        bytes useless is a new master key.
        """
        self.file.mark()
        with self._locked():
            ring, master = self.file.open()
            self._note_what_was_done(ring)
            fresh = changed(ring)
            entries = noted(fresh)
            self._note_begun(entries)
            with self.file.path.open("r+b") as old:
                keystore.replace(self.file.path, fresh, master)
                self._note(entries)
                blank(old)
            self._publish(fresh)
            return fresh

    def change_master(self, entry: Entry) -> None:
        """Seal the ring under a fresh master key, and the serving copy under another."""
        self.file.mark()
        with self._locked():
            ring, master = self.file.open()
            reseal(self.file, ring, master)
            self._note([entry])
            self._publish(ring, under_a_fresh_master=True)

    def journal(self, copy: Path | None = None) -> list[Entry]:
        """Everything that was noted, oldest first; a line that is not ours is passed over.

        ``copy`` names a copy of the journal, when the machine that kept it is lost.
        """
        path = copy or self.journal_path
        if copy is None and not path.exists():
            return []
        found = []
        for line in path.read_bytes()[-JOURNAL_MAX:].splitlines():
            try:
                found.append(msgspec.json.decode(line, type=Entry))
            except msgspec.MsgspecError:
                continue
        return found

    def publish(self) -> None:
        """Write the serving copy anew from the keystore. Raises what its files raise."""
        self.file.mark()
        with self._locked():
            ring = self.file.load()
            if self.serving is not None:
                self.serving.put(ring)

    def _publish(self, ring: KeyRing, *, under_a_fresh_master: bool = False) -> None:
        """After a change, which stands whatever becomes of the copy."""
        if self.serving is None:
            return
        try:
            if under_a_fresh_master:
                self.serving.change_master(ring)
            else:
                self.serving.put(ring)
        except (OSError, ValueError, KeystoreUnreadable) as fault:
            verb = "change-master" if under_a_fresh_master else "write-serving"
            self.left_behind = f"changed, but the serving copy is not ({fault}): keys {verb}"

    def note(self, entry: Entry) -> None:
        """Write a line of something that changed no key, such as a backup."""
        with self._locked():
            self._note([entry])

    def _note_begun(self, entries: list[Entry]) -> None:
        """A crash from here on leaves the numbers that were given, and nothing called done."""
        self._note([msgspec.structs.replace(one, action=BEGUN + one.action) for one in entries])

    def _note_what_was_done(self, ring: KeyRing) -> None:
        """End the journal of destructions that a crash cut short: done if the version is gone."""
        journal, begun = self.journal(), BEGUN + "destroy"
        done = {(one.kind, one.version) for one in journal if one.action == "destroy"}
        held = {(key.kind.value, key.version) for key in ring.keys}
        self._note(
            [
                msgspec.structs.replace(one, action="destroy")
                for one in journal
                if one.action == begun and (one.kind, one.version) not in done | held
            ]
        )

    def _note(self, entries: list[Entry]) -> None:
        if not entries:
            return
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        is_new = not self.journal_path.exists()
        with os.fdopen(os.open(self.journal_path, flags, 0o600), "ab") as file:
            for entry in entries:
                file.write(msgspec.json.encode(entry) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        if is_new:
            keystore.sync_folder(self.journal_path.parent)

    def _locked(self) -> AbstractContextManager[None]:
        return one_editor(self._lock_path, self._lock_within_s)


@contextmanager
def one_editor(lock: Path, within_s: float = LOCK_WITHIN_S) -> Iterator[None]:
    """Hold the lock file alone. Raises ``KeystoreBusy`` when it is not free within that time.

    The lock ends with the process that holds it, so a crash leaves none behind.
    """
    handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        until = time.monotonic() + within_s
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= until:
                    raise KeystoreBusy("somebody else is editing the keys") from None
                time.sleep(0.05)
        yield
    finally:
        os.close(handle)
