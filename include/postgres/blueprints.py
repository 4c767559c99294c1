"""Building a table from its blueprint, and reading the blueprint of one that is there."""

from collections.abc import Sequence
from typing import Any

from psycopg import Connection, sql

from include.partitioning.blueprint import Blueprint, TableObject
from include.partitioning.column import Column
from include.partitioning.names import TableName
from include.postgres.queries import rows
from include.postgres.statements import named, server_text


def table_objects(connection: Connection[Any], oid: int) -> tuple[TableObject, ...]:
    """Constraints and indexes of a table, in an order in which they can be built anew."""
    return tuple(TableObject(each["sort"], each["name"], each["definition"]) for each in rows(connection, "table_objects", oid=oid))


def objects_for_attach(connection: Connection[Any], parent: int) -> tuple[TableObject, ...]:
    """Indexes and constraints of the parent; ATTACH takes those that are there, and would otherwise build them under its lock.

    CHECKs come with LIKE. An exclusion constraint ATTACH builds in any case.
    """
    objects = [each for each in table_objects(connection, parent) if each.sort != "foreign key"]
    return tuple(each for each in objects if not each.definition.startswith(("CHECK", "EXCLUDE")))


def create_table(table: TableName, columns: Sequence[Column], *, unlogged: bool = False) -> sql.Composed:
    """An empty table of these columns."""
    kind = sql.SQL("UNLOGGED " if unlogged else "")
    return sql.SQL("CREATE {}TABLE {} ({})").format(kind, named(table), column_definitions(columns))


def column_definitions(columns: Sequence[Column]) -> sql.Composed:
    """Names, types and NOT NULL. Values that were generated are archived as they were, so they are plain values here."""
    return sql.SQL(", ").join(
        sql.SQL("{} {}{}").format(sql.Identifier(each.name), server_text(each.type), sql.SQL(" NOT NULL" if each.not_null else ""))
        for each in columns
    )


def object_statement(table: TableName, each: TableObject, *, with_name: bool) -> sql.Composed:
    """What builds a constraint or an index onto the table.

    :param with_name: False leaves the name to the server: the archived one may be in use.
    """
    name = sql.Identifier(each.name)
    definition = server_text(each.definition)
    if each.sort in ("constraint", "foreign key"):
        called = sql.SQL("CONSTRAINT {} ").format(name) if with_name else sql.SQL("")
        return sql.SQL("ALTER TABLE {} ADD {}{}").format(named(table), called, definition)
    unique = sql.SQL("UNIQUE " if each.sort == "unique index" else "")
    called = sql.SQL("{} ").format(name) if with_name else sql.SQL("")
    return sql.SQL("CREATE {}INDEX {}ON {} {}").format(unique, called, named(table), definition)


def ddl(connection: Connection[Any], oid: int, table: TableName, blueprint: Blueprint) -> tuple[str, ...]:
    """Statements that build an empty table like this one: types that users made, columns, constraints, indexes."""
    types = [each["statement"] for each in rows(connection, "user_types", oid=oid)]
    statements = [
        create_table(table, blueprint.columns),
        *(object_statement(table, each, with_name=True) for each in blueprint.objects),
    ]
    return (*types, *(each.as_string(connection) for each in statements))
