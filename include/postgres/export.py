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

from include.partitioning.blueprint import Blueprint
from include.partitioning.column import Column, Evidence
from include.partitioning.copy_text import QUOTE, RowDigest, quoted_columns
from include.partitioning.errors import ArchiveError, DestructionRefusedError, WaitTooLongError
from include.partitioning.names import TableName
from include.postgres import catalog
from include.postgres.blueprints import ddl, table_objects
from include.postgres.copy_out import copy_rows, finish
from include.postgres.evidence import evidence_of, evidence_query
from include.postgres.failures import translated
from include.postgres.queries import row
from include.postgres.statements import named

Pages = tuple[int, int] | None
"""Heap pages from the first, inclusive, to the second, exclusive; None: all."""

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
    oid: int
    columns: tuple[Column, ...]
    shape_digest: str
    text: str
    xmin: int
    taken_at: datetime
    deadline: float

    def blueprint(self) -> Blueprint:
        """What it takes to build a table like this one."""
        return Blueprint(self.columns, table_objects(self.connection, self.oid))

    def ddl(self) -> tuple[str, ...]:
        """Statements that build an empty table like this one."""
        return ddl(self.connection, self.oid, self.table, self.blueprint())

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
                found = self.connection.execute(evidence_query(self.table, self.columns, utf8=utf8)).fetchone()
            except errors.QueryCanceled:
                self.seconds_left()  # says that it was us
                raise
        self.connection.execute("SET LOCAL statement_timeout = 0")
        return evidence_of(self.columns, found or ())

    def parts(self, number: int) -> list[Pages]:
        """The table's pages cut into so many ranges of equal length, the last one open to the end."""
        if number == 1:
            return [None]
        found = row(self.connection, "pages", oid=self.oid) or {"pages": 0}
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
            yield Snapshot(connection, table, oid, columns, digest, taken["text"], taken["xmin"], taken["taken_at"], deadline)
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


def _oid(connection: Connection[Any], table: TableName) -> int | None:
    found = row(connection, "oid_of", schema=table.schema, name=table.name)
    return None if found is None else int(found["oid"])
