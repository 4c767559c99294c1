"""Creating a partition: LIKE, a CHECK on the bounds, what the siblings have, and ATTACH, in one transaction.

The parent never sees ACCESS EXCLUSIVE, which `CREATE TABLE … PARTITION OF` would take. The transaction ends with ATTACH,
so that the locks it needs on the parent and on tables that foreign keys refer to are held for a moment only; where it
must give way, the whole transaction is rolled back and nothing is left behind.
"""

from collections.abc import Sequence
from typing import Any

from psycopg import Connection, sql

from include.partitioning.bounds import Bounds
from include.partitioning.errors import CatalogMismatchError, StatementFailedError
from include.partitioning.names import TableName, fitted
from include.partitioning.partition import PartitionedTable
from include.partitioning.plan import Create
from include.postgres import statements
from include.postgres.executor import Executor
from include.postgres.ledger import Ledger
from include.postgres.ledger_records import Event
from include.postgres.queries import row, rows
from include.postgres.template import Grant, OwnObject, Template, identity_index

_OWN_OBJECT_SUFFIX = {"index": "idx", "constraint": "key", "statistics": "stat"}


def creation_statements(table: PartitionedTable, template: Template, create: Create) -> list[sql.Composed]:
    """Everything that makes the partition, in order; the last is ATTACH."""
    return [*_building(table, template, create), _attaching(table, create)]


def _building(table: PartitionedTable, template: Template, create: Create) -> list[sql.Composed]:
    return [like_parent(table, template, create.name, create.bounds), *dressing_statements(template, create.name)]


def _attaching(table: PartitionedTable, create: Create) -> sql.Composed:
    return statements.attach(table.name, create.name, table.key_type, create.bounds)


def dressing_statements(template: Template, name: TableName) -> list[sql.Composed]:
    """What makes the table like its siblings, beyond what it has from the parent."""
    return [
        *(_own_object(each, name, template) for each in template.own_objects),
        *(_grant(each, name) for each in template.grants),
        *_row_security(template, name),
        *_replica_identity(template, name),
    ]


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
        executor.run_together([statements.set_local_role(table.owner), *_building(table, template, create)])
        oid = _oid(connection, create.name)
        use_identity_index(executor, template, create.name, oid)
        executor.run(statements.reset_role())
        # Before ATTACH, whose locks would be held for as long as somebody keeps us from the ledger.
        ledger.record(Event("create", "done", create.name, oid, create.bounds, lock_wait_ms=executor.lock_wait_ms, detail=create.reason))
        executor.run(statements.set_local_role(table.owner))
        executor.run_briefly(_attaching(table, create), locks=len(locked) - 1)

    executor.transaction(f'create partition "{create.name}" of "{table.name}"', work, locked)


def locked_relations(connection: Connection[Any], table: PartitionedTable) -> list[int]:
    """What ATTACH and DETACH lock against others: the parent first, its DEFAULT partition, and tables that its foreign keys join."""
    joined = [each["oid"] for each in rows(connection, "foreign_key_partners", oid=table.oid)]
    default = [table.default.oid] if table.default else []
    return [table.oid, *default, *joined]


def like_parent(table: PartitionedTable, template: Template, name: TableName, bounds: Bounds, *, indexes: bool = True) -> sql.Composed:
    """A table with the parent's columns and constraints, and a CHECK on its bounds.

    EXCLUDING IDENTITY: from 17 on partitions share the parent's, and ATTACH refuses a table with its own.

    :param indexes: False for a table that is filled first: building them once is faster than keeping them up row by row.
    """
    check = statements.bounds_check(fitted(name.name, "_bounds"), table.key, table.key_type, bounds)
    without = sql.SQL("" if indexes else " EXCLUDING INDEXES")
    parts = [
        sql.SQL("CREATE UNLOGGED TABLE") if template.unlogged else sql.SQL("CREATE TABLE"),
        sql.SQL("{} (LIKE {} INCLUDING ALL EXCLUDING IDENTITY{}, {})").format(
            statements.named(name), statements.named(table.name), without, check
        ),
    ]
    if template.access_method:
        parts.append(sql.SQL("USING {}").format(sql.Identifier(template.access_method)))
    options = [*(_option(each) for each in template.options), *(_option(each, sql.SQL("toast.")) for each in template.toast_options)]
    if options:
        parts.append(sql.SQL("WITH ({})").format(sql.SQL(", ").join(options)))
    if template.tablespace:
        parts.append(sql.SQL("TABLESPACE {}").format(sql.Identifier(template.tablespace)))
    return sql.SQL(" ").join(parts)


