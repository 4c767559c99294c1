"""Many small tables for one cluster: what they hold before, and what their policies leave of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

import psycopg
from psycopg import sql

ROWS = 200
"""In each partition."""


@dataclass(frozen=True, slots=True)
class FleetTable:
    """One of them; of every second the expired partition waits for its drop."""

    number: int

    @property
    def name(self) -> str:
        return f"t{self.number:02}"

    @property
    def waits(self) -> bool:
        return self.number % 2 == 0

    @property
    def dag_id(self) -> str:
        return f"partition_lifecycle.fleet.{self.name}"

    def policy(self) -> str:
        return f"  - {{table: fleet.{self.name}{', detached_retention: 7 days' if self.waits else ''}}}\n"


POLICIES = """
defaults:
  partition_key: created_at
  retention: 2 months
  premake: 1
  schedule: null
  pool: fleet_database
  archive: {path: 's3://partition-archive/fleet', conn_id: aws_default}
policies:
"""


def months_from(first: date, count: int) -> Iterator[date]:
    for index in range(count):
        yield date(first.year + (first.month - 1 + index) // 12, (first.month - 1 + index) % 12 + 1, 1)


def seed(connection: psycopg.Connection[tuple[object, ...]], tables: list[FleetTable], today: date) -> date:
    """Partitions from three months ago, of which that one is expired, to this one; they belong to the role `app_owner`.

    :returns: the first day of the expired month.
    """
    connection.execute("SET ROLE app_owner")
    connection.execute("CREATE SCHEMA fleet")
    first = date(today.year - (today.month <= 3), (today.month - 4) % 12 + 1, 1)
    months = list(months_from(first, 5))
    for table in tables:
        parent = sql.Identifier("fleet", table.name)
        connection.execute(
            sql.SQL("CREATE TABLE {} (id bigint, created_at timestamptz NOT NULL, note text) PARTITION BY RANGE (created_at)").format(
                parent
            )
        )
        for begin, end in pairwise(months):
            partition = sql.Identifier("fleet", f"{table.name}_p{begin:%Y%m}")
            statement = sql.SQL("CREATE TABLE {} PARTITION OF {} FOR VALUES FROM ({}) TO ({})")
            connection.execute(statement.format(partition, parent, *(sql.Literal(f"{day} 00:00+00") for day in (begin, end))))
            rows = sql.SQL("INSERT INTO {} SELECT n, {}::timestamptz + n * interval '1 hour', 'row ' || n FROM generate_series(1, {}) n")
            connection.execute(rows.format(parent, sql.Literal(f"{begin} 00:00+00"), sql.Literal(ROWS)))
    connection.commit()
    return first
