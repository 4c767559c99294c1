"""What a table's partitions look like, for people: before, after, and what became of each."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from include.partitioning.plan_text import human_bytes


@dataclass(frozen=True, slots=True)
class Shown:
    """One partition as it is now. `state`: attached, or detached with the date of its drop."""

    bounds: str
    rows: int
    size: str
    state: str


_ATTACHED = """
SELECT n.nspname, c.relname, pg_get_expr(c.relpartbound, c.oid), pg_total_relation_size(c.oid), 'attached'
  FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE i.inhparent = %(table)s::regclass
"""
_DETACHED = """
SELECT n.nspname, c.relname, 'FOR VALUES FROM (''' || lower_bound || ''') TO (''' || upper_bound || ''')', pg_total_relation_size(c.oid),
       'detached, dropped after ' || to_char(drop_after AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI')
  FROM partition_lifecycle.detached_partition d JOIN pg_class c ON c.oid = d.partition_oid JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE d.parent = %(table)s AND d.dropped_at IS NULL AND NOT c.relispartition
"""


def partitions(connection: psycopg.Connection[Any], table: str) -> dict[str, Shown]:
    """The table's partitions, and what was detached from it and still exists, by name."""
    connection.execute("SET TimeZone = 'UTC'")
    found = connection.execute(_ATTACHED, {"table": table}).fetchall()
    ledger = connection.execute("SELECT to_regclass('partition_lifecycle.detached_partition') IS NOT NULL").fetchone()
    if ledger and ledger[0]:
        found += connection.execute(_DETACHED, {"table": table}).fetchall()
    return {name: _shown(bound, _count(connection, schema, name), size, state) for schema, name, bound, size, state in sorted(found)}


def changes(before: dict[str, Shown], after: dict[str, Shown]) -> list[str]:
    """A line for each partition: bounds, rows, size and state before, and what it is after."""
    lines = [_line("partition", "bounds", "rows", "size", "before", "after")]
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        shown = new or old
        if shown is not None:
            then, now = old.state if old else "-", new.state if new else "archived, dropped"
            lines.append(_line(name, shown.bounds, f"{shown.rows:,}", shown.size, then, now))
    return lines


def _count(connection: psycopg.Connection[Any], schema: str, name: str) -> int:
    found = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(schema, name))).fetchone()
    return int(found[0]) if found else 0


def _shown(bound: str, rows: int, size: int, state: str) -> Shown:
    days = bound.removeprefix("FOR VALUES FROM ('").removesuffix("')").replace(" 00:00:00+00", "").replace("') TO ('", " to ")
    return Shown(days, rows, human_bytes(size), state)


def _line(*cells: str) -> str:
    widths: Sequence[int] = (24, 26, 9, 10, 12, 0)
    aligned = (
        f"{cell:>{width}}" if index in (2, 3) else f"{cell:<{width}}" for index, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return "  ".join(aligned).rstrip()
