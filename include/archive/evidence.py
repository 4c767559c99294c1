"""What the rows of an archive add up to, computed from the stored values, to be compared with what the server says."""

from collections.abc import Sequence
from decimal import Context

import pyarrow as pa
import pyarrow.compute as pc

from include.archive.buffers import whole
from include.archive.schema import Field, fields_of
from include.partitioning.column import Column, Evidence, Measures

_UNSIGNED = 2**64
_ALL_DIGITS = Context(prec=80)
"""Python's own context would round to 28."""


class Tally:
    """Adds up tables, in whatever order they come."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._fields = fields_of(columns)
        self._rows = 0
        self._measures: dict[str, Measures] = {each.name: {"non_null": 0, **dict.fromkeys(each.measures)} for each in columns}

    def add(self, table: pa.Table) -> None:
        """Take in one table with the schema of `schema_of`."""
        self._rows += table.num_rows
        for field in self._fields:
            beside = 0 if field.companion is None else len(table) - table.column(field.companion).null_count
            _merge(self._measures[field.column.name], _measured(whole(table.column(field.place)), field, beside))

    def merge(self, other: "Tally") -> None:
        """Take in what another one has added up."""
        self._rows += other.evidence.rows
        for name, measures in other.evidence.columns.items():
            _merge(self._measures[name], measures)

    @property
    def evidence(self) -> Evidence:
        """The measures so far."""
        return Evidence(self._rows, self._measures)


def _measured(array: pa.Array, field: Field, beside: int) -> Measures:
    """One column of one table. Only `non_null` counts what the companion holds."""
    native = len(array) - array.null_count
    measures: Measures = {"non_null": native + beside, **dict.fromkeys(field.column.measures)}
    if native == 0:
        return measures
    for key in field.column.measures:
        if key == "bytes":
            measures[key] = int(pc.sum(pc.binary_length(array)).as_py())
        else:
            measures[key] = _number(array, key, field)
    return measures


def _number(array: pa.Array, key: str, field: Field) -> int:
    found = {"min": pc.min, "max": pc.max, "sum": pc.sum}[key](_numbers(array)).as_py()
    if field.column.decimal is not None:
        found = found.scaleb(field.column.decimal[1], _ALL_DIGITS)
    return int(found) % _UNSIGNED if key == "sum" else int(found)  # Arrow's own sum of integers wraps around at 2^64 as well


def _numbers(array: pa.Array) -> pa.Array:
    """Days or microseconds since 1970 for times, numbers as they are; decimals with room for a sum."""
    if pa.types.is_date32(array.type):
        return array.view(pa.int32()).cast(pa.int64())
    if pa.types.is_decimal(array.type):
        return array.cast(pa.decimal256(76, array.type.scale))
    return array.view(pa.int64()) if pa.types.is_timestamp(array.type) else array


def _merge(into: Measures, other: Measures) -> None:
    for key, value in other.items():
        before = into[key]
        if value is None or before is None:
            into[key] = before if value is None else value
        elif key in ("min", "max"):
            into[key] = min(before, value) if key == "min" else max(before, value)
        else:
            into[key] = (before + value) % _UNSIGNED if key == "sum" else before + value
