"""The statements that a plan will run, as text, so that a person reads them before they run."""

from typing import Any

from psycopg import Connection

from include.partitioning.partition import PartitionedTable
from include.partitioning.plan import Expire, Plan
from include.postgres import catalog, statements
from include.postgres.creating import creation_statements
from include.postgres.detaching import detach_statements
from include.postgres.export import copy_statement
from include.postgres.template import read_template


def statements_of(connection: Connection[Any], table: PartitionedTable, plan: Plan) -> dict[str, list[str]]:
    """By partition name, in the order in which they run. The wait, the checks and the bookkeeping in between are not statements."""
    found: dict[str, list[str]] = {}
    if plan.creates:
        template = read_template(connection, table)
        for create in plan.creates:
            found[str(create.name)] = [each.as_string(connection) for each in creation_statements(table, template, create)]
    for expire in plan.expires:
        found[str(expire.name)] = _of_expiry(connection, table, expire)
    return found


def _of_expiry(connection: Connection[Any], table: PartitionedTable, expire: Expire) -> list[str]:
    attached = table.partition(expire.name)
    lines: list[str] = []
    if "archive" in expire.steps:
        lines.append(copy_statement(expire.name, catalog.columns(connection, expire.oid)).as_string(connection))
    if "detach" in expire.steps:
        lines += detach_statements(table, expire.name, pending=attached is not None and attached.detach_pending)
    if "drop" in expire.steps:
        lines += [statements.lock_exclusively(expire.name).as_string(connection), statements.drop_table(expire.name).as_string(connection)]
    return lines
