"""Creating partitions: LIKE, a CHECK on the bounds, what the siblings have, and ATTACH, in one transaction.

The parent never sees ACCESS EXCLUSIVE, which `CREATE TABLE … PARTITION OF` would take. The transaction ends with ATTACH,
so that the locks it needs on the parent and on tables that foreign keys refer to are held for a moment only; where it
must give way, the whole transaction is rolled back and nothing is left behind.
"""

from collections.abc import Iterator, Sequence
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
from include.postgres.queries import rows
from include.postgres.template import Template

_AT_ONCE = 20
"""Partitions per transaction, where their ATTACH makes nobody wait; more would not be faster, and would hold more locks on new tables."""


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


def batches(creates: Sequence[Create], locked: Sequence[int]) -> Iterator[Sequence[Create]]:
    """Which partitions are made in one transaction, in order.

    Several share one where their ATTACH locks nothing but the parent, in a mode that readers and writers do not notice; one that would make
    others wait holds its locks for one partition only.

    :param locked: what ATTACH locks, see `locked_relations`.
    """
    most = _AT_ONCE if len(locked) == 1 else 1
    for first in range(0, len(creates), most):
        yield creates[first : first + most]


def create_partitions(
    executor: Executor, ledger: Ledger, table: PartitionedTable, template: Template, creates: Sequence[Create], *, locked: Sequence[int]
) -> None:
    """Create and attach partitions, and write them down, all or none.

    :param creates: one of `batches`.
    :param locked: what ATTACH locks, see `locked_relations`.
    :raises CatalogMismatchError: a name is taken.
    :raises LockNotAvailableError: ATTACH found no moment for its locks.
    """
    for create in creates:
        _refuse_taken(create)

    def work(connection: Connection[Any]) -> None:
        built = [statement for create in creates for statement in _building(table, template, create)]
        executor.run_together([statements.set_local_asynchronous_commit(), statements.set_local_role(table.owner), *built])
        oids = _oids(connection, table, creates)
        for create in creates:
            use_identity_index(executor, template, create.name, oids[create.name.name])
        executor.run(statements.reset_role())
        # Before ATTACH, whose locks would be held for as long as somebody keeps us from the ledger.
        ledger.record(*(_event(create, oids[create.name.name], executor.lock_wait_ms) for create in creates))
        attaching = [_attaching(table, create) for create in creates]
        executor.run_briefly(statements.set_local_role(table.owner), *attaching, locks=len(locked) - 1)

    try:
        executor.transaction(_what(table, creates), work, locked)
    except RowsInDefaultError as error:
        raise _with_counts(executor.connection, table, creates[0], error) from error


def _refuse_taken(create: Create) -> None:
    if create.blocked_by is not None:
        raise CatalogMismatchError(
            f'"{create.name}" cannot be created for {create.bounds}: the name is taken by {create.blocked_by}; rename or remove that'
        )


def _event(create: Create, oid: int, waited: int) -> Event:
    return Event("create", "done", create.name, oid, create.bounds, lock_wait_ms=waited, detail=create.reason)


def _what(table: PartitionedTable, creates: Sequence[Create]) -> str:
    if len(creates) == 1:
        return f'create partition "{creates[0].name}" of "{table.name}"'
    return f'create {len(creates)} partitions of "{table.name}", "{creates[0].name}" to "{creates[-1].name}"'


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


def _oids(connection: Connection[Any], table: PartitionedTable, creates: Sequence[Create]) -> dict[str, int]:
    """By name; all are in the parent's schema."""
    found = rows(connection, "oids_of", schema=table.name.schema, names=[create.name.name for create in creates])
    return {each["name"]: each["oid"] for each in found}
