"""From COPY's text to Arrow, type by type: what the native type holds natively, all else beside it as text."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from include.archive.decoding import decode
from include.archive.schema import schema_of
from include.partitioning.column import Column
from include.partitioning.errors import ArchiveError
from tests.unit.sample_archive import copy_text, numeric, of

ID = of("int4", "id")


def decoded(column: Column, *texts: str | None) -> list[object]:
    """The values of a column, each in a row that also has an id."""
    columns = (column, ID)
    table = decode(copy_text(columns, *((text, str(index)) for index, text in enumerate(texts))), columns)
    assert table.schema == schema_of(columns)
    assert table.column(1).to_pylist() == list(range(len(texts)))
    values: list[object] = table.column(0).to_pylist()
    return values


@pytest.mark.parametrize(
    ("column", "texts", "values"),
    [
        (of("bool"), ["t", "f"], [True, False]),
        (of("int2"), ["-32768", "32767"], [-(2**15), 2**15 - 1]),
        (of("int4"), ["-2147483648", "0"], [-(2**31), 0]),
        (of("int8"), ["-9223372036854775808", "9223372036854775807"], [-(2**63), 2**63 - 1]),
        (of("float8"), ["0.1", "5e-324", "1.7976931348623157e+308", "-Infinity"], [0.1, 5e-324, 1.7976931348623157e308, float("-inf")]),
        (of("float4"), ["0.5", "Infinity", "1e-45"], [0.5, float("inf"), 2.0**-149]),
        (of("date"), ["2024-02-29", "0001-01-01", "9999-12-31"], [date(2024, 2, 29), date.min, date.max]),
        (
            of("timestamp"),
            ["2025-10-01 12:00:00", "2025-10-01 12:00:00.1", "1969-12-31 23:59:59.999999", "9999-12-31 23:59:59.999999"],
            [
                datetime.fromisoformat("2025-10-01T12:00:00"),
                datetime.fromisoformat("2025-10-01T12:00:00.1"),
                datetime.fromisoformat("1969-12-31T23:59:59.999999"),
                datetime.fromisoformat("9999-12-31T23:59:59.999999"),
            ],
        ),
        (of("timestamptz"), ["2025-10-01 12:00:00.123456+00"], [datetime(2025, 10, 1, 12, 0, 0, 123456, UTC)]),
        (of("bytea"), ["\\x00ff5c", "\\x"], [b"\x00\xff\\", b""]),
        (numeric(6, 2), ["1.10", "-9999.99", "0.00"], [Decimal("1.10"), Decimal("-9999.99"), Decimal("0.00")]),
        (numeric(38, 0), ["9" * 38], [Decimal("9" * 38)]),
        (numeric(38, 38), ["0." + "0" * 37 + "1"], [Decimal(1).scaleb(-38)]),
        (of("numeric"), ["NaN", "1.50", "1e5"], ["NaN", "1.50", "1e5"]),
        (of("uuid"), ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"], ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"]),
        (of("jsonb"), ['{"a": [1, null]}'], ['{"a": [1, null]}']),
        (Column("c", "integer[]"), ["{1,NULL}"], ["{1,NULL}"]),
    ],
)
def test_each_type_is_read_without_loss_and_null_is_null(column: Column, texts: list[str], values: list[object]) -> None:
    assert decoded(column, *texts, None) == [*values, None]


def test_a_nan_in_a_float_is_kept() -> None:
    (value,) = decoded(of("float8"), "NaN")
    assert value != value  # noqa: PLR0124 - only NaN differs from itself


def test_an_empty_text_is_not_null() -> None:
    assert decoded(of("text"), "", None) == ["", None]


def test_words_that_readers_take_for_null_or_numbers_stay_texts() -> None:
    words = ["NULL", "null", "NA", "nan", "N/A", "true", "007", " padded ", "\\N", "\\.", "#N/A"]
    assert decoded(of("text"), *words) == words


def test_newlines_quotes_commas_control_characters_and_all_of_unicode_survive() -> None:
    hostile = [
        'a\n"b",\r\n\tc',
        "\n",
        "\r",
        '"',
        "\x01",
        "\x01\x01",
        ",\x01,",
        "\x02\x1f\x7f",
        "\\",
        "größe",
        "\U0001f600",
        "\ufeffx",
        "\u2028",
    ]
    assert decoded(of("text"), *hostile) == hostile


def test_every_control_character_survives_alone_and_between_others() -> None:
    texts = [text for code in range(1, 32) for text in (chr(code), f"a{chr(code)}b")]
    assert decoded(of("text"), *texts) == texts


def test_columns_with_empty_equal_looking_or_numeric_names_are_kept_apart() -> None:
    columns = (of("text", "1"), of("text", "0"), of("text", ""))
    assert decode(copy_text(columns, ("a", "b", "c")), columns).to_pylist() == [{"1": "a", "0": "b", "": "c"}]


def test_a_null_in_the_only_column_is_a_row() -> None:
    columns = (of("text"),)
    assert decode(copy_text(columns, ("a",), (None,), ("",), (None,)), columns).column(0).to_pylist() == ["a", None, "", None]
    assert decode(b"\n", (of("int4"),)).column(0).to_pylist() == [None]


@pytest.mark.parametrize(
    ("column", "text"),
    [
        (of("date"), "infinity"),
        (of("date"), "-infinity"),
        (of("date"), "0044-03-15 BC"),
        (of("date"), "10000-01-01"),
        (of("timestamp"), "infinity"),
        (of("timestamp"), "294276-12-31 23:59:59.999999"),
        (of("timestamptz"), "-infinity"),
        (of("timestamptz"), "0044-03-15 00:00:00+00 BC"),
        (of("timestamptz"), "10000-01-01 00:00:00+00"),
        (numeric(6, 2), "NaN"),
    ],
)
def test_a_value_that_the_native_type_lacks_stands_beside_it_as_text(column: Column, text: str) -> None:
    ordinary = {"date": "2025-10-01", "timestamp": "2025-10-01 00:00:00", "timestamptz": "2025-10-01 00:00:00+00", "numeric": "1.10"}
    columns = (ID, column)
    table = decode(copy_text(columns, ("1", ordinary[column.base_type]), ("2", text), ("3", None)), columns)
    assert [value is None for value in table.column(1).to_pylist()] == [False, True, True]
    assert table.column(2).to_pylist() == [None, text, None]


def test_a_companion_is_empty_where_the_native_type_holds_everything() -> None:
    columns = (of("date"),)
    assert decode(b"2025-10-01\n\n", columns).column(1).to_pylist() == [None, None]


@pytest.mark.parametrize(
    ("column", "text"),
    [
        (of("int4"), "2147483648"),
        (of("int8"), "9223372036854775808"),
        (of("int4"), "one"),
        (of("date"), "2025-02-30"),
        (of("timestamp"), "2025-10-01 25:00:00"),
        (numeric(6, 2), "1.123"),
        (numeric(6, 2), "12345.00"),
        (of("float8"), "much"),
        (of("bytea"), "\\x0"),
        (of("bytea"), "\\xzz"),
    ],
)
def test_text_that_is_none_of_its_type_is_refused_with_its_column(column: Column, text: str) -> None:
    with pytest.raises(ArchiveError, match=r"holds text that is none of its type") as caught:
        decoded(column, text)
    assert f'column "{column.name}" of type {column.type}' in str(caught.value)
    assert "nothing is dropped" in str(caught.value)


def test_bytes_that_are_not_utf8_are_refused_and_not_replaced() -> None:
    with pytest.raises(ArchiveError, match=r"nothing is dropped"):
        decode(b"\x01\xff\x01,1\n", (of("text"), ID))


@pytest.mark.parametrize("block", [b"1\n", b"1,2,3\n", b"1,2\n3\n"])
def test_a_row_with_too_few_or_too_many_fields_is_refused(block: bytes) -> None:
    with pytest.raises(ArchiveError, match=r"the rows cannot be read"):
        decode(block, (of("int4"), ID))


def test_a_block_may_be_bytes_or_a_bytearray() -> None:
    assert decode(bytearray(b"1\n"), (ID,)) == decode(b"1\n", (ID,))


def test_a_row_longer_than_a_csv_readers_usual_block_is_read() -> None:
    long = "x\n" * (3 << 20)
    assert decoded(of("text"), "a", long, "b") == ["a", long, "b"]


def test_the_schema_does_not_depend_on_the_rows() -> None:
    columns = (numeric(6, 2, "a"), of("text", "b"), of("date", "c"))
    nulls = decode(copy_text(columns, (None, None, None)), columns)
    values = decode(copy_text(columns, ("NaN", "a", "infinity"), ("1.00", "a", "2025-10-01")), columns)
    assert nulls.schema == values.schema == schema_of(columns)
