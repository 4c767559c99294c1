"""`make bench-indexes`: how long it takes to build an index on twelve partitions, by how many at a time, beside CREATE INDEX on the parent.

Each round builds the index in every way, in turn, and drops it again; shown is the median of the rounds. CREATE INDEX keeps all writers waiting.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import psycopg

from demo import local_airflow
from demo.embedded_postgres import running

MONTHS = [f"2025-{month:02}" for month in range(1, 13)] + ["2026-01"]
JOBS = (1, 2, 4)
WITHOUT_WORKERS = "ALTER SYSTEM SET max_parallel_maintenance_workers = 0"
WITH_WORKERS = "ALTER SYSTEM RESET max_parallel_maintenance_workers"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000, help="of each partition")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-indexes-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)  # the server may run as another user
        local_airflow.configure(folder / "airflow", f"sqlite:///{folder}/airflow.db", {}, folder / "no-policies.yaml")
        with running(folder / "postgres", {"autovacuum": "off"}) as uri, psycopg.connect(uri, autocommit=True) as connection:
            os.environ["AIRFLOW_CONN_BENCH"] = uri
            _fill(connection, arguments.rows)
            for title, statement in (("with the server's own parallel workers", WITH_WORKERS), ("without them", WITHOUT_WORKERS)):
                connection.execute(statement)
                connection.execute("SELECT pg_reload_conf()")
                print(f"12 partitions of {arguments.rows:,} rows, {os.cpu_count()} processors, {title}")
                _compare(connection, arguments.rounds)


def _compare(connection: psycopg.Connection[tuple[object, ...]], rounds: int) -> None:
    ways: dict[str, Callable[[], object]] = {
        "CREATE INDEX on the parent": lambda: connection.execute("CREATE INDEX wanted ON bench.t (user_id, at)")
    }
    ways |= {f"index_jobs: {jobs}": lambda jobs=jobs: _build(jobs) for jobs in JOBS}  # type: ignore[misc]  # the default binds it
    taken: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way, build in ways.items():
            begun = time.perf_counter()
            build()
            taken[way].append(time.perf_counter() - begun)
            connection.execute("DROP INDEX bench.wanted")
            connection.execute("CHECKPOINT")
    for way, seconds in taken.items():
        print(f"  {way:28} {statistics.median(seconds):6.2f} s  ({min(seconds):.2f} to {max(seconds):.2f})")


def _build(jobs: int) -> None:
    from include.partitioning.policy import PartitionPolicy
    from partition_operators.build_indexes import BuildIndexesOperator  # Airflow reads its settings when it is imported
    from tests.benchmarks.bench_scale import quiet

    quiet()

    wanted = [{"columns": ["user_id", "at"], "name": "wanted"}]
    policy = PartitionPolicy(table="bench.t", partition_key="at", postgres_conn_id="bench", indexes=wanted, index_jobs=jobs)
    BuildIndexesOperator(task_id="build", policy=policy, reference_date="2026-01-01").execute({})


def _fill(connection: psycopg.Connection[tuple[object, ...]], rows: int) -> None:
    connection.execute(
        "CREATE SCHEMA bench; CREATE TABLE bench.t (user_id bigint, at timestamptz NOT NULL, note text) PARTITION BY RANGE (at)"
    )
    for lower, upper in pairwise(MONTHS):
        name = f"bench.t_p{lower.replace('-', '')}"
        connection.execute(
            f"CREATE TABLE {name} PARTITION OF bench.t FOR VALUES FROM ('{lower}-01 00:00+00') TO ('{upper}-01 00:00+00')".encode()
        )
        connection.execute(
            f"INSERT INTO {name} SELECT hashint8(g) % 100000, '{lower}-01 00:00+00'::timestamptz + g * interval '10 seconds', repeat(md5(g::text), 3)"
            f" FROM generate_series(1, {rows}) g".encode()
        )
    connection.execute("VACUUM ANALYZE bench.t")


if __name__ == "__main__":
    main()
