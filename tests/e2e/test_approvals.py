"""A person's yes and no, by the REST API of a whole Airflow: what goes, what stays, and what does not wait for it."""

import json
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from demo.airflow_api import AirflowApi
from demo.installation import USER, Installation
from tests.e2e.installations import folder_of_an_installation, up
from tests.e2e.scenes import month

pytestmark = [pytest.mark.slow, pytest.mark.alone]

OLD = [-9, -8, -7]
KEPT = [-6, -5, -4, -3, -2, -1, 0]
CREATED = [1, 2, 3]
PATIENCE = 600

SETTINGS = {
    "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin,ben:admin",
    "AIRFLOW__SCHEDULER__TRIGGER_TIMEOUT_CHECK_INTERVAL": "2",
    "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.3",
}
POLICIES = """
defaults: {{partition_key: at, retention: 6 months, approval: required, archive: {{path: 'file://{folder}/archive'}}, schedule: null, lock_attempts: 3}}
policies:
  - {{table: asks.yes, approvers: [admin]}}
  - {{table: asks.no}}
  - {{table: asks.late, approval_timeout: 5 s}}
  - {{table: asks.changed}}
  - {{table: asks.few, approval: {{partitions: 3}}}}
"""
TABLES = ("yes", "no", "late", "changed", "few")


@dataclass(frozen=True)
class Table:
    """A table of three months past retention and seven that are not, and the run of its DAG."""

    name: str
    uri: str
    api: AirflowApi
    run: str
    scheduler_log: Path

    def partition(self, offset: int) -> str:
        return f"asks.{self.name}_p{month(offset):%Y%m}"

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.uri, autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def months(self) -> list[int]:
        """Which have a partition that exists, attached or not."""
        return [offset for offset in range(-9, 5) if self.sql(f"SELECT to_regclass('{self.partition(offset)}')") != [(None,)]]

    def answers(self) -> list[tuple[str, dict[str, Any]]]:
        found = self.sql(f"""
            SELECT outcome, detail FROM partition_lifecycle.event
             WHERE action = 'approve' AND outcome <> 'began' AND parent = 'asks.{self.name}' ORDER BY event_id
        """)
        return [(outcome, json.loads(detail)) for outcome, detail in found]

    @property
    def path(self) -> str:
        return f"dags/partition_lifecycle.asks.{self.name}/dagRuns/{self.run}"

    def tasks(self) -> dict[str, str | None]:
        found = self.api.get(f"{self.path}/taskInstances", limit=100)["task_instances"]
        return {each["task_id"] + (f"[{each['map_index']}]" if each["map_index"] >= 0 else ""): each["state"] for each in found}

    def until(self, what: str, is_so: Callable[[], bool]) -> None:
        until = time.monotonic() + PATIENCE
        while not is_so():
            assert time.monotonic() < until, f"waited {PATIENCE} s for {what}: {self.tasks()}"
            time.sleep(0.5)

    def question(self) -> dict[str, Any]:
        """What is asked, once it may be answered: Airflow 3.3.2 fails a task whose answer comes before the scheduler knows that its process has ended."""
        self.until("a question", lambda: self.tasks().get("approve") == "awaiting_input")
        self.until("the end of who asked", self._has_asked)
        found: dict[str, Any] = self.api.get(f"{self.path}/taskInstances/approve/-1/hitlDetails")
        return found

    def _has_asked(self) -> bool:
        tries = self.api.get(f"{self.path}/taskInstances/approve")["try_number"]
        noted = f"Received executor event with state success.*task_id='approve', run_id='{re.escape(self.run)}', try_number={tries}"
        return re.search(noted, self.scheduler_log.read_text()) is not None

    def answer(self, option: str, api: AirflowApi | None = None) -> None:
        (api or self.api).patch(f"{self.path}/taskInstances/approve/-1/hitlDetails", {"chosen_options": [option], "params_input": {}})

    def ends_as(self, state: str) -> None:
        self.until("the end", lambda: self.api.get(self.path)["state"] in {"success", "failed"})
        assert self.api.get(self.path)["state"] == state, (self.tasks(), self.events())

    def events(self) -> list[tuple[Any, ...]]:
        """What the ledger has, for whoever reads a failure."""
        return self.sql(f"SELECT action, outcome, partition, detail FROM partition_lifecycle.event WHERE parent = 'asks.{self.name}'")

    def log(self, task: str, attempt: int = 1) -> str:
        return str(self.api.get(f"{self.path}/taskInstances/{task}/logs/{attempt}", full_content=True))


