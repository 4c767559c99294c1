"""Reading a partition as of one snapshot: its rows as CSV, what the server says they add up to, and the DDL to build it again.

The partition itself is read, never the parent: a snapshot from before a concurrent detach would see its rows vanish there.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection, sql

from include.partitioning.column import INTEGERS, TIMES, Column, Evidence, Measures
from include.partitioning.errors import ArchiveError, DestructionRefusedError
from include.partitioning.names import TableName
from include.postgres import catalog
from include.postgres.failures import translated
from include.postgres.queries import row, rows
from include.postgres.statements import named


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An open REPEATABLE READ transaction on one table.

    :param text: `pg_current_snapshot()`.
    :param xmin: its xmin, 64 bits: every transaction before it had ended when the snapshot was taken.
    :param taken_at: database time.
    """

    connection: Connection[Any]
    table: TableName
    columns: tuple[Column, ...]
    shape_digest: str
    text: str
    xmin: int
    taken_at: datetime

    def evidence(self) -> Evidence:
        """Counts, minima, maxima, sums and lengths, computed by the server; one sequential scan."""
        with translated(f'measure "{self.table}"'):
            found = self.connection.execute(_evidence_query(self.table, self.columns)).fetchone()
        values = list(found or ())
        total = int(values.pop(0))
        measured: dict[str, Measures] = {}
        for column in self.columns:
            keys = ("non_null", *column.measures)
            measured[column.name] = {key: _whole(values.pop(0)) for key in keys}
        return Evidence(total, measured)

    def blocks(self, block_bytes: int) -> Iterator[bytes]:
        """The rows as CSV without a header, in blocks of whole rows: each at least `block_bytes` long, or the last, or one long row.

        The server sends one message per row (manual, protocol flow, COPY), so a block never ends inside of one.
        """
        block = bytearray()
        with (
            translated(f'read "{self.table}"'),
            self.connection.cursor() as cursor,
            cursor.copy(copy_statement(self.table, self.columns)) as copy,
        ):
            for row_of_csv in copy:
                block += row_of_csv
                if len(block) >= block_bytes:
                    yield bytes(block)
                    block.clear()
        if block:
            yield bytes(block)

    def ddl(self) -> tuple[str, ...]:
        """Statements that build an empty table like this one: columns, then constraints, then indexes."""
        oid = _oid(self.connection, self.table)
        found = rows(self.connection, "ddl", oid=oid)
        return (_create_table(self.connection, self.table, self.columns), *(each["statement"] for each in found))


@contextmanager
def snapshot(connection: Connection[Any], table: TableName, oid: int) -> Iterator[Snapshot]:
    """Open a snapshot on the table with this name and OID, for the length of the block.

    :raises DestructionRefusedError: the name belongs to another table by now.
    :raises ArchiveError: the table has no column.
    """
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
        yield Snapshot(connection, table, columns, catalog.shape_digest(connection, oid), taken["text"], taken["xmin"], taken["taken_at"])


def copy_statement(table: TableName, columns: tuple[Column, ...]) -> sql.Composed:
    """COPY of one table alone, values by their types' output functions; NULL is nothing, the empty string is quoted."""
    names = sql.SQL(", ").join(sql.Identifier(column.name) for column in columns)
    return sql.SQL("COPY (SELECT {} FROM ONLY {}) TO STDOUT (FORMAT csv, ENCODING 'UTF8')").format(names, named(table))


def _evidence_query(table: TableName, columns: tuple[Column, ...]) -> sql.Composed:
    terms: list[sql.Composable] = [sql.SQL("pg_catalog.count(*)")]
    for column in columns:
        name = sql.Identifier(column.name)
        terms.append(sql.SQL("pg_catalog.count({})").format(name))
        terms.extend(_measure(column, key) for key in column.measures)
    return sql.SQL("SELECT {} FROM ONLY {}").format(sql.SQL(", ").join(terms), named(table))


def _measure(column: Column, key: str) -> sql.Composed:
    name = sql.Identifier(column.name)
    if key == "bytes":
        # In UTF-8, which the archive has, whatever the database has.
        return sql.SQL("pg_catalog.sum(pg_catalog.octet_length(pg_catalog.convert_to({}, 'UTF8')))").format(name)
    if key == "sum":
        # mod() takes the sign of the dividend; added and taken again it is the remainder from 0 to 2^64 - 1.
        modulo = sql.SQL("pg_catalog.mod(pg_catalog.mod(pg_catalog.sum({}), {size}) + {size}, {size})")
        return modulo.format(sql.SQL("{}::pg_catalog.numeric").format(name), size=sql.SQL("18446744073709551616"))
    extreme = sql.SQL("pg_catalog.{}({})").format(sql.SQL(key), name)
    if column.base_type in INTEGERS:
        return extreme
    if column.base_type == "date":
        finite = sql.SQL("CASE WHEN pg_catalog.isfinite({0}) THEN {0} - '1970-01-01'::pg_catalog.date END")
        return finite.format(extreme)
    if column.base_type in TIMES:
        return sql.SQL("CASE WHEN pg_catalog.isfinite({0}) THEN pg_catalog.trunc(extract(epoch FROM {0}) * 1000000) END").format(extreme)
    raise AssertionError(f"no measure {key} for {column.type}")


def _whole(value: object) -> int | None:
    return None if value is None else int(str(value))


def _oid(connection: Connection[Any], table: TableName) -> int | None:
    found = row(connection, "oid_of", schema=table.schema, name=table.name)
    return None if found is None else int(found["oid"])


def _create_table(connection: Connection[Any], table: TableName, columns: tuple[Column, ...]) -> str:
    lines = sql.SQL(", ").join(
        sql.SQL("{} {}{}").format(sql.Identifier(each.name), sql.SQL(each.type), sql.SQL(" NOT NULL" if each.not_null else ""))
        for each in columns
    )
    return sql.SQL("CREATE TABLE {} ({})").format(named(table), lines).as_string(connection)
