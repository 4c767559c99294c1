"""Rebuilding bloated indexes of one partition, one at a time, after clearing away what an interrupted rebuild left.

REINDEX CONCURRENTLY builds first and waits afterwards: for every older snapshot of the database, and for whoever uses the table. Cut off
there it leaves the whole work behind as an invalid index. So whoever it would wait for is waited for before it begins, while nothing is held.
"""

from include.partitioning.errors import CatalogMismatchError
from include.partitioning.partition import Partition, PartitionedTable
from include.partitioning.server_faults import why_no_concurrent_index
from include.postgres import bloat, statements
from include.postgres.executor import Executor
from include.postgres.ledger import Ledger
from include.postgres.ledger_records import Event
from include.postgres.leftovers import drop_leftovers
from include.postgres.sessions import older_users, still_there


def reindex_partition(executor: Executor, ledger: Ledger, table: PartitionedTable, partition: Partition, above: float) -> list[str]:
    """Drop leftovers of ours, then rebuild every index whose estimated bloat exceeds `above`.

    To be called under the partition's lock.

    :returns: a line for each index rebuilt.
    :raises WaitTooLongError: older transactions did not end within `wait_timeout`.
    :raises CatalogMismatchError: this release of PostgreSQL may corrupt what it rebuilds.
    """
    why = why_no_concurrent_index(table.server_version)
    if why is not None:
        raise CatalogMismatchError(f'no index of "{partition.name}" is rebuilt: {why}')
    drop_leftovers(executor, ledger, table, partition.oid)
    with executor.role(table.owner):
        worthy = bloat.worth_rebuilding(executor.connection, [partition.oid], above).get(partition.oid, [])
    return [_rebuild(executor, ledger, table, partition, index) for index in worthy]


def wait_for_older_users(executor: Executor, what: str, oid: int) -> None:
    """Wait, holding nothing, for the snapshots that are open now, and for the transactions that have used the table with this OID.

    Those that begin later are not waited for: on a busy server there would always be another.

    :raises WaitTooLongError: after `wait_timeout`, naming them.
    """
    connection = executor.connection
    marks = older_users(connection, oid).keys()
    executor.wait_until(what, lambda: still_there(connection, oid, marks))


def _rebuild(executor: Executor, ledger: Ledger, table: PartitionedTable, partition: Partition, index: bloat.IndexBloat) -> str:
    what = f'reindex "{index.name}" of "{partition.name}"'
    wait_for_older_users(executor, what, partition.oid)
    ledger.record(Event("reindex", "began", partition.name, partition.oid, partition.bounds, bytes=index.bytes, detail=str(index.name)))
    with executor.role(table.owner):
        executor.long_statement(what, statements.reindex(index.name))
    measured = bloat.measure(executor.connection, [partition.oid]).get(partition.oid, [])
    after = next((each.bytes for each in measured if each.name == index.name), 0)
    line = f'"{index.name}": {index.bytes:,} -> {after:,} bytes, {index.share or 0:.0%} was estimated to be unused'
    ledger.record(Event("reindex", "done", partition.name, partition.oid, partition.bounds, bytes=after, detail=line))
    return line
