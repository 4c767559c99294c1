"""From PostgreSQL's CSV to Arrow, and how each column's type travels.

Types that Arrow holds exactly travel natively, so that every reader sees numbers as numbers and times as times. All others
travel as the text of their output function, with the PostgreSQL type recorded in the manifest. The schema depends only on
the table, never on its content. Nothing is rounded or wrapped: a value that the native type cannot hold (an infinite
timestamp, a NaN in a numeric with a scale) is an error.
"""

import re
from collections.abc import Sequence

import pyarrow as pa
from pyarrow import csv

from include.partitioning.column import Column
from include.partitioning.errors import ArchiveError

_NATIVE = {
    "bool": pa.bool_(),
    "int2": pa.int16(),
    "int4": pa.int32(),
    "int8": pa.int64(),
    "float4": pa.float32(),
    "float8": pa.float64(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us"),
    "timestamptz": pa.timestamp("us", "UTC"),
    "bytea": pa.binary(),
}
_FAULT = re.compile(r"CSV column #(\d+)")
_FAULTY_VALUE = re.compile(r"(?:invalid value|string) '(.*)'", re.DOTALL)
_HIGHEST_PRECISION = 38
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
"""Arrow drops one at the beginning of what it reads; a value that begins with one gets another before it."""


def arrow_type(column: Column) -> pa.DataType:
    """The type the column has in the file."""
    if column.base_type == "numeric":
        return _decimal(column.modifier) or pa.string()
    return _NATIVE.get(column.base_type, pa.string())


def schema_of(columns: Sequence[Column]) -> pa.Schema:
    """The file's schema; each field remembers its PostgreSQL type under the metadata key `postgresql_type`."""
    return pa.schema([pa.field(each.name, arrow_type(each), not each.not_null, {"postgresql_type": each.type}) for each in columns])


def parse_block(block: bytes, columns: Sequence[Column]) -> pa.Table:
    """Whole CSV rows as an Arrow table with the schema of `schema_of`.

    :raises ArchiveError: a value has no place in its column's native type.
    """
    # Columns are addressed by position, because a table may have names that CSV readers take for something else.
    places = [str(index) for index in range(len(columns))]
    types = {place: _as_read(column) for place, column in zip(places, columns, strict=True)}
    try:
        table = csv.read_csv(
            pa.py_buffer(_BYTE_ORDER_MARK + block if block.startswith(_BYTE_ORDER_MARK) else block),
            read_options=csv.ReadOptions(column_names=places, block_size=len(block) + 4, use_threads=False),
            parse_options=csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
            convert_options=csv.ConvertOptions(
                column_types=types,
                null_values=[""],
                true_values=["t"],
                false_values=["f"],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )
    except pa.ArrowInvalid as error:
        raise _fault(error, columns) from error
    return pa.Table.from_arrays(
        [_decoded(array, column) for array, column in zip(table.columns, columns, strict=True)], schema=schema_of(columns)
    )


def _as_read(column: Column) -> pa.DataType:
    wanted = arrow_type(column)
    return pa.string() if pa.types.is_binary(wanted) else wanted


def _decoded(array: pa.ChunkedArray, column: Column) -> pa.ChunkedArray:
    """`bytea` comes as hexadecimal text: `\\x6162`."""
    if column.base_type != "bytea":
        return array
    values = (None if text is None else bytes.fromhex(text[2:]) for text in array.to_pylist())
    return pa.chunked_array([pa.array(values, pa.binary())])


def _decimal(modifier: int) -> pa.DataType | None:
    """numeric(precision, scale), where Arrow's decimal holds it: the modifier packs both, the scale in 11 signed bits (numeric.c)."""
    if modifier < 4:
        return None
    precision = ((modifier - 4) >> 16) & 0xFFFF
    scale = (((modifier - 4) & 0x7FF) ^ 1024) - 1024
    return pa.decimal128(precision, scale) if precision <= _HIGHEST_PRECISION and 0 <= scale <= precision else None


def _fault(error: pa.ArrowInvalid, columns: Sequence[Column]) -> ArchiveError:
    match = _FAULT.search(str(error))
    if match is None:
        return ArchiveError(f"the rows cannot be written: {error}")
    column = columns[int(match[1])]
    faulty = _FAULTY_VALUE.search(str(error))
    value = faulty[1] if faulty else str(error).rpartition(":")[2].strip()
    return ArchiveError(
        f'column "{column.name}" of type {column.type} holds a value that the archive cannot hold unchanged ({value}); '
        "nothing is dropped; change the value, or keep the table: on_expiry: detach and no archive"
    )
