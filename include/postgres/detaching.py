"""Taking a partition off its parent without stalling anybody, and never leaving it half off.

DETACH … CONCURRENTLY commits a first step ("pending") and then waits for the older transactions on the parent, during
which nobody queues behind it. Its locks on the parent and on tables joined by foreign keys are another matter: for those it
gives way after `lock_timeout` (see `watch.py`). If it gave way with the detach pending, FINALIZE goes on from there. While a
detach is pending foreign keys are not enforced for the partition, so nothing returns before it is final.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from psycopg import Connection, errors, sql

from include.partitioning.choices import OnExpiry
from include.partitioning.errors import DestructionRefusedError, StatementFailedError
from include.partitioning.names import TableName
from include.partitioning.partition import PartitionedTable
from include.partitioning.policy import PartitionPolicy
from include.partitioning.server_faults import why_no_detach
from include.partitioning.target import Target
from include.postgres import catalog, statements
from include.postgres.creating import locked_relations
from include.postgres.executor import Executor
from include.postgres.ledger import Ledger
from include.postgres.ledger_records import Event
from include.postgres.names_pinned import NamesPinned, check_names, names_checked
from include.postgres.queries import Row, row, rows
from include.postgres.references import references_to


def is_pending(connection: Connection[Any], table: PartitionedTable, oid: int) -> bool | None:
    """True: the detach is pending. False: attached. None: no partition of this table."""
    found = row(connection, "pending", oid=oid, parent=table.oid)
    return None if found is None else bool(found["pending"])


def why_not(connection: Connection[Any], table: PartitionedTable) -> str | None:
    """Why this server must not detach anything from this table; None if it may."""
    found = rows(connection, "partitioned_references", oid=table.oid)
    return why_no_detach(table.server_version, table.name, [TableName(each["schema"], each["name"]) for each in found])


def detach_statements(table: PartitionedTable, partition: TableName, *, pending: bool) -> list[str]:
    """What will run, for a plan: without the foreign keys' removal, which is read from the detached table."""
    if pending:
        return [statements.finalize(table.name, partition).as_string()]
    return [statements.detach(table.name, partition, concurrently=table.default is None).as_string()]


def detach_partition(executor: Executor, ledger: Ledger, policy: PartitionPolicy, table: PartitionedTable, target: Target) -> None:
    """Detach (or finish detaching) one partition, drop its outgoing foreign keys, and write down when it may be dropped.

    Every part is skipped if it has been done already, so that it can be run again after any interruption.

    :raises DestructionRefusedError: this release of PostgreSQL would lose a foreign key, or a name was exchanged meanwhile.
    :raises StatementFailedError: rows elsewhere refer to rows of the partition.
    :raises LockNotAvailableError: no moment for the locks in `lock_attempts` attempts.
    :raises WaitTooLongError: older transactions did not end within `wait_timeout`; the detach is pending, and run again it goes on.
    """
    connection = executor.connection
    if is_pending(connection, table, target.oid) is False:  # a pending one is finished: its keys are not enforced as it is, and go at once
        _refuse_faulty_server(connection, table)
    if is_pending(connection, table, target.oid) is not None and (target.detached is None or target.detached.detached_at is not None):
        # Also for a detach that somebody else left pending: it becomes ours, and must be found again whatever happens.
        digest = catalog.columns_digest(catalog.columns(connection, target.oid))
        ledger.announce_detach(table, target.name, target.oid, target.bounds, digest)
    if is_pending(connection, table, target.oid) is False:
        with _references_named(executor, table, target):
            _detach(executor, table, target.name, target.oid)
    if is_pending(connection, table, target.oid):
        _finalize(executor, table, target.name, target.oid)
    drop_outgoing_foreign_keys(executor, table, target.name, target.oid)
    _record(executor, ledger, policy, table, target)


def _refuse_faulty_server(connection: Connection[Any], table: PartitionedTable) -> None:
    why = why_not(connection, table)
    if why is not None:
        raise DestructionRefusedError(why)


@contextmanager
def _references_named(executor: Executor, table: PartitionedTable, target: Target) -> Iterator[None]:
    """The server names one foreign key by which a row refers to the partition; a person needs all, and how much there is to do."""
    try:
        yield
    except StatementFailedError as error:
        if not isinstance(error.__cause__, errors.ForeignKeyViolation):
            raise
        found = references_to(executor.connection, table, target)
        if not found:
            raise
        raise StatementFailedError(
            f'"{target.name}" cannot be detached from "{table.name}" while rows refer to it: {"; ".join(found)}; delete or change those rows, or '
            "drop the foreign key; nothing has been changed"
        ) from error


