"""The course of a reshaping, in four steps that can each be run again: plan, copy, complete, swap."""

import json
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from psycopg import Connection, sql

from include.partitioning.bounds import Bounds
from include.partitioning.choices import SubscriberPartitions
from include.partitioning.errors import ReshapeRefusedError, TransientError
from include.partitioning.names import TableName
from include.partitioning.partition import Kind, PartitionedTable
from include.partitioning.plan import Create
from include.partitioning.policy import PartitionPolicy
from include.partitioning.reshape import Extent, Move, Portion, portions, wanted_partitions
from include.postgres import catalog
from include.postgres.belongings import Belongings
from include.postgres.belongings_explanations import explanations
from include.postgres.belongings_read import read_belongings
from include.postgres.belongings_refusals import refusals
from include.postgres.drain_functions import Images
from include.postgres.executor import Executor
from include.postgres.following import BehindError, Follower
from include.postgres.ledger import Ledger
from include.postgres.older_snapshots import holders_of_older_snapshots
from include.postgres.queries import Row, row
from include.postgres.reshaping.afterwards import clear_away
from include.postgres.reshaping.build import Build, build, digests, follow
from include.postgres.reshaping.compare import differences
from include.postgres.reshaping.complete import add_foreign_keys, complete_partitions, complete_table
from include.postgres.reshaping.copy import Connect, Copier, forget_copied_changes
from include.postgres.reshaping.extent import read_extent, why_no_room
from include.postgres.reshaping.planner_statistics import analyze_new
from include.postgres.reshaping.scratch import Scratch, State, look
from include.postgres.reshaping.swap import Swap

