"""Invalid indexes that an interrupted build left on partitions: finding them all by one query, and dropping those that are ours.

Ours is what the ledger says we began: on a partition that we began to rebuild an index of, the names that REINDEX CONCURRENTLY leaves
behind; and an index that we began to build under that very name (event `index`, `began`, with the partition's OID and the index's name in `detail`).
"""

from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from psycopg import Connection

from include.partitioning.errors import PartitionLifecycleError, collected
from include.partitioning.names import TableName
from include.partitioning.partition import PartitionedTable
from include.postgres import statements
from include.postgres.executor import Executor
from include.postgres.ledger import Ledger
from include.postgres.queries import Row, rows
from include.postgres.table_lock import advisory_lock


@dataclass(frozen=True, slots=True)
class Leftover:
    """An invalid index.

    :param table_oid: of the partition, also where the index is one of its TOAST table.
    :param ours: the ledger says that we began it.
    :param being_built: somebody is at work on it now.
    :param within_reach: we may drop it where it is.
    """

    name: TableName
    table_oid: int
    on_toast: bool
    ours: bool
    being_built: bool
    within_reach: bool

    @property
    def why_left(self) -> str | None:
        """Why it is not dropped, with the statement that would; None if it is."""
        statement = statements.drop_index(self.name).as_string()
        if self.being_built:
            return "somebody is building it now"
        if not self.ours:
            return f"no build of ours is known; if nobody needs it: {statement}"
        if self.on_toast and not self.within_reach:
            return f"an owner may not drop it without USAGE on the schema pg_toast; as a superuser: {statement}"
        return None


def leftovers(connection: Connection[Any], ledger: Ledger, oids: Iterable[int]) -> list[Leftover]:
    """In one query, all invalid indexes of the tables with these OIDs. Only ours are dropped, and only while nobody is at work on them."""
    found = rows(connection, "leftover_indexes", oids=list(oids))
    began = ledger.index_work() if found else frozenset()
    return [_leftover(each, began) for each in found]


def drop_leftovers(executor: Executor, ledger: Ledger, table: PartitionedTable, oid: int) -> list[TableName]:
    """Drop what is ours on one partition; to be called under its lock.

    :returns: what was dropped.
    """
    dropped = []
    for each in leftovers(executor.connection, ledger, [oid]):
        if each.why_left is not None:
            executor.log.warning('invalid index "%s" is left alone: %s', each.name, each.why_left)
            continue
        # In pg_toast as ourselves, because owners may not look in there.
        with nullcontext() if each.on_toast else executor.role(table.owner):
            executor.long_statement(f'drop leftover index "{each.name}"', statements.drop_index(each.name))
        dropped.append(each.name)
    return dropped


def drop_all_leftovers(
    executor: Executor, ledger: Ledger, table: PartitionedTable
) -> tuple[list[TableName], list[PartitionLifecycleError]]:
    """Drop what is ours on all partitions, one partition's failure being no other's.

    :returns: what was dropped, and what went wrong.
    """
    dropped: list[TableName] = []
    failed: list[PartitionLifecycleError] = []
    names = {each.oid: each.name for each in table.partitions}
    found = leftovers(executor.connection, ledger, names)
    for oid in sorted({each.table_oid for each in found if each.ours}):
        what = f'drop leftover indexes of "{names[oid]}"'
        with collected(failed), advisory_lock(executor, oid, what):  # a worker that was killed may have left its statement running
            dropped += drop_leftovers(executor, ledger, table, oid)
    return dropped, failed


def _leftover(found: Row, began: frozenset[tuple[str, int, str | None]]) -> Leftover:
    name, oid = TableName(found["schema"], found["name"]), found["table_oid"]
    rebuilt = found["of_rebuild"] and any((action, each) == ("reindex", oid) for action, each, _ in began)
    return Leftover(
        name, oid, found["on_toast"], rebuilt or ("index", oid, str(name)) in began, found["being_built"], found["within_reach"]
    )
