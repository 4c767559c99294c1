"""Fresh planner statistics for what has changed, and for the parent, which autovacuum never analyzes (manual 24.1.3)."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection, sql

from include.partitioning.names import TableName
from include.partitioning.partition import Kind, PartitionedTable
from include.postgres import statements
from include.postgres.detaching import is_pending
from include.postgres.executor import Executor
from include.postgres.ledger import Ledger
from include.postgres.ledger_records import Event
from include.postgres.queries import Row, rows
from include.postgres.table_lock import advisory_lock

ANALYZE_ONLY_SINCE = 180000


@dataclass(frozen=True, slots=True)
class Analysis:
    """One ANALYZE to run, and why."""

    name: TableName
    oid: int
    reason: str
    statement: sql.Composed


def due_analyses(connection: Connection[Any], ledger: Ledger, table: PartitionedTable) -> list[Analysis]:
    """Partitions that were never analyzed or changed since, then the parent if any was, or if it is older than its newest partition.

    Below PostgreSQL 18 there is no ANALYZE ONLY: analyzing the parent analyzes every partition again, and after it, so it stands alone,
    and only the ledger knows which partitions were analyzed later than that.
    """
    only = table.server_version >= ANALYZE_ONLY_SINCE
    partitions = [each for each in table.partitions if each.kind is Kind.TABLE and not each.detach_pending]
    state = {each["oid"]: each for each in rows(connection, "statistics_state", oids=[table.oid, *(each.oid for each in partitions)])}
    due = [(each, _reason(state[each.oid])) for each in partitions if each.oid in state]
    analyses = [Analysis(each.name, each.oid, reason, statements.analyze(each.name)) for each, reason in due if reason]
    whole = None if only else ledger.analyzed_at()
    reason = _parent_reason(state[table.oid], [state[each.oid] for each in partitions if each.oid in state], len(analyses), whole)
    if reason is None:
        return analyses
    parent = Analysis(table.name, table.oid, reason, statements.analyze(table.name, only=only))
    return [*analyses, parent] if only else [parent]


def analyze_table(executor: Executor, ledger: Ledger, table: PartitionedTable) -> list[Analysis]:
    """Run what is due, one by one; a server that only warns has failed.

    ANALYZE keeps ATTACH, DETACH and REINDEX from what it reads. So it takes turns with our own steps: with those that change the table's
    partitions for the parent, with those of one partition for that.

    :returns: what was analyzed; not what another run has taken off its parent meanwhile.
    :raises SkippedByServerError: the role may not analyze one of them.
    """
    analyses = due_analyses(executor.connection, ledger, table)
    done: list[Analysis] = []
    for number, analysis in enumerate(analyses, 1):
        executor.log.info("analyze %d of %d: %s: %s", number, len(analyses), analysis.name, analysis.reason)
        with advisory_lock(executor, analysis.oid, f'analyze "{analysis.name}"'):
            if analysis.oid != table.oid and is_pending(executor.connection, table, analysis.oid) is not False:
                executor.log.info('"%s" is no partition of "%s" any more', analysis.name, table.name)
                continue
            with executor.role(table.owner):
                executor.long_statement(f'analyze "{analysis.name}"', analysis.statement)
            ledger.record(Event("analyze", "done", analysis.name, detail=analysis.reason))
        done.append(analysis)
    return done


def _reason(state: Row) -> str | None:
    if state["never"]:
        return "never analyzed"
    return f"{state['changes']:,} changes since its last ANALYZE" if state["changes"] else None


def _parent_reason(parent: Row, partitions: list[Row], analyzed_now: int, whole: datetime | None) -> str | None:
    """`whole`: when an ANALYZE that took the partitions along ended."""
    if parent["never"] or parent["analyzed_at"] is None:
        return "never analyzed"
    if analyzed_now:
        return f"{analyzed_now} of its partitions changed"
    since = max(parent["analyzed_at"], whole or parent["analyzed_at"])
    newer = [each for each in partitions if each["analyzed_at"] and each["analyzed_at"] > since]
    return f"{len(newer)} of its partitions were analyzed after it" if newer else None
