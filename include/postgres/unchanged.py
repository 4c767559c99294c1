"""Whether a table still holds exactly the rows that a snapshot saw, without reading the archive.

Rows whose `xmin` is before the snapshot's own xmin were committed before it was taken, so the live ones among them are
rows of the snapshot. If no live row is newer, and there are as many live rows as the archive has, none was added, changed
(an UPDATE leaves a newer xmin) or deleted. `xmin` stays readable when rows are frozen (9.4 and later).
"""

from dataclasses import dataclass
from typing import Any

from psycopg import Connection, sql

from include.partitioning.names import TableName
from include.postgres import catalog
from include.postgres.queries import row
from include.postgres.statements import named

WRAPAROUND = 2**31
"""Transactions after which a 32-bit xmin can no longer be placed before or after the snapshot."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """`same` is True only if it was shown. `why_not` is for a person."""

    same: bool
    why_not: str | None = None


@dataclass(frozen=True, slots=True)
class Archived:
    """What an archive says of the table it was made of; see the ledger's columns of these names."""

    shape_digest: str
    snapshot_xmin: int
    rows: int


def compare_with_archive(connection: Connection[Any], table: TableName, oid: int, archived: Archived) -> Comparison:
    """Compare `table` with its archive: the same columns, and the same rows.

    What rows read as may change without any being written (`ADD COLUMN … DEFAULT`, `RENAME VALUE` of an enum), so the rows alone do not tell.
    """
    if catalog.shape_digest(connection, oid) != archived.shape_digest:
        return Comparison(same=False, why_not="its columns are not, or do not read as, those that were archived")
    return compare_since(connection, table, archived.snapshot_xmin, archived.rows)


def compare_since(connection: Connection[Any], table: TableName, snapshot_xmin: int, archived_rows: int) -> Comparison:
    """Compare `table` with what a snapshot with that 64-bit xmin saw; one sequential scan, no locks beyond ACCESS SHARE.

    To be decisive it must run in a READ COMMITTED transaction that holds a lock against writers.
    """
    found = row(connection, "next_transaction")
    next_transaction = int(found["next_transaction"]) if found else 0
    span = next_transaction - snapshot_xmin
    if not 0 <= span < WRAPAROUND:
        return Comparison(same=False, why_not=f"the archive's snapshot is {span} transactions away, too far to tell new rows from old ones")
    rows, newer = _count(connection, table, snapshot_xmin, span)
    if newer:
        return Comparison(same=False, why_not=f"{newer} rows were written after the archive's snapshot")
    if rows != archived_rows:
        return Comparison(same=False, why_not=f"it holds {rows} rows, the archive {archived_rows}")
    return Comparison(same=True)


def _count(connection: Connection[Any], table: TableName, snapshot_xmin: int, span: int) -> tuple[int, int]:
    """All rows, and those whose xmin lies in the window of `span` transactions that begins with the snapshot's xmin.

    The output function, not a cast to text: a cast may be somebody's own.
    """
    statement = sql.SQL(
        "SELECT pg_catalog.count(*), pg_catalog.count(*) FILTER (WHERE"
        " pg_catalog.mod(pg_catalog.int8in(pg_catalog.xidout(xmin)) - {low} + 4294967296, 4294967296) < {span}) FROM ONLY {table}"
    ).format(low=sql.Literal(snapshot_xmin % 2**32), span=sql.Literal(max(span, 1)), table=named(table))
    found = connection.execute(statement).fetchone()
    return (int(found[0]), int(found[1])) if found else (0, 0)
