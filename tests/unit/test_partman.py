"""pg_partman's words in ours."""

import pytest

from include.partitioning.interval import Interval
from include.partitioning.names import MAX_IDENTIFIER_BYTES, TableName
from include.partitioning.partman import Length, partman_name
from tests.unit.partman_tables import config


@pytest.mark.parametrize(
    ("length", "interval"),
    [
        (Length(0, 0, 3600), Interval.HOUR), (Length(0, 1, 0), Interval.DAY), (Length(0, 0, 86400), Interval.DAY), (Length(0, 7, 0), Interval.WEEK),
        (Length(0, 6, 86400), Interval.WEEK), (Length(1, 0, 0), Interval.MONTH), (Length(3, 0, 0), Interval.QUARTER), (Length(12, 0, 0), Interval.YEAR),
        (Length(0, 30, 0), None), (Length(2, 0, 0), None), (Length(0, 0, 1800), None), (Length(1, 1, 0), None), (Length(120, 0, 0), None),
    ],
)  # fmt: skip
def test_an_interval_is_one_of_ours_or_none(length: Length, interval: Interval | None) -> None:
    assert length.interval is interval


@pytest.mark.parametrize(
    ("length", "span"),
    [
        (Length(24, 0, 0), "24 months"),
        (Length(1, 10, 0), "1 month 10 days"),
        (Length(0, 0, 5400), "2 hours"),
        (Length(0, 90, 1), "90 days 1 hour"),
    ],
)
def test_a_retention_is_never_shorter_than_it_was(length: Length, span: str) -> None:
    assert str(length.span) == span


@pytest.mark.parametrize("length", [Length(0, 0, 0), Length(-1, 0, 0), Length(1, -1, 0), Length(12_001, 0, 0)])
def test_a_retention_that_no_policy_could_have_is_none(length: Length) -> None:
    assert length.span is None


def test_what_a_version_does_not_say_is_as_if_it_were_off() -> None:
    found = config()
    assert (found.keep_table, found.keep_index, found.infinite, found.undoing, found.epoch) == (True, True, False, False, "none")
    assert (found.template, found.others, found.automatic) == (None, {}, True)


def test_names_are_split_at_the_first_dot_as_pg_partman_does() -> None:
    assert config(template_table="part man.a.b").template == TableName("part man", "a.b")


def test_a_long_name_is_cut_before_what_tells_partitions_apart() -> None:
    name = partman_name("ä" * 31, "20261101_000000")
    assert name == "ä" * 23 + "_p20261101_000000"
    assert len(name.encode()) == MAX_IDENTIFIER_BYTES
