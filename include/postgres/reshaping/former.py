"""The old table after an exchange: kept for a while, then dropped."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection

from include.partitioning.names import TableName
from include.partitioning.partition import PartitionedTable
from include.postgres import statements
from include.postgres.executor import Executor
from include.postgres.ledger import Ledger
from include.postgres.ledger_records import Event
from include.postgres.queries import Row, rows
from include.postgres.reshaping.scratch import ATTIC


@dataclass(frozen=True, slots=True)
class FormerTable:
    """A table that was replaced.

    :param name: where it is now.
    :param keep_until: database time.
    :param replaced_by: OID of the table that took its place.
    """

    name: TableName
    oid: int
    owner: str
    keep_until: datetime
    replaced_by: int


def former_tables(connection: Connection[Any], table: PartitionedTable) -> list[FormerTable]:
    """The tables in whose place this very table is, at once or one after the other; those that go first come first.

    A table of the same name that was made by somebody else has replaced nothing: what was kept may then be the only copy there is.
    """
    kept = {each.oid: each for each in map(_former, rows(connection, "former_tables", prefix=ATTIC)) if each is not None}
    found: list[FormerTable] = []
    successors = {table.oid}
    while before := [each for each in kept.values() if each.replaced_by in successors and each not in found]:
        found += before
        successors |= {each.oid for each in before}
    return sorted(found, key=lambda each: each.keep_until)


def strangers(connection: Connection[Any], table: PartitionedTable) -> list[TableName]:
    """Tables that were kept when something else took this name; nobody but a person drops them."""
    known = {each.oid for each in former_tables(connection, table)}
    found = [(each, _said(each["comment"]).get("table")) for each in rows(connection, "former_tables", prefix=ATTIC)]
    return [
        TableName(each["schema"], each["name"])
        for each, name in found
        if name == str(table.name) and each["oid"] is not None and each["oid"] not in known
    ]


def drop_former_table(executor: Executor, ledger: Ledger, table: PartitionedTable, former: FormerTable) -> None:
    """Drop it with its partitions, one transaction each, and then its schema; RESTRICT: what somebody made depend on it stops that."""
    connection = executor.connection
    for each in rows(connection, "partitions", parent=former.oid):
        name = TableName(each["schema"], each["name"])
        detached = statements.detach(former.name, name, concurrently=False)
        _drop(executor, former, f'drop "{name}"', [detached, statements.drop_table(name)], each["oid"])
    functions = [each for each in rows(connection, "drain_remains", schemas=[former.name.schema]) if each["sort"] == "function"]
    last = [
        statements.drop_table(former.name),
        *(statements.drop_function(TableName(each["schema"], each["name"])) for each in functions),
        statements.drop_schema(former.name.schema),
    ]
    _drop(executor, former, f'drop "{former.name}"', last, former.oid)
    ledger.record(Event("drop_former", "done", former.name, former.oid, detail=f'replaced by "{table.name}"'))


def _drop(executor: Executor, former: FormerTable, what: str, to_run: list[Any], oid: int) -> None:
    def work(_: Connection[Any]) -> None:
        executor.run(statements.set_local_role(former.owner))
        executor.run_briefly(*to_run)

    executor.transaction(what, work, [former.oid, oid])


def _former(found: Row) -> FormerTable | None:
    about = _said(found["comment"])
    if found["oid"] is None or not about:
        return None
    name = TableName(found["schema"], found["name"])
    return FormerTable(name, found["oid"], found["owner"], datetime.fromisoformat(about["keep_until"]), int(about["replaced_by"]))


def _said(comment: str | None) -> dict[str, Any]:
    """What was written down; nothing that can be used where somebody else has written."""
    try:
        said = json.loads(comment or "{}")
        datetime.fromisoformat(said["keep_until"])
        int(said["replaced_by"])
    except (ValueError, KeyError, TypeError):
        return {}
    return dict(said)
