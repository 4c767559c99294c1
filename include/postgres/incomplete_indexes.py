"""Indexes of the partitioned table that are invalid because partitions lack theirs: what would complete them, and completing those that we began.

Ours is one that the ledger has as begun: event `index`, `began`, with the parent's OID, and the index's name in `detail`.
"""

from dataclasses import dataclass
from typing import Any

from psycopg import Connection, sql

from include.partitioning.errors import CatalogMismatchError, PartitionLifecycleError, ServerUnavailableError
from include.partitioning.names import TableName, fitted
from include.partitioning.partition import PartitionedTable
from include.partitioning.server_faults import why_no_concurrent_index
from include.postgres import statements
from include.postgres.executor import Executor
from include.postgres.ledger import Ledger
from include.postgres.ledger_records import Event
from include.postgres.queries import Row, rows
from include.postgres.reindexing import wait_for_older_users
from include.postgres.table_lock import advisory_lock


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
    """Those of them that we began and can complete."""
    began = ledger.index_work() if found else frozenset()
    return [each for each in found if each.partition is not None and ("index", table.oid, str(each.name)) in began]


def complete_indexes(executor: Executor, ledger: Ledger, table: PartitionedTable) -> tuple[list[TableName], list[PartitionLifecycleError]]:
    """Build and attach, partition by partition, what ours lack; the last makes the parent's index valid.

    :returns: what is complete now, and what went wrong; one index's failure is no other's.
    """
    completed: list[TableName] = []
    failed: list[PartitionLifecycleError] = []
    for index in ours(ledger, table, incomplete_indexes(executor.connection, table)):
        try:
            _complete(executor, ledger, table, index)
            completed.append(index.name)
        except ServerUnavailableError:
            raise
        except PartitionLifecycleError as error:
            failed.append(error)
    return completed, failed


def _complete(executor: Executor, ledger: Ledger, table: PartitionedTable, index: IncompleteIndex) -> None:
    left = index
    while left.partition is not None:
        with advisory_lock(executor, left.partition_oid, f'index "{left.partition}"'):
            _build(executor, ledger, table, left)
        now = {each.name: each for each in incomplete_indexes(executor.connection, table)}
        if index.name not in now:
            return
        left = now[index.name]


def _build(executor: Executor, ledger: Ledger, table: PartitionedTable, index: IncompleteIndex) -> None:
    """Give one partition its part.

    :raises CatalogMismatchError: this release of PostgreSQL may corrupt what it builds.
    """
    what = f'build "{index.part}" for index "{index.name}"'
    why = why_no_concurrent_index(table.server_version)
    if why is not None:
        raise CatalogMismatchError(f"{what}: {why}")
    wait_for_older_users(executor, what, index.partition_oid)
    ledger.record(Event("index", "began", index.partition, index.partition_oid, detail=str(index.part)))
    with executor.role(table.owner):
        executor.long_statement(what, index.build)
        executor.transaction(
            f'attach "{index.part}" to "{index.name}"', lambda _: executor.run_briefly(index.attach), [index.partition_oid]
        )
    ledger.record(Event("index", "done", index.partition, index.partition_oid, detail=str(index.part)))


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
