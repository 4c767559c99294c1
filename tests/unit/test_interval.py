"""Labels and suffixes of the six intervals: wall-clock arithmetic without a zone."""

from datetime import datetime

import pytest

from include.partitioning.interval import Interval


def wall(text: str) -> datetime:
    """A naive wall-clock time."""
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("interval", "label"),
    [
        (Interval.HOUR, "2025-10-14T05:00"),
        (Interval.DAY, "2025-10-14"),
        (Interval.WEEK, "2025-10-13"),
        (Interval.MONTH, "2025-10-01"),
        (Interval.QUARTER, "2025-10-01"),
        (Interval.YEAR, "2025-01-01"),
    ],
)
def test_the_label_is_where_the_period_of_a_wall_clock_time_begins(interval: Interval, label: str) -> None:
    assert interval.label_of(wall("2025-10-14T05:59:59.999999")) == wall(label)
    assert interval.label_of(wall(label)) == wall(label)


@pytest.mark.parametrize("month", range(1, 13))
def test_a_quarter_begins_in_january_april_july_or_october(month: int) -> None:
    label = Interval.QUARTER.label_of(datetime(2025, month, 28, 12))  # noqa: DTZ001 - labels are wall-clock times
    assert (label.month, label.day) == ((month - 1) // 3 * 3 + 1, 1)


@pytest.mark.parametrize(
    ("interval", "count", "following"),
    [
        (Interval.HOUR, 1, "2024-01-01T01:00"),
        (Interval.HOUR, -1, "2023-12-31T23:00"),
        (Interval.DAY, 60, "2024-03-01"),
        (Interval.WEEK, 1, "2024-01-08"),
        (Interval.MONTH, 14, "2025-03-01"),
        (Interval.QUARTER, -1, "2023-10-01"),
        (Interval.YEAR, 1, "2025-01-01"),
    ],
)
def test_following_counts_whole_periods_forwards_and_backwards(interval: Interval, count: int, following: str) -> None:
    assert interval.following(wall("2024-01-01"), count) == wall(following)


@pytest.mark.parametrize(
    ("interval", "label", "suffix"),
    [
        (Interval.HOUR, "2025-10-14T05:00", "p2025101405"),
        (Interval.HOUR, "2025-10-14T00:00", "p2025101400"),
        (Interval.DAY, "2025-10-14", "p20251014"),
        (Interval.WEEK, "2025-10-06", "p2025w41"),
        (Interval.MONTH, "2025-10-01", "p202510"),
        (Interval.QUARTER, "2025-01-01", "p2025q1"),
        (Interval.QUARTER, "2025-04-01", "p2025q2"),
        (Interval.QUARTER, "2025-10-01", "p2025q4"),
        (Interval.YEAR, "2025-01-01", "p2025"),
        (Interval.YEAR, "0987-01-01", "p0987"),
        (Interval.MONTH, "0987-01-01", "p098701"),
    ],
)
def test_a_name_ends_in_the_period(interval: Interval, label: str, suffix: str) -> None:
    assert interval.suffix(wall(label)) == suffix


@pytest.mark.parametrize(
    ("label", "suffix"),
    [
        ("2020-12-28", "p2020w53"),  # a year of 53 weeks
        ("2021-01-04", "p2021w01"),
        ("2024-12-30", "p2025w01"),  # begins in the old year, counts for the new one
        ("2026-12-28", "p2026w53"),
        ("2027-01-04", "p2027w01"),
        ("2016-01-04", "p2016w01"),
    ],
)
def test_a_week_around_new_year_has_the_year_of_its_thursday(label: str, suffix: str) -> None:
    assert Interval.WEEK.suffix(wall(label)) == suffix


@pytest.mark.parametrize(("day", "monday"), [("2021-01-03", "2020-12-28"), ("2024-12-31", "2024-12-30"), ("2025-01-05", "2024-12-30")])
def test_a_week_begins_on_monday_also_across_new_year(day: str, monday: str) -> None:
    assert Interval.WEEK.label_of(wall(day)) == wall(monday)
