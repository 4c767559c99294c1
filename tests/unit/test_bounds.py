"""Bounds as `pg_get_expr` prints them in a session with TimeZone UTC and DateStyle ISO, and back as literals."""

from datetime import UTC, datetime, timedelta

import pytest

from include.partitioning.bounds import BEGINNING, END, Bounds, KeyType, parse_bounds
from include.partitioning.errors import CatalogMismatchError


def utc(text: str) -> datetime:
    """An instant, from its ISO text in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def days(first: int, last: int) -> Bounds:
    """The days from `first` to before `last` of October 2025."""
    return Bounds(datetime(2025, 10, first, tzinfo=UTC), datetime(2025, 10, last, tzinfo=UTC))


@pytest.mark.parametrize(
    ("values", "lower", "upper"),
    [
        ("('2025-10-01') TO ('2025-11-01')", "2025-10-01", "2025-11-01"),
        ("('2025-10-01 00:00:00') TO ('2025-10-01 12:30:00')", "2025-10-01", "2025-10-01T12:30"),
        ("('2025-09-30 22:00:00+00') TO ('2025-10-31 23:00:00+00')", "2025-09-30T22:00", "2025-10-31T23:00"),
        ("('2025-10-01 00:00:00.5+00') TO ('2025-10-01 00:00:01+00')", "2025-10-01T00:00:00.500000", "2025-10-01T00:00:01"),
        ("('2025-10-01 00:00:00.12') TO ('2025-10-01 00:00:00.123456')", "2025-10-01T00:00:00.120000", "2025-10-01T00:00:00.123456"),
        ("('0900-01-01') TO ('1066-10-14')", "0900-01-01", "1066-10-14"),
    ],
)
def test_bounds_of_date_timestamp_and_timestamptz_are_read(values: str, lower: str, upper: str) -> None:
    assert parse_bounds(f"FOR VALUES FROM {values}") == Bounds(utc(lower), utc(upper))


@pytest.mark.parametrize("beginning", ["MINVALUE", "'-infinity'", "'0044-03-15 BC'", "'0044-03-15 00:00:00+00 BC'", "'4713-11-24 BC'"])
def test_what_lies_before_the_year_1_counts_as_the_beginning(beginning: str) -> None:
    assert parse_bounds(f"FOR VALUES FROM ({beginning}) TO ('2025-11-01')") == Bounds(BEGINNING, utc("2025-11-01"))


@pytest.mark.parametrize("end", ["MAXVALUE", "'infinity'", "'10000-01-01'", "'10000-01-01 00:00:00+00'", "'294276-12-31 00:00:00'"])
def test_what_lies_after_the_year_9999_counts_as_the_end(end: str) -> None:
    assert parse_bounds(f"FOR VALUES FROM ('2025-11-01') TO ({end})") == Bounds(utc("2025-11-01"), END)


@pytest.mark.parametrize(
    "expression",
    [
        "FOR VALUES FROM (MINVALUE) TO ('0001-01-01 BC')",
        "FOR VALUES FROM ('0044-03-15 BC') TO ('0043-03-15 BC')",
        "FOR VALUES FROM ('10000-01-01') TO ('10001-01-01')",
        "FOR VALUES FROM ('10000-01-01') TO (MAXVALUE)",
        "FOR VALUES FROM ('infinity') TO (MAXVALUE)",
    ],
)
def test_a_partition_wholly_outside_the_years_1_to_9999_does_not_stop_the_reading_of_its_table(expression: str) -> None:
    # They are legal; a ValueError from here would fail every step of a table that is otherwise in order.
    assert not parse_bounds(expression).overlaps(Bounds(utc("1900-01-01"), utc("3000-01-01")))


@pytest.mark.parametrize(
    "expression",
    [
        "DEFAULT",
        "FOR VALUES IN ('2025-10-01')",
        "FOR VALUES WITH (modulus 4, remainder 0)",
        "FOR VALUES FROM ('2025-01-01', 1) TO ('2025-02-01', 2)",
        "FOR VALUES FROM ('2025-13-01') TO ('2026-01-01')",
        "",
    ],
)
def test_what_is_no_range_of_one_time_column_is_refused(expression: str) -> None:
    with pytest.raises(CatalogMismatchError):
        parse_bounds(expression)


@pytest.mark.parametrize("expression", ["FOR VALUES FROM (1) TO (1000)", "FOR VALUES FROM ('a') TO ('b')"])
def test_a_range_of_numbers_or_texts_is_refused_as_such(expression: str) -> None:
    with pytest.raises(CatalogMismatchError, match=r"must be date, timestamp or timestamptz"):
        parse_bounds(expression)


@pytest.mark.parametrize(
    ("key_type", "literal"),
    [(KeyType.DATE, "2025-10-01"), (KeyType.TIMESTAMP, "2025-10-01 00:00:00"), (KeyType.TIMESTAMPTZ, "2025-10-01 00:00:00+00")],
)
def test_a_literal_is_iso_and_names_its_zone_where_the_key_has_one(key_type: KeyType, literal: str) -> None:
    assert key_type.literal(utc("2025-10-01")) == literal


@pytest.mark.parametrize("key_type", list(KeyType))
def test_a_literal_reads_back_as_the_same_bound(key_type: KeyType) -> None:
    lower, upper = utc("0987-10-01"), utc("2025-11-01") if key_type is KeyType.DATE else utc("2025-11-01T10:20:30.000004")
    expression = f"FOR VALUES FROM ('{key_type.literal(lower)}') TO ('{key_type.literal(upper)}')"
    assert parse_bounds(expression) == Bounds(lower, upper)


@pytest.mark.parametrize("moment", [BEGINNING, END])
@pytest.mark.parametrize("key_type", list(KeyType))
def test_an_open_bound_is_never_written(key_type: KeyType, moment: datetime) -> None:
    with pytest.raises(ValueError, match=r"open bound"):
        key_type.literal(moment)


def test_a_date_literal_is_refused_for_a_time_of_day() -> None:
    with pytest.raises(ValueError, match=r"not a midnight"):
        KeyType.DATE.literal(utc("2025-10-01T12:00"))


@pytest.mark.parametrize("upper", ["2025-10-01", "2025-09-30"])
def test_an_empty_or_reversed_range_cannot_be_made(upper: str) -> None:
    with pytest.raises(ValueError, match=r"empty range"):
        Bounds(utc("2025-10-01"), utc(upper))


def test_a_range_holds_its_lower_bound_and_not_its_upper() -> None:
    bounds = days(1, 2)
    assert bounds.holds(bounds.lower)
    assert bounds.holds(bounds.upper - timedelta(microseconds=1))
    assert not bounds.holds(bounds.upper)
    assert not bounds.holds(bounds.lower - timedelta(microseconds=1))


@pytest.mark.parametrize(
    ("other", "expected"),
    [(days(1, 10), False), (days(20, 30), False), (days(1, 11), True), (days(19, 30), True), (days(12, 13), True), (days(1, 30), True)],
)
def test_ranges_that_only_touch_do_not_overlap(other: Bounds, expected: bool) -> None:
    assert days(10, 20).overlaps(other) is expected
    assert other.overlaps(days(10, 20)) is expected


@pytest.mark.parametrize(
    ("others", "free"),
    [
        ([], [days(10, 20)]),
        ([days(1, 10), days(20, 30)], [days(10, 20)]),
        ([days(1, 30)], []),
        ([days(10, 15), days(15, 20)], []),
        ([days(12, 14)], [days(10, 12), days(14, 20)]),
        ([days(17, 18), days(12, 14)], [days(10, 12), days(14, 17), days(18, 20)]),
        ([days(11, 19), days(12, 13)], [days(10, 11), days(19, 20)]),
        ([days(1, 12), days(18, 30)], [days(12, 18)]),
    ],
)
def test_minus_leaves_what_no_other_range_covers(others: list[Bounds], free: list[Bounds]) -> None:
    assert days(10, 20).minus(others) == free


def test_bounds_print_midnights_as_dates_and_open_ends_as_words() -> None:
    assert str(days(1, 2)) == "[2025-10-01, 2025-10-02)"
    assert str(Bounds(BEGINNING, utc("2025-10-01T03:00"))) == "[beginning, 2025-10-01 03:00:00)"
    assert str(Bounds(utc("2025-10-01"), END)) == "[2025-10-01, end)"
