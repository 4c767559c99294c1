"""Indexes of the partitioned table that are invalid because partitions lack theirs: what would complete them, and completing those that we began.

Ours is one that the ledger has as begun: event `index`, `began`, with the parent's OID, and the index's name in `detail`.
"""

from dataclasses import dataclass
from typing import Any

from psycopg import Connection, sql

from include.partitioning.errors import PartitionLifecycleError, all_of, collected
from include.partitioning.names import TableName, fitted
from include.partitioning.partition import PartitionedTable
from include.postgres import statements
from include.postgres.executor import Executor
from include.postgres.index_beginning import Beginning, refuse
from include.postgres.index_building import PartBuilder, complete
from include.postgres.index_definitions import DefinedIndex, indexes_of
from include.postgres.index_parts import lacking, nodes_below
from include.postgres.ledger import Ledger
from include.postgres.queries import Row, rows
from include.postgres.table_lock import table_lock


@dataclass(frozen=True, slots=True)
class IncompleteIndex:
    """An invalid index of the parent.

    :param missing: how many partitions lack a valid part of it; `partition` is the first, by name, and None where there is none.
    :param build: what gives that partition its part, CONCURRENTLY; `attach` makes it a part.
    """

    name: TableName
    missing: int
    partition: TableName | None
    partition_oid: int
    part: TableName
    build: sql.Composed
    attach: sql.Composed


def incomplete_indexes(connection: Connection[Any], table: PartitionedTable) -> list[IncompleteIndex]:
    """Of one table, in the order of their names."""
    return [_incomplete(each) for each in rows(connection, "incomplete_indexes", parent=table.oid)]


def ours(ledger: Ledger, table: PartitionedTable, found: list[IncompleteIndex]) -> list[IncompleteIndex]:
    """Those of them that we began."""
    began = ledger.index_work() if found else frozenset()
    return [each for each in found if ("index", table.oid, str(each.name)) in began]


def complete_indexes(executor: Executor, ledger: Ledger, table: PartitionedTable) -> tuple[list[TableName], list[PartitionLifecycleError]]:
    """Build and attach, partition by partition, what ours lack; the last makes the parent's index valid.

    :returns: what is complete now, and what went wrong; one index's failure is no other's.
    """
    completed: list[TableName] = []
    failed: list[PartitionLifecycleError] = []
    mine = {each.name for each in ours(ledger, table, incomplete_indexes(executor.connection, table))}
    for index in [each for each in indexes_of(executor.connection, table.oid) if each.name in mine] if mine else []:
        errors = _complete(executor, ledger, table, index)
        failed += [_unwanted(index, all_of(errors))] if errors else []
        completed += [] if errors else [index.name]
    return completed, failed


def _unwanted(index: DefinedIndex, error: PartitionLifecycleError) -> PartitionLifecycleError:
    drop = statements.drop_partitioned_index(index.name).as_string()
    return type(error)(f'index "{index.name}" was begun: {error}; no policy wants it: if nobody else does, {drop}')


def _complete(executor: Executor, ledger: Ledger, table: PartitionedTable, index: DefinedIndex) -> list[PartitionLifecycleError]:
    failed: list[PartitionLifecycleError] = []
    with collected(failed):
        refuse(executor.connection, table)
        with table_lock(executor, table):
            Beginning(executor, ledger, table).go_below(index)
        for node in lacking(nodes_below(executor.connection, table, index)):
            with collected(failed):
                executor.log.info("%s", PartBuilder(executor, ledger, table, index).build(node))
        complete(executor, table, index)
    return failed


def _incomplete(found: Row) -> IncompleteIndex:
    index = TableName(found["schema"], found["name"])
    partition = TableName(found["partition_schema"], found["partition_name"]) if found["missing"] else None
    part, build = _part(index, partition or index, found)
    return IncompleteIndex(
        index, found["missing"], partition, found["partition_oid"] or 0, part, build, statements.attach_index(index, part)
    )


def _part(index: TableName, partition: TableName, found: Row) -> tuple[TableName, sql.Composed]:
    """Rebuild the part that the partition has, or build one."""
    if found["part_name"] is not None:
        part = TableName(found["part_schema"], found["part_name"])
        return part, statements.reindex(part)
    part = TableName(partition.schema, fitted(partition.name, f"_{index.name[:24]}"))
    return part, statements.create_index(part.name, partition, statements.server_text(found["after"]), unique=found["is_unique"])
