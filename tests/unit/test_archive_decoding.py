"""From COPY's CSV to Arrow, type by type: exactly, or not at all."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest
from include.archive.format import arrow_type, parse_block, schema_of

from include.partitioning.column import Column
from include.partitioning.errors import ArchiveError


def numeric(precision: int, scale: int) -> Column:
    """A column of type numeric(precision, scale), whose modifier packs both as in PostgreSQL's numeric.c."""
    return Column("amount", f"numeric({precision},{scale})", "numeric", ((precision << 16) | (scale & 0x7FF)) + 4)


def of(base_type: str) -> Column:
    """A column of that built-in type."""
    return Column("c", base_type, base_type)


def parsed(column: Column, *fields: str) -> list[object]:
    """The values of the CSV fields, each in a row that also has an id."""
    block = "".join(f"{field},{index}\n" for index, field in enumerate(fields)).encode()
    table = parse_block(block, (column, Column("id", "integer", "int4")))
    assert table.column(1).to_pylist() == list(range(len(fields)))
    values: list[object] = table.column(0).to_pylist()
    return values


@pytest.mark.parametrize(
    ("column", "fields", "values"),
    [
        (of("bool"), ["t", "f"], [True, False]),
        (of("int2"), ["-32768", "32767"], [-(2**15), 2**15 - 1]),
        (of("int4"), ["-2147483648", "0"], [-(2**31), 0]),
        (of("int8"), ["-9223372036854775808", "9223372036854775807"], [-(2**63), 2**63 - 1]),
        (of("float8"), ["0.1", "1e-310", "1.7976931348623157e+308", "-Infinity"], [0.1, 1e-310, 1.7976931348623157e308, float("-inf")]),
        (of("float4"), ["0.5", "Infinity"], [0.5, float("inf")]),
        (of("date"), ["2024-02-29", "0001-01-01", "9999-12-31"], [date(2024, 2, 29), date.min, date.max]),
        (
            of("timestamp"),
            ["2025-10-01 12:00:00", "2025-10-01 12:00:00.1", "1969-12-31 23:59:59.999999"],
            [
                datetime.fromisoformat("2025-10-01T12:00:00"),
                datetime.fromisoformat("2025-10-01T12:00:00.1"),
                datetime.fromisoformat("1969-12-31T23:59:59.999999"),
            ],
        ),
        (of("timestamptz"), ["2025-10-01 12:00:00.123456+00"], [datetime(2025, 10, 1, 12, 0, 0, 123456, UTC)]),
        (of("bytea"), ["\\x00ff5c", "\\x"], [b"\x00\xff\\", b""]),
        (numeric(6, 2), ["1.10", "-9999.99", "0.00"], [Decimal("1.10"), Decimal("-9999.99"), Decimal("0.00")]),
        (numeric(38, 0), ["9" * 38], [Decimal("9" * 38)]),
        (of("numeric"), ["NaN", "1.50", "1e5"], ["NaN", "1.50", "1e5"]),
        (of("uuid"), ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"], ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"]),
        (of("jsonb"), ['"{""a"": [1, null]}"'], ['{"a": [1, null]}']),
        (Column("c", "integer[]"), ['"{1,NULL}"'], ["{1,NULL}"]),
    ],
)
def test_each_type_is_read_without_loss_and_null_is_null(column: Column, fields: list[str], values: list[object]) -> None:
    assert parsed(column, *fields, "") == [*values, None]


def test_a_nan_in_a_float_is_kept() -> None:
    (value,) = parsed(of("float8"), "NaN")
    assert value != value  # noqa: PLR0124 - only NaN differs from itself


def test_an_empty_text_is_not_null() -> None:
    assert parsed(of("text"), '""', "") == ["", None]


def test_words_that_readers_take_for_null_or_numbers_stay_texts() -> None:
    words = ["NULL", "null", "NA", "nan", "N/A", "true", "007", " padded ", "\\N", "\\."]
    assert parsed(of("text"), *words) == words


def test_newlines_quotes_commas_and_all_of_unicode_survive() -> None:
    assert parsed(of("text"), '"a\n""b"",\r\n\tc"', '"\n"', "größe", "\U0001f600") == ['a\n"b",\r\n\tc', "\n", "größe", "\U0001f600"]


def test_columns_with_empty_equal_looking_or_numeric_names_are_kept_apart() -> None:
    columns = (Column("1", "text", "text"), Column("0", "text", "text"), Column("", "text", "text"))
    assert parse_block(b"a,b,c\n", columns).to_pylist() == [{"1": "a", "0": "b", "": "c"}]


def test_a_null_in_the_only_column_is_a_row() -> None:
    assert parse_block(b'a\n\n""\n', (of("text"),)).column(0).to_pylist() == ["a", None, ""]


@pytest.mark.parametrize(
    ("column", "field"),
    [
        (of("date"), "infinity"),
        (of("date"), "-infinity"),
        (of("date"), "0044-03-15 BC"),
        (of("date"), "10000-01-01"),
        (of("timestamp"), "infinity"),
        (of("timestamptz"), "-infinity"),
        (of("timestamptz"), "0044-03-15 00:00:00+00 BC"),
        (of("timestamptz"), "10000-01-01 00:00:00+00"),
        (numeric(6, 2), "NaN"),
    ],
)
def test_a_value_that_the_native_type_cannot_hold_is_refused_with_its_column_and_itself(column: Column, field: str) -> None:
    with pytest.raises(ArchiveError) as caught:
        parse_block(f"1,{field}\n".encode(), (Column("id", "integer", "int4"), column))
    assert f'column "{column.name}" of type {column.type} holds a value' in str(caught.value)
    assert field in str(caught.value)


def test_the_refused_value_stands_alone_in_the_message() -> None:
    with pytest.raises(ArchiveError, match=r"\(infinity\)"):
        parse_block(b"1,infinity\n", (Column("id", "integer", "int4"), of("date")))


def test_bytes_that_are_not_utf8_are_refused_and_not_replaced() -> None:
    with pytest.raises(ArchiveError, match=r'column "c"'):
        parse_block(b"\xff,1\n", (of("text"), Column("id", "integer", "int4")))


@pytest.mark.parametrize("block", [b"1\n", b"1,2,3\n"])
def test_a_row_with_too_few_or_too_many_fields_is_refused(block: bytes) -> None:
    with pytest.raises(ArchiveError, match=r"cannot be written"):
        parse_block(block, (of("int4"), Column("id", "integer", "int4")))


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
        (of("interval"), pa.string()),
        (Column("c", "my_domain"), pa.string()),
    ],
)
def test_a_numeric_is_native_only_where_a_decimal_of_128_bits_holds_it(column: Column, expected: pa.DataType) -> None:
    assert arrow_type(column) == expected


def test_the_schema_remembers_names_types_and_not_null() -> None:
    schema = schema_of((Column("at", "timestamp with time zone", "timestamptz", not_null=True), Column("tags", "text[]")))
    assert schema.names == ["at", "tags"]
    assert [field.nullable for field in schema] == [False, True]
    assert schema.field("tags").metadata == {b"postgresql_type": b"text[]"}
    assert schema.field("at").type == pa.timestamp("us", "UTC")


def test_the_schema_does_not_depend_on_the_rows() -> None:
    columns = (numeric(6, 2), of("text"))
    assert parse_block(b",\n", columns).schema == parse_block(b"1.00,a\n", columns).schema == schema_of(columns)
