"""What is made where an interval was changed, or where others have made partitions of their own."""

from datetime import UTC, datetime

import pytest

from include.partitioning.bounds import BEGINNING, Bounds
from include.partitioning.calendar import Calendar
from include.partitioning.interval import Interval
from include.partitioning.pieces import Cutter, periods_of


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def cut(interval: Interval, free: tuple[str, str], *existing: tuple[str, str], zone: str = "UTC") -> list[str]:
    """What the free range is made of: the suffix of each piece, with its bounds where it is not a whole period."""
    calendar = Calendar(interval, zone)
    cutter = Cutter(calendar, [Bounds(utc(lower), utc(upper)) for lower, upper in existing])
    pieces = [piece for period, part in periods_of(Bounds(*map(utc, free)), calendar) for piece in cutter.pieces(period, part)]
    return [piece.period.suffix if piece.is_whole else f"{piece.period.suffix} {piece.bounds}" for piece in pieces]


def test_from_months_to_quarters_the_months_of_the_running_quarter_are_made_first() -> None:
    months = [("2026-01-01", "2026-02-01")]
    assert cut(Interval.QUARTER, ("2026-02-01", "2026-10-01"), *months) == ["p202602", "p202603", "p2026q2", "p2026q3"]


def test_from_quarters_to_months_the_first_month_begins_where_the_last_quarter_ends() -> None:
    assert cut(Interval.MONTH, ("2026-04-01", "2026-06-01"), ("2026-01-01", "2026-04-01")) == ["p202604", "p202605"]


def test_from_days_to_years_periods_grow_on_the_way() -> None:
    found = cut(Interval.YEAR, ("2026-02-27", "2028-01-01"), ("2026-02-26", "2026-02-27"))
    assert found == ["p20260227", "p20260228", "p202603", "p2026q2", "p2026q3", "p2026q4", "p2027"]


def test_from_days_to_weeks_the_days_up_to_the_next_monday_are_made_first() -> None:
    assert cut(Interval.WEEK, ("2026-01-03", "2026-01-12"), ("2026-01-02", "2026-01-03")) == ["p20260103", "p20260104", "p2026w02"]


def test_weeks_do_not_make_up_months_so_the_rest_of_the_month_is_one_piece() -> None:
    found = cut(Interval.MONTH, ("2026-01-12", "2026-03-01"), ("2026-01-05", "2026-01-12"))
    assert found == ["p202601 [2026-01-12, 2026-02-01)", "p202602"]


@pytest.mark.parametrize(
    "neighbour",
    [("2026-01-20", "2026-02-01"), ("2025-11-15", "2026-02-01"), ("2025-12-01", "2026-02-01")],
    ids=["part of a month", "odd", "two months"],
)
def test_beside_a_range_that_is_no_period_the_free_part_is_one_piece(neighbour: tuple[str, str]) -> None:
    assert cut(Interval.QUARTER, ("2026-02-01", "2026-04-01"), neighbour) == ["p2026q1 [2026-02-01, 2026-04-01)"]


def test_a_hole_between_finer_partitions_is_filled_with_such() -> None:
    around = [("2026-01-01", "2026-02-01"), ("2026-03-01", "2026-04-01")]
    assert cut(Interval.QUARTER, ("2026-02-01", "2026-03-01"), *around) == ["p202602"]


def test_the_zone_decides_what_a_month_is() -> None:
    months = [("2025-12-31T23:00", "2026-01-31T23:00")]
    assert cut(Interval.QUARTER, ("2026-01-31T23:00", "2026-03-31T22:00"), *months, zone="Europe/Berlin") == ["p202602", "p202603"]
    assert cut(Interval.QUARTER, ("2026-01-31T23:00", "2026-04-01"), *months) == ["p2026q1 [2026-01-31 23:00:00, 2026-04-01)"]


def test_a_range_from_the_beginning_of_time_is_no_period() -> None:
    cutter = Cutter(Calendar(Interval.QUARTER, "UTC"), [Bounds(BEGINNING, utc("2026-02-01"))])
    free = Bounds(utc("2026-02-01"), utc("2026-04-01"))
    assert [piece.bounds for piece in cutter.pieces(Calendar(Interval.QUARTER, "UTC").holding(free.lower), free)] == [free]
