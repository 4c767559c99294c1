"""Which measures a column has, and how two pieces of evidence differ."""

import pytest

from include.partitioning.column import Column, Evidence


@pytest.mark.parametrize(
    ("base_type", "measures"),
    [
        ("int2", ("min", "max", "sum")),
        ("int8", ("min", "max", "sum")),
        ("date", ("min", "max")),
        ("timestamptz", ("min", "max")),
        ("text", ("bytes",)),
        ("varchar", ("bytes",)),
        ("jsonb", ()),
        ("numeric", ()),
        ("", ()),
    ],
)
def test_a_column_is_measured_by_its_type(base_type: str, measures: tuple[str, ...]) -> None:
    assert Column("c", base_type or "my_domain", base_type).measures == measures


def test_equal_evidence_has_no_differences() -> None:
    evidence = Evidence(3, {"id": {"non_null": 3, "sum": 6}, "note": {"non_null": 0, "bytes": None}})
    assert evidence.differences(Evidence(3, {"note": {"non_null": 0, "bytes": None}, "id": {"sum": 6, "non_null": 3}})) == []


def test_each_difference_names_the_column_the_measure_and_both_values() -> None:
    first = Evidence(3, {"id": {"non_null": 3, "sum": 6}, "gone": {"non_null": 1}})
    second = Evidence(4, {"id": {"non_null": 3, "sum": 7}})
    assert first.differences(second) == ["rows: 3 and 4", 'column "gone", non_null: 1 and None', 'column "id", sum: 6 and 7']


def test_a_sum_of_nothing_is_not_a_sum_of_zero() -> None:
    assert Evidence(0, {"id": {"sum": None}}).differences(Evidence(0, {"id": {"sum": 0}})) == ['column "id", sum: None and 0']
