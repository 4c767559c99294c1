"""Rows back into PostgreSQL: COPY text into a table that nobody else sees yet."""

from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from time import monotonic
from typing import Any

from psycopg import Connection, sql

from include.partitioning.column import Column
from include.partitioning.copy_text import RowDigest
from include.partitioning.names import TableName
from include.postgres.export import column_definition, rows_digest
from include.postgres.failures import translated
from include.postgres.statements import named

MESSAGE_BYTES = 64 << 10
"""The server reads each message of a COPY whole before it parses it; longer ones fall out of its processor's cache (measured: 15 % slower)."""

SCRATCH = TableName("pg_temp", "partition_lifecycle_proof")


def load_statement(table: TableName, columns: Sequence[Column], *, freeze: bool) -> sql.Composed:
    """COPY in its text format into some columns of a table: the server reads that a fifth faster than CSV.

    :param freeze: the table was made or truncated in this transaction: rows need no vacuum later (manual, COPY, FREEZE).
    """
    names = sql.SQL(", ").join(sql.Identifier(column.name) for column in columns)
    option = sql.SQL(", FREEZE" if freeze else "")
    return sql.SQL("COPY {} ({}) FROM STDIN (FORMAT text, ENCODING 'UTF8'{})").format(named(table), names, option)


def load(
    connection: Connection[Any], statement: sql.Composed, blocks: Iterable[bytes | memoryview], loaded: Callable[[int], object]
) -> None:
    """Send blocks of whole rows.

    :param loaded: called with the bytes of each block.
    """
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for block in blocks:
            view = memoryview(block)
            for start in range(0, len(view), MESSAGE_BYTES):
                copy.write(view[start : start + MESSAGE_BYTES])
            loaded(len(view))


def loaded_for_proof(
    connection: Connection[Any], columns: Sequence[Column], blocks: Iterable[memoryview], max_duration: timedelta
) -> RowDigest:
    """Load an archive into a temporary table, and read it from there again; the table is gone afterwards, whatever happens."""
    lines = sql.SQL(", ").join(column_definition(each) for each in columns)
    with translated("load the archive into a scratch table"), connection.transaction(force_rollback=True):
        connection.execute(sql.SQL("CREATE TEMPORARY TABLE {} ({})").format(sql.Identifier(SCRATCH.name), lines))
        load(connection, load_statement(SCRATCH, columns, freeze=False), blocks, lambda _: None)
        return rows_digest(connection, SCRATCH, columns, monotonic() + max_duration.total_seconds())
