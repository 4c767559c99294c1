"""One whole run of the DAG's steps, and everything that is left of it."""

import time
from collections.abc import Callable
from typing import Any

import psycopg
from airflow.sdk.exceptions import AirflowSkipException
from psycopg.rows import dict_row

from include.partitioning.policy import PartitionPolicy
from partition_operators.measure_bloat import MeasureBloatOperator
from partition_operators.refresh_recent_view import RefreshRecentViewOperator
from partition_operators.reindex_partition import ReindexPartitionOperator
from partition_operators.report_run import ReportRunOperator
from tests.integration.conftest import Lifecycle

OLD = "app.events_p202408"
NOW = "app.events_p202611"


Step = Callable[[], object]


def steps_of(lifecycle: Lifecycle, policy: PartitionPolicy) -> dict[str, Step]:
    """The DAG's steps in their order, for the oldest partition and the bloated one."""

    def drop() -> None:
        try:
            lifecycle.drop(OLD, policy=policy)
        except AirflowSkipException:
            assert policy.detached_retention is not None

    return {
        "plan": lambda: lifecycle.plan(policy=policy),
        "heal": lambda: lifecycle.heal(policy=policy),
        "create": lambda: lifecycle.create(policy=policy),
        "recent_view": lambda: lifecycle.run(RefreshRecentViewOperator, policy=policy),
        "archive": lambda: lifecycle.archive_partition(OLD, policy=policy),
        "detach": lambda: lifecycle.detach(OLD, policy=policy),
        "drop": drop,
        "measure_bloat": lambda: lifecycle.run(MeasureBloatOperator, policy=policy),
        "reindex": lambda: lifecycle.run(ReindexPartitionOperator, policy=policy, partition=NOW),
        "analyze": lambda: lifecycle.analyze(policy=policy),
        "report": lambda: lifecycle.run(ReportRunOperator, policy=policy),
    }


def live(lifecycle: Lifecycle, policy: PartitionPolicy) -> None:
    """One whole run."""
    for step in steps_of(lifecycle, policy).values():
        step()


def run_again(steps: dict[str, Step], died: str) -> None:
    """What the next run does up to the step that died, without the steps that have nothing to do with it."""
    of_one_partition = ["archive", "detach", "drop"]
    before = of_one_partition[: of_one_partition.index(died)] if died in of_one_partition else []
    for name in ("heal", *before, died):
        steps[name]()


STATE = """
WITH mine AS (SELECT oid FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema)')
SELECT (SELECT array_agg(nspname ORDER BY nspname) FROM pg_namespace WHERE oid IN (TABLE mine)) AS schemas,
       (SELECT array_agg(oid::regclass || ' ' || relkind::text || coalesce(' ' || pg_get_expr(relpartbound, oid), '') ORDER BY oid::regclass::text)
          FROM pg_class WHERE relnamespace IN (TABLE mine)) AS relations,
       (SELECT array_agg(conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) || convalidated ORDER BY conrelid::regclass::text, conname)
          FROM pg_constraint WHERE connamespace IN (TABLE mine) AND conrelid <> 0) AS constraints,
       (SELECT array_agg(tgrelid::regclass || ' ' || tgfoid::regproc || tgenabled::text ORDER BY tgrelid::regclass::text, tgfoid) FROM pg_trigger) AS triggers,
       (SELECT count(*) FROM pg_index WHERE NOT indisvalid) AS invalid_indexes,
       (SELECT count(*) FROM pg_inherits WHERE inhdetachpending) AS pending,
       (SELECT count(*) FROM app.events) AS rows,
       (SELECT count(*) FROM pg_class WHERE relnamespace = 'app'::regnamespace AND relkind IN ('r', 'p') AND reltuples < 0) AS never_analyzed,
       (SELECT array_agg(concat_ws(' ', partition, detached_at IS NULL, drop_after IS NULL, dropped_at IS NULL) ORDER BY partition)
          FROM partition_lifecycle.detached_partition) AS detached,
       (SELECT count(DISTINCT path) FROM partition_lifecycle.archive WHERE verified_at IS NOT NULL AND rows = 50) AS verified,
       (SELECT count(*) FROM partition_lifecycle.restored r JOIN pg_class c ON c.oid = r.relation_oid WHERE finished_at IS NULL) AS half_restored,
       (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'partition_lifecycle%') AS sessions,
       (SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database WHERE locktype = 'advisory' AND datname = current_database()) AS locks
"""


LONGEST_END = 10.0
"""Seconds in which the server must notice that a worker is dead, and end what it ran."""


def the_state(lifecycle: Lifecycle) -> dict[str, Any]:
    """Everything that is left, in the catalog, in the ledger and in the storage, once dead workers' sessions have had time to end."""
    until = time.monotonic() + LONGEST_END
    with psycopg.connect(lifecycle.uri, row_factory=dict_row, autocommit=True) as connection:
        found = connection.execute(STATE).fetchone()
        while found is not None and found["sessions"] and time.monotonic() < until:
            time.sleep(0.1)
            found = connection.execute(STATE).fetchone()
    assert found is not None
    archives = [file.parent for file in lifecycle.archive.glob("*/*/*/_manifest.json")]
    half = [str(folder) for folder in lifecycle.archive.glob("*/*/*") if folder not in archives]
    return {**found, "archives": len(archives), "half uploads": half}


def wanted_policy(lifecycle: Lifecycle, detached_retention: str | None = None, **changes: Any) -> PartitionPolicy:
    view = {"name": "app.v_recent", "intervals": 3}
    return lifecycle.policy(retention="1 month", premake=1, recent_view=view, detached_retention=detached_retention, **changes)


def undisturbed(lifecycle: Lifecycle, detached_retention: str | None = None) -> dict[str, Any]:
    """The state after a run that nobody disturbs."""
    live(lifecycle, wanted_policy(lifecycle, detached_retention))
    return the_state(lifecycle)