def _finalize(executor: Executor, table: PartitionedTable, name: TableName, oid: int) -> None:
    """Waits for every older snapshot of the database, which holds nobody up but users of this partition."""
    connection = executor.connection
    with executor.role(table.owner):
        executor.concurrently(
            f'finalize the detach of "{name}" from "{table.name}"',
            statements.finalize(table.name, name),
            names=lambda _: names_checked(connection, _names(table, name, oid)),  # no other detach is pending
            half_done=lambda: is_pending(connection, table, oid) is None,
            locked=[table.oid, oid],
        )
    _check_detached(connection, table, name, oid)


def _detach(executor: Executor, table: PartitionedTable, name: TableName, oid: int) -> None:
    what = f'detach "{name}" from "{table.name}"'
    connection = executor.connection
    with executor.role(table.owner):
        if table.default is None:
            executor.concurrently(
                what,
                statements.detach(table.name, name, concurrently=True),
                names=lambda patience: NamesPinned(connection, _names(table, name, oid), oid, table.owner, patience),
                half_done=lambda: is_pending(connection, table, oid) is not False,
                locked=[table.oid, oid],
            )
        else:
            # CONCURRENTLY is refused while there is a DEFAULT partition (manual, ALTER TABLE); a short ACCESS EXCLUSIVE is left.
            locked = [*locked_relations(connection, table), oid]
            executor.transaction(what, lambda _: _detach_plainly(executor, table, name, oid, others=len(locked) - 2), locked)
    _check_detached(connection, table, name, oid)


def _names(table: PartitionedTable, name: TableName, oid: int) -> dict[int, TableName]:
    return {table.oid: table.name, oid: name}


def _detach_plainly(executor: Executor, table: PartitionedTable, name: TableName, oid: int, others: int) -> None:
    """The parent first, as every query does it: who has the parent and wants the partition would otherwise keep us from the parent for ever.

    :param others: how many relations DETACH locks besides these two.
    """
    executor.run_briefly(statements.lock_exclusively(table.name, only=True))
    executor.run_briefly(statements.lock_exclusively(name))
    check_names(executor.connection, _names(table, name, oid))
    executor.run_briefly(statements.detach(table.name, name, concurrently=False), locks=others)


def _check_detached(connection: Connection[Any], table: PartitionedTable, name: TableName, oid: int) -> None:
    """What cannot be, is looked at nevertheless, because it would be another partition that went."""
    if is_pending(connection, table, oid) is False:
        raise DestructionRefusedError(
            f'the statement succeeded, but "{name}" (OID {oid}) is still a partition of "{table.name}": names were exchanged at that instant and '
            "another table was detached; attach that one again by hand, nothing was dropped"
        )


def drop_outgoing_foreign_keys(executor: Executor, table: PartitionedTable, name: TableName, oid: int) -> None:
    """In one transaction for each table that they refer to: it locks that table exclusively, once and for that moment only."""
    keys = rows(executor.connection, "outgoing_foreign_keys", oid=oid)
    for referenced in dict.fromkeys(key["referenced_oid"] for key in keys):
        _drop_foreign_keys(executor, table, name, oid, [key for key in keys if key["referenced_oid"] == referenced])


def _drop_foreign_keys(executor: Executor, table: PartitionedTable, name: TableName, oid: int, keys: list[Row]) -> None:
    referenced = TableName(keys[0]["referenced_schema"], keys[0]["referenced_name"])
    names = [str(key["name"]) for key in keys]
    with executor.role(table.owner):
        executor.transaction(
            f'drop foreign key "{", ".join(names)}" of "{name}" to "{referenced}"',
            lambda _: _drop_constraint(executor, name, oid, statements.drop_constraint(name, *names)),
            [keys[0]["referenced_oid"], oid],
        )


def _drop_constraint(executor: Executor, name: TableName, oid: int, statement: sql.Composed) -> None:
    executor.run(statements.lock_exclusively(name))
    found = catalog.relation(executor.connection, oid)
    if found is None or found.name != name or found.attached:
        raise DestructionRefusedError(f'"{name}" (OID {oid}) was renamed, replaced or attached again meanwhile; run the plan again')
    executor.run_briefly(statement)


def _record(executor: Executor, ledger: Ledger, policy: PartitionPolicy, table: PartitionedTable, target: Target) -> None:
    now = catalog.database_now(executor.connection)
    drop_after = _drop_after(policy, now)
    with executor.connection.transaction():
        ledger.record_detached(table, target.oid, now, drop_after)
        until = f"may be dropped after {drop_after:%Y-%m-%d %H:%M} UTC" if drop_after else "is kept: on_expiry is detach"
        ledger.record(Event("detach", "done", target.name, target.oid, target.bounds, lock_wait_ms=executor.lock_wait_ms, detail=until))


def _drop_after(policy: PartitionPolicy, detached_at: datetime) -> datetime | None:
    if policy.on_expiry is OnExpiry.DETACH:
        return None
    if policy.detached_retention is None:
        return detached_at
    return policy.detached_retention.after(detached_at, policy.timezone)
