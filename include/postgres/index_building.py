"""Giving one partition its part of an index of the parent, while readers and writers go on: CREATE INDEX CONCURRENTLY, then ATTACH.

Whoever runs it again after any interruption gets the same end: what an interrupted build left is dropped first, what is built is attached.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from psycopg import Connection, errors, sql

from include.partitioning.errors import PartitionLifecycleError, StatementFailedError, WaitTooLongError
from include.partitioning.names import TableName
from include.partitioning.partition import PartitionedTable
from include.postgres import statements
from include.postgres.executor import Executor
from include.postgres.index_beginning import attach, equal_index, free_name
from include.postgres.index_definitions import DefinedIndex, Definition, indexes_of
from include.postgres.index_duplicates import duplicate_rows
from include.postgres.index_parts import Node, lacking, nodes_below
from include.postgres.ledger import Ledger
from include.postgres.ledger_records import Event
from include.postgres.leftovers import drop_leftovers
from include.postgres.reindexing import wait_for_older_users
from include.postgres.table_lock import advisory_lock

_ATTEMPTS_FOR_A_NAME = 10


@dataclass(frozen=True, slots=True)
class Part:
    """An index of one partition that can be a part of the parent's."""

    name: TableName
    oid: int


class PartBuilder:
    """Builds parts of one index of one partitioned table.

    :param index: of the parent.
    """

    def __init__(self, executor: Executor, ledger: Ledger, table: PartitionedTable, index: DefinedIndex) -> None:
        self._executor = executor
        self._ledger = ledger
        self._table = table
        self._index = index

    def build(self, seen: Node) -> str:
        """Give a partition its part, under the partition's lock.

        :param seen: as it was when it was found to lack it.
        :returns: what was done.
        :raises StatementFailedError: it cannot be built; of a unique index with the rows that are there more than once.
        :raises WaitTooLongError: older transactions did not end within `wait_timeout`.
        """
        table, index = self._table, self._index
        with advisory_lock(self._executor, seen.oid, f'index "{index.name}" of "{seen.name}"'):
            nodes = nodes_below(self._executor.connection, table, index)
            node = next((each for each in lacking(nodes) if each.oid == seen.oid), None)
            above = {table.oid: index.name} | {each.oid: each.part for each in nodes if each.part}
            if node is None or node.parent not in above:
                return _why_not_built(nodes, table, seen)
            with self._left_clean(seen.oid):
                said, part = self._part(node)
            attach(self._executor, table, above[node.parent], part.name, part.oid)
            self._ledger.record(Event("index", "done", node.name, node.oid, detail=str(part.name)))
            return said

    def _part(self, node: Node) -> tuple[str, Part]:
        """An index of the partition that is like the parent's: one that it has, rebuilt if it is invalid, or a new one."""
        connection, definition = self._executor.connection, self._index.definition
        drop_leftovers(self._executor, self._ledger, self._table, node.oid)
        if node.part is not None and node.part_oid is not None:
            self._build(node, node.part, statements.reindex(node.part))
            return f'rebuilt "{node.part}", which was invalid', Part(node.part, node.part_oid)
        equal = equal_index([each for each in indexes_of(connection, node.oid) if each.valid and not each.attached], definition)
        if equal is not None:
            return f'attached "{equal.name}", which "{node.name}" had', Part(equal.name, equal.oid)
        with _in_tablespace(self._executor, definition.tablespace):
            name = self._build_anew(node)
        built = next(each for each in indexes_of(connection, node.oid) if each.name == name)
        return f'built "{name}"', Part(name, built.oid)

    def _build_anew(self, node: Node) -> TableName:
        """By the first name that is free; others may take it meanwhile, our own jobs if it is a long one of which the server cuts a piece."""
        for left in reversed(range(_ATTEMPTS_FOR_A_NAME)):
            name = free_name(self._executor.connection, node.name, self._index.definition)
            try:
                self._build(node, name, part_statements(self._index.name, node.name, name, self._index.definition)[0])
            except StatementFailedError as error:
                if left and _is_about_a_name(error.__cause__):
                    continue
                raise
            return name
        raise AssertionError("unreachable: the last attempt raises")

    def _build(self, node: Node, part: TableName, statement: sql.Composed) -> None:
        what = f'build "{part}" for index "{self._index.name}"'
        wait_for_older_users(self._executor, what, node.oid)
        self._ledger.record(Event("index", "began", node.name, node.oid, detail=str(part)))
        try:
            with self._executor.role(self._table.owner):
                self._executor.long_statement(what, statement)
        except StatementFailedError as error:
            if not isinstance(error.__cause__, errors.UniqueViolation) or _is_about_a_name(error.__cause__):
                raise
            raise StatementFailedError(f"{error}; {duplicate_rows(self._executor, self._table, node, self._index.definition)}") from error

    @contextmanager
    def _left_clean(self, oid: int) -> Iterator[None]:
        """What a failed build leaves is dropped at once, for it costs every writer, refuses rows if it is unique, and takes space.

        Not after a wait that was too long: the drop would have to wait as well, and the next try drops it first.
        """
        try:
            yield
        except PartitionLifecycleError as error:
            if not isinstance(error, WaitTooLongError) and not self._executor.connection.closed:
                try:
                    drop_leftovers(self._executor, self._ledger, self._table, oid)
                except PartitionLifecycleError as second:
                    self._executor.log.warning("%s", second)  # the first one says what is wrong; the next run drops it
            raise


def complete(executor: Executor, table: PartitionedTable, index: DefinedIndex) -> bool:
    """Whether the parent's index is valid; if no table lacks its part, it is made so.

    A partition that was detached can have been the last that lacked one: PostgreSQL looks only when a part is attached.
    """
    nodes = nodes_below(executor.connection, table, index)
    if lacking(nodes):
        return False
    if not _is_valid(executor.connection, table, index):
        for node in [each for each in reversed(nodes) if each.parent == table.oid and each.part][:1]:
            attach(executor, table, index.name, node.part or index.name)
    return _is_valid(executor.connection, table, index)


def part_statements(index: TableName, table: TableName, part: TableName, definition: Definition) -> list[sql.Composed]:
    """What gives a partition its part: it is built, and attached."""
    text = statements.server_text(definition.text)
    return [statements.create_index(part.name, table, text, unique=definition.unique), statements.attach_index(index, part)]


def _is_valid(connection: Connection[Any], table: PartitionedTable, index: DefinedIndex) -> bool:
    return any(each.oid == index.oid and each.valid for each in indexes_of(connection, table.oid))


def _is_about_a_name(error: BaseException | None) -> bool:
    """Two who give the same name at the same time collide in an index of the catalog's own."""
    in_catalog = isinstance(error, errors.UniqueViolation) and error.diag.schema_name == "pg_catalog"
    return isinstance(error, errors.DuplicateTable) or in_catalog


def _why_not_built(nodes: list[Node], table: PartitionedTable, seen: Node) -> str:
    node = next((each for each in nodes if each.oid == seen.oid), None)
    if node is None:
        return f'"{seen.name}" is no partition of "{table.name}" any more'
    return (
        f'"{node.name}" has its part already' if node.whole else f'"{node.name}" came below another table; the next run gives it its part'
    )


@contextmanager
def _in_tablespace(executor: Executor, tablespace: str | None) -> Iterator[None]:
    """Its name has a place in the middle of what the server prints of an index, so it is set instead."""
    connection = executor.connection
    if tablespace is None:
        yield
        return
    executor.run(statements.set_default_tablespace(tablespace, local=False))
    try:
        yield
    finally:
        if not connection.closed and not connection.broken:
            executor.run(statements.reset_default_tablespace())
