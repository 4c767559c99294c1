"""Whole DAG runs by real Airflow on real PostgreSQL: none expired, one, many, one that fails, twice, as of the past, dry."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest

from demo import local_airflow
from demo.local_airflow import Outcome
from demo.migrate import migrate
from demo.tables import partitions
from tests.databases import fresh_database, template_database

DAG = "partition_lifecycle.core.sessions"
POLICY = """
defaults: {{partition_key: created_at, retention: {retention}, archive: {{path: 'file://{folder}'}}, postgres_conn_id: e2e}}
policies:
  - {{table: core.sessions, recent_view: {{name: core.v_sessions_recent}}, lock_attempts: 3, wait_timeout: 20 s}}
"""


@dataclass
class World:
    """A seeded database, its policy file, and runs of its DAG."""

    uri: str
    folder: Path
    policies: Path

    def policy(self, retention: str) -> None:
        self.policies.write_text(POLICY.format(retention=retention, folder=self.folder / "archive"))

    def run(self, dag_id: str = DAG, **conf: Any) -> Outcome:
        return local_airflow.run_dag(dag_id, conf or None)

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.uri, autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def state(self) -> dict[str, str]:
        """Name and state of every partition."""
        with psycopg.connect(self.uri) as connection:
            return {name: shown.state for name, shown in partitions(connection, "core.sessions").items()}

    def rows(self) -> int:
        """Rows in the table and in its archives."""
        import pyarrow.parquet as pq

        here = self.sql("SELECT count(*) FROM core.sessions")[0][0]
        files = (self.folder / "archive").glob("*/*/*/part-*.parquet")
        return int(here) + sum(int(pq.read_metadata(file).num_rows) for file in files)


@pytest.fixture(scope="module", autouse=True)
def metadata() -> None:
    """Airflow's own tables."""
    local_airflow.migrate_metadata()


@pytest.fixture(scope="module")
def template(server: str) -> Iterator[str]:
    """Name of a seeded database; each test gets a copy."""
    with template_database(server, partial(migrate, rows=2800)) as name:
        yield name


