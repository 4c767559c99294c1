"""Looking at tables for the alarm: reads that need no right but to read, on a primary or a hot standby."""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any

from psycopg import Connection

from include.partitioning.alarm import Alarm, History, Seen, Severity, alarms_of
from include.partitioning.errors import MissingPrivilegeError, PartitionLifecycleError, ServerUnavailableError, WaitTooLongError
from include.partitioning.partition import Kind, PartitionedTable
from include.partitioning.policy import PartitionPolicy
from include.postgres import catalog
from include.postgres.default_rows import has_rows_of_some_time
from include.postgres.failures import translated
from include.postgres.ledger import Ledger
from include.postgres.ledger_records import RunIdentity

APPLICATION = "partition_lifecycle alarm"
LONGEST_LOOK = timedelta(seconds=10)
"""For connecting, and for each statement."""


def look_at(
    database: str, connect: Callable[[], AbstractContextManager[Connection[Any]]], policies: Iterable[PartitionPolicy]
) -> list[Alarm]:
    """All that is wrong with the tables of one database; that it cannot be reached is one alarm.

    :param database: what to call it.
    :param connect: opens a connection that `prepare_to_read` has prepared.
    """
    found: list[Alarm] = []
    try:
        with connect() as connection:
            for policy in policies:
                found += look_at_table(connection, policy)
    except PartitionLifecycleError as error:
        found.append(Alarm(Severity.CRITICAL, f'connection "{database}"', f"tables cannot be looked at: {error}"))
    return found


def look_at_table(connection: Connection[Any], policy: PartitionPolicy) -> list[Alarm]:
    """All that is wrong with one table, also that there is none.

    :raises ServerUnavailableError: the connection was lost.
    """
    try:
        return alarms_of(policy, _seen(connection, policy))
    except ServerUnavailableError:
        raise
    except PartitionLifecycleError as error:
        return [Alarm(Severity.CRITICAL, str(policy.table), str(error), policy.table)]


def _seen(connection: Connection[Any], policy: PartitionPolicy) -> Seen:
    ledger = Ledger(connection, policy.table, RunIdentity())
    unread: list[str] = []
    try:
        with translated(f'read the ledger for "{policy.table}"'):
            table = catalog.read_table(connection, policy, ledger)
            history = History(ledger.last_run(), ledger.detached(table))
    except MissingPrivilegeError as error:
        unread.append(f"{error}; GRANT USAGE ON SCHEMA partition_lifecycle and SELECT ON ALL TABLES IN SCHEMA partition_lifecycle")
        with translated(f'read the catalog for "{policy.table}"'):
            table, history = catalog.read_table(connection, policy), None
    try:
        default_has_rows = _default_has_rows(connection, table)
    except (MissingPrivilegeError, WaitTooLongError) as error:
        default_has_rows = None
        unread.append(f"whether DEFAULT has rows is not known: {error}")
    return Seen(table, catalog.database_now(connection), history, default_has_rows, tuple(unread))


def _default_has_rows(connection: Connection[Any], table: PartitionedTable) -> bool | None:
    default = table.default
    if default is None or default.kind is Kind.FOREIGN:
        return None
    with translated(f'look for rows in "{default.name}"'):
        return has_rows_of_some_time(connection, table, default.name)
