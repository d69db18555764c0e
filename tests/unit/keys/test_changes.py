"""Changes of a ring: what each leaves behind, and what is refused."""

from datetime import UTC, datetime, timedelta

import pytest

from crypto.errors import BadKey
from crypto.keyring import ISSUER_KINDS, LISTED_KINDS, KeyKind, KeyRing
from service.kernel.clock import CLOCKS_APART
from service.kernel.live_ring import days_left
from service.keys import changes
from service.keys.changes import ChangeRefused, Known, State
from service.keys.schedule import ACTIVATION, FIXED, LEAD, OVERLAP, PERIODS

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
RING = changes.new_ring(NOW, 52)
ROTATED_KINDS = [kind for kind in KeyKind if kind not in FIXED]


def rotated(kind: KeyKind, ring: KeyRing = RING, at: datetime = NOW) -> KeyRing:
    return changes.rotate(ring, kind, at, at + ACTIVATION)


def test_every_kind_is_in_the_calendar_or_fixed_with_a_reason() -> None:
    assert set(PERIODS) | set(FIXED) == set(KeyKind)
    assert not set(PERIODS) & set(FIXED)


@pytest.mark.parametrize("kind", list(KeyKind))
def test_a_new_ring_has_each_kind_for_its_life(kind: KeyKind) -> None:
    key = RING.current(kind, NOW)
    assert (key.version, key.use_from) == (1, NOW)
    if kind not in FIXED:
        assert key.use_until == NOW + PERIODS[kind].life
    assert (key.accept_until is not None) or kind not in LISTED_KINDS


@pytest.mark.parametrize("kind", ROTATED_KINDS)
def test_a_rotated_key_is_accepted_by_all_before_it_is_used(kind: KeyKind) -> None:
    ring = rotated(kind)
    start = NOW + ACTIVATION
    assert ring.accepted(kind, 2, NOW).use_from == start
    assert ring.current(kind, start - SECOND).version == 1
    assert ring.current(kind, start).version == 2
    assert ring.accepted(kind, 1, start).use_until == start + OVERLAP
    assert ring.current(kind, start).use_until == start + PERIODS[kind].life


@pytest.mark.parametrize("kind", ROTATED_KINDS)
def test_the_old_version_is_accepted_for_as_long_as_its_work_counts(kind: KeyKind) -> None:
    ring = rotated(kind)
    end, after = NOW + ACTIVATION + OVERLAP, PERIODS[kind].accepted_after
    if after is None:
        assert ring.accepted(kind, 1, NOW + 36_000 * DAY).version == 1
        return
    assert ring.accepted(kind, 1, end + after - SECOND).version == 1
    with pytest.raises(BadKey):
        ring.accepted(kind, 1, end + after)


def test_a_pseudonym_key_is_never_rotated_and_says_why() -> None:
    with pytest.raises(ChangeRefused, match="another patient"):
        rotated(KeyKind.INSTITUTION_PSEUDONYM)


def test_a_start_before_all_processes_know_the_key_is_refused() -> None:
    with pytest.raises(ChangeRefused, match="60 s"):
        changes.rotate(RING, KeyKind.TOKEN, NOW, NOW + ACTIVATION - SECOND)


def test_windows_begin_on_whole_seconds() -> None:
    odd = NOW + timedelta(microseconds=1)
    ring = changes.rotate(RING, KeyKind.ISSUER_ONCE, odd, odd + ACTIVATION)
    assert ring.keys[-1].use_from.microsecond == 0
    assert ring.accepted(KeyKind.ISSUER_ONCE, 2, NOW).use_from == NOW + ACTIVATION + SECOND


def test_public_ids_end_with_their_letters() -> None:
    ring, at = RING, NOW
    for _ in range(25):
        ring, at = rotated(KeyKind.PUBLIC_ID, ring, at), at + DAY
    assert ring.current(KeyKind.PUBLIC_ID, at).version == 26
    with pytest.raises(ChangeRefused, match="26"):
        rotated(KeyKind.PUBLIC_ID, ring, at)


def test_the_calendar_never_leaves_a_kind_without_a_key() -> None:
    """Four years of a nightly job: no gap, no warning, and the number of versions is bounded."""
    ring = RING
    for day in range(4 * 365):
        now = NOW + day * DAY
        assert not changes.short(ring, now), now
        for kind, start in changes.due(ring, now):
            ring = changes.rotate(ring, kind, now, start)
            assert start - now >= ACTIVATION
            if kind in LISTED_KINDS:
                assert start - now >= LEAD
        assert all(ring.current(kind, now) for kind in KeyKind)
    bound = ring.current(KeyKind.ISSUER_BOUND, now).version
    assert 15 <= bound <= 25


