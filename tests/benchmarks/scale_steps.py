"""What each step costs when there is nothing to do, on many tables, on one with very many partitions, and with a long ledger."""

import re
import statistics
import time
from typing import Any

import psycopg

from include.partitioning.names import TableName
from include.partitioning.policy import PartitionPolicy
from include.postgres.ledger import Ledger
from include.postgres.ledger_records import RunIdentity
from include.postgres.session import prepare
from partition_operators.analyze_partitions import AnalyzePartitionsOperator
from partition_operators.create_partitions import CreatePartitionsOperator
from partition_operators.heal_partitions import HealPartitionsOperator
from partition_operators.lifecycle_operator import LifecycleOperator
from partition_operators.measure_bloat import MeasureBloatOperator
from partition_operators.plan_partitions import PlanPartitionsOperator
from partition_operators.report_run import ReportRunOperator
from tests.benchmarks.database_time import DatabaseTime, database_time
from tests.benchmarks.scale_tables import AS_OF, SETTINGS, make_many, make_one, policy_of_many, policy_of_one

__all__ = ["SETTINGS", "ledger", "many", "one"]

STEPS: dict[str, type[LifecycleOperator]] = {
    "plan": PlanPartitionsOperator,
    "heal": HealPartitionsOperator,
    "create_partitions": CreatePartitionsOperator,
    "measure_bloat": MeasureBloatOperator,
    "analyze": AnalyzePartitionsOperator,
    "report": ReportRunOperator,
}
SAMPLE = 100
"""Tables of which the steps other than the plan are run."""


def many(connection: psycopg.Connection[Any], policies: int, partitions: int, rounds: int) -> None:
    """The plan of all tables, and every step of some, when there is nothing to do."""
    begun = time.monotonic()
    make_many(connection, policies, partitions)
    connection.execute("ANALYZE")
    print(f"\n{policies} tables with {partitions} partitions each, made in {time.monotonic() - begun:.0f} s; nothing to do", flush=True)
    _run("create_partitions", policy_of_many(0))  # installs the ledger
    tables = range(policies)
    _show("plan of all tables", [_sum([_run("plan", policy_of_many(number)) for number in tables]) for _ in range(rounds)])
    some = tables[: min(SAMPLE, policies)]
    for step in STEPS:
        rounds_of_step = [_sum([_run(step, policy_of_many(number)) for number in some]) for _ in range(rounds)]
        _show(f"{step}, of one table", [_share(each, len(some)) for each in rounds_of_step], "ms")


def one(connection: psycopg.Connection[Any], partitions: int, rounds: int) -> None:
    """A table of very many partitions: every step without work, then a plan that expires nearly all, and ten creations."""
    begun = time.monotonic()
    make_one(connection, partitions)
    connection.execute("ANALYZE")
    print(f"\none table with {partitions} partitions, made in {time.monotonic() - begun:.0f} s", flush=True)
    policy = policy_of_one()
    for step in STEPS:
        _show(step, [_run(step, policy) for _ in range(rounds)])
    backlog = policy_of_one(retention="1 month", destroy_without_archive=True)
    _show("plan, all but one month past retention", [_run("plan", backlog) for _ in range(rounds)])
    _show("create 10 partitions", [_run("create_partitions", policy_of_one(premake=3 + 10 * (number + 1))) for number in range(rounds)])


def ledger(connection: psycopg.Connection[Any], events: int) -> None:
    """Fill the ledger with the events of a thousand tables, and look how each read of one table gets at its rows."""
    prepare(connection, "bench")
    Ledger(connection, TableName("many", "t0000"), RunIdentity()).install()
    connection.execute(
        "INSERT INTO partition_lifecycle.event (action, outcome, parent, partition, partition_oid, lower_bound, upper_bound, detail, dag_id, run_id)"
        " SELECT (ARRAY['create', 'archive', 'detach', 'drop', 'analyze', 'reindex'])[1 + g %% 6], CASE WHEN g %% 12 = 1 THEN 'began' ELSE 'done' END,"
        " 'many.t' || lpad((g / 6 %% 1000)::text, 4, '0'), 'many.x', 1000000 + g / 6, '2026-01-01 00:00:00+00', '2026-02-01 00:00:00+00', 'path ' || g,"
        " 'partition_lifecycle.many.t' || (g / 6 %% 1000), 'run ' || g / 6000 FROM generate_series(1, %s) g",
        (events,),
    )
    connection.execute("VACUUM ANALYZE partition_lifecycle.event")
    print(f"\na ledger of {events:,} events", flush=True)
    found = Ledger(connection, TableName("many", "t0007"), RunIdentity("partition_lifecycle.many.t7", "run 3"))
    oid = 1000007
    reads = {
        "created": found.created,
        "has_event": lambda: found.has_event("reindex", oid),
        "begun_archives": lambda: found.begun_archives(oid),
        "events_of_run": found.events_of_run,
        "holds": found.holds,
    }
    for name, read in reads.items():
        read()
        seconds = []
        for _ in range(20):
            with database_time() as spent:
                read()
            seconds.append(spent.seconds)
        print(f"{name:58}{1000 * statistics.median(seconds):>19.2f} ms  {_access(connection, name, found, oid)}", flush=True)


def _access(connection: psycopg.Connection[Any], name: str, of: Ledger, oid: int) -> str:
    """How the server gets at the rows of `event` and how many it reads and throws away."""
    from include.postgres.queries import query

    values = {
        "parent": "many.t0007", "action": "reindex", "oid": oid, "dag_id": "partition_lifecycle.many.t7", "run_id": "run 3",
        "table_schema": "many", "table_name": "t0007",
    }  # fmt: skip
    text = "\n".join(
        line for (line,) in connection.execute(b"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) " + _uncommented(query(f"ledger/{name}")), values)
    )
    ways = re.findall(r"(Seq Scan on \S+|Index (?:Only )?Scan using \S+|Bitmap Index Scan on \S+)", text)
    thrown = re.findall(r"Rows Removed by Filter: ([\d.]+)", text)
    return ", ".join(dict.fromkeys(ways)) + (f"; {', '.join(thrown)} rows read in vain" if thrown else "")


def _uncommented(statement: bytes) -> bytes:
    return b"\n".join(line for line in statement.splitlines() if not line.startswith(b"--"))


def _run(step: str, policy: PartitionPolicy) -> DatabaseTime:
    with database_time() as spent:
        STEPS[step](task_id=step, policy=policy, reference_date=str(AS_OF)).execute({})
    return spent


def _sum(spent: list[DatabaseTime]) -> DatabaseTime:
    return DatabaseTime(
        sum(each.statements for each in spent), sum(each.seconds for each in spent), sum(each.processor or 0 for each in spent)
    )


def _share(spent: DatabaseTime, parts: int) -> DatabaseTime:
    return DatabaseTime(round(spent.statements / parts), spent.seconds / parts, (spent.processor or 0) / parts)


def _show(what: str, found: list[DatabaseTime], unit: str = "s") -> None:
    factor = 1000 if unit == "ms" else 1
    seconds, processor = (factor * statistics.median(getattr(each, key) or 0 for each in found) for key in ("seconds", "processor"))
    print(f"{what:58}{seconds:>19.2f} {unit:2}  processor {processor:.2f} {unit}, {found[0].statements:,} statements", flush=True)
