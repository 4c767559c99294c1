"""Lengths of time as people write them, and calendar arithmetic with them."""

from datetime import UTC, datetime, timedelta

import pytest

from include.partitioning.span import CalendarSpan, about, format_duration, parse_duration


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.4, "0 s"), (119, "119 s"), (120, "2 min"), (7199, "120 min"), (7200, "2 h"), (200_000, "2 days")]
)
def test_an_estimate_is_rounded_to_its_unit(seconds: float, said: str) -> None:
    assert about(seconds) == said


def utc(text: str) -> datetime:
    """An instant, from its ISO text in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("24 months", CalendarSpan(months=24)),
        ("1 year 6 months", CalendarSpan(months=18)),
        ("1 Year, 2 quarters", CalendarSpan(months=18)),
        (" 2weeks ", CalendarSpan(days=14)),
        ("1 day 12 hours", CalendarSpan(days=1, hours=12)),
        ("+3 months", CalendarSpan(months=3)),
    ],
)
def test_a_span_is_read_term_by_term(text: str, span: CalendarSpan) -> None:
    assert CalendarSpan.parse(text) == span


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("", "empty"),
        ("months", "not a length of time"),
        ("24", "not a length of time"),
        ("1.5 years", "not a length of time"),
        ("3 fortnights", "not a unit of time here; use one of hour, day, week, month, quarter, year"),
        ("5 min", "not a unit of time here"),
        ("0 months", "not longer than zero"),
        ("-3 months", "not longer than zero"),
        ("1 year -1 month", "mixes"),
        ("1 year 0 months", "mixes"),
        ("-1 year +1 month", "mixes"),
    ],
)
def test_a_span_that_cannot_be_meant_is_refused(text: str, wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        CalendarSpan.parse(text)


@pytest.mark.parametrize("text", ["24 months", "18 months 1 day", "1 hour", "14 days 3 hours"])
def test_a_span_prints_as_it_reads(text: str) -> None:
    assert str(CalendarSpan.parse(text)) == text


@pytest.mark.parametrize(
    ("span", "moment", "before"),
    [
        ("1 month", "2025-03-31", "2025-02-28"),
        ("1 month", "2024-03-31", "2024-02-29"),
        ("12 months", "2024-02-29", "2023-02-28"),
        ("4 years", "2024-02-29", "2020-02-29"),
        ("1 quarter", "2025-05-31", "2025-02-28"),
        ("1 month 1 day", "2025-03-31", "2025-02-27"),
        ("1 week", "2025-01-03", "2024-12-27"),
        ("36 hours", "2025-01-02", "2024-12-31T12:00"),
    ],
)
def test_months_back_end_on_the_last_day_of_a_shorter_month(span: str, moment: str, before: str) -> None:
    assert CalendarSpan.parse(span).before(utc(moment), "UTC") == utc(before)


@pytest.mark.parametrize(
    ("span", "moment", "after"),
    [("1 month", "2025-01-31", "2025-02-28"), ("1 year", "2024-02-29", "2025-02-28"), ("2 days", "2025-12-31", "2026-01-02")],
)
def test_months_forward_end_on_the_last_day_of_a_shorter_month(span: str, moment: str, after: str) -> None:
    assert CalendarSpan.parse(span).after(utc(moment), "UTC") == utc(after)


def test_a_day_is_a_day_of_the_zones_calendar_and_an_hour_always_an_hour() -> None:
    noon_after_the_change = utc("2025-03-30T10:00")  # 12:00 in Berlin, on the day that lost an hour
    assert CalendarSpan(days=1).before(noon_after_the_change, "Europe/Berlin") == utc("2025-03-29T11:00")
    assert CalendarSpan(hours=24).before(noon_after_the_change, "Europe/Berlin") == utc("2025-03-29T10:00")


def test_midnight_stays_midnight_across_summer_time() -> None:
    assert CalendarSpan(months=3).before(utc("2025-12-31T23:00"), "Europe/Berlin") == utc("2025-09-30T22:00")


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("100 ms", timedelta(milliseconds=100)),
        ("100ms", timedelta(milliseconds=100)),
        ("2 s", timedelta(seconds=2)),
        ("30 min", timedelta(minutes=30)),
        ("1 h 30 min", timedelta(minutes=90)),
        ("2 Hours", timedelta(hours=2)),
        ("1 day", timedelta(days=1)),
    ],
)
def test_a_duration_is_read(text: str, duration: timedelta) -> None:
    assert parse_duration(text) == duration


@pytest.mark.parametrize("text", ["", "100", "1 month", "-5 s", "0 ms", "1 h -5 min", "soon"])
def test_a_duration_that_cannot_be_meant_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"length of time|unit of time|longer than zero|mixes"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["100 ms", "1500 ms", "2 s", "30 min", "90 min", "24 h"])
def test_a_duration_prints_as_it_reads(text: str) -> None:
    assert format_duration(parse_duration(text)) == text
