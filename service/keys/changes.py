"""Changes of a ring, one function a change. Pure: a ring and a time go in, a ring comes out.

Each refuses what would leave the platform without a key, or lose what only that key opens.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from crypto.keyring import ISSUER_KINDS, Key, KeyKind, KeyRing
from service.kernel.clock import CLOCKS_APART
from service.kernel.live_ring import days_left
from service.keys import schedule
from service.keys.schedule import (
    ACTIVATION,
    FIXED,
    FIXED_LIFE,
    OVERLAP,
    PERIODS,
    SESSION_LIFE,
)

PUBLIC_ID_VERSIONS = 26
AHEAD_MAX = 730 * schedule.DAY
"""Instants of the trust list have four bytes: one key far ahead would spoil every ceremony."""
_AT_ONCE = 2 * ACTIVATION
"""As soon as a person can have a key in use: the activation, and a moment to type."""
_A_SECOND = timedelta(seconds=1)


class ChangeRefused(Exception):
    """The change would do harm; the text says what and what to do instead."""


class State(StrEnum):
    """Where a version is in its life."""

    WAITING = "waiting"
    IN_USE = "in use"
    SUPERSEDED = "superseded"
    ACCEPTED = "accepted"
    EXPIRED = "expired"


def state_of(ring: KeyRing, key: Key, now: datetime) -> State:
    """What a version may do now."""
    if now < key.use_from:
        return State.WAITING
    if key.is_usable(now):
        newest = ring.current(key.kind, now).version == key.version
        return State.IN_USE if newest else State.SUPERSEDED
    return State.ACCEPTED if key.is_accepted(now) else State.EXPIRED


def new_ring(now: datetime, province: int) -> KeyRing:
    """Version 1 of every kind, usable at once, each for the life of its kind."""
    begin = now.replace(microsecond=0)
    ring = KeyRing.generate(begin, life=FIXED_LIFE, province=province)
    return KeyRing(_with_period(key) for key in ring.keys)


def _with_period(key: Key) -> Key:
    if key.kind in FIXED:
        return key
    period = PERIODS[key.kind]
    until = key.use_from + period.life
    after = period.accepted_after
    return replace(key, use_until=until, accept_until=None if after is None else until + after)


def default_start(kind: KeyKind, now: datetime) -> datetime:
    """When a version made now may sign first, unless somebody says otherwise."""
    return now + (PERIODS[kind].lead if kind in PERIODS else ACTIVATION)


def uncovered(
    ring: KeyRing, kind: KeyKind, begin: datetime, until: datetime
) -> list[tuple[datetime, datetime]]:
    """The times in [begin, until) in which no version of the kind may protect anything."""
    gaps, at = [], begin
    windows = sorted((key.use_from, key.use_until) for key in ring.keys if key.kind is kind)
    for use_from, use_until in windows:
        if min(use_from, until) > at:
            gaps.append((at, min(use_from, until)))
        at = max(at, use_until)
    if at < until:
        gaps.append((at, until))
    return gaps


def _refuse_gap(ring: KeyRing, kind: KeyKind, now: datetime, start: datetime) -> None:
    """A gap that no rotation can avoid any more is no reason to refuse one."""
    gaps = uncovered(ring, kind, now, start)
    late = [gap for gap in gaps if gap[1] > now + _AT_ONCE]
    if late:
        begin, end = late[0]
        raise ChangeRefused(
            f"from {begin.isoformat()} to {end.isoformat()} no key of kind {kind} would be in use: "
            f"start the new one by {max(begin, now + _AT_ONCE).isoformat()}"
        )


def rotate(
    ring: KeyRing,
    kind: KeyKind,
    now: datetime,
    start: datetime,
    public_half: bytes | None = None,
) -> KeyRing:
    """A new version in use from ``start`` for the life of its kind.

    ``public_half`` (33 bytes): the key lies in a cipher card, and no private key is made here.

    Older versions stop protecting a minute after ``start``, and are accepted from then for as long
    as what they made may still count. Raises ``ChangeRefused`` for a kind that is never rotated,
    a start sooner than every process would know the key, too far ahead, or so late that no
    version is in use before it, and versions used up.
    """
    if kind in FIXED:
        raise ChangeRefused(f"{kind} is never rotated: {FIXED[kind]}")
    if start < now + ACTIVATION:
        raise ChangeRefused(
            f"a new key signs at the earliest {ACTIVATION.seconds} s from now: "
            "other processes must accept it first"
        )
    if start > now + AHEAD_MAX:
        raise ChangeRefused(f"a new key signs at the latest {AHEAD_MAX.days} days from now")
    newest = _newest(ring, kind)
    _refuse_gap(ring, kind, now, start)
    start = _whole_second(start)
    period = PERIODS[kind]
    if kind is KeyKind.PUBLIC_ID and newest.version >= PUBLIC_ID_VERSIONS:
        raise ChangeRefused("the letter of a public id names 26 versions, and all are used")
    end = start + OVERLAP
    rotated = ring.rotated(kind, start, life=period.life, overlap=OVERLAP)
    return KeyRing(
        _with_period(key if public_half is None else replace(key, material=public_half))
        if key.kind is kind and key.version > newest.version
        else _retired(key, end)
        if key.kind is kind and key.use_until == end
        else key
        for key in rotated.keys
    )


def _retired(key: Key, end: datetime) -> Key:
    """A version that ends early is accepted for the time its kind needs, never longer than was."""
    after = PERIODS[key.kind].accepted_after
    if after is None:
        return key
    return replace(key, accept_until=min(key.accept_until or end + after, end + after))


def counts_until(key: Key) -> datetime | None:
    """When nothing that a version made counts any more; None: no time says so.

    By the calendar, whatever the ring says beyond it: a development ring accepts most kinds longer
    or without an end.
    """
    period = PERIODS[key.kind]
    if key.kind is KeyKind.TOKEN:
        return key.use_until + SESSION_LIFE
    if period.accepted_after is None:
        return None
    end = key.use_until + period.accepted_after
    return min(key.accept_until or end, end)


def due(ring: KeyRing, now: datetime) -> list[tuple[KeyKind, datetime]]:
    """The kinds to rotate by schedule, each with the start of its new version.

    A new version begins no later than the last one ends, so that no gap opens.
    """
    found = []
    for kind, period in PERIODS.items():
        left = timedelta(days=days_left(ring, kind, now))
        if left < period.renew_before:
            start = min(default_start(kind, now), now + left - OVERLAP)
            found.append((kind, max(start, now + ACTIVATION)))
    return found


def short(ring: KeyRing, now: datetime) -> list[tuple[KeyKind, float]]:
    """The kinds that a person must see to, with the days they have left."""
    left = ((kind, days_left(ring, kind, now)) for kind in PERIODS)
    return [(kind, days) for kind, days in left if timedelta(days=days) < PERIODS[kind].warn_before]


def close(ring: KeyRing, kind: KeyKind, version: int, at: datetime, now: datetime) -> KeyRing:
    """Nothing made with this version at or after ``at`` counts.

    Raises ``ChangeRefused`` when another version is not in use from then on.
    """
    closed = ring.closed_after(kind, version, at)
    _refuse_without_successor(closed, kind, max(at, now))
    return closed


def _refuse_without_successor(ring: KeyRing, kind: KeyKind, at: datetime) -> None:
    if not any(key.kind is kind and key.is_usable(at) for key in ring.keys):
        raise ChangeRefused(
            f"no other version of {kind} is in use at {at.isoformat()}: "
            "rotate first, and wait until the new one is in use"
        )


def cut_off(ring: KeyRing, kind: KeyKind, version: int, at: datetime, now: datetime) -> KeyRing:
    """Everything signed with this version before ``at`` is void; only keys of the trust list.

    Raises ``ChangeRefused`` for an instant to come: a cut-off never moves back, and until that
    instant nothing that the key signs would count.
    """
    if not schedule.is_listed(kind):
        raise ChangeRefused(f"{kind} is not in the trust list: close it, or destroy it")
    if at > now + CLOCKS_APART:
        raise ChangeRefused("a cut-off lies in the past, and can never be taken back")
    return ring.cut_off_before(kind, version, _whole_second(at))


def destroy(ring: KeyRing, kind: KeyKind, version: int) -> KeyRing:
    """Without that version. Raises ``ChangeRefused`` for the newest of its kind.

    The newest stays because numbers count on from it: a number given twice would let one key's
    signature be judged by another. Rotate first.
    """
    if version == _newest(ring, kind).version:
        raise ChangeRefused(f"version {version} is the newest of {kind}: rotate first")
    return ring.without(kind, version)


def refuse_gap_without(ring: KeyRing, kind: KeyKind, version: int, now: datetime) -> None:
    """Raises ``ChangeRefused`` when only that version would be in use at some time to come."""
    until = max(key.use_until for key in ring.keys if key.kind is kind)
    before = uncovered(ring, kind, now, until)
    fresh = [
        gap for gap in uncovered(ring.without(kind, version), kind, now, until) if gap not in before
    ]
    if fresh:
        begin, end = fresh[0]
        raise ChangeRefused(
            f"from {begin.isoformat()} to {end.isoformat()} {kind} {version} is the only key of "
            "its kind: rotate first, with a start no later than the first of these"
        )


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What happened to the keys since, or before, a backup was made."""

    destroyed: frozenset[tuple[str, int]] = frozenset()
    closed: Mapping[tuple[str, int], datetime] = {}
    """The earliest instant from which on a version protects nothing."""
    cut_off: Mapping[tuple[str, int], datetime] = {}
    """The latest instant before which what a version signed is void."""
    newest: Mapping[str, int] = {}
    """The highest version that was given, by kind."""
    code_key_id: int = 0
    """The highest one that was given."""


