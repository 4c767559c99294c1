"""Whether DEFAULT can be drained at all, and by what its rows are found again. Reads only."""

from typing import Any

from psycopg import Connection

from include.partitioning.column import Column
from include.partitioning.errors import DrainRefusedError
from include.partitioning.partition import Partition, PartitionedTable
from include.postgres import catalog
from include.postgres.drain_functions import Images
from include.postgres.drain_scratch import Scratch
from include.postgres.queries import Row, row, rows
from include.postgres.template import read_template

MOST_ROWS_WITHOUT_INDEX = 100_000
"""Rows of DEFAULT up to which a row without a primary key may be searched for by reading all."""


def images_of(connection: Connection[Any], table: PartitionedTable, default: Partition, rows_in_default: int) -> Images:
    """How rows are written down and found again.

    :raises DrainRefusedError: it would take too long, or something stands against draining at all.
    """
    columns = catalog.columns(connection, table.oid)
    keys = row(connection, "drain_lookup", parent=table.oid, key=table.key) or {}
    obstacles = [*_obstacles(connection, table, default), *_slow_lookup(table, keys, rows_in_default)]
    if obstacles:
        raise DrainRefusedError(
            f'"{default.name}" is not drained: {"; ".join(obstacles)}; change that, or move its rows by hand (see the runbook)'
        )
    key = next(each for each in columns if each.name == table.key)
    scratch = Scratch.of(table)
    return Images(scratch.building, scratch.rows, columns, _lookup(columns, keys) or (key.name,), None if key.not_null else key.name)


def _obstacles(connection: Connection[Any], table: PartitionedTable, default: Partition) -> list[str]:
    sibling = read_template(connection, table).sibling
    found = rows(connection, "drain_obstacles", parent=table.oid, default=default.oid, sibling=sibling.oid if sibling else 0)
    published = rows(connection, "preflight_publications", oid=table.oid)
    return [each["obstacle"] for each in found] + [f'it is published by "{each["name"]}"' for each in published]


def _slow_lookup(table: PartitionedTable, keys: Row, rows_in_default: int) -> list[str]:
    if keys["primary_key"] or keys["key_is_indexed"] or rows_in_default <= MOST_ROWS_WITHOUT_INDEX:
        return []
    return [
        f'it holds {rows_in_default:,} rows, and neither a primary key nor an index that begins with "{table.key}" finds one of them quickly'
    ]


def _lookup(columns: tuple[Column, ...], keys: Row) -> tuple[str, ...]:
    """Of built-in types only: the function compares with operators of pg_catalog."""
    return tuple(each.name for each in columns if each.name in keys["primary_key"] and each.base_type)
