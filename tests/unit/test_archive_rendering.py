"""From Arrow back to COPY's text: what the server would send for these values, to the byte. The floats' texts are a server's own."""

from datetime import date

import pyarrow as pa
import pytest

from include.archive.buffers import payload
from include.archive.decoding import decode
from include.archive.rendering import CSV, TEXT, lines
from include.archive.schema import schema_of
from include.partitioning.column import Column
from include.partitioning.copy_text import QUOTE
from tests.unit.sample_archive import BLOCKS, COLUMNS, copy_text, numeric, of


def rendered(column: Column, *values: object) -> list[str]:
    """Each native value of a column as COPY writes it."""
    schema = schema_of((column,))
    table = pa.table(
        [pa.array(values, schema.field(0).type), *(pa.nulls(len(values), pa.string()) for _ in schema.names[1:])], schema=schema
    )
    return [line.removesuffix("\n") for line in lines(table, (column,)).to_pylist()]


def text_of(table: pa.Table, columns: tuple[Column, ...]) -> bytes:
    """All rows as COPY's CSV."""
    return bytes(payload(lines(table, columns)))


@pytest.mark.parametrize("block", BLOCKS)
def test_what_was_decoded_is_rendered_as_what_was_sent(block: bytes) -> None:
    assert text_of(decode(block, COLUMNS), COLUMNS) == block


@pytest.mark.parametrize(
    ("column", "texts"),
    [
        (of("bool"), ["t", "f"]),
        (of("int2"), ["-32768", "32767", "0"]),
        (of("int4"), ["-2147483648", "2147483647"]),
        (of("int8"), ["-9223372036854775808", "9223372036854775807"]),
        (of("float8"), ["0", "-0", "0.1", "1e-05", "0.0001", "1e+15", "999999999999999", "NaN", "Infinity", "-Infinity"]),
        (of("float4"), ["0", "-0", "0.1", "1e-45", "3.4028235e+38", "NaN", "-Infinity"]),
        (of("date"), ["0001-01-01", "9999-12-31", "1969-12-31", "infinity", "-infinity", "0044-03-15 BC", "10000-01-01"]),
        (
            of("timestamp"),
            ["0001-01-01 00:00:00", "9999-12-31 23:59:59.999999", "2025-10-01 10:20:30.1", "1969-12-31 23:59:59.5", "infinity"],
        ),
        (of("timestamptz"), ["0001-01-01 00:00:00+00", "2025-10-20 10:20:00+00", "2025-10-01 00:00:00.00001+00", "-infinity"]),
        (of("bytea"), ["\\x", "\\x00", "\\x00ff5c2c0a01"]),
        (numeric(6, 2), ["0.00", "-0.01", "9999.99", "NaN"]),
        (numeric(6, 0), ["0", "-1", "999999", "100000", "NaN"]),
        (numeric(7, 7), ["0.0000000", "0.0000001", "-0.9999999"]),
        (numeric(38, 38), ["0." + "0" * 38, "0." + "0" * 37 + "1", "-0." + "9" * 38]),
        (numeric(38, 0), ["9" * 38, "-" + "9" * 38, "1" + "0" * 37]),
        (of("numeric"), ["NaN", "1.50", "1e5", "Infinity", "0.0000000000"]),
        (of("text"), ["", " ", "a,b", '"', "\x01", "\x01\x01", "\n", "\r\n", "\\", "\\N", "\\.", "\x02\x7f", "größe", "\U0001f600", "t"]),
        (of("jsonb"), ['{"a": "b"}']),
        (Column("c", "my_domain"), ["", "x"]),
    ],
)
def test_each_type_is_written_as_the_server_writes_it(column: Column, texts: list[str]) -> None:
    columns = (column, of("int4", "id"))
    block = copy_text(columns, *((text, "1") for text in texts), (None, "1"))
    assert text_of(decode(block, columns), columns) == block


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "1"),
        (100.0, "100"),
        (-1.5, "-1.5"),
        (0.00012345, "0.00012345"),
        (0.0001, "0.0001"),
        (0.00001, "1e-05"),
        (1e10, "10000000000"),
        (12345678901.5, "12345678901.5"),
        (123456789012345.0, "123456789012345"),
        (999999999999999.0, "999999999999999"),
        (1e14, "100000000000000"),
        (1e15, "1e+15"),
        (1234567890123456.0, "1.234567890123456e+15"),
        (847254783909480.8, "847254783909480.8"),
        (9007199254740992.0, "9.007199254740992e+15"),
        (1e22, "1e+22"),
        (2.0**-1022, "2.2250738585072014e-308"),
        (5e-324, "5e-324"),
        (1.7976931348623157e308, "1.7976931348623157e+308"),
        (1e100, "1e+100"),
    ],
)
def test_a_double_is_written_in_the_servers_layout(value: float, text: str) -> None:
    expected = [text, text.removeprefix("-") if value < 0 else f"-{text}"]
    assert rendered(of("float8"), value, -value) == expected


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (100000.5, "100000.5"),
        (123456.7, "123456.7"),
        (137619.375, "137619.38"),
        (999999.0, "999999"),
        (1e6, "1e+06"),
        (0.0001, "0.0001"),
        (0.00001, "1e-05"),
        (0.1, "0.1"),
        (16777216.0, "1.6777216e+07"),
        (2.0**-149, "1e-45"),
        (3.4028235e38, "3.4028235e+38"),
    ],
)
def test_a_single_is_written_in_the_servers_layout(value: float, text: str) -> None:
    assert rendered(of("float4"), value) == [text]


