"""A table of realistic rows, and the archive operator in a process of its own whose memory is measured by the kernel."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import psycopg

from demo.local_airflow import PROJECT

ARCHIVE = """
    import json, pathlib, re, sys, time
    def peak(): return int(re.search(r"VmHWM:\\s+(\\d+)", pathlib.Path("/proc/self/status").read_text())[1])  # ru_maxrss has the parent's in it
    from partition_operators.archive_partition import ArchivePartitionOperator
    from include.partitioning.policy import PartitionPolicy
    before = peak()
    policy = PartitionPolicy(table="app.big", partition_key="at", retention="1 month", postgres_conn_id="bench", archive={"path": "file://" + sys.argv[1]})
    begun = time.monotonic()
    ArchivePartitionOperator(task_id="archive", policy=policy, partition=sys.argv[2], reference_date="2026-01-01").execute({})
    seconds = time.monotonic() - begun
    print(json.dumps({"before": before, "peak": peak(), "seconds": seconds}))
"""


PARENT = """
    CREATE SCHEMA app;
    CREATE TABLE app.big (id uuid, n bigint, at timestamptz NOT NULL, t text, i integer, d numeric(8,2), j jsonb, a text[]) PARTITION BY RANGE (at)
"""


def fill(uri: str, partition: str, month: int, rows: int) -> None:
    """A partition of that month of 2024 with so many rows of about 300 bytes."""
    with psycopg.connect(uri, autocommit=True) as connection:
        connection.execute(
            f"CREATE TABLE {partition} PARTITION OF app.big FOR VALUES FROM ('2024-0{month}-01 00:00+00') TO ('2024-0{month + 1}-01 00:00+00')".encode()
        )
        connection.execute(
            f"INSERT INTO {partition} SELECT gen_random_uuid(), g, '2024-0{month}-01 00:00+00'::timestamptz + g * interval '0.1 second', md5(g::text) || md5((g + 1)::text), g %% 1000, (g %% 100000) / 7.0,"
            " jsonb_build_object('n', g, 'text', repeat('x', 100)), ARRAY['a', NULL, g::text] FROM generate_series(1, %s) g".encode(), (rows,)
        )  # fmt: skip


def archive(uri: str, folder: Path, partition: str) -> dict[str, float]:
    """Seconds, and kibibytes at the peak and before anything of ours ran."""
    environment = {**os.environ, "AIRFLOW_CONN_BENCH": uri, "PYTHONPATH": f"{PROJECT}:{PROJECT / 'plugins'}"}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(ARCHIVE), str(folder), partition], env=environment, capture_output=True, text=True, check=True, timeout=300
    )  # fmt: skip
    found: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return found
