"""Where periods begin in zones whose clocks jump. The instants are what PostgreSQL makes of the same wall-clock text in that zone."""

from datetime import UTC, datetime
from itertools import islice

import pytest

from include.partitioning.bounds import Bounds, KeyType
from include.partitioning.calendar import Calendar, on_key_axis
from include.partitioning.interval import Interval


def utc(text: str) -> datetime:
    """An instant, from its ISO text in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def begins(calendar: Calendar, moment: str, count: int) -> list[tuple[str, str]]:
    """Label and first instant of `count` periods, the first of which holds `moment`."""
    return [
        (f"{period.label:%Y-%m-%d %H:%M}", f"{period.bounds.lower:%Y-%m-%d %H:%M}")
        for period in islice(calendar.periods_from(utc(moment)), count)
    ]


@pytest.mark.parametrize(
    ("zone", "eve", "skipped", "lower", "upper"),
    [
        ("America/Sao_Paulo", "2017-10-14T12:00", "2017-10-15", "2017-10-15T03:00", "2017-10-16T02:00"),
        ("Asia/Beirut", "2021-03-27T12:00", "2021-03-28", "2021-03-27T22:00", "2021-03-28T21:00"),
        ("Africa/Cairo", "2024-04-25T12:00", "2024-04-26", "2024-04-25T22:00", "2024-04-26T21:00"),
    ],
)
def test_a_day_whose_midnight_does_not_exist_begins_with_its_first_instant_and_has_23_hours(
    zone: str, eve: str, skipped: str, lower: str, upper: str
) -> None:
    calendar = Calendar(Interval.DAY, zone)
    day = calendar.after(calendar.holding(utc(eve)))
    assert f"{day.label:%Y-%m-%d}" == skipped
    assert day.bounds == Bounds(utc(lower), utc(upper))


def test_a_day_whose_midnight_occurs_twice_begins_with_the_second_and_the_day_before_has_25_hours() -> None:
    calendar = Calendar(Interval.DAY, "America/Havana")
    assert begins(calendar, "2024-11-02T12:00", 3) == [
        ("2024-11-02 00:00", "2024-11-02 04:00"),
        ("2024-11-03 00:00", "2024-11-03 05:00"),
        ("2024-11-04 00:00", "2024-11-04 05:00"),
    ]


def test_an_instant_between_the_two_midnights_of_a_day_belongs_to_the_day_before() -> None:
    calendar = Calendar(Interval.DAY, "America/Havana")
    assert calendar.holding(utc("2024-11-03T04:30")).label.day == 2


def test_a_day_that_was_skipped_has_no_period() -> None:
    calendar = Calendar(Interval.DAY, "Pacific/Apia")
    assert begins(calendar, "2011-12-29T12:00", 3) == [
        ("2011-12-29 00:00", "2011-12-29 10:00"),
        ("2011-12-31 00:00", "2011-12-30 10:00"),
        ("2012-01-01 00:00", "2011-12-31 10:00"),
    ]


def test_the_hours_of_a_skipped_day_have_no_periods_either() -> None:
    calendar = Calendar(Interval.HOUR, "Pacific/Apia")
    assert begins(calendar, "2011-12-30T09:30", 2) == [("2011-12-29 23:00", "2011-12-30 09:00"), ("2011-12-31 00:00", "2011-12-30 10:00")]


def test_the_week_with_the_skipped_day_has_six_days() -> None:
    week = Calendar(Interval.WEEK, "Pacific/Apia").holding(utc("2011-12-30T12:00"))
    assert (week.bounds.upper - week.bounds.lower).days == 6


def test_an_hour_that_occurs_twice_begins_with_its_second_occurrence() -> None:
    calendar = Calendar(Interval.HOUR, "America/New_York")
    assert begins(calendar, "2024-11-03T04:00", 3) == [
        ("2024-11-03 00:00", "2024-11-03 04:00"),
        ("2024-11-03 01:00", "2024-11-03 06:00"),
        ("2024-11-03 02:00", "2024-11-03 07:00"),
    ]


def test_an_hour_that_does_not_exist_has_no_period() -> None:
    calendar = Calendar(Interval.HOUR, "America/New_York")
    assert begins(calendar, "2024-03-10T06:00", 2) == [("2024-03-10 01:00", "2024-03-10 06:00"), ("2024-03-10 03:00", "2024-03-10 07:00")]


def test_where_clocks_jump_by_half_an_hour_one_hour_is_short_and_one_long() -> None:
    calendar = Calendar(Interval.HOUR, "Australia/Lord_Howe")
    assert begins(calendar, "2024-10-05T14:30", 3) == [
        ("2024-10-06 01:00", "2024-10-05 14:30"),
        ("2024-10-06 02:00", "2024-10-05 15:30"),
        ("2024-10-06 03:00", "2024-10-05 16:00"),
    ]
    assert begins(calendar, "2024-04-06T14:00", 2) == [("2024-04-07 01:00", "2024-04-06 14:00"), ("2024-04-07 02:00", "2024-04-06 15:30")]


def test_hours_of_a_zone_with_an_offset_of_45_minutes_begin_at_its_full_hours() -> None:
    assert begins(Calendar(Interval.HOUR, "Asia/Kathmandu"), "2024-01-01T00:00", 1) == [("2024-01-01 05:00", "2023-12-31 23:15")]


def test_a_month_begins_at_the_zones_midnight() -> None:
    month = Calendar(Interval.MONTH, "Europe/Berlin").holding(utc("2025-10-14"))
    assert month.bounds == Bounds(utc("2025-09-30T22:00"), utc("2025-10-31T23:00"))


def test_a_period_holds_its_first_instant_and_not_its_last() -> None:
    calendar = Calendar(Interval.MONTH, "UTC")
    october = calendar.holding(utc("2025-10-31T23:59:59.999999"))
    assert calendar.holding(utc("2025-10-01")) == october
    assert calendar.holding(utc("2025-11-01")).label.month == 11


@pytest.mark.parametrize(
    ("moment", "expected"),
    [("2025-09-30T22:00", True), ("2025-10-01T00:00", False), ("2025-10-31T23:00", True), ("2025-10-31T22:00", False)],
)
def test_a_boundary_is_an_instant_at_which_a_period_begins(moment: str, expected: bool) -> None:
    assert Calendar(Interval.MONTH, "Europe/Berlin").is_boundary(utc(moment)) is expected


@pytest.mark.parametrize(
    ("key_type", "zone"), [(KeyType.DATE, "UTC"), (KeyType.TIMESTAMP, "UTC"), (KeyType.TIMESTAMPTZ, "America/Sao_Paulo")]
)
def test_only_a_timestamptz_key_is_cut_at_the_zones_midnights(key_type: KeyType, zone: str) -> None:
    assert Calendar.of_key(Interval.DAY, key_type, "America/Sao_Paulo") == Calendar(Interval.DAY, zone)


@pytest.mark.parametrize(
    ("key_type", "expected"),
    [(KeyType.DATE, "2025-10-01T01:30:00.5"), (KeyType.TIMESTAMP, "2025-10-01T01:30:00.5"), (KeyType.TIMESTAMPTZ, "2025-09-30T23:30:00.5")],
)
def test_an_instant_falls_on_a_zoneless_key_as_the_zones_wall_clock_time(key_type: KeyType, expected: str) -> None:
    assert on_key_axis(utc("2025-09-30T23:30:00.5"), key_type, "Europe/Berlin") == utc(expected)