@pytest.mark.parametrize(
    ("base_type", "value", "text"),
    [
        ("float4", 33554448.0, "3.3554448e+07"),
        ("float4", -37214528.0, "-3.7214528e+07"),
        ("float4", 475004416.0, "4.7500442e+08"),
        ("float8", -20034855448587448.0, "-2.0034855448587448e+16"),
        ("float8", 1e23, "9.999999999999999e+22"),
        ("float8", 262013641462438784.0, "2.6201364146243878e+17"),
    ],
)
def test_a_float_is_never_written_as_the_middle_between_it_and_the_next(base_type: str, value: float, text: str) -> None:
    # Manual, 8.1.3: the output "is currently never exactly midway between two representable values", although it would read back.
    assert rendered(of(base_type), value) == [text]


def test_null_is_nothing_and_an_empty_text_is_two_quotes() -> None:
    assert rendered(of("text"), None, "") == ["", QUOTE * 2]


def test_native_values_are_never_quoted_and_texts_always() -> None:
    assert rendered(of("date"), date(2025, 10, 1)) == ["2025-10-01"]
    assert rendered(of("uuid"), "a") == [f"{QUOTE}a{QUOTE}"]


def test_the_text_format_escapes_instead_of_quoting() -> None:
    columns = (of("text", "a"), of("int4", "b"), of("bytea", "c"), of("date", "d"))
    block = copy_text(
        columns,
        ("back\\slash\ttab\nline\rreturn\b\f\v", "1", "\\x0a", "infinity"),
        ("", None, None, None),
        (None, "2", "\\x", "2025-10-01"),
        ("\x01,\"\\N", "3", None, None),
    )  # fmt: skip
    assert lines(decode(block, columns), columns, TEXT).to_pylist() == [
        "back\\\\slash\\ttab\\nline\\rreturn\\b\\f\\v\t1\t\\\\x0a\tinfinity\n",
        "\t\\N\t\\N\t\\N\n",
        "\\N\t2\t\\\\x\t2025-10-01\n",
        '\x01,"\\\\N\t3\t\\N\t\\N\n',
    ]


def test_only_the_columns_that_are_wanted_are_written_in_the_tables_order() -> None:
    columns = (of("text", "a"), of("date", "b"), of("int4", "c"))
    table = decode(copy_text(columns, ("x", "infinity", "1"), (None, "2025-10-01", None)), columns)
    assert lines(table, columns, CSV, ["c", "b"]).to_pylist() == ["infinity,1\n", "2025-10-01,\n"]
    assert lines(table, columns, CSV, ["a"]).to_pylist() == [f"{QUOTE}x{QUOTE}\n", "\n"]


def test_any_slice_of_a_table_is_written_like_a_table_of_its_own() -> None:
    rows = [line for block in BLOCKS for line in lines(decode(block, COLUMNS), COLUMNS).to_pylist()]
    table = pa.concat_tables([decode(block, COLUMNS) for block in BLOCKS])
    for first in range(len(rows) + 1):
        for length in range(len(rows) - first + 1):
            assert text_of(table.slice(first, length), COLUMNS) == "".join(rows[first : first + length]).encode()


def test_a_mended_value_behind_others_stays_in_its_row() -> None:
    assert rendered(of("float8"), 1.5, None, 1e300, 2.5, None, 1e-7) == ["1.5", "", "1e+300", "2.5", "", "1e-07"]
    table = pa.table([pa.array([0.5, None, 1e300, None, 2.0])], names=["c"])
    assert lines(table.slice(1, 3), (of("float8"),)).to_pylist() == ["\n", "1e+300\n", "\n"]


def test_no_rows_are_no_text() -> None:
    assert text_of(schema_of(COLUMNS).empty_table(), COLUMNS) == b""
