"""The columns of an archive's files: native where Arrow has the type, text otherwise, companions behind all others."""

import pyarrow as pa
import pytest

from include.archive.schema import arrow_type, companions_of, fields_of, schema_of
from include.partitioning.column import Column
from tests.unit.sample_archive import numeric, of


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (of("bool"), pa.bool_()),
        (of("int2"), pa.int16()),
        (of("int4"), pa.int32()),
        (of("int8"), pa.int64()),
        (of("float4"), pa.float32()),
        (of("float8"), pa.float64()),
        (of("date"), pa.date32()),
        (of("timestamp"), pa.timestamp("us")),
        (of("timestamptz"), pa.timestamp("us", "UTC")),
        (of("bytea"), pa.binary()),
        (of("text"), pa.string()),
        (of("uuid"), pa.string()),
        (of("jsonb"), pa.string()),
        (of("interval"), pa.string()),
        (of("timetz"), pa.string()),
        (Column("c", "my_domain"), pa.string()),
        (Column("c", "integer[]"), pa.string()),
    ],
)
def test_a_type_travels_natively_where_arrow_has_it_and_as_text_otherwise(column: Column, expected: pa.DataType) -> None:
    assert arrow_type(column) == expected


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (numeric(10, 2), pa.decimal128(10, 2)),
        (numeric(38, 38), pa.decimal128(38, 38)),
        (numeric(1, 0), pa.decimal128(1, 0)),
        (numeric(39, 2), pa.string()),
        (numeric(1000, 1000), pa.string()),
        (numeric(2, 5), pa.string()),  # a scale above the precision, PostgreSQL 15 and later
        (numeric(5, -2), pa.string()),  # a negative scale, too
        (of("numeric"), pa.string()),
    ],
)
def test_a_numeric_is_native_only_where_a_decimal_of_128_bits_holds_it(column: Column, expected: pa.DataType) -> None:
    assert arrow_type(column) == expected


def test_the_schema_remembers_names_types_and_not_null() -> None:
    schema = schema_of((Column("id", "bigint", "int8", not_null=True), Column("tags", "text[]")))
    assert schema.names == ["id", "tags"]
    assert [field.nullable for field in schema] == [False, True]
    assert schema.field("tags").metadata == {b"postgresql_type": b"text[]"}


def test_companions_stand_behind_all_columns_and_say_whose_they_are() -> None:
    columns = (Column("at", "timestamp with time zone", "timestamptz", not_null=True), of("text", "note"), numeric(6, 2, "price"))
    schema = schema_of(columns)
    assert schema.names == ["at", "note", "price", "at__text", "price__text"]
    assert schema.field("at__text").type == pa.string()
    assert schema.field("at__text").metadata == {b"postgresql_type": b"timestamp with time zone", b"companion_of": b"at"}
    assert [(field.place, field.companion) for field in fields_of(columns)] == [(0, 3), (1, None), (2, 4)]


def test_a_not_null_column_with_a_companion_may_be_null_in_the_file() -> None:
    schema = schema_of((Column("at", "date", "date", not_null=True),))
    assert [field.nullable for field in schema] == [True, True]


@pytest.mark.parametrize("base_type", ["bool", "int2", "int4", "int8", "float4", "float8", "bytea", "text", "numeric", "interval"])
def test_a_type_that_lacks_nothing_has_no_companion(base_type: str) -> None:
    assert companions_of((of(base_type),)) == {}


def test_a_companion_never_takes_a_name_that_a_column_or_another_companion_has() -> None:
    columns = (of("date", "a"), of("text", "a__text"), of("date", "a__text_"), of("date", "a_"), of("text", "a___text"))
    companions = companions_of(columns)
    names = schema_of(columns).names
    assert list(companions) == ["a", "a__text_", "a_"]
    assert companions["a"] == "a__text__"
    assert len(set(names)) == len(names) == len(columns) + len(companions)


def test_columns_with_empty_or_strange_names_keep_them() -> None:
    columns = (of("date", ""), of("text", "a.b"), of("text", "größe\n"), of("text", "1"))
    assert schema_of(columns).names == ["", "a.b", "größe\n", "1", "__text"]
