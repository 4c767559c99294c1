"""What the rows of an archive add up to, computed from Arrow data, and a digest of every value."""

import hashlib
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from include.partitioning.column import Column, Evidence, Measures

_UNSIGNED = 2**64
_ZEROS: dict[str, Any] = {"string": "", "binary": b""}


class Tally:
    """Adds up tables in the order they come; two tallies are equal if and only if every value in every row was.

    Equal digests need equal cuts into tables, which a file keeps: one table, one row group.
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = columns
        self._rows = 0
        self._measures: dict[str, Measures] = {each.name: dict.fromkeys(("non_null", *each.measures)) | {"non_null": 0} for each in columns}
        self._digest = hashlib.sha256()

    def add(self, table: pa.Table) -> None:
        """Take in one table with the columns in their order."""
        self._rows += table.num_rows
        self._digest.update(table.num_rows.to_bytes(8, "little"))
        for column, chunked in zip(self._columns, table.columns, strict=True):
            array = chunked.combine_chunks()
            array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
            self._measure(column, array)
            _update(self._digest, array)

    @property
    def digest(self) -> str:
        """SHA-256, in hexadecimal."""
        return self._digest.hexdigest()

    @property
    def evidence(self) -> Evidence:
        """The measures so far."""
        return Evidence(self._rows, self._measures)

    def _measure(self, column: Column, array: pa.Array) -> None:
        measures = self._measures[column.name]
        measures["non_null"] = (measures["non_null"] or 0) + len(array) - array.null_count
        if array.null_count == len(array):
            return
        numbers = _numbers(array) if column.measures else array
        for key in column.measures:
            measures[key] = _merged(key, measures[key], numbers, array)


def _merged(key: str, before: int | None, numbers: pa.Array, array: pa.Array) -> int:
    if key == "bytes":
        return (before or 0) + int(pc.sum(pc.binary_length(array)).as_py())
    if key == "sum":
        return ((before or 0) + int(pc.sum(numbers).as_py())) % _UNSIGNED  # Arrow's sum wraps around at 2^64 as well
    extreme = int(pc.min(numbers).as_py() if key == "min" else pc.max(numbers).as_py())
    return extreme if before is None else (min(before, extreme) if key == "min" else max(before, extreme))


def _numbers(array: pa.Array) -> pa.Array:
    """Days or microseconds since 1970 for times, integers as they are."""
    if pa.types.is_date32(array.type):
        return array.view(pa.int32()).cast(pa.int64())
    return array.view(pa.int64()) if pa.types.is_timestamp(array.type) else array


def _update(digest: "hashlib._Hash", array: pa.Array) -> None:
    """Which values are NULL, then all values with NULLs as zero, in their memory layout."""
    digest.update(_fixed_width(pc.is_valid(array).cast(pa.uint8())))
    filled = array.fill_null(_zero(array.type)) if array.null_count else array
    if pa.types.is_string(array.type) or pa.types.is_binary(array.type):
        digest.update(_fixed_width(pc.binary_length(filled)))
        digest.update(_payload(filled))
    elif pa.types.is_boolean(array.type):
        digest.update(_fixed_width(filled.cast(pa.uint8())))
    else:
        digest.update(_fixed_width(filled))


def _fixed_width(array: pa.Array) -> memoryview:
    """The values of an array without NULLs, as they lie in memory."""
    width = array.type.bit_width // 8
    return memoryview(array.buffers()[1])[array.offset * width : (array.offset + len(array)) * width]


def _payload(array: pa.Array) -> memoryview:
    """The bytes of all values behind one another."""
    if len(array) == 0 or array.buffers()[2] is None:
        return memoryview(b"")
    offsets = memoryview(array.buffers()[1]).cast("i")
    return memoryview(array.buffers()[2])[offsets[array.offset] : offsets[array.offset + len(array)]]


def _zero(kind: pa.DataType) -> pa.Scalar:
    if pa.types.is_decimal(kind):
        return pa.scalar(Decimal(0), kind)
    if pa.types.is_boolean(kind):
        return pa.scalar(value=False)
    return pa.scalar(_ZEROS.get(str(kind), 0), kind)
