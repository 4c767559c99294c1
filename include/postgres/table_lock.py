"""Advisory locks, so that two steps that change the same table take turns."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from include.partitioning.partition import PartitionedTable
from include.postgres.executor import Executor
from include.postgres.queries import row, rows
from include.postgres.sessions import Session, advisory_lock_holders


def table_lock(executor: Executor, table: PartitionedTable) -> AbstractContextManager[None]:
    """The lock of a parent: one step at a time creates, detaches or heals its partitions."""
    return advisory_lock(executor, table.oid, f'maintain "{table.name}"')


@contextmanager
def advisory_lock(executor: Executor, key: int | str, what: str) -> Iterator[None]:
    """Hold the lock of the relation with this OID, or of this name of something else, for the block; it goes with the connection if we die.

    It is tried again and again rather than waited for: a waiting statement holds a snapshot, for which the
    CONCURRENTLY phases of whoever has the lock would wait in turn.

    :raises WaitTooLongError: somebody else has had it for longer than `wait_timeout`.
    """
    connection = executor.connection
    name = str(key)  # a number would be cast to text, by whatever cast there is

    def holders() -> list[Session] | None:
        taken = row(connection, "advisory_lock_try", oid=name)
        return None if taken and taken["taken"] else advisory_lock_holders(connection, name)

    executor.wait_until(what, holders)
    try:
        yield
    finally:
        if not connection.closed and not connection.broken:
            rows(connection, "advisory_lock_release", oid=name)
