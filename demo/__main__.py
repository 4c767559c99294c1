"""`make demo`: two real tables, real PostgreSQL, real Airflow, one whole lifecycle each; run again, it finds nothing to do."""

import sys
import time
from pathlib import Path
from typing import Any

import psycopg

from demo import local_airflow
from demo.embedded_postgres import running
from demo.local_airflow import PROJECT, Outcome
from demo.migrate import migrate, verify
from demo.tables import changes, partitions

FOLDER = PROJECT / ".demo"
TABLES = ("core.sessions", "system.audit_trails")


def main() -> int:
    """Run the demo; returns its exit status: 1 if any task failed."""
    begun = time.monotonic()
    FOLDER.mkdir(exist_ok=True)
    with running(FOLDER / "postgres") as uri:
        say(f"PostgreSQL runs on {uri}")
        target, policies = prepare(uri)
        failed = [table for table in TABLES if not lifecycle(target, table)]
        look_further(policies)
    say(f"done in {time.monotonic() - begun:.0f} s" + (f"; FAILED: {', '.join(failed)}, see {log_file()}" if failed else ""))
    return 1 if failed else 0


def prepare(uri: str) -> tuple[str, Path]:
    """Databases, seed, policies, Airflow; returns the target database's URI and the policy file."""
    socket = uri.partition("host=")[2]
    target = local_airflow.socket_uri(socket, "app")
    policies = FOLDER / "policies.yaml"
    policies.write_text((PROJECT / "demo" / "policies.yaml").read_text().replace("{folder}", str(FOLDER)))
    with psycopg.connect(uri, autocommit=True) as connection:
        make_database(connection, "airflow")
        is_new = make_database(connection, "app")
    seed(target, is_new=is_new)
    local_airflow.configure(FOLDER / "airflow", local_airflow.socket_uri(socket, "airflow"), {"postgres_default": target}, policies)
    say("starting Airflow" + (", and making its metadata database" if is_new else ""))
    with local_airflow.output_into(log_file()):
        local_airflow.migrate_metadata()
    return target, policies


def make_database(connection: psycopg.Connection[Any], name: str) -> bool:
    """Make a database unless it is there; returns whether it was made."""
    if connection.execute("SELECT FROM pg_database WHERE datname = %s", (name,)).fetchone() is not None:
        return False
    connection.execute(psycopg.sql.SQL("CREATE DATABASE {}").format(psycopg.sql.Identifier(name)))
    return True


def seed(target: str, *, is_new: bool, rows: int = 300_000) -> None:
    """The decision record's schema, with so many rows in each table; does nothing when it is there."""
    begun = time.monotonic()
    with psycopg.connect(target) as connection:
        migrate(connection, rows=rows)
        if is_new:
            verify(connection)
    say(
        f"seeded core.sessions and system.audit_trails in {time.monotonic() - begun:.0f} s"
        if is_new
        else "the tables are there from an earlier run"
    )


def lifecycle(target: str, table: str) -> bool:
    """Run the table's DAG and show what it planned and did; returns whether every task was fine."""
    say("")
    say(f"=== {table}: DAG partition_lifecycle.{table}")
    with psycopg.connect(target, autocommit=True) as connection:
        before = partitions(connection, table)
        with local_airflow.output_into(log_file()):
            outcome = local_airflow.run_dag(f"partition_lifecycle.{table}")
        show(outcome, changes(before, partitions(connection, table)))
        if outcome.state != "success":
            for message in failures(connection, outcome.run_id):
                say(f"  failed: {message}")
    return outcome.state == "success"


def failures(connection: psycopg.Connection[Any], run_id: str) -> list[str]:
    """What the steps of a run said when they failed, from the ledger; none if it was not even installed."""
    if connection.execute("SELECT to_regclass('partition_lifecycle.event')").fetchone() == (None,):
        return []
    statement = "SELECT DISTINCT detail FROM partition_lifecycle.event WHERE run_id = %s AND outcome IN ('failed', 'refused')"
    return [detail for (detail,) in connection.execute(statement, (run_id,)).fetchall()]


def show(outcome: Outcome, lines: list[str]) -> None:
    """The plan in short, the tasks, and the partitions before and after."""
    plan = outcome.plan or {"create": [], "expire": [], "findings": ["there is no plan: the plan task failed"]}
    say(f"planned: create {len(plan['create'])}, expire {len(plan['expire'])}")
    for finding in plan["findings"]:
        say(f"  finding: {finding}")
    for each in plan["create"]:
        say(f"  create {each['partition']}: {each['reason']}")
    for each in plan["expire"]:
        say(f"  {', '.join(each['steps'])} {each['partition']}: {each['reason']}")
    say(f"done: the run ended as {outcome.state}: " + ", ".join(f"{task} {state}" for task, state in outcome.tasks.items()))
    for line in lines:
        say(f"  {line}")


def look_further(policies: Path) -> None:
    """Where everything lies."""
    archives = sorted((FOLDER / "archive").glob("*/*/*/part-*.parquet"))
    say("")
    say(f"archives: {len(archives)} Parquet files below {FOLDER / 'archive'}, each beside its _manifest.json")
    if archives:
        say(
            f"  look at one:   .venv/bin/python -c \"import pyarrow.parquet as pq; print(pq.read_table('{archives[0]}').slice(0, 3).to_pylist())\""
        )
    say(f"policies: {policies}")
    say(f"task logs: {log_file()}")
    say("the database and its ledger:   make demo-psql    then: SELECT * FROM partition_lifecycle.event;")


def log_file() -> Path:
    """Everything Airflow and the tasks print."""
    return FOLDER / "demo.log"


def say(line: str) -> None:
    """Print at once."""
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
