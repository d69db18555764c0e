"""No kind is ever left without a key: what rotation, destruction and a nightly job refuse."""

import argparse
import re
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from crypto.keyring import KeyKind, KeyRing
from service.keys import changes, verbs
from service.keys.changes import ChangeRefused
from service.keys.schedule import ACTIVATION, FIXED, PERIODS
from tests.unit.keys.keystore_rig import an_editor

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
RING = changes.new_ring(NOW, 52)
BOUND = KeyKind.ISSUER_BOUND
ROTATED_KINDS = [kind for kind in KeyKind if kind not in FIXED]


def a_desk(folder: Path, now: datetime, ring: KeyRing | None = None, **asked: object) -> verbs.Desk:
    return verbs.Desk(
        arguments=argparse.Namespace(**{"public": None} | asked),
        editor=an_editor(folder, ring, wait_s=10),
        now=now,
        passphrase=lambda _name, _is_new: "",
        needed=lambda _kind, _version: {},
    )


def destroyed(
    folder: Path, ring: KeyRing, kind: KeyKind, now: datetime, force: str | None = None
) -> list[int]:
    """The versions left after ``keys destroy KIND 2``, or 1 where 2 is the newest."""
    folder.mkdir()
    version = min(2, max(key.version for key in ring.keys if key.kind is kind) - 1)
    desk = a_desk(folder, now, ring, kind=kind.value, version=version, force=force)
    verbs.destroy(desk)
    return [key.version for key in desk.editor.file.load().keys if key.kind is kind]


@pytest.mark.parametrize("kind", ROTATED_KINDS)
def test_a_start_after_the_present_key_ends_is_refused_and_says_the_gap(kind: KeyKind) -> None:
    end = NOW + PERIODS[kind].life
    late, now = end + 3 * DAY, end - 30 * DAY
    with pytest.raises(ChangeRefused) as refused:
        changes.rotate(RING, kind, now, late)
    assert f"from {end.isoformat()} to {late.isoformat()}" in str(refused.value)
    ring = changes.rotate(RING, kind, now, end)
    assert not changes.uncovered(ring, kind, now, end + PERIODS[kind].life)


def test_the_end_of_time_is_no_start() -> None:
    with pytest.raises(ChangeRefused, match="at the latest 730 days"):
        changes.rotate(RING, KeyKind.TOKEN, NOW, datetime.max.replace(tzinfo=UTC))


def test_a_kind_that_has_no_key_gets_one_at_once_and_not_later() -> None:
    now = NOW + 91 * DAY
    with pytest.raises(ChangeRefused, match="start the new one by"):
        changes.rotate(RING, BOUND, now, now + 14 * DAY)
    ring = changes.rotate(RING, BOUND, now, now + ACTIVATION)
    assert ring.current(BOUND, now + ACTIVATION).version == 2


def test_a_waiting_version_that_alone_covers_a_time_is_destroyed_only_by_force(
    tmp_path: Path,
) -> None:
    ring = changes.rotate(RING, BOUND, NOW, NOW + 14 * DAY)
    ring = changes.rotate(ring, BOUND, NOW, NOW + 20 * DAY)
    begin, end = NOW + 14 * DAY + MINUTE, NOW + 20 * DAY
    with pytest.raises(ChangeRefused) as refused:
        destroyed(tmp_path / "asked", ring, BOUND, NOW)
    assert f"from {begin.isoformat()} to {end.isoformat()}" in str(refused.value)
    assert destroyed(tmp_path / "forced", ring, BOUND, NOW, "destroy issuer_bound 2") == [1, 3]
    mended = changes.rotate(ring.without(BOUND, 2), BOUND, NOW, begin)
    assert not changes.uncovered(mended, BOUND, NOW, NOW + 104 * DAY)


def test_a_waiting_version_that_nothing_needs_may_go(tmp_path: Path) -> None:
    ring = changes.rotate(RING, BOUND, NOW, NOW + 20 * DAY)
    ring = changes.rotate(ring, BOUND, NOW, NOW + 14 * DAY)
    first, second, third = (key for key in ring.keys if key.kind is BOUND)
    assert first.use_until > third.use_from
    with pytest.raises(ChangeRefused, match="rotate first"):
        destroyed(tmp_path / "longest", ring, BOUND, NOW)
    ring = changes.rotate(ring, BOUND, NOW, third.use_until)
    closed = changes.close(ring, BOUND, 2, second.use_from + DAY, NOW)
    assert destroyed(tmp_path / "closed", closed, BOUND, NOW) == [1, 3, 4]


def test_an_expired_version_goes_though_its_kind_has_a_gap_already(tmp_path: Path) -> None:
    now = NOW + 200 * DAY
    ring = changes.rotate(RING, BOUND, now, now + ACTIVATION)
    assert destroyed(tmp_path / "lapsed", ring, BOUND, now) == [2]


@pytest.mark.parametrize("kind", [KeyKind.INDEX_ROOT, BOUND, KeyKind.TRANSPORT, KeyKind.TOKEN])
@pytest.mark.parametrize("is_development", [False, True])
def test_a_version_goes_when_its_work_has_ended_by_every_clock(
    tmp_path: Path, kind: KeyKind, is_development: bool
) -> None:
    ring = KeyRing.generate_for_development(NOW) if is_development else RING
    ring = changes.rotate(ring, kind, NOW, NOW + ACTIVATION)
    first = next(key for key in ring.keys if key.kind is kind)
    end = changes.counts_until(first)
    assert end == first.use_until + (PERIODS[kind].accepted_after or DAY)
    for early in (6 * MINUTE, end - first.use_until - MINUTE):
        with pytest.raises(ChangeRefused, match=re.escape(f"counts until {end.isoformat()}")):
            destroyed_first(tmp_path, ring, kind, first.use_until + early)
    with pytest.raises(ChangeRefused, match="clock is behind"):
        destroyed_first(tmp_path, ring, kind, end + 4 * MINUTE)
    assert destroyed_first(tmp_path, ring, kind, end + 5 * MINUTE) == [2]


def destroyed_first(folder: Path, ring: KeyRing, kind: KeyKind, now: datetime) -> list[int]:
    desk = a_desk(folder, now, kind=kind.value, version=1, force=None)
    if not desk.editor.file.path.exists():
        an_editor(folder, ring)
    verbs.destroy(desk)
    return [key.version for key in desk.editor.file.load().keys if key.kind is kind]


def test_three_nightly_jobs_at_once_rotate_each_kind_once(tmp_path: Path) -> None:
    an_editor(tmp_path, RING)
    now = NOW + 65 * DAY
    due = {kind for kind, _ in changes.due(RING, now)}
    assert KeyKind.TOKEN in due
    at_once, said = threading.Barrier(3), []

    def job() -> None:
        desk = a_desk(tmp_path, now, kind=None, due=True, start=None)
        at_once.wait()
        said.append(verbs.rotate(desk))

    jobs = [threading.Thread(target=job) for _ in range(3)]
    for one in jobs:
        one.start()
    for one in jobs:
        one.join()
    ring = an_editor(tmp_path).file.load()
    newest = {kind: max(key.version for key in ring.keys if key.kind is kind) for kind in due}
    assert set(newest.values()) == {2}
    assert said.count(["no kind is due"]) == 2
