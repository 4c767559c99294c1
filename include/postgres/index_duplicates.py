"""Which rows keep a unique index from being built."""

from typing import Any

from psycopg import sql

from include.partitioning.errors import PartitionLifecycleError
from include.partitioning.partition import PartitionedTable
from include.postgres.executor import Executor
from include.postgres.failures import translated
from include.postgres.index_definitions import Definition
from include.postgres.index_parts import Node
from include.postgres.statements import named, server_text

MOST_NAMED = 10
"""More keys than that are not named."""


def duplicate_rows(executor: Executor, table: PartitionedTable, node: Node, definition: Definition) -> str:
    """The keys that more than one row of the partition has, most frequent first, with how many rows each has; for messages."""
    statement = duplicates(node, definition)
    try:
        with translated(f'look for duplicates in "{node.name}"'), executor.role(table.owner):
            found = executor.connection.execute(statement).fetchall()
    except PartitionLifecycleError as error:
        return f"which rows, could not be found out: {error}"
    return _said(found, node)


def duplicates(node: Node, definition: Definition) -> sql.Composed:
    """The query: as the index sees rows, so without those that have a NULL, unless its NULLs are not distinct."""
    names = [sql.Identifier(f"key {number}") for number, _ in enumerate(definition.keys, 1)]
    keys = [sql.SQL("{} AS {}").format(server_text(key), name) for key, name in zip(definition.keys, names, strict=True)]
    shown = [sql.SQL("CASE WHEN {0} IS NULL THEN 'NULL' ELSE pg_catalog.format('%L', {0}) END").format(name) for name in names]
    conditions = [] if definition.nulls_not_distinct else [sql.SQL("{} IS NOT NULL").format(name) for name in names]
    predicate = sql.SQL(" WHERE {}").format(server_text(definition.predicate)) if definition.predicate else sql.SQL("")
    where = sql.SQL(" WHERE {}").format(sql.SQL(" AND ").join(conditions)) if conditions else sql.SQL("")
    return sql.SQL(
        "SELECT pg_catalog.concat_ws(', ', {shown}), pg_catalog.count(*) FROM (SELECT {keys} FROM ONLY {table}{predicate}) t{where}"
        " GROUP BY {names} HAVING pg_catalog.count(*) > 1 ORDER BY pg_catalog.count(*) DESC, {names} LIMIT {limit}"
    ).format(
        shown=sql.SQL(", ").join(shown),
        keys=sql.SQL(", ").join(keys),
        table=named(node.name),
        predicate=predicate,
        where=where,
        names=sql.SQL(", ").join(names),
        limit=sql.Literal(MOST_NAMED + 1),
    )


def _said(found: list[tuple[Any, ...]], node: Node) -> str:
    if not found:
        return f'no duplicates are left in "{node.name}" now: run it again'
    more = "; and more" if len(found) > MOST_NAMED else ""
    rows = "; ".join(f"({key}) {times} times" for key, times in found[:MOST_NAMED])
    return f'rows of "{node.name}" with the same key: {rows}{more}; change or delete all but one of each, then run it again'
