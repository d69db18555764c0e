"""Partners' time texts: values, refusals, and round trips."""

import contextlib
from collections.abc import Callable
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.kit.clocktext import (
    ClockTextError,
    beijing_day,
    compact_text,
    parse_compact,
    parse_rfc3339,
    parse_spaced,
    rfc3339_text,
    spaced_text,
)

AT = datetime(2026, 11, 20, 16, 30, 5, tzinfo=UTC)


def test_the_three_forms_say_the_same_instant() -> None:
    assert compact_text(AT) == "20261121003005"
    assert spaced_text(AT) == "2026-11-21 00:30:05"
    assert rfc3339_text(AT) == "2026-11-21T00:30:05+08:00"
    assert beijing_day(AT) == date(2026, 11, 21)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-11-21T00:30:05+08:00", AT),
        ("2026-11-20T16:30:05Z", AT),
        ("2026-11-20T11:00:05-05:30", AT),
        ("2026-11-20T16:30:05.5Z", AT.replace(microsecond=500_000)),
        ("2026-11-20T16:30:05.123456789Z", AT.replace(microsecond=123_456)),
    ],
)
def test_rfc3339_reads_any_offset_and_fraction(text: str, at: datetime) -> None:
    assert parse_rfc3339(text) == at


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (parse_compact, "2026112100300"),
        (parse_compact, "20261321003005"),
        (parse_compact, "２０２６1121003005"),
        (parse_compact, "20261121003005\n"),
        (parse_compact, "00000101000000"),
        (parse_compact, "00010101000000"),
        (parse_spaced, "2026-11-21T00:30:05"),
        (parse_spaced, "2026-02-30 00:00:00"),
        (parse_rfc3339, "2026-11-21T00:30:05"),
        (parse_rfc3339, "2026-11-21 00:30:05+08:00"),
        (parse_rfc3339, "2026-11-21T24:30:05+08:00"),
        (parse_rfc3339, "2026-11-21T00:30:05+24:00"),
        (parse_rfc3339, "2026-11-21T00:30:05+0800"),
    ],
)
def test_what_is_not_that_form_is_refused(parse: Callable[[str], datetime], text: str) -> None:
    with pytest.raises(ClockTextError):
        parse(text)


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ClockTextError):
        compact_text(AT.replace(tzinfo=None))


@given(
    st.datetimes(min_value=datetime(1992, 1, 1), max_value=datetime(9999, 12, 30)).map(  # noqa: DTZ001
        lambda at: at.replace(microsecond=0, tzinfo=UTC)
    )
)
def test_each_form_reads_back_what_it_wrote(at: datetime) -> None:
    assert parse_compact(compact_text(at)) == at
    assert parse_spaced(spaced_text(at)) == at
    assert parse_rfc3339(rfc3339_text(at)) == at


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    for parse in (parse_compact, parse_spaced, parse_rfc3339):
        with contextlib.suppress(ClockTextError):
            assert parse(text).tzinfo is UTC
