"""The course of a reshaping, in four steps that can each be run again: plan, copy, complete, swap."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from psycopg import Connection, sql

from include.partitioning.errors import ReshapeRefusedError, TransientError
from include.partitioning.partition import PartitionedTable
from include.partitioning.plan import Create
from include.partitioning.policy import PartitionPolicy
from include.partitioning.reshape import Move
from include.postgres import catalog
from include.postgres.executor import Executor
from include.postgres.following import BehindError, Follower
from include.postgres.ledger import Ledger
from include.postgres.older_snapshots import holders_of_older_snapshots
from include.postgres.queries import row
from include.postgres.reshaping.afterwards import clear_away
from include.postgres.reshaping.build import Build, build, digests, follow
from include.postgres.reshaping.compare import differences
from include.postgres.reshaping.complete import add_foreign_keys, complete_partitions, complete_table
from include.postgres.reshaping.copy import Connect, Copier, forget_copied_changes
from include.postgres.reshaping.planner_statistics import analyze_new
from include.postgres.reshaping.scratch import Scratch, State, look
from include.postgres.reshaping.survey import Survey, read_fingerprint
from include.postgres.reshaping.swap import Swap

ROUNDS = 10
"""How often changes that came too late are made up for before the step gives up."""


@dataclass(frozen=True)
class Reshaper:
    """Gives one table another shape. Whoever uses it holds the table's lock.

    :param table: the old one; without partitions if it is an ordinary table.
    :param connect: opens one more connection like the executor's.
    """

    executor: Executor
    ledger: Ledger
    move: Move
    policy: PartitionPolicy
    table: PartitionedTable
    connect: Connect

    @cached_property
    def survey(self) -> Survey:
        """What is known of the table."""
        return Survey(self.executor, self.ledger, self.move, self.policy, self.table)

    def copy(self, reference: datetime, database_now: datetime) -> int:
        """Build the new table, follow the old one, and copy it; what is done already is not done again. Returns how many rows were copied."""
        state = self._state()
        if not state.begun:
            self.survey.refuse_unfit()
        wanted = self._wanted(() if state.begun else self.survey.partitions(reference, database_now))
        if not state.begun:
            build(self.executor, wanted)
        if not state.followed:
            follow(self.executor, wanted)
        if not self._state().left:
            return 0
        target = self._scratch.rows if self.move.partitions else self._scratch.new
        return Copier(self.executor, self.table, wanted.images, self.policy.reshape, self._connect_to_see_all).run(
            target, self.survey.extent
        )

    def complete(self) -> int:
        """Build indexes, and take statistics; returns of how many tables indexes were built."""
        state = self._copied()
        if not self.move.partitions:
            complete_table(self.executor, self.table, self.survey.belongings)
            return 1
        jobs = self.policy.reshape.jobs
        done = complete_partitions(self.executor, self.table, self.survey.belongings, jobs, self.connect) if state.filling else 0
        analyze_new(self.executor, self.table, jobs, self.connect)
        return done

    def swap(self, database_now: datetime) -> int:
        """Bring the copy up to date, compare it, and put it in place; returns how many rows were compared.

        :raises ReshapeRefusedError: the two do not hold the same rows; nothing has been exchanged.
        :raises WaitTooLongError: an older snapshot was held for longer than `wait_timeout`; run again it goes on.
        """
        state = self._copied()
        if state.filling:
            raise ReshapeRefusedError(
                f'{len(state.filling)} partitions of the new "{self.table.name}" lack their indexes; run that step first'
            )
        self._refuse_changed(self.survey)
        forget_copied_changes(self.executor, self._scratch, self.table)
        follower = Follower(self.executor, self.survey.images, self.table.name, self.table.oid, self.table.owner)
        shape = catalog.shape_digest(self._connection, self.table.oid)
        compared: int | None = None
        for _ in range(ROUNDS):
            follower.catch_up()
            self.executor.wait_until(f'exchange "{self.table.name}"', holders_of_older_snapshots(self._connection))
            if follower.left():  # by a transaction that did not see the copy; it is over
                continue
            add_foreign_keys(self.executor, self.table, self.survey.belongings)
            compared = self._compared(follower) if compared is None else compared
            if compared is not None and self._exchanged(shape, compared, database_now):
                return compared
        raise TransientError(
            f'"{self.table.name}" is not exchanged: in {ROUNDS} rounds there were always changes by transactions that do not see the copy '
            "(REPEATABLE READ); run the step again when they are over"
        )

    def _exchanged(self, shape: str, compared: int, database_now: datetime) -> bool:
        keep_until = self.policy.reshape.keep_former.after(database_now, self.policy.timezone)
        fingerprint = read_fingerprint(self._connection, self.table.oid)
        newest = Survey(self.executor, self.ledger, self.move, self.policy, self.table)  # comparing may have taken hours
        self._refuse_changed(newest)
        exchange = Swap(
            self.executor, self.ledger, self.move, self.table, newest.belongings, newest.images, shape, fingerprint, compared, keep_until
        )
        try:
            held = exchange.run()
        except BehindError:
            return False
        self.executor.log.info(
            "exchanged; %s was locked for %.0f ms; the old table is %s and is kept until %s",
            self.table.name, held, self._scratch.former, f"{keep_until:%Y-%m-%d %H:%M} UTC",
        )  # fmt: skip
        return True

    def _compared(self, follower: Follower) -> int | None:
        """How many rows are alike; None if some changes are still only noted."""
        found, compared = differences(
            self.executor, self.table, self.survey.images.columns, self.policy.reshape.jobs, self._connect_to_see_all
        )
        if not found:
            return compared
        if follower.left():
            return None
        raise ReshapeRefusedError(
            f'"{self.table.name}" is not exchanged: {"; ".join(map(str, found[:5]))}; was it written to in a session that fires no triggers, by '
            "ALTER TABLE, or was a partition attached or detached? Cancel this (partition_cancel_reshape), and begin anew"
        )

    def _refuse_changed(self, survey: Survey) -> None:
        """What was added to the old table since the new one was built would be lost, and what was made to depend on it would stay with it."""
        was = json.loads(
            (row(self._connection, "comment_of", oid=catalog.oid_of(self._connection, self._scratch.portions)) or {})["comment"]
        )
        changed = [field for field, digest in digests(survey.belongings).items() if was.get(field) != digest]
        if changed:
            raise ReshapeRefusedError(
                f'"{self.table.name}" is not exchanged: it has other {", ".join(changed)} than when the new table was built; take that back and '
                "do it again after the exchange, or cancel this (partition_cancel_reshape) and begin anew"
            )
        found = survey.refusals()
        if found:
            raise ReshapeRefusedError(f'"{self.table.name}" is not exchanged: {"; ".join(found)}')

    def _copied(self) -> State:
        state = self._state()
        if not state.begun or not state.followed or state.left:
            raise ReshapeRefusedError(
                f'"{self.table.name}" is not copied yet, {len(state.left)} portions are left; run the copy step first'
            )
        return state

    def _wanted(self, partitions: tuple[Create, ...]) -> Build:
        return Build(
            self.move,
            self.table,
            self.survey.belongings,
            self.survey.images,
            partitions,
            self.survey.portions(partitions) if partitions or not self.move.partitions else (),
            self.policy.reshape.widen_unique,
        )

    def _state(self) -> State:
        return look(self._connection, self._scratch)

    @property
    def _connection(self) -> Connection[Any]:
        return self.executor.connection

    @property
    def _scratch(self) -> Scratch:
        return Scratch.of(self.table)

    @contextmanager
    def _connect_to_see_all(self) -> Iterator[Connection[Any]]:
        with self.connect() as connection:
            if self.survey.reader:
                connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(self.survey.reader)))
            yield connection


def finish(executor: Executor, table: PartitionedTable, scratch: Scratch) -> None:
    """What remains once the new table is in place; run again it goes on where it stopped."""
    clear_away(executor, table, scratch)
    executor.log.info("nothing is left of the reshaping of %s but the old table in %s", table.name, scratch.attic)
