"""Dropping a detached table: the only step that cannot be undone, and therefore the one with the most gates."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from psycopg import Connection

from include.partitioning.errors import DestructionRefusedError
from include.partitioning.hold import why_held
from include.partitioning.partition import DetachedPartition, PartitionedTable
from include.postgres import catalog, statements
from include.postgres.executor import Executor
from include.postgres.ledger import Ledger
from include.postgres.ledger_records import ArchiveRecord, Event
from include.postgres.unchanged import compare_with_archive

PATIENCE = timedelta(seconds=2)


@dataclass(frozen=True, slots=True)
class Doomed:
    """What is to be dropped, and the archive that must hold the same rows; None only if the policy destroys without one."""

    partition: DetachedPartition
    archive: ArchiveRecord | None


def drop_partition(executor: Executor, ledger: Ledger, table: PartitionedTable, doomed: Doomed) -> int:
    """Lock the table against everybody, show that it is the one that was detached and unchanged since its archive, and drop it.

    :returns: the rows that went with it.
    :raises DestructionRefusedError: it is not, or not shown to be; nothing has been changed.
    """
    partition = doomed.partition

    def work(connection: Connection[Any]) -> int:
        executor.run(statements.set_local_role(table.owner))
        executor.run(statements.lock_exclusively(partition.name))
        executor.run(statements.reset_role())  # the owner may not read the ledger
        _check_hold(ledger, partition)
        _check_identity(connection, partition)
        rows = _check_content(connection, doomed)  # by ourselves: row-level security may be forced on the owner
        executor.run(statements.set_local_role(table.owner))
        # If it has a foreign key again, others queue behind us at its other end.
        executor.run_briefly(statements.drop_table(partition.name))
        executor.run(statements.reset_role())
        ledger.record_dropped(table, partition.oid)
        detail = f"archive {doomed.archive.path}" if doomed.archive else "without an archive: destroy_without_archive is set"
        waited = executor.lock_wait_ms
        ledger.record(Event("drop", "done", partition.name, partition.oid, partition.bounds, rows, lock_wait_ms=waited, detail=detail))
        return rows

    # Nobody queues behind us on a table that has left its parent, so this wait may outlast the second after which an
    # autovacuum worker gives way (deadlock_timeout).
    patience = max(executor.budget.lock_timeout, PATIENCE)
    return executor.transaction(f'drop "{partition.name}"', work, [partition.oid], lock_timeout=patience)


def why_not_yet(partition: DetachedPartition, database_now: datetime) -> str | None:
    """Why the partition may not be dropped yet, with the date when it may; None if it may.

    :raises DestructionRefusedError: its detach was never written down as done.
    """
    if partition.detached_at is None:
        raise DestructionRefusedError(f'"{partition.name}" is not known to be detached; run the detach step again')
    if partition.drop_after is None:
        return f'"{partition.name}" is kept: the ledger has no date for its drop, because the policy said on_expiry: detach when it was detached'
    if database_now < partition.drop_after:
        return f'"{partition.name}" waits in detached_retention until {partition.drop_after:%Y-%m-%d %H:%M} UTC'
    return None


def _check_identity(connection: Connection[Any], partition: DetachedPartition) -> None:
    found = catalog.relation(connection, partition.oid)
    if found is None or found.name != partition.name:
        raise DestructionRefusedError(f'"{partition.name}" is not the table that was detached (OID {partition.oid}); look at it by hand')
    if found.kind != "r":
        raise DestructionRefusedError(f'"{partition.name}" is no ordinary table; only tables are dropped')
    if found.attached:
        raise DestructionRefusedError(f'"{partition.name}" is attached to a parent again; it is dropped only after it was detached anew')
    if catalog.columns_digest(catalog.columns(connection, partition.oid)) != partition.columns_digest:
        raise DestructionRefusedError(f'"{partition.name}" has other columns than when it was detached; look at it by hand')


def _check_hold(ledger: Ledger, partition: DetachedPartition) -> None:
    """Once more, because somebody may have set it while the objects were read."""
    held = why_held(ledger.holds(), partition.bounds)
    if held is not None:
        raise DestructionRefusedError(f'"{partition.name}" is held {held}')


def _check_content(connection: Connection[Any], doomed: Doomed) -> int:
    if doomed.archive is None:
        return 0
    compared = compare_with_archive(connection, doomed.partition.name, doomed.partition.oid, doomed.archive.archived)
    if not compared.same:
        raise DestructionRefusedError(
            f'"{doomed.partition.name}" is not dropped: {compared.why_not}; the next run archives it again and then drops it'
        )
    return doomed.archive.rows
