"""Many partitioned tables, or one with many partitions, made as fast as PostgreSQL can."""

from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import psycopg
from psycopg import sql

from include.partitioning.policy import PartitionPolicy

AS_OF = date(2026, 11, 22)
SETTINGS = {"max_locks_per_transaction": "2000", "autovacuum": "off"}
COLUMNS = sql.SQL("(id bigint NOT NULL, user_id bigint, at timestamptz NOT NULL, note text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at)")
TOGETHER = 200
"""Partitions made in one transaction; each holds locks until its end."""


def table_name(number: int) -> str:
    return f"t{number:04}"


def make_many(connection: psycopg.Connection[Any], policies: int, partitions: int) -> None:
    """So many tables in the schema `many`, each with what a policy with `premake: 3` wants, and older months."""
    connection.execute("CREATE SCHEMA many")
    for number in range(policies):
        with connection.transaction():
            _make(connection, "many", table_name(number), [_month(partition - partitions + 4) for partition in range(partitions + 1)])


def make_one(connection: psycopg.Connection[Any], partitions: int) -> None:
    """`big.t` with so many days, the newest three ahead."""
    connection.execute("CREATE SCHEMA big")
    days = [AS_OF + timedelta(days=number - partitions + 4) for number in range(partitions + 1)]
    _make(connection, "big", "t", days[:1])
    for first in range(0, partitions, TOGETHER):
        with connection.transaction():
            _attach(connection, "big", "t", days[first : first + TOGETHER + 1])


def policy_of_many(number: int) -> PartitionPolicy:
    return PartitionPolicy(table=f"many.{table_name(number)}", partition_key="at", postgres_conn_id="scale")


def policy_of_one(**changes: Any) -> PartitionPolicy:
    return PartitionPolicy(table="big.t", partition_key="at", interval="day", postgres_conn_id="scale", **changes)


def make_parent(connection: psycopg.Connection[Any], schema: str, name: str) -> None:
    parent = sql.Identifier(schema, name)
    connection.execute(sql.SQL("CREATE TABLE {} ").format(parent) + COLUMNS)
    connection.execute(sql.SQL("CREATE INDEX ON {} (user_id, at)").format(parent))


def _make(connection: psycopg.Connection[Any], schema: str, name: str, limits: list[date]) -> None:
    make_parent(connection, schema, name)
    _attach(connection, schema, name, limits)


def _attach(connection: psycopg.Connection[Any], schema: str, name: str, limits: list[date]) -> None:
    parent = sql.Identifier(schema, name)
    made = [
        sql.SQL("CREATE TABLE {} PARTITION OF {} FOR VALUES FROM ({}) TO ({})").format(
            sql.Identifier(schema, f"{name}_p{lower:%Y%m%d}"), parent, f"{lower} 00:00+00", f"{upper} 00:00+00"
        )
        for lower, upper in pairwise(limits)
    ]
    if made:
        connection.execute(sql.SQL(";").join(made))


def _month(ahead: int) -> date:
    """The first day of the month so many months after that of AS_OF."""
    months = AS_OF.year * 12 + AS_OF.month - 1 + ahead
    return date(months // 12, months % 12 + 1, 1)
