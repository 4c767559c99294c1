"""Whether old and new table hold the same rows, equally often; portion by portion, so that no snapshot is held for long.

Rows are compared as text (output functions, not casts, which may be somebody's own) by two 64-bit digests, each summed over the portion:
the order of rows does not matter, their number does. Once both are in sync, every snapshot of the database has them equal.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import monotonic
from typing import Any

from psycopg import Connection, sql

from include.partitioning.column import Column
from include.partitioning.names import TableName
from include.partitioning.partition import PartitionedTable
from include.partitioning.reshape import Portion
from include.partitioning.span import about
from include.postgres.executor import Executor
from include.postgres.failures import translated
from include.postgres.reshaping.copy import Connect, within
from include.postgres.reshaping.scratch import Scratch, read_portions
from include.postgres.statements import named


@dataclass(frozen=True, slots=True)
class Difference:
    """A portion in which the tables are not alike."""

    portion: Portion
    rows: int
    copies: int

    def __str__(self) -> str:
        """For a message."""
        if self.rows != self.copies:
            return f"of {self.portion} the copy holds {self.copies:,} rows, the table {self.rows:,}"
        return f"of {self.portion} both hold {self.rows:,} rows, but not the same"


def differences(
    executor: Executor, table: PartitionedTable, columns: Sequence[Column], jobs: int, connect: Connect
) -> tuple[list[Difference], int]:
    """The portions that differ, and how many rows the table holds in all; by several connections, for the digests are what takes long.

    :param connect: opens a connection that sees all rows of both.
    """
    portions = [portion for portion, _ in read_portions(executor.connection, Scratch.of(table))]
    found, rows, begun = [], 0, monotonic()

    def compare(portion: Portion) -> tuple[int, int, bool]:
        with connect() as connection, translated(f'compare "{table.name}"'):
            return _compared(connection, table, portion, columns)

    with ThreadPoolExecutor(jobs) as pool:
        for number, (portion, compared) in enumerate(zip(portions, pool.map(compare, portions), strict=True), start=1):
            rows += compared[0]
            if compared[0] != compared[1] or not compared[2]:
                found.append(Difference(portion, *compared[:2]))
            left = (monotonic() - begun) / number * (len(portions) - number)
            executor.log.info(
                "compared %s: %s rows; %d of %d portions, about %s left", portion, f"{compared[0]:,}", number, len(portions), about(left)
            )
    return found, rows


def _compared(connection: Connection[Any], table: PartitionedTable, portion: Portion, columns: Sequence[Column]) -> tuple[int, int, bool]:
    """Rows of the old table and of the new one, and whether the digests agree; one statement, so that both are read in one snapshot."""
    scratch = Scratch.of(table)
    only = not table.partitions
    condition = within(table, portion)
    statement = sql.SQL("SELECT o.rows, n.rows, (o.one, o.other) IS NOT DISTINCT FROM (n.one, n.other) FROM ({}) o, ({}) n").format(
        _digest(table.name, condition, columns, only=only), _digest(scratch.new, condition, columns, only=False)
    )
    found = connection.execute(statement).fetchone()
    return (int(found[0]), int(found[1]), bool(found[2])) if found else (0, 0, True)


def _digest(table: TableName, condition: sql.Composed, columns: Sequence[Column], *, only: bool) -> sql.Composed:
    values = sql.SQL(", ").join(sql.Identifier("r", each.name) for each in columns)
    return sql.SQL(
        "SELECT pg_catalog.count(*) AS rows, pg_catalog.sum(pg_catalog.hashtextextended(t.text, 0)) AS one,"
        " pg_catalog.sum(pg_catalog.hashtextextended(t.text, 1)) AS other"
        ' FROM (SELECT pg_catalog.textin(pg_catalog.record_out(ROW({}))) COLLATE pg_catalog."C" AS text FROM {}{} r WHERE {}) t'
    ).format(values, sql.SQL("ONLY " if only else ""), named(table), condition)