def after_restore(ring: KeyRing, now: datetime, known: Known, *, epochs_kept: bool) -> KeyRing:
    """A ring from a backup, made safe.

    What was destroyed, closed or cut off since is so again. A kind whose newest version the backup
    lacks gets another one, above every number that was given, in use at once; the older ones then
    end as in a rotation. Unless the database kept its epochs, every code issued before ``now`` is
    void.
    """
    at = _whole_second(now)
    ring = KeyRing(
        _stopped_again(key, known)
        for key in ring.keys
        if (key.kind, key.version) not in known.destroyed
    )
    for kind in PERIODS:
        versions = [key.version for key in ring.keys if key.kind is kind]
        newest = max([known.newest.get(kind, 1), *versions])
        if newest not in versions:
            ring = _superseded(ring, kind, at + OVERLAP)
            ring = ring.with_key(_fresh(ring, kind, newest + 1, at, known.code_key_id))
    if epochs_kept:
        return ring
    for key in ring.keys:
        if key.kind in ISSUER_KINDS and key.use_from < at and (key.cut_off or at) <= at:
            ring = ring.cut_off_before(key.kind, key.version, at)
    return ring


def _stopped_again(key: Key, known: Known) -> Key:
    closed = known.closed.get((key.kind, key.version))
    if closed is not None and closed < key.use_until:
        end = max(closed, key.use_from + _A_SECOND)
        after = None if key.accept_until is None else end + (key.accept_until - key.use_until)
        key = replace(key, use_until=end, accept_until=after)
    cut = known.cut_off.get((key.kind, key.version))
    if cut is None or (key.cut_off is not None and cut <= key.cut_off):
        return key
    return replace(key, cut_off=_whole_second(cut))


def _superseded(ring: KeyRing, kind: KeyKind, end: datetime) -> KeyRing:
    return KeyRing(
        _retired(replace(key, use_until=end), end)
        if key.kind is kind and key.use_from < end < key.use_until
        else key
        for key in ring.keys
    )


def _fresh(ring: KeyRing, kind: KeyKind, version: int, at: datetime, id_floor: int) -> Key:
    key = KeyRing.generate(at, life=FIXED_LIFE, province=0).current(kind, at)
    code_key_id = None
    if schedule.is_listed(kind):
        given = [other.code_key_id for other in ring.keys if other.code_key_id is not None]
        code_key_id = max([id_floor, *given]) + 1
    return _with_period(replace(key, version=version, code_key_id=code_key_id))


def _newest(ring: KeyRing, kind: KeyKind) -> Key:
    versions = [key for key in ring.keys if key.kind is kind]
    if not versions:
        raise ChangeRefused(f"there is no key of kind {kind}")
    return max(versions, key=lambda key: key.version)


def _whole_second(at: datetime) -> datetime:
    """At ``at`` or up to a second later: codes and lists count whole seconds."""
    rounded = at.replace(microsecond=0)
    return rounded if rounded == at else rounded + _A_SECOND
