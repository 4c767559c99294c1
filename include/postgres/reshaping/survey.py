"""What is known of a table before it is given another shape, and what stands against that. Reads only."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from psycopg import Connection

from include.partitioning.bounds import Bounds
from include.partitioning.choices import SubscriberPartitions
from include.partitioning.errors import ReshapeRefusedError
from include.partitioning.names import TableName
from include.partitioning.partition import Kind, PartitionedTable
from include.partitioning.plan import Create
from include.partitioning.policy import PartitionPolicy
from include.partitioning.reshape import Extent, Move, Portion, wanted_partitions
from include.partitioning.reshape import portions as cut_into_portions
from include.postgres import catalog
from include.postgres.belongings import Belongings
from include.postgres.belongings_explanations import explanations
from include.postgres.belongings_read import read_belongings
from include.postgres.belongings_refusals import refusals
from include.postgres.drain_functions import Images
from include.postgres.executor import Executor
from include.postgres.ledger import Ledger
from include.postgres.queries import Row, row
from include.postgres.reshaping.extent import read_extent, why_no_room
from include.postgres.reshaping.scratch import Scratch

MOST_ROWS_WITHOUT_INDEX = 100_000
"""Rows up to which one without a primary key may be searched for by reading all."""


def read_fingerprint(connection: Connection[Any], oid: int) -> str:
    """Another one once anything that hangs on the table has changed; cheap enough to be asked while everybody waits."""
    return str((row(connection, "belongings_fingerprint", oid=oid) or {})["fingerprint"])


@dataclass(frozen=True)
class Survey:
    """Everything is read once, when it is first asked for.

    :param table: the old one; without partitions if it is an ordinary table.
    """

    executor: Executor
    ledger: Ledger
    move: Move
    policy: PartitionPolicy
    table: PartitionedTable

    @property
    def _connection(self) -> Connection[Any]:
        return self.executor.connection

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
        self.refuse_unfit(why_no_room(self._connection, self.table, free))

    def refuse_unfit(self, *more: str | None) -> None:
        """The same, but for the disk.

        :param more: what else stands against it.
        :raises ReshapeRefusedError: with all of it.
        """
        found = [*self.refusals(), *self._obstacles(), *(each for each in more if each)]
        if found:
            raise ReshapeRefusedError(f'"{self.table.name}" is left as it is: {"; ".join(found)}')

    def explain(self) -> list[str]:
        """What will be different afterwards."""
        return explanations(self.belongings, self._key, widen=self.policy.reshape.widen_unique)

    def refusals(self) -> list[str]:
        """What hangs on the table and cannot be handed over."""
        managed = self.policy.subscriber_partitions is SubscriberPartitions.MANAGED
        return refusals(self._connection, self.table.oid, self._key, widen=self.policy.reshape.widen_unique, managed=managed)

    def portions(self, partitions: tuple[Create, ...]) -> tuple[Portion, ...]:
        """By the partitions that the rows are read from, where there are such: a portion that is one of them reads no other."""
        old = [each.bounds for each in self.table.partitions if each.bounds is not None]
        by: list[Bounds] = old or [each.bounds for each in partitions]
        indexed = bool(old) or bool(self._lookup_keys["key_is_indexed"])
        return cut_into_portions(by, self.extent, self.table.key_type, key_is_indexed=indexed)

    @cached_property
    def belongings(self) -> Belongings:
        """What hangs on it."""
        return read_belongings(self._connection, self.table.oid)

    @cached_property
    def images(self) -> Images:
        """Rows are found by the primary key that the new table will have."""
        columns = catalog.columns(self._connection, self.table.oid)
        known: Mapping[str, bool] = {each.name: bool(each.base_type) for each in columns}
        wanted = dict.fromkeys((*self._lookup_keys["primary_key"], *([self.table.key] if self.move.partitions else [])))
        lookup = tuple(each for each in wanted if known[each])
        return Images(Scratch.of(self.table).building, Scratch.of(self.table).new, columns, lookup or (self.table.key,), None)

    @property
    def reader(self) -> str | None:
        """Whose rights are enough to see all rows: the owner's, unless row-level security is forced on it; then ours, with BYPASSRLS."""
        return None if self.belongings.template.force_row_security else self.table.owner

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
            for each in self.belongings.checks
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

    def _seeing_all(self) -> AbstractContextManager[None]:
        return self.executor.role(self.reader) if self.reader else nullcontext()

    @cached_property
    def _lookup_keys(self) -> Row:
        return row(self._connection, "drain_lookup", parent=self.table.oid, key=self.table.key) or {}

    @property
    def _key(self) -> str | None:
        return self.table.key if self.move.partitions else None
