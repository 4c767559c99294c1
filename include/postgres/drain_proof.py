"""Whether two sets of tables hold the same rows, equally often, as one statement sees them: it needs no lock against writers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import Connection, sql

from include.partitioning.column import Column
from include.partitioning.names import TableName
from include.postgres.statements import named


@dataclass(frozen=True, slots=True)
class Difference:
    """What a comparison found.

    :param rows: of the first table.
    :param copies: of the others together.
    :param lacking: rows of the first that the others lack, each as often as it is lacking.
    """

    rows: int
    copies: int
    lacking: int

    @property
    def none(self) -> bool:
        """Whether both hold the same rows."""
        return self.lacking == 0 and self.rows == self.copies


def compare(connection: Connection[Any], first: TableName, others: Sequence[TableName], columns: Sequence[Column]) -> Difference:
    """Compare every row by the text of its values (output functions, not casts, which may be somebody's own), digested by SHA-256.

    Equal, too, where the digests of different rows are: a chance of 2^-256.
    """
    found = connection.execute(compare_statement(first, others, columns)).fetchone()
    return Difference(*found) if found else Difference(0, 0, 0)


def compare_statement(first: TableName, others: Sequence[TableName], columns: Sequence[Column]) -> sql.Composed:
    """One statement, so that both are read in one snapshot."""
    copies = sql.SQL(" UNION ALL ").join(_digests(each, columns) for each in others)
    return sql.SQL(
        "WITH original (digest) AS MATERIALIZED ({}), copy (digest) AS MATERIALIZED ({})"
        " SELECT (SELECT pg_catalog.count(*) FROM original), (SELECT pg_catalog.count(*) FROM copy),"
        " (SELECT pg_catalog.count(*) FROM (SELECT digest FROM original EXCEPT ALL SELECT digest FROM copy) d)"
    ).format(_digests(first, columns), copies)


def _digests(table: TableName, columns: Sequence[Column]) -> sql.Composed:
    values = sql.SQL(", ").join(sql.Identifier("t", each.name) for each in columns)
    return sql.SQL(
        "SELECT pg_catalog.sha256(pg_catalog.convert_to(pg_catalog.textin(pg_catalog.record_out(ROW({}))), 'UTF8')) FROM {} t"
    ).format(values, named(table))
