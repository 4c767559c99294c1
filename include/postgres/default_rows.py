"""Counting what the DEFAULT partition holds: one pass over it, with a limit on its time, and no lock beyond ACCESS SHARE."""

from datetime import timedelta
from typing import Any

from psycopg import Connection, errors, sql

from include.partitioning.bounds import Bounds, KeyType
from include.partitioning.default_rows import Contents, KeyGroup
from include.partitioning.errors import MissingPrivilegeError, WaitTooLongError
from include.partitioning.names import TableName
from include.partitioning.partition import Partition, PartitionedTable
from include.partitioning.policy import PartitionPolicy
from include.partitioning.span import format_duration
from include.postgres.statements import named

FIRST_ORDINARY, FIRST_BEYOND = "0002-01-01", "9998-01-01"
"""Keys from the first, inclusive, to the second, exclusive, have a period in every time zone."""

_ON_AXIS = {
    KeyType.DATE: sql.SQL("pg_catalog.timezone('UTC', {}::pg_catalog.timestamp)"),
    KeyType.TIMESTAMP: sql.SQL("pg_catalog.timezone('UTC', {})"),
    KeyType.TIMESTAMPTZ: sql.SQL("{}"),
}


def read_contents(
    connection: Connection[Any], policy: PartitionPolicy, table: PartitionedTable, default: Partition, longest: timedelta
) -> Contents:
    """Rows by period, each group with its oldest and newest key.

    :param longest: time after which the count is given up.
    :raises WaitTooLongError: it took longer.
    :raises MissingPrivilegeError: the role may not read the table.
    """
    counted = f'count the rows of "{default.name}"'
    try:
        with connection.transaction():
            milliseconds = f"{round(longest.total_seconds() * 1000)}ms"
            connection.execute("SELECT pg_catalog.set_config('statement_timeout', %s, true)", (milliseconds,))
            found = connection.execute(count_statement(policy, table, default.name)).fetchall()
    except errors.QueryCanceled as cancelled:
        raise WaitTooLongError(f"{counted}: it takes longer than {format_duration(longest)}") from cancelled
    except errors.InsufficientPrivilege as refused:
        raise MissingPrivilegeError(f"{counted}: {refused.diag.message_primary}; GRANT SELECT on it") from refused
    groups = [KeyGroup(rows, oldest, newest) for rows, oldest, newest in found if oldest is not None]
    return Contents(tuple(groups), sum(rows for rows, oldest, _ in found if oldest is None))


def has_rows_of_some_time(connection: Connection[Any], table: PartitionedTable, default: TableName) -> bool:
    """Whether any row has a key that is neither NULL nor infinite: such a row belongs into a partition of its own, now or later."""
    statement = sql.SQL("SELECT EXISTS (SELECT FROM {} WHERE pg_catalog.isfinite({}))").format(named(default), sql.Identifier(table.key))
    found = connection.execute(statement).fetchone()
    return bool(found and found[0])


def count_statement(policy: PartitionPolicy, table: PartitionedTable, default: TableName) -> sql.Composed:
    """Count, oldest and newest key by period; a key without one counts with NULL for both."""
    zone = policy.timezone if table.key_type is KeyType.TIMESTAMPTZ else "UTC"
    return sql.SQL(
        "SELECT pg_catalog.count(*), pg_catalog.min(moment), pg_catalog.max(moment) FROM ("
        "SELECT CASE WHEN {key} >= {first} AND {key} < {beyond} THEN {on_axis} END AS moment FROM {default}) r"
        " GROUP BY pg_catalog.date_trunc({unit}, pg_catalog.timezone({zone}, moment))"
    ).format(
        key=sql.Identifier(table.key),
        first=sql.Literal(FIRST_ORDINARY),
        beyond=sql.Literal(FIRST_BEYOND),
        on_axis=_ON_AXIS[table.key_type].format(sql.Identifier(table.key)),
        default=named(default),
        unit=sql.Literal(policy.interval.value),
        zone=sql.Literal(zone),
    )


def rows_within(connection: Connection[Any], table: PartitionedTable, default: TableName, bounds: Bounds) -> KeyGroup | None:
    """The rows of one range, or None if there are none."""
    key, literal = sql.Identifier(table.key), table.key_type.literal
    on_axis = _ON_AXIS[table.key_type]
    found = connection.execute(
        sql.SQL("SELECT pg_catalog.count(*), {}, {} FROM {} WHERE {key} >= {} AND {key} < {}").format(
            on_axis.format(sql.SQL("pg_catalog.min({})").format(key)),
            on_axis.format(sql.SQL("pg_catalog.max({})").format(key)),
            named(default),
            sql.Literal(literal(bounds.lower)),
            sql.Literal(literal(bounds.upper)),
            key=key,
        )
    ).fetchone()
    return KeyGroup(*found) if found and found[0] else None
