"""Rows back into PostgreSQL: COPY text into a table that nobody else sees yet."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import timedelta
from threading import Lock
from time import monotonic
from typing import Any

from psycopg import Connection, sql

from include.partitioning.column import Column
from include.partitioning.copy_text import RowDigest
from include.partitioning.names import TableName
from include.postgres.blueprints import create_table
from include.postgres.export import rows_digest
from include.postgres.failures import translated
from include.postgres.statements import named

MESSAGE_BYTES = 64 << 10
"""The server reads each message of a COPY whole before it parses it; longer ones fall out of its processor's cache (measured: 15 % slower)."""

SCRATCH = TableName("pg_temp", "partition_lifecycle_proof")


def load_statement(table: TableName, columns: Sequence[Column]) -> sql.Composed:
    """COPY in its text format into some columns of a table: the server reads that a fifth faster than CSV."""
    names = sql.SQL(", ").join(sql.Identifier(column.name) for column in columns)
    return sql.SQL("COPY {} ({}) FROM STDIN (FORMAT text, ENCODING 'UTF8')").format(named(table), names)


def load_side_by_side(
    connections: Sequence[Connection[Any]], statement: sql.Composed, blocks: Iterable[memoryview], loaded: Callable[[int], object]
) -> None:
    """Send blocks of whole rows by several connections, each the next one that none has taken; each in a transaction of its own.

    Parsing the rows is most of the server's work, so two of its processes take little more than half of the time that one takes.

    :param loaded: called with the bytes of each block, from several threads.
    """
    shared = _Shared(blocks)
    with ThreadPoolExecutor(len(connections), "load") as threads:
        started = [threads.submit(load, each, statement, shared, loaded) for each in connections]
        try:
            for each in as_completed(started):
                each.result()
        finally:
            shared.stop()


class _Shared(Iterator[memoryview]):
    """One iterator for several threads; after `stop` it has come to its end."""

    def __init__(self, blocks: Iterable[memoryview]) -> None:
        self._blocks = iter(blocks)
        self._lock = Lock()
        self._stopped = False

    def __next__(self) -> memoryview:
        with self._lock:
            if self._stopped:
                raise StopIteration
            return next(self._blocks)

    def stop(self) -> None:
        """Give no more."""
        self._stopped = True


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
    with translated("load the archive into a scratch table"), connection.transaction(force_rollback=True):
        connection.execute(create_table(SCRATCH, columns))
        load(connection, load_statement(SCRATCH, columns), blocks, lambda _: None)
        return rows_digest(connection, SCRATCH, columns, monotonic() + max_duration.total_seconds())
