"""Rows elsewhere that refer to rows of a partition: PostgreSQL refuses to detach it while there are any (manual, ALTER TABLE)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic
from typing import Any

from psycopg import Connection, errors, sql

from include.partitioning.names import TableName
from include.partitioning.partition import PartitionedTable
from include.partitioning.target import Target
from include.postgres import statements
from include.postgres.queries import rows

LONGEST_COUNT = timedelta(seconds=10)
"""Of counting what refers to one partition, or to all that a plan detaches."""


@dataclass(frozen=True, slots=True)
class IncomingKey:
    """A foreign key by which a table refers to the partitioned table.

    :param pairs: for each column: ours, the operator that compares, and theirs.
    """

    name: str
    table: TableName
    pairs: tuple[tuple[str, str, str], ...]


def incoming_keys(connection: Connection[Any], oid: int) -> list[IncomingKey]:
    """The foreign keys that point to the table with this OID."""
    return [
        IncomingKey(each["name"], TableName(each["schema"], each["table"]), tuple(tuple(pair) for pair in each["pairs"]))
        for each in rows(connection, "incoming_foreign_keys", oid=oid)
    ]


def references_to(connection: Connection[Any], table: PartitionedTable, partition: Target, longest: timedelta = LONGEST_COUNT) -> list[str]:
    """For each foreign key by which rows refer to the partition, how many do and what ends that.

    Takes ACCESS SHARE on the tables that refer, and at most `longest` in all; what could not be counted by then is said to be so.
    """
    deadline = monotonic() + longest.total_seconds()
    found = [_said(connection, table, partition, key, deadline) for key in incoming_keys(connection, table.oid)]
    return [each for each in found if each is not None]


def blocked_detaches(connection: Connection[Any], table: PartitionedTable, partitions: Sequence[Target]) -> list[str]:
    """For a plan: which partitions cannot be detached, as far as it can be said within `LONGEST_COUNT` for all of them."""
    if not incoming_keys(connection, table.oid):
        return []
    deadline = monotonic() + LONGEST_COUNT.total_seconds()
    found = []
    for each in partitions:
        references = references_to(connection, table, each, timedelta(seconds=max(0.0, deadline - monotonic())))
        found += [f'"{each.name}" cannot be detached while rows refer to it: {"; ".join(references)}'] if references else []
    return found


def _said(connection: Connection[Any], table: PartitionedTable, partition: Target, key: IncomingKey, deadline: float) -> str | None:
    by = f'"{key.table}" by its foreign key "{key.name}"'
    try:
        number = _count(connection, table, partition, key, deadline)
    except errors.QueryCanceled:
        return f"rows of {by} may refer to it, too many to count now"
    except errors.InsufficientPrivilege:
        return f"rows of {by} may refer to it, which this role may not read"
    except errors.LockNotAvailable:
        return f"rows of {by} may refer to it, which somebody has locked"
    if not number:
        return None
    rows_are = "1 row" if number == 1 else f"{number:,} rows"
    own = " (the table refers to itself: rows of the partition count as well)" if key.table == table.name else ""
    return f"{rows_are} of {by}{own}"


def _count(connection: Connection[Any], table: PartitionedTable, partition: Target, key: IncomingKey, deadline: float) -> int:
    milliseconds = max(1, round((deadline - monotonic()) * 1000))
    with connection.transaction():
        connection.execute("SELECT pg_catalog.set_config('statement_timeout', %s, true)", (str(milliseconds),))
        found = connection.execute(_count_statement(table, partition, key)).fetchone()
    return int(found[0]) if found else 0


def _count_statement(table: PartitionedTable, partition: Target, key: IncomingKey) -> sql.Composed:
    """The key's own operators compare; the bounds, which the referring column must keep to as well, let an index be used."""
    same = [
        sql.SQL("p.{} {} r.{}").format(sql.Identifier(ours), statements.server_text(operator), sql.Identifier(theirs))
        for ours, operator, theirs in key.pairs
    ]
    literal = table.key_type.literal
    bounded = [
        sql.SQL("r.{name} >= {} AND r.{name} < {}").format(
            sql.Literal(literal(partition.bounds.lower)), sql.Literal(literal(partition.bounds.upper)), name=sql.Identifier(theirs)
        )
        for ours, _, theirs in key.pairs
        if ours == table.key
    ]
    return sql.SQL("SELECT pg_catalog.count(*) FROM {} r WHERE {} EXISTS (SELECT FROM ONLY {} p WHERE {})").format(
        statements.named(key.table),
        sql.SQL("").join(sql.SQL("{} AND ").format(each) for each in bounded),
        statements.named(partition.name),
        sql.SQL(" AND ").join(same),
    )
