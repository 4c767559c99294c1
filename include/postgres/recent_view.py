"""The view over the newest intervals. Its lower end is computed by the database at each query, so it cannot go stale.

`date_trunc` of `now()` is stable, not immutable: the planner cannot prune by it, the executor does when the query starts
("Subplans Removed" in EXPLAIN, manual 5.12.4).
"""

from typing import Any

from psycopg import Connection, sql

from include.partitioning.bounds import KeyType
from include.partitioning.errors import CatalogMismatchError
from include.partitioning.interval import Interval
from include.partitioning.partition import PartitionedTable
from include.partitioning.policy import PartitionPolicy
from include.partitioning.recent_view_policy import RecentViewPolicy
from include.postgres import catalog, statements
from include.postgres.executor import Executor
from include.postgres.ledger import Ledger
from include.postgres.ledger_records import Event
from include.postgres.queries import row

SECURITY_INVOKER_SINCE = 150000

_STEP = {
    Interval.HOUR: "1 hour", Interval.DAY: "1 day", Interval.WEEK: "1 week",
    Interval.MONTH: "1 month", Interval.QUARTER: "3 months", Interval.YEAR: "1 year",
}  # fmt: skip


def view_statement(connection: Connection[Any], policy: PartitionPolicy, view: RecentViewPolicy, table: PartitionedTable) -> sql.Composed:
    """CREATE OR REPLACE VIEW with the table's columns of today; with the invoker's rights where the server can (15 and later)."""
    columns = sql.SQL(", ").join(sql.Identifier(each.name) for each in catalog.columns(connection, table.oid))
    options = sql.SQL(" WITH (security_invoker = true)") if table.server_version >= SECURITY_INVOKER_SINCE else sql.SQL("")
    return sql.SQL("CREATE OR REPLACE VIEW {}{} AS SELECT {} FROM {} WHERE {} >= {}").format(
        statements.named(view.name),
        options,
        columns,
        statements.named(table.name),
        sql.Identifier(table.key),
        _lower_end(policy, view, table),
    )


def check_name(connection: Connection[Any], ledger: Ledger, view: RecentViewPolicy, table: PartitionedTable) -> bool:
    """Whether our view exists already.

    :raises CatalogMismatchError: something that is not ours has the name.
    """
    found = row(connection, "view", schema=view.name.schema, name=view.name.name)
    if found is None:
        return False
    if found["kind"] == "v" and ledger.has_event("recent_view", found["oid"]):
        return True
    what = "a view that this package did not make" if found["kind"] == "v" else "something that is no view"
    wrong = f'the name "{view.name}" of "{table.name}" is taken by {what}; rename that, or the recent_view'
    raise CatalogMismatchError(wrong, "recent_view.name")


def refresh_view(executor: Executor, ledger: Ledger, policy: PartitionPolicy, view: RecentViewPolicy, table: PartitionedTable) -> bool:
    """Make the view, or make it anew when its definition is no longer what the policy and the table's columns say.

    :returns: whether anything was done.
    """
    exists = check_name(executor.connection, ledger, view, table)
    statement = view_statement(executor.connection, policy, view, table)
    if exists and _wanted_text(executor.connection, statement) == _comment(executor.connection, view):
        return False

    def work(connection: Connection[Any]) -> None:
        executor.run(statements.set_local_role(table.owner))
        executor.run_briefly(statement)
        executor.run(
            sql.SQL("COMMENT ON VIEW {} IS {}").format(statements.named(view.name), sql.Literal(_wanted_text(connection, statement)))
        )
        executor.run(statements.reset_role())
        found = row(connection, "view", schema=view.name.schema, name=view.name.name) or {}
        ledger.record(Event("recent_view", "done", view.name, found["oid"], lock_wait_ms=executor.lock_wait_ms))

    found = row(executor.connection, "view", schema=view.name.schema, name=view.name.name)
    executor.transaction(f'make view "{view.name}"', work, [found["oid"]] if found else [])
    return True


def _lower_end(policy: PartitionPolicy, view: RecentViewPolicy, table: PartitionedTable) -> sql.Composed:
    """The beginning of the oldest interval shown, in the policy's zone, of the key's own type."""
    step = _STEP[policy.interval]
    count, unit = step.split()
    back = f"{int(count) * (view.intervals - 1)} {unit}"
    zone = sql.Literal(policy.timezone)
    local = sql.SQL("pg_catalog.date_trunc({}, pg_catalog.now() AT TIME ZONE {}) - {}::pg_catalog.interval").format(
        sql.Literal(policy.interval.value), zone, sql.Literal(back)
    )
    if table.key_type is KeyType.TIMESTAMPTZ:
        return sql.SQL("({}) AT TIME ZONE {}").format(local, zone)
    return sql.SQL("({})::pg_catalog.{}").format(local, sql.SQL("date" if table.key_type is KeyType.DATE else '"timestamp"'))


def _wanted_text(connection: Connection[Any], statement: sql.Composed) -> str:
    return f"Made by partition_lifecycle: {statement.as_string(connection)}"


def _comment(connection: Connection[Any], view: RecentViewPolicy) -> str | None:
    found = row(connection, "view", schema=view.name.schema, name=view.name.name)
    return None if found is None else found["comment"]
