"""Reference dates and booleans as they arrive from templates."""

from datetime import UTC, datetime, timedelta

import pytest

from include.partitioning.errors import BadArgumentError
from include.partitioning.reference import parse_flag, parse_reference_date


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-01", "2026-10-31T23:00"),
        ("2026-11-01T12:00", "2026-11-01T11:00"),
        ("2026-11-01T00:00:00+00:00", "2026-11-01T00:00"),
        ("2026-11-01T00:00:00Z", "2026-11-01T00:00"),
        (" 2026-11-01 12:00:00.25-05:00 ", "2026-11-01T17:00:00.25"),
    ],
)
def test_a_date_without_an_offset_is_wall_clock_time_in_the_policys_zone(text: str, expected: str) -> None:
    found = parse_reference_date(text, "Europe/Berlin")
    assert found == datetime.fromisoformat(expected).replace(tzinfo=UTC)
    assert found.utcoffset() == timedelta(0)


def test_a_date_whose_midnight_occurs_twice_means_the_second_as_postgresql_reads_it_and_partitions_begin() -> None:
    assert parse_reference_date("2024-11-03", "America/Havana") == datetime(2024, 11, 3, 5, tzinfo=UTC)


def test_a_date_whose_midnight_does_not_exist_means_the_first_instant_of_that_day() -> None:
    # 00:00 became 01:00 at 03:00 UTC; an hour earlier it was still the day before, and the plan would be that of yesterday.
    assert parse_reference_date("2017-10-15", "America/Sao_Paulo") == datetime(2017, 10, 15, 3, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "None", "{{ params.reference_date }}", "tomorrow", "2026-02-30", "2026-13-01", "01.11.2026", "2026"])
def test_what_is_not_a_date_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(BadArgumentError, match=r"such as 2026-11-01"):
        parse_reference_date(text, "UTC")


@pytest.mark.parametrize("text", ["1899-12-31", "3000-01-01", "0026-11-01", "9999-12-31"])
def test_a_year_that_is_surely_a_typo_is_refused(text: str) -> None:
    with pytest.raises(BadArgumentError, match=r"1900 to 2999"):
        parse_reference_date(text, "UTC")


@pytest.mark.parametrize("text", ["1900-01-01", "2999-12-31"])
def test_the_first_and_the_last_year_are_allowed(text: str) -> None:
    assert parse_reference_date(text, "UTC").year == int(text[:4])


@pytest.mark.parametrize(
    ("value", "expected"), [(True, True), (False, False), ("True", True), ("False", False), (" true ", True), ("FALSE", False)]
)
def test_a_rendered_boolean_is_read_strictly(value: object, expected: bool) -> None:
    assert parse_flag("dry_run", value) is expected


@pytest.mark.parametrize("value", [None, "", "yes", "1", 1, 0, "None", "{{ params.dry_run }}"])
def test_anything_but_true_and_false_is_refused_by_name(value: object) -> None:
    with pytest.raises(BadArgumentError, match=r"dry_run"):
        parse_flag("dry_run", value)
