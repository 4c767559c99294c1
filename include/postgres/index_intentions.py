"""What building an index will do, as it looks now: for the plan and for a dry run."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from psycopg import Connection, sql

from include.partitioning.index_policy import IndexPolicy
from include.partitioning.names import TableName
from include.partitioning.partition import Kind, PartitionedTable
from include.postgres import statements
from include.postgres.index_beginning import creation, equal_index, free_name, new_name, refuse
from include.postgres.index_building import part_statements
from include.postgres.index_definitions import DefinedIndex, Definition, definition_of, indexes_of
from include.postgres.index_parts import Node, nodes_below


@dataclass(frozen=True, slots=True)
class Intention:
    """What is to be done for one index of the policy.

    :param lacking: OIDs of the tables that lack a valid part of it.
    :param tables: how many there are in all.
    :param statements: in the order in which they run, but for those that run side by side.
    """

    name: TableName
    definition: Definition
    complete: bool
    lacking: tuple[int, ...]
    tables: int
    statements: tuple[str, ...]


def intention(
    connection: Connection[Any], table: PartitionedTable, wanted: IndexPolicy, leaving: Collection[int] = frozenset()
) -> Intention:
    """Nothing is locked for it.

    :param leaving: OIDs of partitions that will be gone before anything is built.
    :raises CatalogMismatchError: it cannot be built on this table.
    """
    definition = definition_of(connection, table, wanted)
    index = equal_index(indexes_of(connection, table.oid), definition, wanted.name)
    if index is not None and index.valid:
        return Intention(index.name, definition, complete=True, lacking=(), tables=0, statements=())
    refuse(connection, table)
    name = index.name if index else new_name(connection, table, wanted, definition)
    nodes = [each for each in nodes_below(connection, table, index) if each.oid not in leaving]
    first = [] if index else creation(name, table.name, definition)
    parts = {table.oid: name}
    for node in nodes:
        first += _of_node(connection, node, definition, parts)
    lacks = tuple(each.oid for each in nodes if each.kind is Kind.TABLE and not each.whole)
    count = sum(each.kind is Kind.TABLE for each in nodes)
    return Intention(
        name, definition, complete=False, lacking=lacks, tables=count, statements=tuple(each.as_string(connection) for each in first)
    )


def _of_node(connection: Connection[Any], node: Node, definition: Definition, parts: dict[int, TableName]) -> list[sql.Composed]:
    """Notes in `parts` what the node's index is, for those below it."""
    above = parts[node.parent]
    if node.whole or (node.kind is Kind.PARTITIONED and node.part is not None):
        parts[node.oid] = node.part or above
        return []
    if node.part is not None:
        return [statements.reindex(node.part), statements.attach_index(above, node.part)]
    equal = _usable(connection, node, definition)
    part = parts[node.oid] = equal.name if equal else free_name(connection, node.name, definition)
    if equal is not None:
        return [statements.attach_index(above, part)]
    if node.kind is Kind.PARTITIONED:
        return [*creation(part, node.name, definition), statements.attach_index(above, part)]
    tablespace = definition.tablespace
    build = part_statements(above, node.name, part, definition)
    return build if tablespace is None else [statements.set_default_tablespace(tablespace, local=False), *build]


def _usable(connection: Connection[Any], node: Node, definition: Definition) -> DefinedIndex | None:
    of_table = node.kind is Kind.TABLE
    found = [each for each in indexes_of(connection, node.oid) if not each.attached and (each.valid or not of_table)]
    return equal_index(found, definition)
