"""What the server is asked to add up, as the evidence of an archive; `include.archive.evidence` is its counterpart."""

from collections.abc import Iterator, Sequence

from psycopg import sql

from include.partitioning.column import TIMES, Column, Evidence, Measures
from include.partitioning.names import TableName
from include.postgres.statements import named

_ORDINARY_TIMES = {
    "date": ("0001-01-01", "9999-12-31"),
    "timestamp": ("0001-01-01 00:00:00", "9999-12-31 23:59:59.999999"),
    "timestamptz": ("0001-01-01 00:00:00+00", "9999-12-31 23:59:59.999999+00"),
}
"""First and last value, both inclusive, of those that travel natively."""


def evidence_query(table: TableName, columns: Sequence[Column], *, utf8: bool) -> sql.Composed:
    """One row with all measures, in the order of `evidence_of`; one sequential scan.

    :param utf8: the database's own encoding.
    """
    terms: list[sql.Composable] = [sql.SQL("pg_catalog.count(*)")]
    for column in columns:
        name = sql.Identifier(column.name)
        terms.append(sql.SQL("pg_catalog.count({})").format(name))
        terms.extend(_measure(column, key, utf8=utf8) for key in column.measures)
    return sql.SQL("SELECT {} FROM ONLY {}").format(sql.SQL(", ").join(terms), named(table))


def _measure(column: Column, key: str, *, utf8: bool) -> sql.Composed:
    name = sql.Identifier(column.name)
    if key == "bytes":
        # Of text in UTF-8, which the archive has, whatever the database has.
        stored_so = utf8 or column.base_type == "bytea"
        return sql.SQL("pg_catalog.sum(pg_catalog.octet_length({}))").format(
            name if stored_so else sql.SQL("pg_catalog.convert_to({}, 'UTF8')").format(name)
        )
    if column.base_type in TIMES:
        return _extreme_time(column, key)
    measure = sql.SQL("pg_catalog.{}({})").format(sql.SQL(key), name)
    if column.decimal is not None:
        # trunc() makes a number without a fraction of one that has only zeros there.
        finite = sql.SQL("{} FILTER (WHERE {} <> 'NaN')").format(measure, name)
        measure = sql.SQL("pg_catalog.trunc({} * {})").format(finite, sql.Literal(10 ** column.decimal[1]))
    if key != "sum":
        return measure
    # mod() takes the sign of the dividend; added and taken again it is the remainder from 0 to 2^64 - 1.
    modulo = sql.SQL("pg_catalog.mod(pg_catalog.mod({}::pg_catalog.numeric, {size}) + {size}, {size})")
    return modulo.format(measure, size=sql.SQL("18446744073709551616"))


def _extreme_time(column: Column, key: str) -> sql.Composed:
    """The first or last of the values that travel natively, in days or microseconds since 1970."""
    name = sql.Identifier(column.name)
    first, last = (sql.Literal(each) for each in _ORDINARY_TIMES[column.base_type])
    ordinary = sql.SQL("pg_catalog.{}({name}) FILTER (WHERE {name} BETWEEN {} AND {})").format(sql.SQL(key), first, last, name=name)
    if column.base_type == "date":
        return sql.SQL("{} - '1970-01-01'::pg_catalog.date").format(ordinary)
    return sql.SQL("pg_catalog.trunc(extract(epoch FROM {}) * 1000000)").format(ordinary)


def evidence_of(columns: Sequence[Column], found: Sequence[object]) -> Evidence:
    """The query's row as evidence."""
    values = iter(found)
    total = _whole(next(values)) or 0
    return Evidence(total, {column.name: _measured(column, values) for column in columns})


def _measured(column: Column, values: Iterator[object]) -> Measures:
    return {key: _whole(next(values)) for key in ("non_null", *column.measures)}


def _whole(value: object) -> int | None:
    return None if value is None else int(str(value))
