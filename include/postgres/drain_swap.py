"""Putting the new tables in the place of DEFAULT: one short transaction, during which nobody looks at the parent.

All snapshots are newer than the copy by then, and every change since was made in both in one transaction. So whichever of them a
statement or a REPEATABLE READ transaction has, it sees in the new tables the very rows that it saw in the old one.
"""

from dataclasses import dataclass
from typing import Any

from psycopg import Connection, sql

from include.partitioning.bounds import Bounds
from include.partitioning.errors import DrainRefusedError
from include.partitioning.names import TableName
from include.partitioning.partition import Partition, PartitionedTable
from include.postgres import catalog, statements
from include.postgres.creating import locked_relations
from include.postgres.drain_functions import Images, drop_triggers
from include.postgres.drain_scratch import Scratch, look
from include.postgres.dressing import trigger_statements
from include.postgres.executor import Executor
from include.postgres.following import BehindError, fresh_snapshot, replay
from include.postgres.ledger import Ledger
from include.postgres.ledger_records import Event
from include.postgres.queries import rows
from include.postgres.template import Template


@dataclass(frozen=True, slots=True)
class NewTable:
    """A table that takes rows of DEFAULT over.

    :param name: in the end; while it is being built it lies in the scratch schema under the same name.
    :param bounds: None for the new DEFAULT.
    """

    name: TableName
    bounds: Bounds | None
    template: Template
    reason: str


@dataclass(frozen=True, slots=True)
class Swap:
    """One exchange.

    :param shape: of DEFAULT when the copy was begun.
    :param images: how changes are noted.
    :param reader: a second connection; it is given the snapshot of the exchange, in which the old table and the new ones can be compared.
    """

    executor: Executor
    ledger: Ledger
    table: PartitionedTable
    default: Partition
    new: tuple[NewTable, ...]
    shape: str
    images: Images
    reader: Connection[Any]

    def run(self, moved: int) -> None:
        """Exchange them, and write it down, all or nothing.

        :param moved: rows that leave DEFAULT, for the ledger.
        :raises BehindError: see there.
        :raises DrainRefusedError: DEFAULT is not what it was.
        """
        what = f'put partitions in the place of "{self.default.name}"'
        locked = locked_relations(self.executor.connection, self.table)
        self.executor.transaction(what, lambda _: self._work(moved, len(locked) - 2), locked)

    def _work(self, moved: int, others: int) -> None:
        executor, scratch = self.executor, Scratch.of(self.table)
        if not catalog.has_schema(executor.connection, scratch.attic):
            executor.run(statements.create_schema(scratch.attic, self.table.owner))
        executor.run(statements.set_local_role(self.table.owner))
        self._lock()
        self._check()
        # Also those that come to nothing: who holds a snapshot from between them must not find the copy.
        if replay(executor.connection, self.images, None):
            raise BehindError
        fresh_snapshot(self.reader)
        self._put_away(scratch, others)
        oids = [self._put_in_place(scratch, each) for each in self.new]
        put_away = scratch.put_away(self.default.name)
        executor.run_together([statements.comment_on_table(put_away, " ".join(str(each) for each in oids)), statements.reset_role()])
        for each, oid in zip(self.new, oids, strict=True):
            if each.bounds is not None:
                self.ledger.record(Event("create", "done", each.name, oid, each.bounds, detail=each.reason))
        detail = f"moved to {len(self.new) - 1} partitions"
        self.ledger.record(
            Event("drain", "done", self.default.name, self.default.oid, rows=moved, lock_wait_ms=executor.lock_wait_ms, detail=detail)
        )

    def _lock(self) -> None:
        for name in (self.table.name, self.default.name):
            self.executor.run_briefly(statements.lock_exclusively(name, only=True))

    def _check(self) -> None:
        connection, default = self.executor.connection, self.default
        now = catalog.relation(connection, default.oid)
        parent = catalog.relation(connection, self.table.oid)
        if now is None or now.name != default.name or not now.attached or parent is None or parent.name != self.table.name:
            raise DrainRefusedError(f'"{default.name}" (OID {default.oid}) was renamed, replaced or detached meanwhile; run the step again')
        if catalog.shape_digest(connection, default.oid) != self.shape:
            raise DrainRefusedError(f'"{default.name}" has other columns than when the copy was begun; run the step again')
        if not look(connection, self.table).in_sync:
            raise DrainRefusedError(
                f'the triggers that followed changes of "{default.name}" were removed or disabled meanwhile; run the step again'
            )

    def _put_away(self, scratch: Scratch, others: int) -> None:
        self.executor.run_together(drop_triggers(self.default.name))
        self.executor.run_briefly(statements.detach(self.table.name, self.default.name, concurrently=False), locks=others)
        self.executor.run_together(self._moving(self.default.name, self.default.oid, scratch.attic))

    def _put_in_place(self, scratch: Scratch, new: NewTable) -> int:
        built = scratch.built(new.name)
        oid = catalog.oid_of(self.executor.connection, built)
        attach = statements.attach_default(self.table.name, new.name)
        if new.bounds is not None:
            attach = statements.attach(self.table.name, new.name, self.table.key_type, new.bounds)
        self.executor.run_together(
            [
                statements.detach(scratch.rows, built, concurrently=False),
                *self._moving(built, oid, new.name.schema),
                *trigger_statements(new.template, new.name),
                attach,
            ]
        )
        return oid

    def _moving(self, name: TableName, oid: int, schema: str) -> list[sql.Composed]:
        found = [TableName(each["schema"], each["name"]) for each in rows(self.executor.connection, "statistics_of", oid=oid)]
        return [*(statements.set_schema_of_statistics(each, schema) for each in found), statements.set_schema(name, schema)]
