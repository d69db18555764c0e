"""The keystore file under editors: one at a time, whole or not at all, and its journal."""

import fcntl
import os
import stat
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from crypto import keystore
from crypto.errors import BadCiphertext, BadKey
from crypto.keyring import KeyKind, KeyRing
from service.kernel.live_ring import KeystoreUnreadable, LiveRing
from service.keys import changes
from service.keys.keystore_editing import (
    Entry,
    KeystoreBusy,
    KeystoreInTheWay,
)
from tests.unit.keys.keystore_rig import an_editor

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
RING = changes.new_ring(NOW, 52)
START = NOW + changes.ACTIVATION


def entry(action: str, **more: object) -> Entry:
    return Entry(at=NOW, action=action, **more)  # type: ignore[arg-type]


def rotate_token(ring: KeyRing) -> KeyRing:
    return changes.rotate(ring, KeyKind.TOKEN, NOW, START)


def test_a_new_keystore_is_its_owners_alone_and_never_written_over(tmp_path: Path) -> None:
    editor = an_editor(tmp_path)
    editor.create(RING, [entry("init")])
    assert editor.file.load().keys == RING.keys
    for path in tmp_path.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    with pytest.raises(KeystoreInTheWay):
        editor.create(RING, [entry("init")])
    assert [one.action for one in editor.journal()] == ["init"]


def test_a_change_is_there_whole_and_noted(tmp_path: Path) -> None:
    editor = an_editor(tmp_path, RING)
    ring = editor.change(rotate_token, lambda _: [entry("rotate", kind="token")])
    assert editor.file.load().keys == ring.keys
    assert ring.current(KeyKind.TOKEN, START).version == 2
    noted = [(one.action, one.kind) for one in editor.journal()]
    assert noted == [("begin rotate", "token"), ("rotate", "token")]


def test_the_same_ring_back_writes_nothing(tmp_path: Path) -> None:
    editor = an_editor(tmp_path, RING)
    before = editor.file.path.read_bytes()
    editor.change(lambda ring: ring, lambda _: [entry("rotate")])
    assert editor.file.path.read_bytes() == before
    assert editor.journal() == []


class PowerCut(Exception):
    """The machine stops here."""


@pytest.mark.parametrize("is_replaced", [False, True])
def test_a_destruction_is_noted_as_done_only_when_the_version_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_replaced: bool
) -> None:
    editor = an_editor(tmp_path, rotate_token(RING))
    rename = os.replace

    def cut(source: Path, target: Path) -> None:
        if is_replaced:
            rename(source, target)
        raise PowerCut

    with monkeypatch.context() as env:
        env.setattr(os, "replace", cut)
        with pytest.raises(PowerCut):
            editor.overwrite_and_change(
                lambda ring: changes.destroy(ring, KeyKind.TOKEN, 1),
                lambda _: [entry("destroy", kind="token", version=1)],
            )
    assert [one.action for one in editor.journal()] == ["begin destroy"]
    editor.change(
        lambda ring: changes.rotate(ring, KeyKind.AUDIT, NOW, START), lambda _: [entry("rotate")]
    )
    done = [(one.kind, one.version) for one in editor.journal() if one.action == "destroy"]
    assert done == ([("token", 1)] if is_replaced else [])
    editor.change(rotate_token, lambda _: [])
    assert [one.action for one in editor.journal()].count("destroy") == len(done)


def test_a_refused_change_writes_nothing(tmp_path: Path) -> None:
    editor = an_editor(tmp_path, RING)
    before = editor.file.path.read_bytes()
    with pytest.raises(changes.ChangeRefused):
        editor.change(
            lambda ring: changes.destroy(ring, KeyKind.TOKEN, 1), lambda _: [entry("destroy")]
        )
    assert editor.file.path.read_bytes() == before
    assert editor.journal() == []


