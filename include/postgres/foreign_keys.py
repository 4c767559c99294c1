"""Foreign keys for a table that is to become a partition: added without a look at the rows, then validated while nobody waits.

ATTACH takes a validated foreign key that is there; otherwise it would check every row while it holds locks on the parent and on the
table referred to.
"""

from dataclasses import dataclass
from typing import Any

from psycopg import Connection, errors, sql

from include.partitioning.names import TableName, fitted
from include.postgres import catalog, statements
from include.postgres.executor import Executor
from include.postgres.queries import rows


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """A foreign key of a table.

    :param definition: as the server prints it behind the constraint's name.
    :param columns: here, the operator that compares (it may be a user's, so it has its schema), and there.
    """

    name: str
    definition: str
    referenced: TableName
    referenced_oid: int
    columns: tuple[tuple[str, str, str], ...]
    validated: bool
    enforced: bool


def foreign_keys_of(connection: Connection[Any], oid: int) -> list[ForeignKey]:
    """The foreign keys that a table has by itself."""
    return [
        ForeignKey(
            each["name"],
            each["definition"],
            TableName(each["referenced_schema"], each["referenced_name"]),
            each["referenced_oid"],
            tuple(zip(each["columns"], each["operators"], each["referenced_columns"], strict=True)),
            each["validated"],
            each["enforced"],
        )
        for each in rows(connection, "foreign_keys_of", oid=oid)
    ]


def count_orphans(connection: Connection[Any], table: TableName, key: ForeignKey) -> int:
    """Rows of `table` that refer to a row that is not there: the foreign key itself would name only the first.

    0 where the role may not look, or the parent does not check: then the key itself will tell.
    """
    if not key.validated:
        return 0
    same = sql.SQL(" AND ").join(
        sql.SQL("r.{} {} t.{}").format(sql.Identifier(there), statements.server_text(operator), sql.Identifier(here))
        for here, operator, there in key.columns
    )
    known = sql.SQL(" AND ").join(sql.SQL("t.{} IS NOT NULL").format(sql.Identifier(here)) for here, _, _ in key.columns)
    statement = sql.SQL("SELECT pg_catalog.count(*) FROM ONLY {} t WHERE {} AND NOT EXISTS (SELECT FROM {} r WHERE {})").format(
        statements.named(table), known, statements.named(key.referenced), same
    )
    try:
        found = connection.execute(statement).fetchone()
    except errors.InsufficientPrivilege:
        return 0
    return int(found[0]) if found else 0


def name_on_partition(partition: TableName, key: ForeignKey, number: int) -> str:
    """What a foreign key of the parent is called on a table that is to be its partition.

    :param number: of the key among those of the parent, from 0.
    """
    return fitted(partition.name, f"_{key.columns[0][0][:20]}_fkey{number or ''}")


def add_foreign_key(executor: Executor, owner: str, table: TableName, key: ForeignKey, name: str) -> None:
    """Add it NOT VALID, in a moment, and validate it: writers of neither table wait for that (manual, ALTER TABLE).

    One that an interrupted step has added is validated only.

    :param name: of the constraint.
    """
    what = f'add foreign key "{key.name}" to "{table}"'
    definition = statements.server_text(key.definition.removesuffix(" NOT VALID") + (" NOT VALID" if key.enforced else ""))
    add = sql.SQL("ALTER TABLE {} ADD CONSTRAINT {} {}").format(statements.named(table), sql.Identifier(name), definition)

    def work(_: Connection[Any]) -> None:
        executor.run(statements.set_local_role(owner))
        executor.run_briefly(add)

    there = foreign_keys_of(executor.connection, catalog.oid_of(executor.connection, table))
    if not any(each.name == name and each.columns == key.columns for each in there):
        executor.transaction(what, work, [key.referenced_oid])
    if key.validated:
        with executor.role(owner):
            executor.long_statement(what, statements.validate_constraint(table, name))
