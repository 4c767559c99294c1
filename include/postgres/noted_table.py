"""A table that is built from an archive: noted in the ledger before it has a row, filled, compared, and gone again if anything fails."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import timedelta
from time import monotonic
from typing import Any

from psycopg import Connection, sql

from include.partitioning.blueprint import TableObject
from include.partitioning.errors import ArchiveMismatchError, PartitionLifecycleError, RestoreRefusedError
from include.partitioning.fit import Fit
from include.partitioning.names import TableName
from include.partitioning.partition import PartitionedTable
from include.postgres import catalog, statements
from include.postgres.blueprints import object_statement
from include.postgres.executor import Executor
from include.postgres.export import rows_digest
from include.postgres.failures import translated
from include.postgres.ledger import Ledger
from include.postgres.loading import load_side_by_side, load_statement
from include.postgres.queries import row
from include.postgres.restoration import Restoration

Connect = Callable[[], AbstractContextManager[Connection[Any]]]

LOADERS = 2
"""Connections that rows are sent by."""

LONGEST = timedelta(days=7)
"""Of reading a restored table back; nobody else is kept waiting by it."""


class NotedTables:
    """Builds such tables for one partitioned table.

    :param connect: opens one more connection like the executor's.
    :param loaded: called with the bytes of each block that was sent, from several threads.
    """

    def __init__(
        self, executor: Executor, ledger: Ledger, table: PartitionedTable, connect: Connect, loaded: Callable[[int], object]
    ) -> None:
        self._executor = executor
        self._connect = connect
        self._connection = executor.connection
        self._ledger = ledger
        self._table = table
        self._loaded = loaded

    @contextmanager
    def built(self, wanted: Restoration, creation: list[sql.Composed], owner: str | None) -> Iterator[int]:
        """The new table, noted as unfinished; if anything fails it is dropped again."""
        executor = self._executor

        def create(connection: Connection[Any]) -> int:
            self.as_owner(owner)
            for statement in creation:
                executor.run(statement)
            executor.run(statements.reset_role())
            found = row(connection, "oid_of", schema=wanted.name.schema, name=wanted.name.name) or {"oid": 0}
            self._ledger.restore_began(self._table.cluster, wanted.name, found["oid"], wanted.archive_id, wanted.mode)
            return int(found["oid"])

        oid = executor.transaction(f'create "{wanted.name}"', create, [self._table.oid])
        try:
            with translated(f'restore "{wanted.name}"'):
                yield oid
        except PartitionLifecycleError:
            if not self._connection.closed and not self._connection.broken:
                self.drop(wanted.name, oid)
            raise

    def fill(self, wanted: Restoration, fit: Fit, oid: int) -> None:
        """Rows in, and out again for the comparison."""
        for remark in fit.remarks:
            self._executor.log.warning("%s", remark)
        names = [column.name for column in fit.loaded]
        owner = self._owner_of(oid)
        if not names:
            raise RestoreRefusedError(
                f'"{wanted.origin}" is not restored: its table has none of the archived columns any more; use mode: table'
            )
        with ExitStack() as stack:
            helpers = [stack.enter_context(self._connect()) for _ in range(LOADERS - 1)]
            for each in helpers:
                each.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(owner)))
            stack.enter_context(self._executor.role(owner))
            statement = load_statement(wanted.name, fit.loaded)
            self._executor.log.info("%s", statement.as_string(self._connection))
            load_side_by_side([self._connection, *helpers], statement, wanted.content.text(names), self._loaded)
        self._executor.log.info("loaded %s; comparing it with the archive", wanted.name)
        compared = [column.name for column in fit.compared]
        with self._executor.role(owner):
            found = rows_digest(self._connection, wanted.name, fit.compared, monotonic() + LONGEST.total_seconds())
        if found != wanted.content.digest(compared):
            raise ArchiveMismatchError(
                f'"{wanted.name}" does not hold what was archived ({found.rows} rows of {wanted.rows} were loaded, or their values differ); '
                "a trigger, a changed generated column or a damaged archive may be why; it is removed again"
            )

    def build_objects(self, wanted: Restoration, objects: Iterable[TableObject]) -> None:
        """Indexes, constraints and the like of the archived table, each in a transaction of its own."""
        for each in objects:
            statement = object_statement(wanted.name, each, with_name=False)
            with self._connection.transaction():
                self.as_owner(self._table.owner if wanted.mode != "drill" else None)
                self._executor.run(statement)

    def drop(self, name: TableName, oid: int) -> None:
        """Only the table with this OID: one that a restore of ours made, and that is nobody's partition."""
        owner = self._owner_of(oid)

        def work(connection: Connection[Any]) -> None:
            self.as_owner(owner)
            self._executor.run(statements.lock_exclusively(name))
            found = catalog.relation(connection, oid)
            if found is None or found.name != name or found.attached:
                raise RestoreRefusedError(f'"{name}" (OID {oid}) was renamed, replaced or attached meanwhile; look at it by hand')
            self._executor.run_briefly(statements.drop_table(name))

        if catalog.relation(self._connection, oid) is not None:
            self._executor.transaction(f'drop "{name}"', work, [oid])

    def _owner_of(self, oid: int) -> str:
        found = row(self._connection, "owner_of", oid=oid)
        return str(found["owner"]) if found else self._table.owner

    def as_owner(self, owner: str | None) -> None:
        """For the rest of the transaction; None: as ourselves."""
        if owner is not None:
            self._executor.run(statements.set_local_role(owner))