def test_a_calendar_that_nobody_kept_warns_and_then_mends_at_once() -> None:
    late = NOW + PERIODS[KeyKind.TOKEN].life - 3 * DAY
    assert KeyKind.TOKEN in dict(changes.short(RING, late))
    assert dict(changes.due(RING, late))[KeyKind.TOKEN] == late + ACTIVATION
    listed = NOW + PERIODS[KeyKind.ISSUER_ONCE].life - 3 * DAY
    start = dict(changes.due(RING, listed))[KeyKind.ISSUER_ONCE]
    assert start == NOW + PERIODS[KeyKind.ISSUER_ONCE].life - OVERLAP
    ring = changes.rotate(RING, KeyKind.ISSUER_ONCE, listed, start)
    assert days_left(ring, KeyKind.ISSUER_ONCE, listed) > 90
    over = NOW + PERIODS[KeyKind.TOKEN].life + DAY
    assert dict(changes.due(RING, over))[KeyKind.TOKEN] == over + ACTIVATION


def test_closing_needs_a_successor() -> None:
    at = NOW + 10 * DAY
    with pytest.raises(ChangeRefused, match="rotate first"):
        changes.close(RING, KeyKind.ISSUER_BOUND, 1, at, at)
    ring = rotated(KeyKind.ISSUER_BOUND)
    closed = changes.close(ring, KeyKind.ISSUER_BOUND, 1, NOW + SECOND, at)
    assert closed.accepted(KeyKind.ISSUER_BOUND, 1, NOW).use_until == NOW + SECOND
    with pytest.raises(BadKey):
        changes.close(closed, KeyKind.ISSUER_BOUND, 1, at, at)


def test_a_cut_off_is_never_in_the_future() -> None:
    kind = KeyKind.ISSUER_BOUND
    at = NOW + CLOCKS_APART
    assert changes.cut_off(RING, kind, 1, at, NOW).current(kind, NOW).cut_off == at
    with pytest.raises(ChangeRefused, match="never be taken back"):
        changes.cut_off(RING, kind, 1, at + SECOND, NOW)


@pytest.mark.parametrize("kind", ROTATED_KINDS)
def test_a_start_is_bounded_and_every_list_can_be_written(kind: KeyKind) -> None:
    furthest = NOW + changes.AHEAD_MAX
    with pytest.raises(ChangeRefused, match="730 days"):
        changes.rotate(RING, kind, NOW, furthest + SECOND)
    end = furthest + PERIODS[kind].life + (PERIODS[kind].accepted_after or 0 * DAY)
    assert end.timestamp() < 1 << 32


def test_only_keys_of_the_trust_list_are_cut_off() -> None:
    ring = changes.cut_off(RING, KeyKind.ISSUER_PRINTED, 1, NOW + SECOND, NOW)
    assert ring.current(KeyKind.ISSUER_PRINTED, NOW).cut_off == NOW + SECOND
    with pytest.raises(ChangeRefused):
        changes.cut_off(RING, KeyKind.TOKEN, 1, NOW, NOW)
    with pytest.raises(BadKey):
        changes.cut_off(ring, KeyKind.ISSUER_PRINTED, 1, NOW, NOW)


@pytest.mark.parametrize("kind", ROTATED_KINDS)
def test_a_destroyed_version_is_gone_and_its_number_is_never_given_again(kind: KeyKind) -> None:
    with pytest.raises(ChangeRefused, match="rotate first"):
        changes.destroy(RING, kind, 1)
    ring = changes.destroy(rotated(kind), kind, 1)
    with pytest.raises(BadKey):
        ring.accepted(kind, 1, NOW)
    again = rotated(kind, ring, NOW + DAY)
    assert again.current(kind, NOW + 2 * DAY).version == 3
    ids = [k.code_key_id for k in (*rotated(kind).keys, *again.keys[-1:]) if k.code_key_id]
    if kind in LISTED_KINDS:
        fresh = again.current(kind, NOW + 2 * DAY).code_key_id
        assert fresh not in {key.code_key_id for key in rotated(kind).keys}
    assert len(ids) == len(set(ids)) or kind not in LISTED_KINDS


