"""Creating a partition: LIKE, a CHECK on the bounds, what the siblings have, and ATTACH, in one transaction.

The parent never sees ACCESS EXCLUSIVE, which `CREATE TABLE … PARTITION OF` would take. The transaction ends with ATTACH,
so that the locks it needs on the parent and on tables that foreign keys refer to are held for a moment only; where it
must give way, the whole transaction is rolled back and nothing is left behind.
"""

from collections.abc import Sequence
from typing import Any

from psycopg import Connection, sql

from include.partitioning.bounds import Bounds
from include.partitioning.default_rows import advice
from include.partitioning.errors import CatalogMismatchError, RowsInDefaultError
from include.partitioning.names import TableName, fitted
from include.partitioning.partition import PartitionedTable
from include.partitioning.plan import Create
from include.postgres import statements
from include.postgres.blueprints import object_statement
from include.postgres.default_rows import rows_within
from include.postgres.dressing import column_statements, dressing_statements, use_identity_index
from include.postgres.executor import Executor
from include.postgres.ledger import Ledger
from include.postgres.ledger_records import Event
from include.postgres.queries import row, rows
from include.postgres.template import Template


def creation_statements(table: PartitionedTable, template: Template, create: Create) -> list[sql.Composed]:
    """Everything that makes the partition, in order; the last is ATTACH."""
    return [*_building(table, template, create), _attaching(table, create)]


def _building(table: PartitionedTable, template: Template, create: Create) -> list[sql.Composed]:
    name, indexes = create.name, template.parent_objects is None
    return [
        like_parent(table, template, name, create.bounds, indexes=indexes),
        *column_statements(template, name),
        *(object_statement(name, each, with_name=False) for each in template.parent_objects or ()),
        *dressing_statements(template, name),
    ]


def _attaching(table: PartitionedTable, create: Create) -> sql.Composed:
    return statements.attach(table.name, create.name, table.key_type, create.bounds)


def create_partition(
    executor: Executor, ledger: Ledger, table: PartitionedTable, template: Template, create: Create, *, locked: Sequence[int]
) -> None:
    """Create and attach one partition, and write it down, all or nothing.

    :param locked: what ATTACH locks, see `locked_relations`.
    :raises CatalogMismatchError: the name is taken.
    :raises LockNotAvailableError: ATTACH found no moment for its locks.
    """
    if create.blocked_by is not None:
        raise CatalogMismatchError(
            f'"{create.name}" cannot be created for {create.bounds}: the name is taken by {create.blocked_by}; rename or remove that'
        )

    def work(connection: Connection[Any]) -> None:
        executor.run_together(
            [statements.set_local_asynchronous_commit(), statements.set_local_role(table.owner), *_building(table, template, create)]
        )
        oid = _oid(connection, create.name)
        use_identity_index(executor, template, create.name, oid)
        executor.run(statements.reset_role())
        # Before ATTACH, whose locks would be held for as long as somebody keeps us from the ledger.
        ledger.record(Event("create", "done", create.name, oid, create.bounds, lock_wait_ms=executor.lock_wait_ms, detail=create.reason))
        executor.run(statements.set_local_role(table.owner))
        executor.run_briefly(_attaching(table, create), locks=len(locked) - 1)

    what = f'create partition "{create.name}" of "{table.name}"'
    try:
        executor.transaction(what, work, locked)
    except RowsInDefaultError as error:
        raise _with_counts(executor.connection, table, create, error) from error


def _with_counts(connection: Connection[Any], table: PartitionedTable, create: Create, error: RowsInDefaultError) -> RowsInDefaultError:
    """Which rows they are, counted now that nobody is kept waiting."""
    assert table.default is not None  # noqa: S101 - the server found rows in it; this is for the type checker
    found = rows_within(connection, table, table.default.name, create.bounds)
    return RowsInDefaultError(f"{error}: {found or 'they have gone meanwhile'}; {advice(table.default.name)}")


def locked_relations(connection: Connection[Any], table: PartitionedTable) -> list[int]:
    """What ATTACH and DETACH lock against others: the parent first, its DEFAULT partition, and tables that its foreign keys join."""
    joined = [each["oid"] for each in rows(connection, "foreign_key_partners", oid=table.oid)]
    default = [table.default.oid] if table.default else []
    return [table.oid, *default, *joined]


def like_parent(
    table: PartitionedTable, template: Template, name: TableName, bounds: Bounds | None, *, indexes: bool = True
) -> sql.Composed:
    """A table with the parent's columns and constraints, and a CHECK on its bounds.

    EXCLUDING IDENTITY: from 17 on partitions share the parent's, and ATTACH refuses a table with its own.

    :param bounds: None for a DEFAULT partition.
    :param indexes: False for a table that is filled first: building them once is faster than keeping them up row by row.
    """
    check: sql.Composed = sql.SQL("").format()
    if bounds is not None:
        check = sql.SQL(", {}").format(statements.bounds_check(fitted(name.name, "_bounds"), table.key, table.key_type, bounds))
    without = sql.SQL("" if indexes else " EXCLUDING INDEXES")
    parts = [
        sql.SQL("CREATE UNLOGGED TABLE") if template.unlogged else sql.SQL("CREATE TABLE"),
        sql.SQL("{} (LIKE {} INCLUDING ALL EXCLUDING IDENTITY{}{})").format(
            statements.named(name), statements.named(table.name), without, check
        ),
    ]
    if template.access_method:
        parts.append(sql.SQL("USING {}").format(sql.Identifier(template.access_method)))
    options = [*map(statements.option, template.options), *(statements.option(each, "toast.") for each in template.toast_options)]
    if options:
        parts.append(sql.SQL("WITH ({})").format(sql.SQL(", ").join(options)))
    if template.tablespace:
        parts.append(sql.SQL("TABLESPACE {}").format(sql.Identifier(template.tablespace)))
    return sql.SQL(" ").join(parts)


def _oid(connection: Connection[Any], name: TableName) -> int:
    found = row(connection, "oid_of", schema=name.schema, name=name.name)
    return int(found["oid"]) if found else 0
