"""The index of the partitioned table itself, before any partition has its part: found, or created ON ONLY that table.

From then on every new partition gets its part with its creation; those that are there get theirs by `index_building`.
"""

from collections.abc import Sequence
from itertools import count
from typing import Any

from psycopg import Connection, sql

from include.partitioning.errors import CatalogMismatchError
from include.partitioning.index_names import own_name
from include.partitioning.index_policy import IndexPolicy
from include.partitioning.names import TableName
from include.partitioning.partition import Kind, PartitionedTable
from include.partitioning.server_faults import why_no_concurrent_index
from include.postgres import catalog, statements
from include.postgres.executor import Executor
from include.postgres.index_definitions import DefinedIndex, Definition, indexes_of
from include.postgres.index_parts import Node, nodes_below
from include.postgres.ledger import Ledger
from include.postgres.ledger_records import Event

_NAMES_AT_ONCE = 10


class Beginning:
    """Puts an index on the partitioned table, and on each partition that is partitioned itself; to be done under the table's lock."""

    def __init__(self, executor: Executor, ledger: Ledger, table: PartitionedTable) -> None:
        self._executor = executor
        self._ledger = ledger
        self._table = table

    def begin(self, wanted: IndexPolicy, definition: Definition) -> DefinedIndex:
        """The table's index, as it is or new.

        :raises CatalogMismatchError: it cannot be, or its name belongs to something else; then nothing has been created.
        """
        connection, table = self._executor.connection, self._table
        refuse(connection, table)
        index = equal_index(indexes_of(connection, table.oid), definition, wanted.name)
        if index is None:
            name = new_name(connection, table, wanted, definition)
            self._create(table.name, table.oid, creation(name, table.name, definition), name)
            index = next(each for each in indexes_of(connection, table.oid) if each.name == name)
        self.go_below(index)
        return index

    def go_below(self, index: DefinedIndex) -> None:
        """Partitions that are partitioned themselves get an index of their own, at once a part of the one above."""
        parts: dict[int, TableName] = {self._table.oid: index.name}
        for node in nodes_below(self._executor.connection, self._table, index):
            if node.kind is Kind.PARTITIONED:
                parts[node.oid] = node.part or self._begin_node(node, index, parts[node.parent])

    def _begin_node(self, node: Node, index: DefinedIndex, above: TableName) -> TableName:
        connection = self._executor.connection
        equal = equal_index([each for each in indexes_of(connection, node.oid) if not each.attached], index.definition)
        name = equal.name if equal else free_name(connection, node.name, index.definition)
        if equal is None:
            self._create(node.name, node.oid, creation(name, node.name, index.definition), name)
        attach(self._executor, self._table, above, name)
        return name

    def _create(self, on: TableName, oid: int, together: Sequence[sql.Composed], name: TableName) -> None:
        """The ledger knows of it before writers of the table wait for its lock; both are committed together."""

        def work(_: Connection[Any]) -> None:
            self._ledger.record(Event("index", "began", on, oid, detail=str(name)))
            self._executor.run(statements.set_local_role(self._table.owner))
            self._executor.run_briefly(*together)

        self._executor.transaction(f'create index "{name}" of "{on}"', work, [oid])


def refuse(connection: Connection[Any], table: PartitionedTable) -> None:
    """What stands in the way of any index.

    :raises CatalogMismatchError: this release of PostgreSQL may corrupt what it builds, or a partition is a foreign table.
    """
    why = why_no_concurrent_index(table.server_version)
    if why is not None:
        raise CatalogMismatchError(f'no index of "{table.name}" is built: {why}')
    foreign = [each for each in nodes_below(connection, table, None) if each.kind is Kind.FOREIGN]
    if foreign:
        raise CatalogMismatchError(
            f'no index of "{table.name}" is built: "{foreign[0].name}" is a foreign table, which can have none, so PostgreSQL would never take the '
            "index of the whole table for complete; detach the foreign table, or build the index by hand: CREATE INDEX on the table leaves "
            "foreign ones out, but its writers wait for it"
        )


def equal_index(found: Sequence[DefinedIndex], definition: Definition, name: str | None = None) -> DefinedIndex | None:
    """The index that is as wanted, whatever it is called; of several the one with the name, or a valid one."""
    equal = [each for each in found if each.definition.equals(definition)]
    return min(equal, key=lambda each: (each.name.name != name, not each.valid), default=None)


def new_name(connection: Connection[Any], table: PartitionedTable, wanted: IndexPolicy, definition: Definition) -> TableName:
    """What the index is going to be called.

    :raises CatalogMismatchError: the policy's name belongs to something else.
    """
    if wanted.name is None:
        return free_name(connection, table.name, definition)
    name = TableName(table.name.schema, wanted.name)
    other = next((each for each in indexes_of(connection, table.oid) if each.name == name), None)
    if other is not None:
        raise CatalogMismatchError(
            f'index "{name}" of "{table.name}" is {other.definition}, but the policy says {definition}; it is left as it is: give the policy\'s '
            f"another name, or drop that one, if nobody needs it ({statements.drop_partitioned_index(name).as_string()})",
            "indexes",
        )
    taken = catalog.names_taken(connection, name.schema, [name.name])
    if taken:
        raise CatalogMismatchError(
            f'index "{name}" of "{table.name}" cannot be built: the name is taken by {taken[name.name]}; give the policy\'s another name',
            "indexes",
        )
    return name


def free_name(connection: Connection[Any], table: TableName, definition: Definition) -> TableName:
    """The first name that PostgreSQL would choose and that nothing has."""
    for first in count(0, _NAMES_AT_ONCE):
        names = [own_name(table.name, definition.columns, each) for each in range(first, first + _NAMES_AT_ONCE)]
        taken = catalog.names_taken(connection, table.schema, names)
        free = next((each for each in names if each not in taken), None)
        if free is not None:
            return TableName(table.schema, free)
    raise AssertionError("unreachable: there are more names than relations")


def attach(executor: Executor, table: PartitionedTable, above: TableName, part: TableName, *locked: int) -> None:
    """Make an index of a partition a part of the parent's; that becomes valid with the last. One that is a part already may be attached again.

    :param locked: OID of the partition's index, for which its readers may keep us waiting.
    """

    def work(_: Connection[Any]) -> None:
        executor.run(statements.set_local_role(table.owner))
        executor.run_briefly(statements.attach_index(above, part))

    executor.transaction(f'attach "{part}" to "{above}"', work, locked)


def creation(name: TableName, table: TableName, definition: Definition) -> list[sql.Composed]:
    """The statements of the transaction that creates the index of a partitioned table."""
    create = statements.create_index_on_only(name.name, table, statements.server_text(definition.text), unique=definition.unique)
    tablespace = definition.tablespace
    return [*([statements.set_default_tablespace(tablespace, local=True)] if tablespace else []), create]