@pytest.fixture
def world(server: str, template: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv("PARTITION_POLICIES", str(tmp_path / "policies.yaml"))
    with fresh_database(server, template) as uri:
        monkeypatch.setenv("AIRFLOW_CONN_E2E", uri)
        found = World(uri, tmp_path, tmp_path / "policies.yaml")
        found.policy("24 months")
        yield found


def test_many_expired_partitions_are_archived_and_dropped_and_a_second_run_does_nothing(world: World) -> None:
    outcome = world.run()
    assert outcome.state == "success"
    assert outcome.plan is not None
    assert (len(outcome.plan["create"]), len(outcome.plan["expire"])) == (3, 3)
    assert len(world.state()) == 28 - 3 + 3
    assert world.rows() == 2800
    count = "SELECT count(*) FROM partition_lifecycle.event"
    events = world.sql(count)[0][0]
    state = world.state()

    again = world.run()
    assert again.state == "success"
    assert again.plan is not None
    assert (again.plan["create"], again.plan["expire"]) == ([], [])
    assert again.tasks["expire.archive_partition"] == "skipped"
    assert world.state() == state
    assert world.sql(f"{count} WHERE action = 'run' AND outcome = 'done'") == [(2,)]
    assert world.sql(count) == [(events + 1,)]


def test_with_nothing_expired_everything_else_runs(world: World) -> None:
    world.policy("60 months")
    outcome = world.run()
    assert outcome.state == "success"
    assert {task for task, state in outcome.tasks.items() if state == "skipped"} == {
        "expire.archive_partition", "expire.detach_partition", "expire.drop_partition", "reindex_partition"
    }  # fmt: skip
    assert outcome.tasks["analyze"] == outcome.tasks["report"] == "success"
    assert len(world.state()) == 31


def test_one_expired_partition_is_mapped_as_well(world: World) -> None:
    world.policy("26 months")
    outcome = world.run()
    assert outcome.state == "success"
    assert outcome.tasks["expire.drop_partition[0]"] == "success"
    assert world.rows() == 2800


def test_an_archive_that_fails_fails_the_run_and_only_its_own_partition_stays(world: World) -> None:
    oldest = min(world.state())
    in_the_way = world.folder / "archive" / "core.sessions" / oldest
    in_the_way.parent.mkdir(parents=True)
    in_the_way.write_text("a file where the partition's folder must go")
    outcome = world.run()
    assert outcome.state == "failed"
    assert outcome.tasks["expire.archive_partition[0]"] == "failed"
    assert outcome.tasks["expire.drop_partition[0]"] == "upstream_failed"
    assert [outcome.tasks[f"expire.drop_partition[{index}]"] for index in (1, 2)] == ["success", "success"]
    assert (outcome.tasks["analyze"], outcome.tasks["report"]) == ("success", "failed")
    assert oldest in world.state()
    assert world.rows() == 2800
    failed = world.sql("SELECT detail FROM partition_lifecycle.event WHERE outcome = 'failed'")
    assert oldest in failed[0][0]

    in_the_way.unlink()
    assert world.run().state == "success"
    assert oldest not in world.state()
    assert world.rows() == 2800


def test_indexes_of_the_policy_are_built_on_what_did_not_expire_and_one_that_cannot_be_fails_the_run(world: World) -> None:
    wanted = "{columns: [user_id, {column: created_at, order: desc}], name: by_user}"
    without = world.policies.read_text()
    world.policies.write_text(without.replace("lock_attempts", f"indexes: [{wanted}, {{columns: [nothing]}}], lock_attempts"))
    outcome = world.run()
    assert outcome.state == "failed"
    assert (outcome.tasks["expire.drop_partition[0]"], outcome.tasks["build_indexes"]) == ("success", "failed")
    assert (outcome.tasks["analyze"], outcome.tasks["report"]) == ("success", "failed")
    assert outcome.plan is not None
    assert [len(each["statements"]) for each in outcome.plan["indexes"]] == [1 + 2 * 25, 0]
    parts = "SELECT count(*) FROM pg_inherits p JOIN pg_index i ON i.indexrelid = p.inhrelid WHERE inhparent = 'core.by_user'::regclass AND indisvalid"
    assert world.sql(parts) == [(28,)]

    world.policies.write_text(without.replace("lock_attempts", f"indexes: [{wanted}], lock_attempts"))
    assert world.run().tasks["build_indexes"] == "success"


def test_a_plan_that_fails_destroys_nothing(world: World) -> None:
    world.sql("CREATE VIEW core.v_sessions_recent AS SELECT 1 AS somebody_elses")
    before = set(world.state())
    outcome = world.run()
    assert outcome.state == "failed"
    assert outcome.tasks["plan"] == "failed"
    assert {outcome.tasks[task] for task in outcome.tasks if task.startswith("expire.")} == {"upstream_failed"}
    # Creating goes on: the next month's rows must find their partition.
    assert set(world.state()) - before == set(sorted(world.state())[-3:])
    assert before <= set(world.state())


def test_a_run_as_of_two_years_ago_and_then_one_as_of_today(world: World) -> None:
    year, month, day = map(int, str(world.sql("SELECT (current_date - interval '2 years')::date")[0][0]).split("-"))
    past = world.run(reference_date=f"{year}-{month:02}-{day:02}")
    assert past.state == "success"
    assert past.plan is not None
    assert (past.plan["create"], past.plan["expire"]) == ([], [])
    assert len(world.state()) == 28
    today = world.run()
    assert today.state == "success"
    assert len(world.state()) == 28
    assert world.rows() == 2800


def test_a_dry_run_changes_nothing_and_prints_the_statements(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    before = world.sql("SELECT count(*) FROM pg_class")
    outcome = world.run(dry_run=True)
    assert outcome.state == "success"
    assert world.sql("SELECT count(*) FROM pg_class") == before
    assert not (world.folder / "archive").exists()
    said = capsys.readouterr().out
    for statement in (
        "CREATE TABLE",
        "ATTACH PARTITION",
        "COPY (SELECT",
        "DETACH PARTITION",
        "DROP TABLE",
        "ANALYZE",
        "CREATE OR REPLACE VIEW",
    ):
        assert statement in said, statement


def test_nothing_secret_is_in_the_log(world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_E2E", world.uri.replace("postgres@", "postgres:hunter2-the-secret@"))
    assert world.run().state == "success"
    assert re.search("hunter2", capsys.readouterr().out) is None
    assert world.sql("SELECT count(*) FROM partition_lifecycle.event WHERE detail LIKE '%hunter2%'")[0][0] == 0


def test_archives_are_drilled_and_brought_back_by_their_own_dags_and_the_next_run_leaves_them(world: World) -> None:
    assert world.run().state == "success"
    names = "SELECT partition FROM partition_lifecycle.archive ORDER BY lower_bound"
    archived = [name for (name,) in world.sql(names)]
    assert len(archived) == 3

    drill = world.run("partition_restore_drill", archives=2)
    assert (drill.state, drill.tasks) == ("success", {"drill[0]": "success"})
    assert world.sql("SELECT count(*) FROM partition_lifecycle.event WHERE action = 'drill' AND outcome = 'done'") == [(2,)]

    bounds = world.sql("SELECT lower_bound::date::text, upper_bound::date::text FROM partition_lifecycle.archive ORDER BY lower_bound")
    conf = {"table": "core.sessions", "from": bounds[1][0], "to": bounds[2][1], "mode": "attach", "hold_until": "2090-01-01"}
    restored = world.run("partition_restore", **conf)
    assert restored.state == "success"
    assert restored.tasks == {"find": "success", "restore[0]": "success", "restore[1]": "success"}
    state = world.state()
    assert {name.removeprefix("core.") for name in archived[1:]} <= set(state) | {name.partition(".")[2] for name in state}
    still_away = world.sql("SELECT rows FROM partition_lifecycle.archive ORDER BY lower_bound LIMIT 1")[0][0]
    assert world.sql("SELECT count(*) FROM core.sessions")[0][0] + still_away == 2800

    again = world.run()
    assert again.state == "success"
    assert again.plan is not None
    assert again.plan["expire"] == []
    assert sum("it is held until 2090-01-01" in finding for finding in again.plan["findings"]) == 2
    assert world.state() == state

    world.sql("DROP SCHEMA partition_lifecycle CASCADE")
    found = world.run("partition_reconcile_archives")
    assert found.state == "success"
    assert len(world.sql(names)) == 3


@pytest.mark.slow
def test_a_table_is_made_one_adopted_and_given_another_grain_by_its_forms(world: World) -> None:
    world.policy("24 months, interval: month")
    rows = world.rows()
    dry = world.run("partition_undo", table="core.sessions", dry_run=True)
    assert (dry.state, world.sql("SELECT relkind::text FROM pg_class WHERE oid = 'core.sessions'::regclass")) == ("success", [("p",)])
    for dag_id, interval, kind in (
        ("partition_undo", "month", "r"),
        ("partition_adopt", "month", "p"),
        ("partition_regrain", "quarter", "p"),
    ):
        world.policy(f"24 months, interval: {interval}")
        done = world.run(dag_id, table="core.sessions")
        assert (done.state, done.tasks) == ("success", {"plan": "success", "copy": "success", "index": "success", "swap": "success"})
        assert world.sql("SELECT relkind::text FROM pg_class WHERE oid = 'core.sessions'::regclass") == [(kind,)]
        assert world.rows() == rows
    assert world.run().state == "success"


def test_a_form_that_is_refused_says_why_and_creates_nothing(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.sql("CREATE MATERIALIZED VIEW core.kept AS SELECT * FROM core.sessions")
    refused = world.run("partition_undo", table="core.sessions")
    assert refused.tasks == {"plan": "failed", "copy": "upstream_failed", "index": "upstream_failed", "swap": "upstream_failed"}
    assert "core.kept" in capsys.readouterr().out
    assert world.sql("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'partition_lifecycle_reshape%'") == [(0,)]