def test_a_second_editor_waits_for_a_bounded_time(tmp_path: Path) -> None:
    editor = an_editor(tmp_path, RING, wait_s=0.2)
    handle = os.open(tmp_path / "keystore.lock", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(handle, fcntl.LOCK_EX)
    with pytest.raises(KeystoreBusy):
        editor.change(rotate_token, lambda _: [])
    os.close(handle)
    assert editor.change(rotate_token, lambda _: []).current(KeyKind.TOKEN, START).version == 2


def test_changes_of_many_editors_all_count(tmp_path: Path) -> None:
    an_editor(tmp_path, RING)
    kinds = [KeyKind.TOKEN, KeyKind.COLUMN, KeyKind.ROW_MAC, KeyKind.TILL, KeyKind.AUDIT]

    def edit(kind: KeyKind) -> None:
        an_editor(tmp_path, wait_s=10).change(
            lambda ring: changes.rotate(ring, kind, NOW, START),
            lambda _: [entry("rotate", kind=kind.value)],
        )

    threads = [threading.Thread(target=edit, args=(kind,)) for kind in kinds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ring = an_editor(tmp_path).file.load()
    assert {kind for kind in KeyKind if ring.current(kind, START).version == 2} == set(kinds)


def test_destroying_overwrites_the_old_file(tmp_path: Path) -> None:
    editor = an_editor(tmp_path, rotate_token(RING))
    old = editor.file.path.open("rb")
    sealed = old.read()
    ring = editor.overwrite_and_change(
        lambda before: changes.destroy(before, KeyKind.TOKEN, 1),
        lambda _: [entry("destroy", kind="token", version=1)],
    )
    with pytest.raises(BadKey):
        ring.accepted(KeyKind.TOKEN, 1, START)
    old.seek(0)
    assert sealed[5:] not in old.read()
    old.close()
    noted = [(one.action, one.kind, one.version) for one in editor.journal()]
    assert noted == [("begin destroy", "token", 1), ("destroy", "token", 1)]


def test_a_changed_master_key_opens_the_same_ring_and_the_old_one_nothing(tmp_path: Path) -> None:
    editor = an_editor(tmp_path, RING)
    live = LiveRing.following(editor.file)
    old = bytes.fromhex(editor.file.master_file.read_text())
    editor.change_master(entry("change-master"))
    assert editor.file.load().keys == RING.keys
    assert not editor.file.next_master_file.exists()
    assert stat.S_IMODE(editor.file.master_file.stat().st_mode) == 0o600
    live.refresh()
    assert live.fault is None
    with pytest.raises(BadCiphertext):
        keystore.load(editor.file.path, old)


@pytest.mark.parametrize("sealed_already", [False, True])
def test_a_change_of_master_keys_that_a_crash_cut_short_is_taken_up(
    tmp_path: Path, sealed_already: bool
) -> None:
    editor = an_editor(tmp_path, RING)
    fresh = keystore.new_master_key()
    editor.file.next_master_file.write_text(fresh.hex())
    if sealed_already:
        old = bytes.fromhex(editor.file.master_file.read_text())
        keystore.change_master(editor.file.path, old, fresh)
    assert editor.file.load().keys == RING.keys
    editor.change_master(entry("change-master"))
    assert editor.file.load().keys == RING.keys
    assert not editor.file.next_master_file.exists()
    assert editor.file.master_file.read_text() != fresh.hex()


def test_a_backup_put_back_keeps_the_file_that_was_there(tmp_path: Path) -> None:
    editor = an_editor(tmp_path, RING)
    with pytest.raises(KeystoreInTheWay):
        editor.put_back(RING, [entry("restore")], replace=False)
    editor.file.path.write_bytes(b"damaged")
    with pytest.raises(KeystoreUnreadable):
        editor.file.load()
    editor.put_back(RING, [entry("restore")], replace=True)
    assert editor.file.load().keys == RING.keys
    assert (tmp_path / "keystore.before-restore").read_bytes() == b"damaged"
    first = editor.file.path.read_bytes()
    newer = rotate_token(RING)
    editor.put_back(newer, [entry("restore")], replace=True)
    assert (tmp_path / "keystore.before-restore").read_bytes() == b"damaged"
    assert (tmp_path / "keystore.before-restore-2").read_bytes() == first
    assert editor.file.load().keys == newer.keys


@pytest.mark.parametrize("content", [b"zz", b"\xff", b"00" * 31, b""])
def test_a_restore_without_a_master_key_leaves_the_keystore_where_it_was(
    tmp_path: Path, content: bytes
) -> None:
    editor = an_editor(tmp_path, RING)
    before, master = editor.file.path.read_bytes(), editor.file.master_file.read_bytes()
    editor.file.master_file.write_bytes(content)
    with pytest.raises(KeystoreUnreadable, match="no master key"):
        editor.put_back(RING, [entry("restore")], replace=True)
    assert editor.file.path.read_bytes() == before
    assert not (tmp_path / "keystore.before-restore").exists()
    editor.file.master_file.write_bytes(master)
    assert editor.file.load().keys == RING.keys


def test_a_journal_with_strange_lines_is_still_read(tmp_path: Path) -> None:
    editor = an_editor(tmp_path, RING)
    editor.note(entry("destroy", kind="token", version=1))
    with editor.journal_path.open("ab") as file:
        file.write(b"\xff\n{}\nnull\n")
    editor.note(entry("backup"))
    assert [one.action for one in editor.journal()] == ["destroy", "backup"]
