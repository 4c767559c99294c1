"""Reading a partition as of one snapshot: its rows as COPY text, what the server says they add up to, and the DDL to build it again.

The partition itself is read, never the parent: a snapshot from before a concurrent detach would see its rows vanish there.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from psycopg import Connection, errors, sql

from include.partitioning.blueprint import Blueprint, TableObject
from include.partitioning.column import TIMES, Column, Evidence, Measures
from include.partitioning.copy_text import QUOTE, RowDigest, quoted_columns
from include.partitioning.errors import ArchiveError, DestructionRefusedError, WaitTooLongError
from include.partitioning.names import TableName
from include.postgres import catalog
from include.postgres.copy_out import copy_rows, finish
from include.postgres.failures import translated
from include.postgres.queries import row, rows
from include.postgres.statements import named

Pages = tuple[int, int] | None
"""Heap pages from the first, inclusive, to the second, exclusive; None: all."""

_ORDINARY_TIMES = {
    "date": ("0001-01-01", "9999-12-31"),
    "timestamp": ("0001-01-01 00:00:00", "9999-12-31 23:59:59.999999"),
    "timestamptz": ("0001-01-01 00:00:00+00", "9999-12-31 23:59:59.999999+00"),
}
"""First and last value, both inclusive, of those that travel natively."""

_LAST_PAGE = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An open REPEATABLE READ transaction on one table.

    :param text: `pg_current_snapshot()`.
    :param xmin: its xmin, 64 bits: every transaction before it had ended when the snapshot was taken.
    :param taken_at: database time.
    :param deadline: of `time.monotonic()`; by then everything must have been read, because the snapshot holds back vacuum.
    """

    connection: Connection[Any]
    table: TableName
    columns: tuple[Column, ...]
    shape_digest: str
    text: str
    xmin: int
    taken_at: datetime
    deadline: float

    def blueprint(self) -> Blueprint:
        """What it takes to build a table like this one."""
        return Blueprint(self.columns, table_objects(self.connection, _oid(self.connection, self.table) or 0))

    def seconds_left(self) -> float:
        """Until the deadline.

        :raises WaitTooLongError: it has passed.
        """
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise WaitTooLongError(
                f'"{self.table}" was not archived within archive_max_duration: its snapshot would hold back vacuum for longer than is allowed; '
                "raise it, or write several files side by side (archive.files)"
            )
        return left

    def evidence(self) -> Evidence:
        """Counts, minima, maxima, sums and lengths, computed by the server; one sequential scan."""
        with translated(f'measure "{self.table}"'):
            milliseconds = max(1, round(self.seconds_left() * 1000))  # 0 would be for ever
            self.connection.execute("SELECT pg_catalog.set_config('statement_timeout', %s, true)", (f"{milliseconds}",))
            try:
                utf8 = self.connection.info.parameter_status("server_encoding") == "UTF8"
                found = self.connection.execute(_evidence_query(self.table, self.columns, utf8=utf8)).fetchone()
            except errors.QueryCanceled:
                self.seconds_left()  # says that it was us
                raise
        values = list(found or ())
        total = int(values.pop(0))
        measured: dict[str, Measures] = {}
        for column in self.columns:
            keys = ("non_null", *column.measures)
            measured[column.name] = {key: _whole(values.pop(0)) for key in keys}
        self.connection.execute("SET LOCAL statement_timeout = 0")
        return Evidence(total, measured)

    def parts(self, number: int) -> list[Pages]:
        """The table's pages cut into so many ranges of equal length, the last one open to the end."""
        if number == 1:
            return [None]
        found = row(self.connection, "pages", oid=_oid(self.connection, self.table)) or {"pages": 0}
        step = max(1, -(-int(found["pages"]) // number))
        return [(index * step, (index + 1) * step if index < number - 1 else _LAST_PAGE) for index in range(number)]

    def exported(self) -> str:
        """A name by which other connections take up this snapshot, while it is open (manual, Snapshot Synchronization)."""
        found = row(self.connection, "export_snapshot") or {}
        return str(found["name"])

    def blocks(self, block_bytes: int, pages: Pages = None, connection: Connection[Any] | None = None) -> Iterator[bytearray]:
        """The rows as COPY text, in blocks of whole rows: each at least `block_bytes` long, or the last, or one long row.

        :param connection: another one that has taken up this snapshot.
        """
        block = bytearray()
        with translated(f'read "{self.table}"'):
            for line in self._rows(connection, copy_statement(self.table, self.columns, pages)):
                block += line
                if len(block) >= block_bytes:
                    yield block
                    block = bytearray()
                    self.seconds_left()
        if block:
            yield block

    def second_reading(
        self, rows_of_blocks: Sequence[int], pages: Pages = None, connection: Connection[Any] | None = None
    ) -> Iterator[bytearray]:
        """The rows once more, in the same order, in COPY's own text format, cut after so many rows each.

        Rows that are left when all blocks are full come as one more block.
        """
        with translated(f'read "{self.table}" once more'):
            lines = self._rows(connection, copy_as_text(self.table, self.columns, pages))
            for wanted in rows_of_blocks:
                block = bytearray()
                for line in islice(lines, wanted):
                    block += line
                yield block
                self.seconds_left()
            rest = bytearray().join(lines)
        if rest:
            yield rest

    def _rows(self, connection: Connection[Any] | None, statement: sql.Composed) -> Iterator[memoryview]:
        reader = connection or self.connection
        reader.execute("SET LOCAL max_parallel_workers_per_gather = 0")  # parallel workers would mix the order
        return copy_rows(reader, statement, self.deadline)

    def ddl(self) -> tuple[str, ...]:
        """Statements that build an empty table like this one: columns, then constraints, then indexes."""
        oid = _oid(self.connection, self.table)
        found = rows(self.connection, "ddl", oid=oid)
        return (_create_table(self.connection, self.table, self.columns), *(each["statement"] for each in found))


def table_objects(connection: Connection[Any], oid: int) -> tuple[TableObject, ...]:
    """Constraints and indexes of a table, in an order in which they can be built anew."""
    return tuple(TableObject(each["sort"], each["name"], each["definition"]) for each in rows(connection, "table_objects", oid=oid))


@contextmanager
def snapshot(connection: Connection[Any], table: TableName, oid: int, max_duration: timedelta) -> Iterator[Snapshot]:
    """Open a snapshot on the table with this name and OID, for the length of the block.

    :param max_duration: of the snapshot, because it holds back vacuum in the whole database.
    :raises DestructionRefusedError: the name belongs to another table by now.
    :raises ArchiveError: the table has no column.
    """
    deadline = time.monotonic() + max_duration.total_seconds()
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        with translated(f'read "{table}"'):
            # LOCK TABLE takes no snapshot. So the snapshot, which the next statement takes, is younger than the lock, and what it says
            # of names is what the statements behind it find: nobody can rename the table any more.
            connection.execute(sql.SQL("LOCK TABLE ONLY {} IN ACCESS SHARE MODE").format(named(table)))
        if _oid(connection, table) != oid:
            raise DestructionRefusedError(f'"{table}" is no longer the table with OID {oid}; run the plan again')
        columns = catalog.columns(connection, oid)
        if not columns:
            raise ArchiveError(f'"{table}" has no column; there is nothing to archive')
        taken = row(connection, "snapshot") or {}
        digest = catalog.shape_digest(connection, oid)
        try:
            yield Snapshot(connection, table, columns, digest, taken["text"], taken["xmin"], taken["taken_at"], deadline)
        finally:
            finish(connection)


@contextmanager
def taken_up(connection: Connection[Any], name: str) -> Iterator[Connection[Any]]:
    """Another connection in the snapshot of that name, for the length of the block."""
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        connection.execute(sql.SQL("SET TRANSACTION SNAPSHOT {}").format(sql.Literal(name)))
        try:
            yield connection
        finally:
            finish(connection)


def rows_digest(connection: Connection[Any], table: TableName, columns: Sequence[Column], deadline: float) -> RowDigest:
    """The digest of some columns of all rows of a table, whatever their order.

    :param columns: as the archive has them, which decides how their text is quoted.
    :param deadline: of `time.monotonic()`.
    """
    digest = RowDigest()
    with translated(f'read "{table}"'):
        digest.add(copy_rows(connection, copy_statement(table, columns), deadline))
    return digest


def copy_statement(table: TableName, columns: Sequence[Column], pages: Pages = None) -> sql.Composed:
    """COPY of one table alone, values by their types' output functions, in the form of `copy_text`."""
    quoted = sql.SQL(", ").join(sql.Identifier(name) for name in quoted_columns(columns))
    force = sql.SQL(", FORCE_QUOTE ({})").format(quoted) if quoted_columns(columns) else sql.SQL("")
    return sql.SQL("COPY ({}) TO STDOUT (FORMAT csv, QUOTE {}, ENCODING 'UTF8'{})").format(
        _selection(table, columns, pages), sql.Literal(QUOTE), force
    )


def copy_as_text(table: TableName, columns: Sequence[Column], pages: Pages = None) -> sql.Composed:
    """The same rows in the text format, which escapes instead of quoting."""
    return sql.SQL("COPY ({}) TO STDOUT (FORMAT text, ENCODING 'UTF8')").format(_selection(table, columns, pages))


def _selection(table: TableName, columns: Sequence[Column], pages: Pages) -> sql.Composed:
    names = sql.SQL(", ").join(sql.Identifier(column.name) for column in columns)
    where: sql.Composable = sql.SQL("")
    if pages is not None:
        first, last = (sql.Literal(f"({page},0)") for page in pages)
        where = sql.SQL(" WHERE ctid >= {}::pg_catalog.tid AND ctid < {}::pg_catalog.tid").format(first, last)
    return sql.SQL("SELECT {} FROM ONLY {}{}").format(names, named(table), where)


def _evidence_query(table: TableName, columns: tuple[Column, ...], *, utf8: bool) -> sql.Composed:
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


def _whole(value: object) -> int | None:
    return None if value is None else int(str(value))


def _oid(connection: Connection[Any], table: TableName) -> int | None:
    found = row(connection, "oid_of", schema=table.schema, name=table.name)
    return None if found is None else int(found["oid"])


def _create_table(connection: Connection[Any], table: TableName, columns: tuple[Column, ...]) -> str:
    lines = sql.SQL(", ").join(column_definition(each) for each in columns)
    return sql.SQL("CREATE TABLE {} ({})").format(named(table), lines).as_string(connection)


def column_definition(column: Column) -> sql.Composed:
    """Name, type and NOT NULL. Values that were generated are archived as they were, so they are plain values here."""
    not_null = sql.SQL(" NOT NULL" if column.not_null else "")
    return sql.SQL("{} {}{}").format(sql.Identifier(column.name), sql.SQL(column.type), not_null)
