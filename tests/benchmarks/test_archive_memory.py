"""The memory of an archive does not grow with the table: measured in a process of its own, by the kernel's account."""

import json
import logging
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import psycopg
import pytest

from demo.local_airflow import PROJECT

MEBIBYTE = 2**20

ARCHIVE = """
    import json, os, resource, sys, time
    from partition_operators.archive_partition import ArchivePartitionOperator
    from include.partitioning.policy import PartitionPolicy
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    policy = PartitionPolicy(table="app.big", partition_key="at", retention="1 month", postgres_conn_id="bench", archive={"path": "file://" + sys.argv[1]})
    begun = time.monotonic()
    ArchivePartitionOperator(task_id="archive", policy=policy, partition=sys.argv[2], reference_date="2026-01-01").execute({})
    seconds = time.monotonic() - begun
    print(json.dumps({"before": before, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, "seconds": seconds}))
"""


def fill(uri: str, partition: str, month: int, rows: int) -> None:
    with psycopg.connect(uri, autocommit=True) as connection:
        connection.execute(
            f"CREATE TABLE {partition} PARTITION OF app.big FOR VALUES FROM ('2024-0{month}-01 00:00+00') TO ('2024-0{month + 1}-01 00:00+00')".encode()
        )
        connection.execute(
            f"INSERT INTO {partition} SELECT gen_random_uuid(), g, '2024-0{month}-01 00:00+00'::timestamptz + g * interval '1 second', md5(g::text), (g %% 1000) / 7.0,"
            " jsonb_build_object('n', g, 'text', repeat('x', 100)), ARRAY['a', NULL, g::text] FROM generate_series(1, %s) g".encode(), (rows,)
        )  # fmt: skip


def archive(uri: str, folder: Path, partition: str) -> dict[str, float]:
    environment = {**os.environ, "AIRFLOW_CONN_BENCH": uri, "PYTHONPATH": f"{PROJECT}:{PROJECT / 'plugins'}"}
    done = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", textwrap.dedent(ARCHIVE), str(folder), partition], env=environment, capture_output=True, text=True, check=True, timeout=300
    )  # fmt: skip
    found: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


@pytest.mark.slow
def test_five_times_the_rows_take_no_more_memory(database: str, tmp_path: Path) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "CREATE SCHEMA app; CREATE TABLE app.big (id uuid, n bigint, at timestamptz NOT NULL, t text, d numeric(8,2), j jsonb, a text[]) PARTITION BY RANGE (at)"
        )
    fill(database, "app.small", 1, 300_000)
    fill(database, "app.large", 2, 1_500_000)
    fill(database, "app.newest", 3, 1)
    small, large = archive(database, tmp_path, "app.small"), archive(database, tmp_path, "app.large")
    said = f"peak {small['peak'] / 1024:.0f} and {large['peak'] / 1024:.0f} MiB, of which Airflow {large['before'] / 1024:.0f}"
    logging.getLogger(__name__).warning("%s; %.0f rows/s", said, 1_500_000 / large["seconds"])
    assert large["peak"] * 1024 < 450 * MEBIBYTE, said
    assert large["peak"] < small["peak"] * 1.1, said
