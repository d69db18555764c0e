"""The ring of a running process: it follows the file, and keeps the last ring when it must."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from crypto import keystore
from crypto.keyring import KeyKind, KeyRing
from service.kernel.context import PublicIds
from service.kernel.live_ring import (
    KeystoreFile,
    KeystoreUnreadable,
    LiveRing,
    RingReport,
    days_left,
)
from service.kernel.metrics import Metrics
from tests.support.clock import FakeClock

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)


class Files:
    """A keystore in a folder, with its master key beside it."""

    def __init__(self, folder: Path, ring: KeyRing) -> None:
        self.master = keystore.new_master_key()
        self.path, master_file = folder / "keystore", folder / "master"
        master_file.write_text(self.master.hex())
        keystore.create(self.path, ring, self.master)
        self.source = KeystoreFile(self.path, master_file)

    def put(self, ring: KeyRing) -> None:
        keystore.replace(self.path, ring, self.master)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path, KeyRing.generate_for_development(NOW))


def rotated(ring: KeyRing, kind: KeyKind) -> KeyRing:
    return ring.rotated(kind, NOW, life=90 * DAY, overlap=MINUTE)


def test_a_changed_file_changes_every_look_up(files: Files) -> None:
    live = LiveRing.following(files.source)
    before = live.snapshot
    assert not live.refresh()
    assert live.snapshot is before
    files.put(rotated(before, KeyKind.TOKEN))
    assert live.current(KeyKind.TOKEN, NOW).version == 1
    assert live.refresh()
    assert live.current(KeyKind.TOKEN, NOW).version == 2
    old = before.current(KeyKind.TOKEN, NOW)
    assert live.accepted(KeyKind.TOKEN, 1, NOW).material == old.material
    assert [key.version for key in live.all_accepted(KeyKind.TOKEN, NOW)] == [2, 1]
    assert len(live.keys) == len(before.keys) + 1
    issuer = live.current(KeyKind.ISSUER_ONCE, NOW)
    assert live.by_code_key_id(issuer.code_key_id or 0) == issuer
    assert before.current(KeyKind.TOKEN, NOW).version == 1


def test_a_file_that_does_not_open_keeps_the_last_ring(files: Files) -> None:
    live = LiveRing.following(files.source)
    before = live.snapshot
    metrics = Metrics()
    report = RingReport(metrics, FakeClock(NOW))
    good = files.path.read_bytes()
    for broken in (good[:-1], b"", bytes(2 << 20)):
        files.path.write_bytes(broken)
        for _ in range(3):
            report(live, live.refresh())
        assert live.snapshot is before
        assert live.fault
    files.path.unlink()
    report(live, live.refresh())
    assert live.snapshot is before
    assert b'yimatong_alarms_total{kind="keystore-unreadable"} 2.0' in metrics.text()
    files.put(rotated(before, KeyKind.TOKEN))
    report(live, live.refresh())
    assert live.fault is None
    assert live.current(KeyKind.TOKEN, NOW).version == 2


def test_a_keystore_that_cannot_be_opened_at_the_start_is_refused(files: Files) -> None:
    files.source.master_file.write_text(keystore.new_master_key().hex())
    with pytest.raises(KeystoreUnreadable):
        LiveRing.following(files.source)
    files.source.master_file.unlink()
    with pytest.raises(KeystoreUnreadable):
        LiveRing.following(files.source)


def test_a_master_key_in_the_middle_of_its_change_opens_the_file(files: Files) -> None:
    live = LiveRing.following(files.source)
    fresh = keystore.new_master_key()
    files.source.next_master_file.write_text(fresh.hex())
    assert files.source.open()[1] == files.master
    keystore.change_master(files.path, files.master, fresh)
    assert live.refresh()
    assert live.fault is None
    assert files.source.open()[1] == fresh


async def test_a_change_counts_within_two_seconds(files: Files) -> None:
    live = LiveRing.following(files.source)
    stop, seen = asyncio.Event(), asyncio.Event()

    def said(_ring: LiveRing, changed: bool) -> None:
        if changed:
            seen.set()

    following = asyncio.create_task(live.follow(stop, said))
    files.put(rotated(live.snapshot, KeyKind.COLUMN))
    async with asyncio.timeout(30):
        await seen.wait()
    assert live.current(KeyKind.COLUMN, NOW).version == 2
    stop.set()
    async with asyncio.timeout(30):
        await following


def test_public_ids_follow_the_ring_and_never_a_replaced_key(files: Files) -> None:
    live = LiveRing.following(files.source)
    ids = PublicIds(live, FakeClock(NOW))
    old = ids.text(1, 2)
    files.put(rotated(live.snapshot, KeyKind.PUBLIC_ID))
    live.refresh()
    new = ids.text(1, 2)
    assert (old[0], new[0]) == ("A", "B")
    assert ids.parse(old) == ids.parse(new) == (1, 2)
    files.put(KeyRing.generate_for_development(NOW))
    live.refresh()
    other = ids.text(1, 2)
    assert other[0] == "A"
    assert other != old
    assert ids.parse(other) == (1, 2)


def test_days_left_counts_versions_that_follow_without_a_gap() -> None:
    ring = KeyRing.generate(NOW, life=10 * DAY, province=99)
    assert days_left(ring, KeyKind.TOKEN, NOW) == 10
    longer = ring.rotated(KeyKind.TOKEN, NOW + 8 * DAY, life=10 * DAY, overlap=MINUTE)
    assert days_left(longer, KeyKind.TOKEN, NOW) == 18
    after_a_gap = replace(longer.current(KeyKind.TOKEN, NOW + 8 * DAY), use_from=NOW + 11 * DAY)
    late = ring.with_key(after_a_gap)
    assert days_left(late, KeyKind.TOKEN, NOW + 10 * DAY) == 0
    assert days_left(ring, KeyKind.TOKEN, NOW + 12 * DAY) == 0
