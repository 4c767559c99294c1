"""What a new partition copies from the newest of its siblings, beyond what LIKE and ATTACH give it from the parent."""

from dataclasses import dataclass, field
from typing import Any

from psycopg import Connection

from include.partitioning.errors import CatalogMismatchError
from include.partitioning.names import TableName
from include.partitioning.partition import Kind, Partition, PartitionedTable
from include.postgres.queries import row, rows


@dataclass(frozen=True, slots=True)
class Grant:
    """One privilege of one role (None: PUBLIC), on the table or on one column."""

    privilege: str
    grantee: str | None
    column: str | None
    grantable: bool


@dataclass(frozen=True, slots=True)
class OwnObject:
    """An index, constraint, trigger or statistics object that the sibling has by itself, not by way of the parent.

    The definition is `before`, then the sibling's table name, then `after`, as the server printed it; for an index and a
    statistics object the object's own name is left out as well.
    """

    sort: str
    name: str
    is_unique: bool
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Template:
    """How partitions of this table are made. `sibling` is None for a table that has no ordinary partition yet."""

    sibling: Partition | None
    access_method: str | None = None
    tablespace: str | None = None
    unlogged: bool = False
    row_security: bool = False
    force_row_security: bool = False
    options: tuple[str, ...] = ()
    toast_options: tuple[str, ...] = ()
    replica_identity: str = "d"
    grants: tuple[Grant, ...] = ()
    own_objects: tuple[OwnObject, ...] = field(default=())


def read_template(connection: Connection[Any], table: PartitionedTable) -> Template:
    """The newest ordinary partition's properties, or the parent's privileges and tablespace where there is no partition."""
    siblings = [each for each in table.partitions if each.kind is Kind.TABLE and each.bounds is not None and not each.detach_pending]
    sibling = siblings[-1] if siblings else None
    oid = sibling.oid if sibling else table.oid
    found = row(connection, "template", oid=oid) or {}
    return Template(
        sibling,
        access_method=found["access_method"],
        tablespace=found["tablespace"],
        unlogged=found["unlogged"],
        row_security=found["row_security"],
        force_row_security=found["force_row_security"],
        options=tuple(found["options"]),
        toast_options=tuple(found["toast_options"]),
        replica_identity=found["replica_identity"] if sibling else "d",
        grants=_grants(connection, oid),
        own_objects=_own_objects(connection, sibling, table) if sibling else (),
    )


def identity_index(connection: Connection[Any], partition: int, sibling: int) -> str | None:
    """The name of the partition's index that corresponds to the sibling's REPLICA IDENTITY USING INDEX."""
    found = row(connection, "identity_index", oid=partition, sibling=sibling)
    return None if found is None else str(found["name"])


def _grants(connection: Connection[Any], oid: int) -> tuple[Grant, ...]:
    found = rows(connection, "template_grants", oid=oid)
    return tuple(Grant(each["privilege"], each["grantee"], each["column"], each["grantable"]) for each in found)


def _own_objects(connection: Connection[Any], sibling: Partition, table: PartitionedTable) -> tuple[OwnObject, ...]:
    found = rows(connection, "template_objects", oid=sibling.oid, parent=table.oid)
    return tuple(_own_object(sibling.name, **each) for each in found)


def _own_object(sibling: TableName, *, sort: str, name: str, is_unique: bool, definition: str, head: str, tail: str) -> OwnObject:
    """Split a definition around the sibling's name; refuse one that cannot be split in exactly one way."""
    if sort == "constraint":
        return OwnObject(sort, name, is_unique, "", definition)
    if sort == "trigger":
        before, found, after = definition.partition(tail)
        if not found or tail in after:
            raise CatalogMismatchError(
                f'trigger "{name}" of "{sibling}" cannot be copied to a new partition; create it on the parent instead'
            )
        return OwnObject(sort, name, is_unique, before, after)
    if not (definition.startswith(head) and definition.endswith(tail)):
        raise CatalogMismatchError(f'{sort} "{name}" of "{sibling}" cannot be copied to a new partition; create it on the parent instead')
    return OwnObject(sort, name, is_unique, "", definition[len(head) : len(definition) - len(tail)])
