"""Gaps between tries, and rests of a silent endpoint."""

from datetime import timedelta

from service.notice import rules


def test_sixteen_tries_over_a_day() -> None:
    gaps = [rules.gap_after(tries) for tries in range(1, 18)]
    known = [gap for gap in gaps if gap is not None]
    assert len(known) == 15
    assert gaps[15:] == [None, None]
    assert sum(known, timedelta()) == timedelta(hours=24, minutes=4)
    assert known == sorted(known)


def test_rests_grow_to_a_bound() -> None:
    assert [rules.pause_after(failures) for failures in range(3)] == [None] * 3
    rests = [rules.pause_after(failures) for failures in range(3, 9)]
    assert rests == [timedelta(seconds=s) for s in (30, 60, 120, 240, 480, 600)]
    assert rules.pause_after(10**6) == rules.PAUSE_MAX