def _option(option: str, prefix: sql.SQL | None = None) -> sql.Composed:
    name, _, value = option.partition("=")
    return sql.SQL("{}{} = {}").format(prefix or sql.SQL(""), sql.Identifier(name), sql.Literal(value))


def _own_object(own: OwnObject, name: TableName, template: Template) -> sql.Composed:
    after = statements.server_text(own.after)
    if own.sort == "trigger":
        return sql.SQL("{} ON {} {}").format(statements.server_text(own.before), statements.named(name), after)
    own_name = _own_name(own, name, template)
    if own.sort == "constraint":
        return sql.SQL("ALTER TABLE {} ADD CONSTRAINT {} {}").format(statements.named(name), sql.Identifier(own_name), after)
    if own.sort == "statistics":
        return sql.SQL("CREATE STATISTICS {}{} FROM {}").format(sql.Identifier(name.schema, own_name), after, statements.named(name))
    unique = sql.SQL("UNIQUE ") if own.is_unique else sql.SQL("")
    return sql.SQL("CREATE {}INDEX {} ON {}{}").format(unique, sql.Identifier(own_name), statements.named(name), after)


def _own_name(own: OwnObject, name: TableName, template: Template) -> str:
    """`sessions_p202510_tags_idx` becomes `sessions_p202511_tags_idx`; a name without the sibling's in it is put behind the new one."""
    sibling = template.sibling.name.name if template.sibling else ""
    if sibling and own.name.startswith(sibling):
        return fitted(name.name, own.name.removeprefix(sibling)[:40])
    return fitted(name.name, f"_{own.name[:24]}_{_OWN_OBJECT_SUFFIX[own.sort]}")


def _grant(grant: Grant, name: TableName) -> sql.Composed:
    return sql.SQL("GRANT {}{} ON {} TO {}{}").format(
        sql.SQL(grant.privilege),
        sql.SQL(" ({})").format(sql.Identifier(grant.column)) if grant.column else sql.SQL(""),
        statements.named(name),
        sql.Identifier(grant.grantee) if grant.grantee else sql.SQL("PUBLIC"),
        sql.SQL(" WITH GRANT OPTION") if grant.grantable else sql.SQL(""),
    )


def _row_security(template: Template, name: TableName) -> list[sql.Composed]:
    """The flags, not the policies: where a sibling is closed to direct reads, the new partition is closed to everybody until it gets its own."""
    wanted = ((template.row_security, sql.SQL("ENABLE")), (template.force_row_security, sql.SQL("FORCE")))
    return [sql.SQL("ALTER TABLE {} {} ROW LEVEL SECURITY").format(statements.named(name), word) for flag, word in wanted if flag]


def _replica_identity(template: Template, name: TableName) -> list[sql.Composed]:
    words = {"f": sql.SQL("FULL"), "n": sql.SQL("NOTHING")}
    if template.replica_identity not in words:
        return []
    return [sql.SQL("ALTER TABLE {} REPLICA IDENTITY {}").format(statements.named(name), words[template.replica_identity])]


def use_identity_index(executor: Executor, template: Template, name: TableName, oid: int) -> None:
    """Which index it is shows only once LIKE has named them; the table is locked by us alone until the commit."""
    if template.replica_identity != "i" or template.sibling is None:
        return
    index = identity_index(executor.connection, oid, template.sibling.oid)
    if index is None:
        raise StatementFailedError(
            f'"{name}" has no index like the one that is the replica identity of "{template.sibling.name}"; create that index on the parent'
        )
    executor.run(sql.SQL("ALTER TABLE {} REPLICA IDENTITY USING INDEX {}").format(statements.named(name), sql.Identifier(index)))


def _oid(connection: Connection[Any], name: TableName) -> int:
    found = row(connection, "oid_of", schema=name.schema, name=name.name)
    return int(found["oid"]) if found else 0
