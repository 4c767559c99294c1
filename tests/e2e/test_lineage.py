"""What Airflow's OpenLineage provider writes of real runs: the tables and files that each step read and wrote, by the conventions' names."""

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import psycopg
import pyarrow.parquet as pq
import pytest

from demo.local_airflow import PROJECT
from demo.migrate import migrate
from partition_operators.lineage import archive_files, server_namespace
from tests.databases import fresh_database

POLICY = """
policies:
  - {{table: core.sessions, partition_key: created_at, retention: 26 months, archive: {{path: 'file://{folder}'}}, postgres_conn_id: lineage}}
"""
RUNS = """
    import pathlib, sys
    from demo import local_airflow
    said, lower, upper = pathlib.Path(sys.argv[1]), *sys.argv[2:]
    local_airflow.migrate_metadata()
    assert local_airflow.run_dag("partition_lifecycle.core.sessions", {"dry_run": True}).state == "success"
    said.rename(said.with_name("dry"))
    assert local_airflow.run_dag("partition_lifecycle.core.sessions").state == "success"
    restore = {"table": "core.sessions", "from": lower, "to": upper, "mode": "attach", "hold_until": "2090-01-01"}
    assert local_airflow.run_dag("partition_restore", restore).state == "success"
"""


@dataclass(frozen=True)
class Told:
    """All events, and what they are about."""

    dry: list[dict[str, Any]]
    real: list[dict[str, Any]]
    database: str
    partition: str
    archive: Path

    def of(self, task: str) -> dict[str, Any]:
        """The event of a task's end; `dag.task` as jobs are named."""
        (found,) = [each for each in self.real if each["job"]["name"] == task and each["eventType"] == "COMPLETE"]
        return found

    def table(self, name: str) -> tuple[str, str]:
        return ("postgres://localhost:5432", f"{self.database}.core.{name}")


@pytest.fixture(scope="module")
def told(server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """Of a dry run, a run that expires one partition, and one that brings it back."""
    folder = tmp_path_factory.mktemp("lineage")
    (folder / "policies.yaml").write_text(POLICY.format(folder=folder / "archive"))
    with fresh_database(server) as uri, psycopg.connect(uri) as connection:
        migrate(connection, rows=2800)
        oldest = connection.execute("SELECT min(relname) FROM pg_class WHERE relname ~ '^sessions_p'").fetchall()[0][0]
        lower = date(int(oldest[-6:-2]), int(oldest[-2:]), 1)
        upper = date(lower.year + lower.month // 12, lower.month % 12 + 1, 1)
        transport = {"type": "file", "log_file_path": str(folder / "events"), "append": True}
        environment = {
            **os.environ,
            "PYTHONPATH": f"{PROJECT}{os.pathsep}{PROJECT / 'plugins'}",
            "PARTITION_POLICIES": str(folder / "policies.yaml"),
            "AIRFLOW_CONN_LINEAGE": uri,
            "AIRFLOW__OPENLINEAGE__DISABLED": "False",
            "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(transport),
        }
        argv = [sys.executable, "-c", textwrap.dedent(RUNS), str(folder / "events"), str(lower), str(upper)]
        done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False, timeout=300)  # noqa: S603 - our own code
        assert done.returncode == 0, done.stderr
        yield Told(events(folder / "dry"), events(folder / "events"), connection.info.dbname, oldest, folder / "archive")


def events(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def names(datasets: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(each["namespace"], each["name"]) for each in datasets]


def changes(event: dict[str, Any]) -> list[str | None]:
    return [each["facets"].get("lifecycleStateChange", {}).get("lifecycleStateChange") for each in event["outputs"]]


@pytest.mark.slow
def test_an_archive_is_read_from_its_table_and_written_to_its_files(told: Told) -> None:
    event = told.of("partition_lifecycle.core.sessions.expire.archive_partition")
    (file,) = told.archive.glob("*/*/*/part-*.parquet")
    assert names(event["inputs"]) == [told.table("sessions"), told.table(told.partition)]
    assert names(event["outputs"]) == [("file", str(file))]
    rows = pq.read_metadata(file).num_rows
    assert rows > 0
    assert event["inputs"][1]["inputFacets"]["inputStatistics"]["rowCount"] == rows
    written = event["outputs"][0]["outputFacets"]["outputStatistics"]
    assert (written["rowCount"], written["size"]) == (rows, file.stat().st_size)


@pytest.mark.slow
def test_what_is_created_detached_and_dropped_is_named_with_what_became_of_it(told: Told) -> None:
    created = told.of("partition_lifecycle.core.sessions.create_partitions")
    assert names(created["inputs"]) == [told.table("sessions")]
    assert len(created["outputs"]) == 3
    assert {name.rpartition("_p")[0] for _, name in names(created["outputs"])} == {f"{told.database}.core.sessions"}
    assert changes(created) == ["CREATE"] * 3
    detached = told.of("partition_lifecycle.core.sessions.expire.detach_partition")
    assert (names(detached["outputs"]), changes(detached)) == ([told.table("sessions"), told.table(told.partition)], ["ALTER"] * 2)
    dropped = told.of("partition_lifecycle.core.sessions.expire.drop_partition")
    assert (names(dropped["outputs"]), changes(dropped)) == ([told.table(told.partition)], ["DROP"])


@pytest.mark.slow
def test_a_restore_is_read_from_the_files_and_written_to_the_table(told: Told) -> None:
    archived = told.of("partition_lifecycle.core.sessions.expire.archive_partition")
    restored = told.of("partition_restore.restore")
    assert names(restored["inputs"]) == names(archived["outputs"])
    assert names(restored["outputs"]) == [told.table(told.partition), told.table("sessions")]
    assert (
        restored["outputs"][0]["outputFacets"]["outputStatistics"]["rowCount"]
        == archived["inputs"][1]["inputFacets"]["inputStatistics"]["rowCount"]
    )


@pytest.mark.slow
def test_a_dry_run_has_read_and_written_nothing(told: Told) -> None:
    ours = [each for each in told.dry if each["job"]["name"].startswith("partition_lifecycle.core.sessions.")]
    assert {each["eventType"] for each in ours} >= {"START", "COMPLETE"}
    assert [each for each in ours if each["outputs"]] == []


def test_servers_and_files_have_the_names_that_other_tools_give_them() -> None:
    assert server_namespace("db.example.com", 6432) == "postgres://db.example.com:6432"
    assert server_namespace("/var/run/postgresql", 5432) == server_namespace(None, 5432) == "postgres://localhost:5432"
    manifest = json.dumps({"files": [{"name": "part-00000.parquet", "rows": 7, "bytes": 300}]})
    for folder, namespace, name in [
        ("s3://bucket/some/where", "s3://bucket", "some/where/part-00000.parquet"),
        ("s3a://bucket/where/", "s3://bucket", "where/part-00000.parquet"),
        ("gcs://bucket/where", "gs://bucket", "where/part-00000.parquet"),
        ("file:///mnt/archive/where", "file", "/mnt/archive/where/part-00000.parquet"),
    ]:
        (found,) = archive_files(folder, manifest)
        assert (found.namespace, found.name, found.rows, found.bytes) == (namespace, name, 7, 300)
