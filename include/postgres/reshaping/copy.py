"""Copying the rows of the old table, portion by portion, each in a transaction and by a snapshot of its own.

No snapshot is held for longer than a portion takes, and what is copied stays copied when the worker dies. Which of the noted changes a
portion has already is told by its snapshot afterwards.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from threading import Lock
from time import monotonic, sleep
from typing import Any

from psycopg import Connection, sql

from include.partitioning.names import TableName
from include.partitioning.partition import PartitionedTable
from include.partitioning.reshape import Extent, Portion
from include.partitioning.reshape_policy import ReshapePolicy
from include.partitioning.span import about
from include.postgres import statements
from include.postgres.drain_functions import Images
from include.postgres.executor import Executor, Log
from include.postgres.failures import translated
from include.postgres.reshaping.scratch import Scratch, look
from include.postgres.reshaping.standby_wait import wait_for_standbys
from include.postgres.statements import named

Connect = Callable[[], AbstractContextManager[Connection[Any]]]


@dataclass
class Progress:
    """Says how far copying has come, and how long the rest will take at the rate so far; used by several threads."""

    log: Log
    rows: int
    portions: int
    rate: int | None
    begun: float
    done: int = 0
    copied: int = 0
    lock: Lock = field(default_factory=Lock)

    def add(self, portion: Portion, rows: int) -> float:
        """Note a portion; returns the seconds to pause, so that the rate is kept."""
        with self.lock:
            self.done += 1
            self.copied += rows
            seconds = max(monotonic() - self.begun, 0.001)
            left = max(self.rows - self.copied, 0) * seconds / max(self.copied, 1)
            self.log.info(
                "copied %s: %s rows; %d of %d portions, %s rows at %s a second, about %s left",
                portion,
                f"{rows:,}",
                self.done,
                self.portions,
                f"{self.copied:,}",
                f"{self.copied / seconds:,.0f}",
                about(left),
            )
            return max(0.0, self.copied / self.rate - seconds) if self.rate else 0.0


@dataclass(frozen=True, slots=True)
class Copier:
    """Copies what is not copied yet.

    :param connect: opens a connection that sees all rows of the old table, and may write to the new one.
    """

    executor: Executor
    table: PartitionedTable
    images: Images
    policy: ReshapePolicy
    connect: Connect

    def run(self, target: TableName, extent: Extent) -> int:
        """Copy to the target; returns the number of rows. Run again it goes on with the portions that are left."""
        state = look(self.executor.connection, Scratch.of(self.table))
        self.executor.log.info("%s", self._statement(target, Portion(0, "…", "…")).as_string())
        progress = Progress(self.executor.log, extent.rows, len(state.left), self.policy.rows_per_second, monotonic())
        with ThreadPoolExecutor(self.policy.jobs) as pool:
            futures = [pool.submit(self._worker, target, portions, progress) for portions in _dealt(state.left, self.policy.jobs)]
            for each in futures:
                each.result()
        return progress.copied

    def _worker(self, target: TableName, portions: Sequence[Portion], progress: Progress) -> None:
        if not portions:
            return
        with self.connect() as connection, translated(f'copy "{self.table.name}"'):
            for portion in portions:
                wait_for_standbys(connection, self.policy.max_replica_lag, f'copying "{self.table.name}"', self.executor.log)
                sleep(progress.add(portion, self._copy(connection, target, portion)))

    def _copy(self, connection: Connection[Any], target: TableName, portion: Portion) -> int:
        """The snapshot is written down with the rows: both are there or neither. The commit need not reach the disk before the next does."""
        with connection.transaction():
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            connection.execute(statements.set_local_asynchronous_commit())
            rows = connection.execute(self._statement(target, portion)).rowcount
            noted = sql.SQL("UPDATE {} SET taken_by = pg_catalog.pg_current_snapshot(), rows = {} WHERE number = {}").format(
                named(Scratch.of(self.table).portions), sql.Literal(rows), sql.Literal(portion.number)
            )
            connection.execute(noted)
        return rows

    def _statement(self, target: TableName, portion: Portion) -> sql.Composed:
        only = sql.SQL("") if self.table.partitions else sql.SQL("ONLY ")
        return sql.SQL("INSERT INTO {} ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns} FROM {only}{source} r WHERE {within}").format(
            named(target),
            columns=self.images.stored,
            only=only,
            source=named(self.table.name),
            within=within(self.table, portion),
        )


def within(table: PartitionedTable, portion: Portion) -> sql.Composed:
    """The condition that a row `r` lies in the portion."""
    key = sql.Identifier("r", table.key)
    kind = sql.SQL(table.key_type.value)
    conditions = [
        sql.SQL("{} {} {}::{}").format(key, sign, sql.Literal(edge), kind)
        for sign, edge in ((sql.SQL(">="), portion.lower), (sql.SQL("<"), portion.upper))
        if edge is not None
    ]
    return sql.SQL(" AND ").join(conditions) if conditions else sql.SQL("true").format()


def forget_copied_changes(executor: Executor, scratch: Scratch, table: PartitionedTable) -> None:
    """Delete the notes of changes that were seen by the snapshot of the portion they belong to: the copy has them.

    Portions lie side by side, so a key's is the last that begins at or before it; the first has no beginning.
    """
    statement = sql.SQL(
        "DELETE FROM {changes} c WHERE pg_catalog.pg_visible_in_snapshot(c.made_by, coalesce("
        "(SELECT p.taken_by FROM {portions} p WHERE p.lower <= (c.image).{key} ORDER BY p.lower DESC LIMIT 1),"
        " (SELECT p.taken_by FROM {portions} p WHERE p.lower IS NULL)))"
    ).format(changes=named(scratch.changes), portions=named(scratch.portions), key=sql.Identifier(table.key))

    def work(_: Connection[Any]) -> None:
        executor.run_together([statements.set_local_role(table.owner), statement])

    executor.transaction(f'sort out changes of "{table.name}" that the copy has', work)


def _dealt(portions: Sequence[Portion], hands: int) -> list[Sequence[Portion]]:
    return [portions[number::hands] for number in range(hands)]