def test_a_restored_ring_voids_old_codes_and_stays_without_destroyed_keys() -> None:
    ring, later = rotated(KeyKind.COLUMN), NOW + DAY
    known = Known(destroyed=frozenset({("column", 1)}), newest={"column": 2})
    back = changes.after_restore(ring, later, known, epochs_kept=False)
    with pytest.raises(BadKey):
        back.accepted(KeyKind.COLUMN, 1, later)
    for key in back.keys:
        assert key.cut_off == (later if key.kind in ISSUER_KINDS else None)
    kept = changes.after_restore(ring, later, Known(), epochs_kept=True)
    assert kept.keys == ring.keys
    cut = changes.cut_off(ring, KeyKind.ISSUER_ONCE, 1, later + DAY, later + DAY)
    further = changes.after_restore(cut, later, Known(), epochs_kept=False)
    assert further.current(KeyKind.ISSUER_ONCE, later).cut_off == later + DAY


@pytest.mark.parametrize("kind", ISSUER_KINDS)
@pytest.mark.parametrize("is_before_the_rotation", [False, True])
def test_what_was_closed_and_cut_off_is_so_again_after_a_restore(
    kind: KeyKind, is_before_the_rotation: bool
) -> None:
    ring = rotated(kind)
    closed, cut, later = NOW + SECOND, NOW + 20 * SECOND, NOW + DAY
    stopped = changes.close(ring, kind, 1, closed, later)
    stopped = changes.cut_off(stopped, kind, 1, cut, later)
    known = Known(
        closed={(kind.value, 1): closed}, cut_off={(kind.value, 1): cut}, newest={kind.value: 2}
    )
    kept = RING if is_before_the_rotation else ring
    back = changes.after_restore(kept, later, known, epochs_kept=True)
    old, was = (of.accepted(kind, 1, NOW) for of in (back, stopped))
    assert (old.use_until, old.cut_off) == (closed, cut)
    assert is_before_the_rotation or old == was
    further = changes.after_restore(stopped, later, known, epochs_kept=True)
    assert further.accepted(kind, 1, NOW) == was


def test_a_version_that_was_rotated_since_its_backup_ends_as_in_a_rotation() -> None:
    kind, later = KeyKind.ISSUER_PRINTED, NOW + DAY
    known = Known(newest={kind.value: 2})
    back = changes.after_restore(RING, later, known, epochs_kept=True)
    old = back.accepted(kind, 1, later)
    after = PERIODS[kind].accepted_after
    assert after is not None
    assert (old.use_until, old.accept_until) == (later + OVERLAP, later + OVERLAP + after)


@pytest.mark.parametrize("kind", ROTATED_KINDS)
@pytest.mark.parametrize("destroyed", [False, True])
def test_a_backup_older_than_a_rotation_gives_no_number_twice(
    kind: KeyKind, destroyed: bool
) -> None:
    lost = rotated(kind).accepted(kind, 2, NOW)
    known = Known(
        destroyed=frozenset({(kind.value, 1)} if destroyed else ()),
        newest={kind.value: 2},
        code_key_id=lost.code_key_id or 0,
    )
    later = NOW + DAY
    back = changes.after_restore(RING, later, known, epochs_kept=True)
    fresh = back.current(kind, later)
    assert (fresh.version, fresh.use_from) == (3, later)
    assert fresh.material != lost.material
    if kind in LISTED_KINDS:
        assert lost.code_key_id is not None
        assert fresh.code_key_id == lost.code_key_id + 1
    versions = [key.version for key in back.keys if key.kind is kind]
    assert versions == ([3] if destroyed else [1, 3])
    assert len(back.keys) == len(RING.keys) + (0 if destroyed else 1)


def test_states_say_what_a_version_may_do() -> None:
    ring = rotated(KeyKind.ISSUER_ONCE)
    old, new = (key for key in ring.keys if key.kind is KeyKind.ISSUER_ONCE)
    start = NOW + ACTIVATION
    states = [
        (changes.state_of(ring, old, at), changes.state_of(ring, new, at))
        for at in (NOW, start, start + OVERLAP, start + 3 * DAY)
    ]
    assert states == [
        (State.IN_USE, State.WAITING),
        (State.SUPERSEDED, State.IN_USE),
        (State.ACCEPTED, State.IN_USE),
        (State.EXPIRED, State.IN_USE),
    ]
