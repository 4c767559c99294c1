"""Moving rows out of DEFAULT while readers and writers go on: copy, follow, wait, prove, exchange, prove again, drop.

DEFAULT as a whole is copied to new tables: a partition for each range, and a new DEFAULT for the rest. If only the rows that move were
copied, they would have to be deleted in the exchange, and a transaction with an older snapshot would see them twice.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from psycopg import Connection, sql

from include.partitioning.bounds import parse_bounds
from include.partitioning.errors import DrainRefusedError, PartitionLifecycleError, TransientError
from include.partitioning.names import TableName
from include.partitioning.partition import Partition, PartitionedTable
from include.partitioning.plan import Create
from include.postgres import catalog
from include.postgres.drain_copy import Copy, template_of_default
from include.postgres.drain_functions import Images
from include.postgres.drain_proof import compare
from include.postgres.drain_refusals import images_of
from include.postgres.drain_remains import DrainRemains
from include.postgres.drain_scratch import Scratch, look
from include.postgres.drain_swap import NewTable, Swap
from include.postgres.executor import Executor
from include.postgres.failures import translated
from include.postgres.following import BehindError, Follower, count
from include.postgres.foreign_keys import add_foreign_key, foreign_keys_of, name_on_partition
from include.postgres.ledger import Ledger
from include.postgres.older_snapshots import holders_of_older_snapshots
from include.postgres.queries import rows
from include.postgres.template import read_template

Connect = Callable[[], AbstractContextManager[Connection[Any]]]

MOST_TABLES = 24
"""Partitions in one exchange: each takes about 4 ms while everybody waits."""

MOST_CHECKED_BY_ATTACH = 50_000
"""Rows that ATTACH may check against the tables that foreign keys refer to, 0.3 ms per 1,000. To take foreign keys that are there instead,
it would need ACCESS EXCLUSIVE on those tables."""

ROUNDS = 10
"""How often changes that came too late are made up for before the step gives up."""


class Drainer:
    """Drains the DEFAULT partition of one table. Whoever uses it holds the table's lock.

    :param connect: opens one more connection like the executor's.
    """

    def __init__(self, executor: Executor, ledger: Ledger, table: PartitionedTable, default: Partition, connect: Connect) -> None:
        self._executor = executor
        self._connection = executor.connection
        self._ledger = ledger
        self._table = table
        self._default = default
        self._connect = connect
        self._scratch = Scratch.of(table)
        self._remains = DrainRemains(executor, table, default)

    def drain(self, creates: Sequence[Create], rows_in_default: int) -> int:
        """Move the rows of these partitions' ranges; returns how many tables DEFAULT was exchanged for, itself included.

        What an interrupted drain has built is taken up where its copy was complete, whatever is asked for now.

        :raises DrainRefusedError: it cannot be done; nothing has been changed.
        :raises WaitTooLongError: an older snapshot was held for longer than `wait_timeout`; run again it goes on from there.
        """
        images = images_of(self._connection, self._table, self._default, rows_in_default)
        with self._connect() as reader:
            reader.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(self._table.owner)))
            try:
                with translated(f'drain "{self._default.name}"'):
                    new = self._taken_up() or Copy(self._executor, self._table, self._default).run(creates, images, reader)
                    self._exchange(new, images, reader)
            except PartitionLifecycleError as error:
                self._give_up(error)
                raise
        return len(new)

    def _taken_up(self) -> tuple[NewTable, ...]:
        """What an interrupted drain has built and the triggers still follow; otherwise what it left is removed."""
        remains = look(self._connection, self._table)
        if not remains.schemas and not remains.triggers:
            return ()
        if not remains.in_sync:
            self._remains.remove()
            return ()
        self._executor.log.info('going on with the drain of "%s" that was interrupted', self._default.name)
        found = rows(self._connection, "partitions", parent=catalog.oid_of(self._connection, self._scratch.rows))
        template, own = read_template(self._connection, self._table), template_of_default(self._connection, self._table, self._default)
        new = []
        for each in found:
            is_default = each["bound"] == "DEFAULT"
            name = TableName(self._default.name.schema if is_default else self._table.name.schema, each["name"])
            new.append(
                NewTable(name, None, own, "") if is_default else NewTable(name, parse_bounds(each["bound"]), template, "rows in DEFAULT")
            )
        return tuple(sorted(new, key=lambda each: (each.bounds is None, str(each.name))))

    def _exchange(self, new: tuple[NewTable, ...], images: Images, reader: Connection[Any]) -> None:
        shape = catalog.shape_digest(self._connection, self._default.oid)
        follower = Follower(self._executor, images, self._default.name, self._default.oid, self._table.owner)
        for _ in range(ROUNDS):
            follower.catch_up()
            self._executor.wait_until(f'drain "{self._default.name}"', holders_of_older_snapshots(self._connection))
            if follower.left():  # by a transaction that did not see the copy; it is over
                continue
            self._foreign_keys(new)
            moved = self._prove(images, new)
            if moved is None:
                continue
            try:
                Swap(self._executor, self._ledger, self._table, self._default, new, shape, images, reader).run(moved)
            except BehindError:
                reader.execute("ROLLBACK")  # a snapshot of our own would be waited for
                continue
            self._remains.drop_old(reader, [each.name for each in new])
            return
        raise TransientError(
            f'"{self._default.name}" is not drained: in {ROUNDS} rounds there were always changes by transactions that do not see the copy '
            "(REPEATABLE READ); run the step again when they are over"
        )

    def _foreign_keys(self, new: Sequence[NewTable]) -> None:
        """Only now: before, a copy may refer to a row that has been deleted since. ATTACH takes those that are there and valid."""
        with self._executor.role(self._table.owner):
            if count(self._connection, self._scratch.rows) <= MOST_CHECKED_BY_ATTACH:
                return
        for each in new:
            built = self._scratch.built(each.name)
            there = {key.columns for key in foreign_keys_of(self._connection, catalog.oid_of(self._connection, built)) if key.validated}
            for number, key in enumerate(foreign_keys_of(self._connection, self._table.oid)):
                if key.columns not in there:
                    add_foreign_key(self._executor, self._table.owner, built, key, name_on_partition(built, key, number))

    def _prove(self, images: Images, new: Sequence[NewTable]) -> int | None:
        """Rows that will leave DEFAULT, or None if some changes are still only noted.

        :raises DrainRefusedError: the tables do not hold the same rows.
        """
        with self._executor.role(self._table.owner):
            found = compare(self._connection, self._default.name, [self._scratch.rows], images.columns)
            if not found.none:
                left = count(self._connection, self._scratch.changes)
            moved = (
                sum(count(self._connection, self._scratch.built(each.name)) for each in new if each.bounds is not None) if found.none else 0
            )
        if found.none:
            return moved
        if left:
            return None
        raise DrainRefusedError(
            f'"{self._default.name}" is not drained: its copy holds {found.copies:,} rows, it holds {found.rows:,}, of which the copy lacks '
            f"{found.lacking:,}; was it written to in a session that fires no triggers, or by ALTER TABLE?"
        )

    def _give_up(self, error: PartitionLifecycleError) -> None:
        """Leave nothing behind, unless the next attempt can go on from here."""
        if self._connection.closed or self._connection.broken:
            return
        remains = look(self._connection, self._table)
        if remains.old is not None or (isinstance(error, TransientError) and remains.in_sync):
            return
        try:
            self._remains.remove()
        except PartitionLifecycleError as another:
            self._executor.log.warning(
                'what was built to drain "%s" is still there: %s; the next run removes it', self._default.name, another
            )
