"""What a new partition copies from the newest of its siblings, beyond what LIKE and ATTACH give it from the parent."""

from dataclasses import dataclass
from typing import Any, LiteralString

from psycopg import Connection

from include.partitioning.blueprint import TableObject
from include.partitioning.errors import CatalogMismatchError
from include.partitioning.names import TableName
from include.partitioning.partition import Kind, Partition, PartitionedTable
from include.postgres.blueprints import objects_for_attach
from include.postgres.queries import Row, row, rows
from include.postgres.row_policies import RowPolicy, read_row_policies


@dataclass(frozen=True, slots=True)
class Grant:
    """One privilege of one role (None: PUBLIC), on the table or on one column."""

    privilege: str
    grantee: str | None
    column: str | None
    grantable: bool


@dataclass(frozen=True, slots=True)
class Surplus:
    """A privilege that default privileges give a new table, and its siblings do not have."""

    privilege: str
    grantee: str | None


@dataclass(frozen=True, slots=True)
class ColumnSetting:
    """What a column has besides what LIKE copies; None or empty where there is nothing."""

    name: str
    storage: LiteralString | None
    compression: LiteralString | None
    statistics: int | None
    options: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OwnObject:
    """An index, constraint, trigger or statistics object that the sibling has by itself, not by way of the parent.

    The definition is `before`, then the sibling's table name, then `after`, as the server printed it; for an index and a
    statistics object the object's own name is left out as well.

    :param fires: of a trigger, as `pg_trigger.tgenabled` has it; else empty.
    """

    sort: str
    name: str
    is_unique: bool
    before: str
    after: str
    fires: str = ""


@dataclass(frozen=True, slots=True)
class Template:
    """How partitions of this table are made. `sibling` is None for a table that has no ordinary partition yet.

    :param model: OID of the sibling, or of the parent where there is none.
    :param parent_objects: indexes and constraints to be built instead of LIKE's, where LIKE would bring exclusion constraints too; ATTACH
        takes none that is there, it would build them a second time (17 and later).
    """

    sibling: Partition | None
    model: int
    access_method: str | None = None
    tablespace: str | None = None
    unlogged: bool = False
    row_security: bool = False
    force_row_security: bool = False
    options: tuple[str, ...] = ()
    toast_options: tuple[str, ...] = ()
    replica_identity: str = "d"
    parent_objects: tuple[TableObject, ...] | None = None
    surplus: tuple[Surplus, ...] = ()
    grants: tuple[Grant, ...] = ()
    policies: tuple[RowPolicy, ...] = ()
    columns: tuple[ColumnSetting, ...] = ()
    own_objects: tuple[OwnObject, ...] = ()


def read_template(connection: Connection[Any], table: PartitionedTable) -> Template:
    """The newest ordinary partition's properties, or the parent's privileges and tablespace where there is no partition."""
    siblings = [each for each in table.partitions if each.kind is Kind.TABLE and each.bounds is not None and not each.detach_pending]
    return template_of(connection, table, siblings[-1] if siblings else None)


def template_of(connection: Connection[Any], table: PartitionedTable, sibling: Partition | None) -> Template:
    """The properties of this partition, or the parent's where it is None."""
    model = sibling.oid if sibling else table.oid
    found = row(connection, "template", model=model, parent=table.oid) or {}
    return Template(
        sibling,
        model,
        **own_properties(found),
        parent_objects=objects_for_attach(connection, table.oid) if found["parent_excludes"] else None,
        surplus=surplus_of(connection, model, table.oid) if sibling else (),
        grants=grants_of(connection, model),
        policies=read_row_policies(connection, sibling.oid) if sibling else (),
        columns=column_settings(connection, model, table.oid),
        own_objects=_own_objects(connection, sibling, table) if sibling else (),
    )


def own_properties(found: Row) -> dict[str, Any]:
    """What a query says of a table itself, for a template."""
    as_they_are = ("access_method", "tablespace", "unlogged", "row_security", "force_row_security", "replica_identity")
    return {each: found[each] for each in as_they_are} | {each: tuple(found[each]) for each in ("options", "toast_options")}


def surplus_of(connection: Connection[Any], model: int, parent: int) -> tuple[Surplus, ...]:
    """What default privileges would give too much to a table like the model."""
    return tuple(Surplus(**each) for each in rows(connection, "template_surplus", model=model, parent=parent))


def grants_of(connection: Connection[Any], oid: int) -> tuple[Grant, ...]:
    """Privileges of others than the owner."""
    found = rows(connection, "template_grants", oid=oid)
    return tuple(Grant(each["privilege"], each["grantee"], each["column"], each["grantable"]) for each in found)


def column_settings(connection: Connection[Any], model: int, parent: int) -> tuple[ColumnSetting, ...]:
    """What columns of the model have and LIKE does not bring from the parent."""
    found = rows(connection, "template_columns", model=model, parent=parent)
    return tuple(ColumnSetting(**{**each, "options": tuple(each["options"])}) for each in found)


def _own_objects(connection: Connection[Any], sibling: Partition, table: PartitionedTable) -> tuple[OwnObject, ...]:
    found = rows(connection, "template_objects", oid=sibling.oid, parent=table.oid)
    return tuple(_own_object(sibling.name, **each) for each in found)


def _own_object(
    sibling: TableName, *, sort: str, name: str, is_unique: bool, definition: str, head: str, tail: str, fires: str
) -> OwnObject:
    """Split a definition around the sibling's name; refuse one that cannot be split in exactly one way."""
    if sort == "constraint":
        return OwnObject(sort, name, is_unique, "", definition)
    if sort == "trigger":
        before, found, after = definition.partition(tail)
        if not found or tail in after:
            raise CatalogMismatchError(
                f'trigger "{name}" of "{sibling}" cannot be copied to a new partition; create it on the parent instead'
            )
        return OwnObject(sort, name, is_unique, before, after, fires)
    if not (definition.startswith(head) and definition.endswith(tail)):
        raise CatalogMismatchError(f'{sort} "{name}" of "{sibling}" cannot be copied to a new partition; create it on the parent instead')
    return OwnObject(sort, name, is_unique, "", definition[len(head) : len(definition) - len(tail)])