@dataclass(frozen=True)
class Airflow:
    """A whole Airflow, in which each DAG has been triggered once."""

    folder: Path
    uri: str
    tables: dict[str, Table]

    def trigger(self, name: str) -> Table:
        api = self.log_in(USER)
        run = api.post(f"dags/partition_lifecycle.asks.{name}/dagRuns", {"logical_date": None})["dag_run_id"]
        return Table(name, self.uri, api, run, self.folder / "logs" / "scheduler.log")

    def log_in(self, user: str) -> AirflowApi:
        passwords = json.loads((self.folder / "secrets" / "passwords.json").read_text())
        return AirflowApi.log_in(Installation(self.folder).url, user, passwords[user])


def seed(uri: str) -> None:
    with psycopg.connect(uri, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA asks")
        for name in TABLES:
            connection.execute(f"CREATE TABLE asks.{name} (at timestamptz NOT NULL) PARTITION BY RANGE (at)".encode())
            for offset in (*OLD, *KEPT):
                bounds = f"FROM ('{month(offset)} 00:00+00') TO ('{month(offset + 1)} 00:00+00')"
                connection.execute(f"CREATE TABLE asks.{name}_p{month(offset):%Y%m} PARTITION OF asks.{name} FOR VALUES {bounds}".encode())
                connection.execute(f"INSERT INTO asks.{name} SELECT '{month(offset)} 12:00+00' FROM generate_series(1, 7)".encode())


@pytest.fixture(scope="module")
def airflow() -> Iterator[Airflow]:
    with folder_of_an_installation() as folder:
        policies = folder / "mine.yaml"
        policies.write_text(POLICIES.format(folder=folder))
        started = up(folder, "--policies", str(policies), *(f"--setting={name}={value}" for name, value in SETTINGS.items()))
        assert started.returncode == 0, started.stderr
        uri = re.search(r"'(postgresql://[^']+)'", started.stdout)
        assert uri is not None
        seed(uri[1])
        found = Airflow(folder, uri[1], {})
        found.tables.update({name: found.trigger(name) for name in TABLES})
        yield found


def after_a_yes_by_one_who_may_what_was_shown_goes_and_what_creates_has_not_waited_for_it(airflow: Airflow) -> None:
    table = airflow.tables["yes"]
    asked = table.question()
    assert asked["subject"] == "asks.yes: expire 3 partitions?"
    assert all(table.partition(offset) in asked["body"] for offset in OLD)
    table.until("creation", lambda: table.tasks()["recent_view"] == "success")
    assert table.months() == OLD + KEPT + CREATED
    with pytest.raises(httpx.HTTPStatusError, match="403"):
        table.answer("Approve", airflow.log_in("ben"))
    assert table.tasks()["approve"] == "awaiting_input"

    table.answer("Approve")
    table.ends_as("success")
    assert table.months() == KEPT + CREATED
    ((outcome, detail),) = table.answers()
    assert (outcome, detail["by"], detail["said"]) == ("done", USER, "approved")
    assert detail["digest"] in asked["body"]
    assert detail["digest"] in table.log("plan")
    assert len(list((airflow.folder / "archive").glob("asks.yes/*/*/_manifest.json"))) == 3


def after_a_no_nothing_goes_everything_else_is_done_and_the_run_says_who_said_no(airflow: Airflow) -> None:
    table = airflow.tables["no"]
    table.question()
    table.answer("Reject")
    table.ends_as("failed")
    tasks = table.tasks()
    assert {task for task, state in tasks.items() if state == "failed"} == {"report"}
    assert {state for task, state in tasks.items() if task.startswith("expire.")} == {"skipped"}
    assert (tasks["create_partitions"], tasks["analyze"]) == ("success", "success")
    assert table.months() == OLD + KEPT + CREATED
    assert 'rejected by \\"admin\\"' in table.log("report") or 'rejected by "admin"' in table.log("report")
    assert [(outcome, detail["by"]) for outcome, detail in table.answers()] == [("refused", USER)]
    assert not (airflow.folder / "archive" / "asks.no").exists()

    table.api.post(f"{table.path}/clear", {"dry_run": False})
    table.question()
    table.answer("Approve")
    table.ends_as("success")
    assert table.months() == KEPT + CREATED
    assert [outcome for outcome, _ in table.answers()] == ["refused", "done"]


def no_answer_in_time_is_a_no(airflow: Airflow) -> None:
    table = airflow.tables["late"]
    table.ends_as("failed")
    assert table.months() == OLD + KEPT + CREATED
    assert [(outcome, detail["by"], detail["said"]) for outcome, detail in table.answers()] == [
        ("refused", None, "nobody answered within 5 s")
    ]
    assert "nobody answered within 5 s" in table.log("report")


def what_is_no_more_what_was_shown_stays_and_goes_once_it_has_been_shown_as_it_is(airflow: Airflow) -> None:
    table = airflow.tables["changed"]
    table.question()
    middle = table.partition(-8)
    bounds = f"FROM ('{month(-8)} 00:00+00') TO ('{month(-7)} 00:00+00')"
    table.sql(f"DROP TABLE {middle}")
    table.sql(f"CREATE TABLE {middle} PARTITION OF asks.changed FOR VALUES {bounds}")
    table.answer("Approve")
    table.ends_as("failed")
    assert table.months() == [-8, *KEPT, *CREATED], (table.tasks(), table.events())
    tasks = table.tasks()
    assert tasks["expire.detach_partition[1]"] == "failed"
    refused = table.sql(
        "SELECT detail FROM partition_lifecycle.event WHERE parent = 'asks.changed' AND action = 'detach' AND outcome = 'refused'"
    )
    assert f'"{middle}" is not what was approved, and stays: its OID was' in refused[0][0]

    table.api.post(f"{table.path}/clear", {"dry_run": False})
    table.ends_as("failed")
    assert "this DAG run has asked about" in table.log("approve", attempt=2)
    again = airflow.trigger("changed")
    assert again.question()["subject"] == "asks.changed: expire 1 partition?"
    again.answer("Approve")
    again.ends_as("success")
    assert again.months() == KEPT + CREATED


def within_the_limits_nobody_is_asked(airflow: Airflow) -> None:
    table = airflow.tables["few"]
    table.ends_as("success")
    assert table.months() == KEPT + CREATED
    assert [(outcome, detail["by"]) for outcome, detail in table.answers()] == [("done", None)]


SCENES = [
    after_a_yes_by_one_who_may_what_was_shown_goes_and_what_creates_has_not_waited_for_it,
    after_a_no_nothing_goes_everything_else_is_done_and_the_run_says_who_said_no,
    no_answer_in_time_is_a_no,
    what_is_no_more_what_was_shown_stays_and_goes_once_it_has_been_shown_as_it_is,
    within_the_limits_nobody_is_asked,
]


@pytest.fixture(scope="module")
def stage(airflow: Airflow) -> Iterator[dict[str, Future[None]]]:
    """All scenes, played at the same time: most of each is waiting for the scheduler."""
    with ThreadPoolExecutor(len(SCENES)) as pool:
        yield {scene.__name__: pool.submit(scene, airflow) for scene in SCENES}


@pytest.mark.parametrize("scene", [scene.__name__ for scene in SCENES])
def test_what_becomes_of_a_question(stage: dict[str, Future[None]], scene: str) -> None:
    stage[scene].result()
