"""What indexes are, in the server's own words, so that two are equal if their words are.

A policy's index is put into words by building it on an empty copy of the table, in a transaction that is rolled back: the server parses it,
checks it as it would on the table, and prints it. Nobody waits for that, and only what was printed is ever built on the table.
"""

from dataclasses import dataclass
from typing import Any

from psycopg import Connection, sql

from include.partitioning.errors import CatalogMismatchError, StatementFailedError
from include.partitioning.index_policy import IndexColumn, IndexPolicy
from include.partitioning.names import TableName, fitted
from include.partitioning.partition import PartitionedTable
from include.postgres import statements
from include.postgres.failures import translated
from include.postgres.queries import Row, row, rows

NULLS_NOT_DISTINCT_SINCE = 150000


@dataclass(frozen=True, slots=True)
class Definition:
    """What an index is, wherever it is.

    :param text: what the server prints behind the table's name.
    :param columns: the names that the server gave to its columns.
    :param keys: the SQL of each key.
    :param waits_for_others: it has an expression or a predicate, so builds of it wait for each other.
    :param tablespace: None: the database's own.
    """

    unique: bool
    text: str
    columns: tuple[str, ...]
    keys: tuple[str, ...]
    predicate: str | None
    nulls_not_distinct: bool
    waits_for_others: bool
    tablespace: str | None

    def equals(self, other: "Definition") -> bool:
        """Whether an index of the one could be taken for one of the other, wherever it lies."""
        return (self.unique, self.text) == (other.unique, other.text)

    def __str__(self) -> str:
        """As a person reads it."""
        return ("UNIQUE " if self.unique else "") + self.text.strip()


@dataclass(frozen=True, slots=True)
class DefinedIndex:
    """An index of one table.

    :param attached: it is a part of an index of the table's parent.
    """

    oid: int
    name: TableName
    definition: Definition
    valid: bool
    attached: bool


def indexes_of(connection: Connection[Any], oid: int) -> list[DefinedIndex]:
    """Of the table with this OID, oldest first."""
    return [_defined(each) for each in rows(connection, "table_indexes", table=oid)]


def definition_of(connection: Connection[Any], table: PartitionedTable, wanted: IndexPolicy) -> Definition:
    """A policy's index in the server's words.

    :raises CatalogMismatchError: the server would not build it on this table.
    """
    if wanted.nulls_not_distinct and table.server_version < NULLS_NOT_DISTINCT_SINCE:
        raise CatalogMismatchError(f'index "{wanted}" of "{table.name}": nulls_not_distinct is new in PostgreSQL 15', "indexes")
    scratch = TableName(table.name.schema, fitted("partition_lifecycle_scratch", f"_{table.oid}_{connection.info.backend_pid}"))
    what = f'index "{wanted}" of "{table.name}"'
    try:
        with translated(what), connection.transaction(force_rollback=True):
            connection.execute(statements.set_local_role(table.owner))
            connection.execute(statements.create_like(scratch, table.name))
            # In binary, because that takes one statement only, whatever the policy's SQL would make of it.
            connection.cursor(binary=True).execute(_as_the_policy_says(scratch, wanted))
            found = _only_index(connection, scratch)
    except StatementFailedError as error:
        raise CatalogMismatchError(str(error), "indexes") from error
    _refuse_more_than_was_said(what, wanted, found)
    return found


def _only_index(connection: Connection[Any], scratch: TableName) -> Definition:
    table = row(connection, "oid_of", schema=scratch.schema, name=scratch.name) or {}
    return indexes_of(connection, table["oid"])[0].definition


def _refuse_more_than_was_said(what: str, wanted: IndexPolicy, found: Definition) -> None:
    """An `expression` that closes our parenthesis and goes on is not one expression."""
    if len(found.keys) != len(wanted.columns) or len(found.columns) != len(wanted.columns) + len(wanted.include):
        raise CatalogMismatchError(f"{what}: PostgreSQL reads it as {found}; write one expression for each column", "indexes")


def _as_the_policy_says(table: TableName, wanted: IndexPolicy) -> sql.Composed:
    parts = [
        sql.SQL("CREATE UNIQUE INDEX ON" if wanted.unique else "CREATE INDEX ON"),
        statements.named(table),
        sql.SQL("USING {} ({})").format(sql.Identifier(wanted.method), sql.SQL(", ").join(map(_key, wanted.columns))),
    ]
    if wanted.include:
        parts.append(sql.SQL("INCLUDE ({})").format(sql.SQL(", ").join(map(sql.Identifier, wanted.include))))
    if wanted.nulls_not_distinct:
        parts.append(sql.SQL("NULLS NOT DISTINCT"))
    if wanted.storage:
        parts.append(sql.SQL("WITH ({})").format(_options(wanted.storage)))
    if wanted.tablespace:
        parts.append(sql.SQL("TABLESPACE {}").format(sql.Identifier(wanted.tablespace)))
    if wanted.where:
        parts.append(sql.SQL("WHERE {}").format(_in_parentheses(wanted.where)))
    return sql.SQL(" ").join(parts)


def _key(key: IndexColumn) -> sql.Composed:
    parts: list[sql.Composable] = [_in_parentheses(key.expression) if key.expression else sql.Identifier(str(key.column))]
    if key.collation:
        parts.append(sql.SQL("COLLATE {}").format(statements.named(key.collation)))
    if key.opclass:
        parts.append(statements.named(key.opclass))
    if key.opclass_parameters:
        parts.append(sql.SQL("({})").format(_options(key.opclass_parameters)))
    if key.order == "desc":
        parts.append(sql.SQL("DESC"))
    if key.nulls:
        parts.append(sql.SQL("NULLS FIRST" if key.nulls == "first" else "NULLS LAST"))
    return sql.SQL(" ").join(parts)


def _in_parentheses(text: str) -> sql.Composed:
    """SQL of the policy's author; on a line of its own, so that a comment in it ends there."""
    return sql.SQL("({}\n)").format(statements.policy_text(text))


def _options(options: dict[str, str]) -> sql.Composed:
    return sql.SQL(", ").join(statements.option(f"{name}={value}") for name, value in options.items())


def _defined(found: Row) -> DefinedIndex:
    definition = Definition(
        found["is_unique"],
        found["definition"],
        tuple(found["columns"]),
        tuple(found["keys"]),
        found["predicate"],
        found["nulls_not_distinct"],
        found["waits_for_others"],
        found["tablespace"],
    )
    name = TableName(found["schema"], found["name"])
    return DefinedIndex(found["oid"], name, definition, found["is_valid"], found["attached"])