MOST_ROWS_WITHOUT_INDEX = 100_000
"""Rows up to which one without a primary key may be searched for by reading all."""

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
    def extent(self) -> Extent:
        """What the old table holds; read once, which may take as long as reading it all."""
        with self._seeing_all():
            return read_extent(self._connection, self.table)

    def partitions(self, reference: datetime, database_now: datetime) -> tuple[Create, ...]:
        """Those of the new table.

        :raises ReshapeRefusedError: they cannot hold the rows, or a name is taken.
        """
        if not self.move.partitions:
            return ()
        wanted = wanted_partitions(self.policy, self.table, self.extent, reference, database_now)
        self._refuse_taken(wanted)
        return wanted

    def refuse(self, free: int | None) -> None:
        """Say everything that stands against it, before anything is created.

        :raises ReshapeRefusedError: with all of it.
        """
        found = self._refusals() + self._obstacles()
        found += [why] if (why := why_no_room(self._connection, self.table, free)) else []
        if found:
            raise ReshapeRefusedError(f'"{self.table.name}" is left as it is: {"; ".join(found)}')

    def explain(self) -> list[str]:
        """What will be different afterwards."""
        return explanations(self._belongings, self._key, widen=self.policy.reshape.widen_unique)

    def copy(self, reference: datetime, database_now: datetime) -> int:
        """Build the new table, follow the old one, and copy it; what is done already is not done again. Returns how many rows were copied."""
        state = self._state()
        wanted = self._wanted(() if state.begun else self.partitions(reference, database_now))
        if not state.begun:
            build(self.executor, wanted)
        if not state.followed:
            follow(self.executor, wanted)
        if not self._state().left:
            return 0
        target = self._scratch.rows if self.move.partitions else self._scratch.new
        return Copier(self.executor, self.table, wanted.images, self.policy.reshape, self._connect_to_see_all).run(target, self.extent)

    def complete(self) -> int:
        """Build indexes, and take statistics; returns of how many tables indexes were built."""
        state = self._copied()
        if not self.move.partitions:
            complete_table(self.executor, self.table, self._belongings)
            return 1
        jobs = self.policy.reshape.jobs
        done = complete_partitions(self.executor, self.table, self._belongings, jobs, self.connect) if state.filling else 0
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
        self._refuse_changed()
        forget_copied_changes(self.executor, self._scratch, self.table)
        follower = Follower(self.executor, self._images, self.table.name, self.table.oid, self.table.owner)
        shape = catalog.shape_digest(self._connection, self.table.oid)
        compared: int | None = None
        for _ in range(ROUNDS):
            follower.catch_up()
            add_foreign_keys(self.executor, self.table, self._belongings)
            self.executor.wait_until(f'exchange "{self.table.name}"', holders_of_older_snapshots(self._connection))
            compared = self._compared(follower) if compared is None else compared
            if compared is not None and self._exchanged(shape, compared, database_now):
                return compared
        raise TransientError(
            f'"{self.table.name}" is not exchanged: in {ROUNDS} rounds there were always changes by transactions that do not see the copy '
            "(REPEATABLE READ); run the step again when they are over"
        )

    def _exchanged(self, shape: str, compared: int, database_now: datetime) -> bool:
        keep_until = self.policy.reshape.keep_former.after(database_now, self.policy.timezone)
        exchange = Swap(self.executor, self.ledger, self.move, self.table, self._belongings, self._images, shape, compared, keep_until)
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
        found, compared = differences(self.executor, self.table, self._images.columns, self.policy.reshape.jobs, self._connect_to_see_all)
        if not found:
            return compared
        if follower.left():
            return None
        raise ReshapeRefusedError(
            f'"{self.table.name}" is not exchanged: {"; ".join(map(str, found[:5]))}; was it written to in a session that fires no triggers, by '
            "ALTER TABLE, or was a partition attached or detached? Cancel this (cancel: true), and begin anew"
        )

    def _refuse_changed(self) -> None:
        """What was added to the old table since the new one was built would be lost, and what was made to depend on it would stay with it."""
        was = json.loads(
            (row(self._connection, "comment_of", oid=catalog.oid_of(self._connection, self._scratch.portions)) or {})["comment"]
        )
        changed = [field for field, digest in digests(self._belongings).items() if was.get(field) != digest]
        if changed:
            raise ReshapeRefusedError(
                f'"{self.table.name}" is not exchanged: it has other {", ".join(changed)} than when the new table was built; take that back and '
                "do it again after the exchange, or cancel this (partition_cancel_reshape) and begin anew"
            )
        found = self._refusals()
        if found:
            raise ReshapeRefusedError(f'"{self.table.name}" is not exchanged: {"; ".join(found)}')

    def _copied(self) -> State:
        state = self._state()
        if not state.begun or not state.followed or state.left:
            raise ReshapeRefusedError(
                f'"{self.table.name}" is not copied yet, {len(state.left)} portions are left; run the copy step first'
            )
        return state

    def _refusals(self) -> list[str]:
        """What hangs on the table and cannot be handed over."""
        managed = self.policy.subscriber_partitions is SubscriberPartitions.MANAGED
        return refusals(self._connection, self.table.oid, self._key, widen=self.policy.reshape.widen_unique, managed=managed)

    def _obstacles(self) -> list[str]:
        """Besides what hangs on the table: what it is made of."""
        table = self.table
        found = [
            f'"{each.name}" is {"a foreign table" if each.kind is Kind.FOREIGN else "partitioned itself"}; only ordinary partitions can be copied'
            for each in table.partitions
            if each.kind is not Kind.TABLE
        ]
        found += [f'"{each.name}" has a pending detach; run its lifecycle first' for each in table.partitions if each.detach_pending]
        waiting = [each for each in self.ledger.detached(table) if each.found_as is not None]
        if waiting:
            found.append(
                f'{len(waiting)} detached partitions wait for their drop, "{waiting[0].name}" first; let the lifecycle drop them before'
            )
        found += [
            f'the CHECK "{each.name}" of "{table.name}" is NOT VALID, and rows that break it could not be copied; validate it first: ALTER TABLE '
            f'{table.name} VALIDATE CONSTRAINT "{each.name}"'
            for each in self._belongings.checks
            if each.definition.endswith("NOT VALID")
        ]
        keys = self._lookup_keys
        if not keys["primary_key"] and not keys["key_is_indexed"] and self.extent.rows > MOST_ROWS_WITHOUT_INDEX:
            found.append(
                f'neither a primary key nor an index that begins with "{table.key}" finds one of its {self.extent.rows:,} rows quickly; create one'
            )
        return found

    def _refuse_taken(self, wanted: tuple[Create, ...]) -> None:
        taken = catalog.names_taken(self._connection, self.table.name.schema, [each.name.name for each in wanted])
        own = {each.name.name for each in self.table.partitions if each.name.schema == self.table.name.schema}
        strange = {name: what for name, what in taken.items() if name not in own}
        if strange:
            name, what = min(strange.items())
            raise ReshapeRefusedError(
                f'"{TableName(self.table.name.schema, name)}" is taken by {what}, and is to be a partition of "{self.table.name}"; rename that'
            )

    def _wanted(self, partitions: tuple[Create, ...]) -> Build:
        return Build(
            self.move,
            self.table,
            self._belongings,
            self._images,
            partitions,
            self._portions(partitions) if partitions or not self.move.partitions else (),
            self.policy.reshape.widen_unique,
        )

    def _portions(self, partitions: tuple[Create, ...]) -> tuple[Portion, ...]:
        """By the partitions that the rows are read from, where there are such: a portion that is one of them reads no other."""
        old = [each.bounds for each in self.table.partitions if each.bounds is not None]
        by: list[Bounds] = old or [each.bounds for each in partitions]
        indexed = bool(old) or bool(self._lookup_keys["key_is_indexed"])
        return portions(by, self.extent, self.table.key_type, key_is_indexed=indexed)

    def _state(self) -> State:
        return look(self._connection, self._scratch)

    @property
    def _connection(self) -> Connection[Any]:
        return self.executor.connection

    @property
    def _scratch(self) -> Scratch:
        return Scratch.of(self.table)

    @property
    def _key(self) -> str | None:
        return self.table.key if self.move.partitions else None

    @cached_property
    def _belongings(self) -> Belongings:
        return read_belongings(self._connection, self.table.oid)

    @property
    def _reader(self) -> str | None:
        """Whose rights are enough to see all rows: the owner's, unless row-level security is forced on it; then ours, with BYPASSRLS."""
        return None if self._belongings.template.force_row_security else self.table.owner

    def _seeing_all(self) -> AbstractContextManager[None]:
        return self.executor.role(self._reader) if self._reader else nullcontext()

    @contextmanager
    def _connect_to_see_all(self) -> Iterator[Connection[Any]]:
        with self.connect() as connection:
            if self._reader:
                connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(self._reader)))
            yield connection

    @cached_property
    def _lookup_keys(self) -> Row:
        return row(self._connection, "drain_lookup", parent=self.table.oid, key=self.table.key) or {}

    @cached_property
    def _images(self) -> Images:
        """Rows are found by the primary key that the new table will have."""
        columns = catalog.columns(self._connection, self.table.oid)
        known: Mapping[str, bool] = {each.name: bool(each.base_type) for each in columns}
        wanted = dict.fromkeys((*self._lookup_keys["primary_key"], *([self.table.key] if self.move.partitions else [])))
        lookup = tuple(each for each in wanted if known[each])
        return Images(self._scratch.building, self._scratch.new, columns, lookup or (self.table.key,), None)


def finish(executor: Executor, table: PartitionedTable, scratch: Scratch) -> None:
    """What remains once the new table is in place; run again it goes on where it stopped."""
    clear_away(executor, table, scratch)
    executor.log.info("nothing is left of the reshaping of %s but the old table in %s", table.name, scratch.attic)
