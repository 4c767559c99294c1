"""What remains to be done once the new table is in place: nothing of it makes anybody wait for longer than a moment.

And the other way out: taking away what was built before there was an exchange.
"""

import json
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

from psycopg import Connection, sql

from include.partitioning.errors import ReshapeRefusedError
from include.partitioning.names import TableName, fitted
from include.partitioning.partition import PartitionedTable
from include.postgres import catalog, statements
from include.postgres.drain_functions import KEEP, REFUSE_TRUNCATE, drop_triggers
from include.postgres.executor import Executor
from include.postgres.queries import Row, row, rows
from include.postgres.reshaping.scratch import BUILDING, PUT_IN_PLACE, Scratch, look


def unfinished(connection: Connection[Any], table: PartitionedTable) -> Scratch | None:
    """The reshaping that put this table in its place and has not been cleared away; None if there is none."""
    found = row(connection, "put_in_place", prefix=BUILDING, comment=f"{PUT_IN_PLACE}{table.oid}")
    return Scratch(table.name, int(found["schema"].removeprefix(BUILDING))) if found else None


def clear_away(executor: Executor, table: PartitionedTable, scratch: Scratch) -> None:
    """Move partitions to the schemas they belong to, validate foreign keys, and drop the building schema.

    :param table: the new one, in its place.
    """
    connection = executor.connection
    for each in rows(connection, "partitions", parent=scratch.oid):
        _move(executor, table, scratch, each, scratch.attic)
    for each in rows(connection, "partitions", parent=table.oid):
        if each["schema"] == scratch.building:
            _move(executor, table, scratch, each, table.name.schema)
    _validate_references(executor, table, scratch)
    _drop_building(executor, table, scratch)


def cancel(executor: Executor, table: PartitionedTable) -> bool:
    """Take the triggers off the old table, and drop what was built; whether there was anything.

    :raises ReshapeRefusedError: the exchange has happened.
    """
    connection, scratch = executor.connection, Scratch.of(table)
    if unfinished(connection, table) is not None:
        raise ReshapeRefusedError(f'"{table.name}" has its new shape already; to go back, give it the other shape again')
    found = row(connection, "drain_trigger", default=table.oid, names=[KEEP, REFUSE_TRUNCATE]) or {}
    if found["triggers"]:
        partitions = [each.name for each in table.partitions]
        dropping = [statement for name in (table.name, *partitions) for statement in drop_triggers(name)]
        _as_owner(executor, table.owner, f'stop following "{table.name}"', dropping, [table.oid, *(each.oid for each in table.partitions)])
    if not look(connection, scratch).begun:
        return bool(found["triggers"])
    _drop_building(executor, table, scratch)
    return True


def _move(executor: Executor, table: PartitionedTable, scratch: Scratch, partition: Row, schema: str) -> None:
    """The partition that was for the meantime gets a name that a person may meet."""
    name = TableName(partition["schema"], partition["name"])
    if name.schema == schema:
        return
    moved = [
        statements.set_schema_of_statistics(TableName(each["schema"], each["name"]), schema)
        for each in rows(executor.connection, "statistics_of", oid=partition["oid"])
    ]
    renamed = []
    if name == scratch.default:
        renamed = [statements.rename_table(TableName(schema, name.name), fitted(table.name.name, "_default"))]
    _as_owner(executor, table.owner, f'move "{name}"', [*moved, statements.set_schema(name, schema), *renamed], [partition["oid"]])


def _validate_references(executor: Executor, table: PartitionedTable, scratch: Scratch) -> None:
    """Foreign keys of other tables were made NOT VALID in the exchange, which wrote down which of them were valid before."""
    noted = row(executor.connection, "comment_of", oid=catalog.oid_of(executor.connection, scratch.portions)) or {}
    for role, schema, name, constraint in json.loads(noted.get("comment") or "[]"):
        with executor.role(role) if role else nullcontext():
            validate = statements.validate_constraint(TableName(schema, name), constraint)
            executor.long_statement(f'validate foreign key "{constraint}" to "{table.name}"', validate)


def _drop_building(executor: Executor, table: PartitionedTable, scratch: Scratch) -> None:
    things = rows(executor.connection, "drain_remains", schemas=[scratch.building])
    dropping = [_drop(each) for each in things]
    dropping.append(statements.drop_schema(scratch.building))
    what = f'remove what was built beside "{table.name}"'
    _as_owner(executor, table.owner, what, dropping, [each["oid"] for each in things if each["sort"] == "table"])


def _drop(thing: Row) -> sql.Composed:
    name = TableName(thing["schema"], thing["name"])
    return statements.drop_function(name) if thing["sort"] == "function" else statements.drop_table(name)


def _as_owner(executor: Executor, owner: str, what: str, to_run: Sequence[sql.Composed], locked: Sequence[int]) -> None:
    def work(_: Connection[Any]) -> None:
        executor.run(statements.set_local_role(owner))
        executor.run_briefly(*to_run, locks=max(1, len(locked)))

    executor.transaction(what, work, locked)
