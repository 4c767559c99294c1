"""Reading from the catalog what hangs on a table. Nothing is locked but ACCESS SHARE, by the server's own printing functions."""

from typing import Any

from psycopg import Connection

from include.partitioning.errors import CatalogMismatchError
from include.partitioning.names import TableName
from include.postgres.belongings import Belongings, Check, Comment, Index, Sequence, Statistics, Trigger
from include.postgres.belongings_holders import IncomingReference, PartitionsOwn, Publication, Reader
from include.postgres.foreign_keys import foreign_keys_of
from include.postgres.queries import Row, row, rows
from include.postgres.row_policies import read_row_policies
from include.postgres.template import Template, column_settings, grants_of, own_properties, surplus_of

_NOTHING = 0
"""An OID that nothing has."""


def read_belongings(connection: Connection[Any], oid: int) -> Belongings:
    """Of an ordinary or a partitioned table, while it has its name: definitions of views hold that.

    :raises CatalogMismatchError: there is no such table.
    """
    found = row(connection, "belongings_table", oid=oid)
    if found is None:
        raise CatalogMismatchError(f"there is no table with the OID {oid}; it was dropped or replaced meanwhile, so begin anew")
    name = TableName(found["schema"], found["name"])
    return Belongings(
        oid=oid,
        name=name,
        is_partitioned=found["kind"] == "p",
        owner=found["owner"],
        server_version=connection.info.server_version,
        columns=tuple(found["columns"]),
        template=_template(connection, oid, found),
        owner_lacks=tuple(found["owner_lacks"]),
        given_by_default=surplus_of(connection, _NOTHING, oid),
        sequences=tuple(_sequence(each) for each in rows(connection, "belongings_sequences", oid=oid)),
        own_not_nulls=tuple(found["own_not_nulls"]),
        checks=tuple(Check(**each) for each in rows(connection, "belongings_checks", oid=oid)),
        indexes=tuple(_index(each) for each in rows(connection, "belongings_indexes", oid=oid)),
        statistics=tuple(_statistics(each) for each in rows(connection, "belongings_statistics", oid=oid)),
        triggers=tuple(_trigger(name, each) for each in rows(connection, "belongings_triggers", oid=oid)),
        comments=tuple(Comment(**each) for each in rows(connection, "belongings_comments", oid=oid)),
        foreign_keys=tuple(each for each in foreign_keys_of(connection, oid) if each.referenced_oid != oid),
        incoming=tuple(_incoming(each) for each in rows(connection, "belongings_incoming", oid=oid, become=becoming(connection))),
        readers=_readers(connection, oid),
        publications=tuple(
            _publication(each) for each in rows(connection, "belongings_publications", oid=oid, become=becoming(connection))
        ),
        of_partitions=tuple(_of_partition(each) for each in rows(connection, "belongings_of_partitions", oid=oid)),
    )


def becoming(connection: Connection[Any]) -> str:
    """What `pg_has_role` calls the right to SET ROLE; from 16 on membership alone is not enough."""
    return "SET" if connection.info.server_version >= 160000 else "MEMBER"


def _template(connection: Connection[Any], oid: int, found: Row) -> Template:
    return Template(
        sibling=None,
        model=oid,
        **own_properties(found),
        surplus=surplus_of(connection, oid, oid),
        grants=grants_of(connection, oid),
        policies=read_row_policies(connection, oid),
        columns=column_settings(connection, oid, oid),
    )


def _sequence(found: Row) -> Sequence:
    grants, surplus = (tuple(tuple(each) for each in found[key]) for key in ("grants", "surplus"))
    return Sequence(**{**found, "grants": grants, "surplus": surplus})


def _index(found: Row) -> Index:
    lists = {key: tuple(found[key] or ()) for key in ("columns", "included", "operators", "options")}
    return Index(**{**found, **lists, "targets": tuple((number, target) for number, target in found["targets"])})


def _statistics(found: Row) -> Statistics:
    return Statistics(TableName(found["schema"], found["name"]), found["definition"], found["target"])


def _trigger(table: TableName, found: Row) -> Trigger:
    before, definition = found["head"], found["definition"]
    if not definition.startswith(before + found["place"]):
        raise CatalogMismatchError(
            f'trigger "{found["name"]}" of "{table}" is printed in a way that is not known; drop it, or make it anew afterwards'
        )
    after = definition[len(before + found["place"]) :]
    return Trigger(found["name"], before, after, found["fires"], found["has_transition_tables_by_row"])


def _incoming(found: Row) -> IncomingReference:
    table = TableName(found.pop("schema"), found.pop("table"))
    return IncomingReference(table=table, **{**found, "referenced": tuple(found["referenced"])})


def _readers(connection: Connection[Any], oid: int) -> tuple[Reader, ...]:
    views = rows(connection, "belongings_views", oid=oid, become=becoming(connection))
    functions = rows(connection, "belongings_functions", oid=oid, become=becoming(connection))
    return (*(_reader(each, is_view=True) for each in views), *(_reader(each, is_view=False) for each in functions))


def _reader(found: Row, *, is_view: bool) -> Reader:
    name = TableName(found["schema"], found["name"])
    return Reader(
        is_view,
        found["oid"],
        name,
        str(name) if is_view else found["signature"],
        found["owner"],
        tuple(found["options"]) if is_view else (),
        found["definition"],
        found["may"],
        found["may_create"],
    )


def _publication(found: Row) -> Publication:
    return Publication(**{**found, "columns": None if found["columns"] is None else tuple(found["columns"])})


def _of_partition(found: Row) -> PartitionsOwn:
    return PartitionsOwn(TableName(found["schema"], found["name"]), found["sort"], found["what"])
