"""The tables below a partitioned table, each with its part of one index of that."""

from dataclasses import dataclass
from typing import Any

from psycopg import Connection

from include.partitioning.names import TableName
from include.partitioning.partition import Kind, PartitionedTable
from include.postgres.index_definitions import DefinedIndex
from include.postgres.queries import Row, rows


@dataclass(frozen=True, slots=True)
class Node:
    """A partition, or a partition of one.

    :param parent: OID of the table that it is a partition of.
    :param part: its index that is a part of the parent's; None if it has none.
    :param whole: that is valid: of a table, built; of a partitioned one, complete.
    """

    name: TableName
    oid: int
    kind: Kind
    parent: int
    part: TableName | None
    part_oid: int | None
    whole: bool


def nodes_below(connection: Connection[Any], table: PartitionedTable, index: DefinedIndex | None) -> list[Node]:
    """All of them, each behind the one that it is a partition of.

    :param index: of the parent; None: there is none yet, and so no parts.
    """
    found = rows(connection, "index_parts", table=table.oid, index=index.oid if index else 0)
    return [_node(each) for each in found]


def lacking(nodes: list[Node]) -> list[Node]:
    """The tables that lack a valid part."""
    return [each for each in nodes if each.kind is Kind.TABLE and not each.whole]


def _node(found: Row) -> Node:
    part = TableName(found["part_schema"], found["part_name"]) if found["part_oid"] else None
    name, kind = TableName(found["schema"], found["name"]), Kind(found["kind"])
    return Node(name, found["oid"], kind, found["parent"], part, found["part_oid"], found["part_is_valid"])
