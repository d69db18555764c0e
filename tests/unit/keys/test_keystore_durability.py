"""What a power cut may not undo: a name means the new file before the old bytes are overwritten."""

import os
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from crypto import keystore
from crypto.keyring import KeyKind
from service.keys import changes
from service.keys.keystore_editing import Entry
from service.keys.private_files import write_private
from tests.unit.keys.keystore_rig import an_editor

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
RING = changes.rotate(changes.new_ring(NOW, 52), KeyKind.TOKEN, NOW, NOW + changes.ACTIVATION)


class Disk:
    """What was made durable, in order: inodes of files, and what each name meant at that time."""

    def __init__(self, folder: Path, env: pytest.MonkeyPatch) -> None:
        self._folder, self._fsync = folder, os.fsync
        self.synced: list[int | dict[str, int]] = []
        env.setattr(os, "fsync", self._seen)

    def _seen(self, handle: int) -> None:
        self._fsync(handle)
        found = os.fstat(handle)
        names = {path.name: path.stat().st_ino for path in self._folder.iterdir()}
        self.synced.append(names if stat.S_ISDIR(found.st_mode) else found.st_ino)

    def name_moved_before_overwriting(self, name: str, old: int, new: int) -> bool:
        """Some sync of the folder held the new inode, and the old one was written after it."""
        moved = [
            at
            for at, one in enumerate(self.synced)
            if isinstance(one, dict) and one.get(name) == new
        ]
        return bool(moved) and old in self.synced[moved[0] :] and old not in self.synced[: moved[0]]

    def holds(self, path: Path) -> bool:
        """A sync of the folder held the file that the name means now, whose bytes were synced."""
        inode = path.stat().st_ino
        named = [one for one in self.synced if isinstance(one, dict)]
        return inode in self.synced and any(one.get(path.name) == inode for one in named)


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(tmp_path, monkeypatch)


def test_a_new_and_a_replaced_keystore_are_durable_under_their_name(
    tmp_path: Path, disk: Disk
) -> None:
    path, master = tmp_path / "keystore", keystore.new_master_key()
    keystore.create(path, RING, master)
    assert disk.holds(path)
    keystore.replace(path, RING, master)
    assert disk.holds(path)


def test_a_destroyed_key_is_overwritten_only_when_the_new_file_has_the_name(
    tmp_path: Path, disk: Disk
) -> None:
    editor = an_editor(tmp_path, RING)
    old = editor.file.path.stat().st_ino
    disk.synced.clear()
    with editor.file.path.open("rb"):
        editor.overwrite_and_change(
            lambda ring: changes.destroy(ring, KeyKind.TOKEN, 1),
            lambda _: [Entry(at=NOW, action="destroy", kind="token", version=1)],
        )
        new = editor.file.path.stat().st_ino
        assert disk.name_moved_before_overwriting("keystore", old, new)
    assert disk.holds(editor.journal_path)


def test_an_old_master_key_is_overwritten_only_when_the_new_one_has_the_name(
    tmp_path: Path, disk: Disk
) -> None:
    editor = an_editor(tmp_path, RING)
    old = editor.file.master_file.stat().st_ino
    with editor.file.master_file.open("rb"):
        editor.change_master(Entry(at=NOW, action="change-master"))
        new = editor.file.master_file.stat().st_ino
        assert disk.name_moved_before_overwriting("master", old, new)
    assert disk.holds(editor.file.path)


def test_a_private_file_is_durable_and_never_written_over(tmp_path: Path, disk: Disk) -> None:
    path = tmp_path / "backup"
    write_private(path, b"first")
    assert disk.holds(path)
    with pytest.raises(FileExistsError, match="backup is there already"):
        write_private(path, b"second")
    assert path.read_bytes() == b"first"
    assert [one.name for one in tmp_path.iterdir()] == ["backup"]
