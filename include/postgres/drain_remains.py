"""Ending a drain: the old DEFAULT is dropped once it was shown that its rows are in the new tables, and the scratch schemas go."""

from collections.abc import Sequence
from typing import Any

from psycopg import Connection, sql

from include.partitioning.errors import DrainRefusedError
from include.partitioning.names import TableName
from include.partitioning.partition import Partition, PartitionedTable
from include.postgres import catalog, statements
from include.postgres.detaching import drop_outgoing_foreign_keys
from include.postgres.drain_functions import drop_triggers
from include.postgres.drain_proof import Difference, compare
from include.postgres.drain_scratch import Scratch, look
from include.postgres.executor import Executor
from include.postgres.queries import Row


class DrainRemains:
    """What a drain leaves, whether it was interrupted or is done."""

    def __init__(self, executor: Executor, table: PartitionedTable, default: Partition) -> None:
        self._executor = executor
        self._connection = executor.connection
        self._table = table
        self._default = default
        self._scratch = Scratch.of(table)

    def finish(self) -> bool:
        """Drop an old DEFAULT that was replaced before the worker died; whether there was one.

        :raises DrainRefusedError: some of its rows are not in the new tables, or not any more.
        """
        old = look(self._connection, self._table).old
        if old is None:
            return False
        others = [found.name for oid in (old["comment"] or "").split() if (found := catalog.relation(self._connection, int(oid)))]
        with self._executor.role(self._table.owner):
            difference = self._compare(self._connection, old, others)
        self._drop_if(difference.lacking == 0, difference, old)
        return True

    def drop_old(self, reader: Connection[Any], others: Sequence[TableName]) -> None:
        """Drop the old DEFAULT.

        :param reader: has the snapshot of the exchange, so that what has been written since is not compared.
        :raises DrainRefusedError: its rows are not those of the new tables.
        """
        old = look(self._connection, self._table).old
        assert old is not None  # noqa: S101 - it was put there just now; this is for the type checker
        difference = self._compare(reader, old, others)
        reader.execute("ROLLBACK")
        self._drop_if(difference.none, difference, old)

    def remove(self) -> None:
        """Take the triggers off DEFAULT, and drop what was built; an old DEFAULT stays."""
        remains = look(self._connection, self._table)
        if remains.triggers:
            self._as_owner(f'stop following "{self._default.name}"', drop_triggers(self._default.name), [self._default.oid])
        kept = {remains.old["schema"]} if remains.old else set()
        things = [each for each in remains.things if each["schema"] not in kept]
        schemas = [each for each in remains.schemas if each not in kept]
        dropping = [_drop(each) for each in things] + [statements.drop_schema(each) for each in schemas]
        if dropping:
            self._as_owner(f'remove what was built to drain "{self._default.name}"', dropping, [each["oid"] for each in things])

    def _compare(self, connection: Connection[Any], old: Row, others: Sequence[TableName]) -> Difference:
        return compare(connection, TableName(old["schema"], old["name"]), others, catalog.columns(self._connection, old["oid"]))

    def _drop_if(self, shown: bool, difference: Difference, old: Row) -> None:
        name = TableName(old["schema"], old["name"])
        if not shown:
            raise DrainRefusedError(
                f'"{name}", which was the DEFAULT partition of "{self._table.name}", is kept: {difference.lacking:,} of its {difference.rows:,} rows '
                "are not in the tables that took its place, or were changed there since; compare them, then drop it by hand"
            )
        drop_outgoing_foreign_keys(self._executor, self._table, name, old["oid"])
        self._as_owner(f'drop "{name}"', [statements.lock_exclusively(name), statements.drop_table(name)], [old["oid"]])
        self._executor.log.info("every one of the %d rows is in the tables that took its place; dropped %s", difference.rows, name)
        self.remove()

    def _as_owner(self, what: str, to_run: Sequence[sql.Composed], locked: Sequence[int]) -> None:
        def work(_: Connection[Any]) -> None:
            self._executor.run_together([statements.set_local_role(self._table.owner), *to_run])

        self._executor.transaction(what, work, locked)


def _drop(thing: Row) -> sql.Composed:
    name = TableName(thing["schema"], thing["name"])
    return statements.drop_function(name) if thing["sort"] == "function" else statements.drop_table(name)
