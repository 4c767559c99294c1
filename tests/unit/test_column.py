"""How a column travels, which measures it has, and how two pieces of evidence differ."""

import pytest

from include.partitioning.column import Column, Evidence

NATIVE = ("bool", "bytea", "int2", "int4", "int8", "float4", "float8", "date", "timestamp", "timestamptz")


def numeric(precision: int, scale: int) -> Column:
    """A column of type numeric(precision, scale), whose modifier packs both as in PostgreSQL's numeric.c."""
    return Column("c", f"numeric({precision},{scale})", "numeric", ((precision << 16) | (scale & 0x7FF)) + 4)


@pytest.mark.parametrize(("precision", "scale"), [(1, 0), (6, 2), (38, 0), (38, 38), (1, 1), (20, 10)])
def test_a_numeric_of_up_to_38_digits_is_a_decimal(precision: int, scale: int) -> None:
    column = numeric(precision, scale)
    assert column.decimal == (precision, scale)
    assert column.is_native
    assert column.has_companion
    assert column.measures == ("min", "max", "sum")


@pytest.mark.parametrize(("precision", "scale"), [(39, 0), (39, 2), (1000, 1000), (1000, -1000), (2, 5), (5, -2), (1000, 0)])
def test_a_numeric_with_more_digits_or_an_unusual_scale_travels_as_text(precision: int, scale: int) -> None:
    column = numeric(precision, scale)
    assert column.decimal is None
    assert not column.is_native
    assert not column.has_companion
    assert column.measures == ()


def test_a_numeric_without_precision_travels_as_text() -> None:
    assert Column("c", "numeric", "numeric").decimal is None
    assert not Column("c", "numeric", "numeric").is_native


def test_only_a_numeric_has_a_precision_whatever_the_modifier() -> None:
    assert Column("c", "timestamp(3) with time zone", "timestamptz", 3).decimal is None
    assert Column("c", "character varying(20)", "varchar", 24).decimal is None
    assert Column("c", "bigint", "int8", 393222).decimal is None


@pytest.mark.parametrize("base_type", NATIVE)
def test_types_that_arrow_has_are_native(base_type: str) -> None:
    assert Column("c", base_type, base_type).is_native


@pytest.mark.parametrize(
    "base_type", ["text", "varchar", "bpchar", "uuid", "json", "jsonb", "interval", "time", "timetz", "oid", "money", "bit", ""]
)
def test_all_other_types_travel_as_text(base_type: str) -> None:
    column = Column("c", base_type, base_type)
    assert not column.is_native
    assert not column.has_companion


def test_times_have_a_companion_for_infinity_and_years_that_others_do_not_have() -> None:
    assert [base_type for base_type in NATIVE if Column("c", base_type, base_type).has_companion] == ["date", "timestamp", "timestamptz"]


@pytest.mark.parametrize(
    ("base_type", "measures"),
    [
        ("int2", ("min", "max", "sum")),
        ("int8", ("min", "max", "sum")),
        ("int4", ("min", "max", "sum")),
        ("date", ("min", "max")),
        ("timestamp", ("min", "max")),
        ("timestamptz", ("min", "max")),
        ("text", ("bytes",)),
        ("varchar", ("bytes",)),
        ("bytea", ("bytes",)),
        ("bpchar", ()),
        ("bool", ()),
        ("float8", ()),
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
