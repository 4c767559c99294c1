"""The columns of an archive's files. They depend on the table alone, never on its rows, so that one wildcard reads all months.

Types that Arrow holds travel natively, so that every reader sees numbers as numbers and times as times; all others as the
text of their output function. A native type that lacks some of PostgreSQL's values (infinite times, years before 1
and after 9999, NaN in a numeric with a scale) has a companion: a text column behind all others that holds just those values.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from include.partitioning.column import Column

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
_SUFFIX = "__text"


@dataclass(frozen=True, slots=True)
class Field:
    """One table column and where its values are in a file.

    :param place: number of the file's column, from 0.
    :param companion: number of the file's column that holds, as text, what the first cannot; None if there is none.
    """

    column: Column
    arrow_type: pa.DataType
    place: int
    companion: int | None


def arrow_type(column: Column) -> pa.DataType:
    """The type the column has in a file."""
    if column.decimal is not None:
        return pa.decimal128(*column.decimal)
    return _NATIVE[column.base_type] if column.is_native else pa.string()


def fields_of(columns: Sequence[Column]) -> tuple[Field, ...]:
    """Where each column's values are."""
    with_companion = [column.name for column in columns if column.has_companion]
    return tuple(
        Field(
            column,
            arrow_type(column),
            place,
            len(columns) + with_companion.index(column.name) if column.has_companion else None,
        )
        for place, column in enumerate(columns)
    )


def companions_of(columns: Sequence[Column]) -> dict[str, str]:
    """Names of the companions by the names of their columns: `<column>__text`, with more underscores where that is taken."""
    taken = {column.name for column in columns}
    companions: dict[str, str] = {}
    for column in columns:
        if column.has_companion:
            name = column.name + _SUFFIX
            while name in taken:
                name += "_"
            taken.add(name)
            companions[column.name] = name
    return companions


def schema_of(columns: Sequence[Column]) -> pa.Schema:
    """The files' schema; each field remembers its PostgreSQL type under the metadata key `postgresql_type`."""
    own = [
        pa.field(each.name, arrow_type(each), each.has_companion or not each.not_null, {"postgresql_type": each.type}) for each in columns
    ]
    companions = companions_of(columns)
    beside = [
        pa.field(companions[each.name], pa.string(), True, {"postgresql_type": each.type, "companion_of": each.name})
        for each in columns
        if each.has_companion
    ]
    return pa.schema([*own, *beside])
