"""Scenes: what people and the scheduler do to a table's DAG through Airflow's REST API, each with a table and a policy of its own.

A scene sees Airflow as its users do, and the database as it is. All scenes are played at the same time, by one scheduler.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pyarrow.parquet as pq

from demo.airflow_api import AirflowApi
from tests.e2e.scene_policies import ScenePolicies

SCHEMA = "runs"
OLDEST = -8
ROWS_PER_MONTH = 5
PATIENCE = 900
"""Seconds that anything may take on a machine that is busy with something else; on a quiet one nothing takes a tenth of it."""
LOOK_AGAIN = 2
"""Seconds. Each look is work for the API server that all scenes share, and their tasks."""
ENDED = ("success", "failed")

SEED = """
CREATE SCHEMA IF NOT EXISTS runs;
CREATE TABLE runs.{name} (id bigint GENERATED ALWAYS AS IDENTITY, created_at timestamptz NOT NULL, words text) PARTITION BY RANGE (created_at);
"""
PARTITION = """
CREATE TABLE runs.{name}_p{label} PARTITION OF runs.{name} FOR VALUES FROM ('{lower} 00:00+00') TO ('{upper} 00:00+00');
INSERT INTO runs.{name} (created_at, words) SELECT timestamptz '{lower} 12:00+00' + n * interval '1 day', 'word ' || n FROM generate_series(1, {rows}) n;
"""


def month(offset: int) -> date:
    """The first day of a month, counted from this one, which is 0."""
    today = datetime.now(UTC).date()
    year, index = divmod(today.year * 12 + today.month - 1 + offset, 12)
    return date(year, index + 1, 1)


@dataclass(frozen=True)
class Scene:
    """One table, `runs.<name>`: five rows in each month from the eighth before this one to this one, except in those that are missing."""

    name: str
    api: AirflowApi
    uri: str
    policies: ScenePolicies
    folder: Path
    missing: tuple[int, ...] = ()
    began: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def dag_id(self) -> str:
        return f"partition_lifecycle.{SCHEMA}.{self.name}"

    @property
    def archive(self) -> Path:
        return self.policies.archive

    @property
    def runs(self) -> str:
        return f"dags/{self.dag_id}/dagRuns"

    # What is there

    def seed(self) -> None:
        self.sql(SEED.format(name=self.name))
        for offset in range(OLDEST, 1):
            if offset not in self.missing:
                bounds = {"lower": month(offset), "upper": month(offset + 1), "label": self.label(offset)}
                self.sql(PARTITION.format(name=self.name, rows=ROWS_PER_MONTH, **bounds))

    def label(self, offset: int) -> str:
        return month(offset).strftime("%Y%m")

    def partition(self, offset: int) -> str:
        return f"{self.name}_p{self.label(offset)}"

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.uri, autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def months(self) -> list[int]:
        """Which months have a partition."""
        found = {
            name for (name,) in self.sql(f"SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'runs.{self.name}'::regclass")
        }
        offsets = [offset for offset in range(OLDEST - 5, 10) if f"{SCHEMA}.{self.partition(offset)}" in found]
        assert len(offsets) == len(found), found
        return offsets

    def archived(self) -> dict[str, int]:
        """Rows in the archives of each partition, all versions."""
        counts: dict[str, int] = {}
        for file in self.archive.glob(f"{SCHEMA}.{self.name}/*/*/part-*.parquet"):
            counts[file.parts[-3]] = counts.get(file.parts[-3], 0) + int(pq.read_metadata(file).num_rows)
        return counts

    def ends_with(self, oldest: int, newest: int) -> None:
        """The partitions are those of these months, both inclusive, and no row is lost: each is in the table or in an archive, and in one only."""
        assert self.months() == list(range(oldest, newest + 1)), self.months()
        here, archived = self.sql(f"SELECT count(*) FROM runs.{self.name}")[0][0], self.archived()
        assert here + sum(archived.values()) == ROWS_PER_MONTH * (1 - OLDEST - len(self.missing)), (here, archived)

    # What people do

    def trigger(self, *, logical_date: date | None = None, **conf: Any) -> str:
        """Trigger a run by hand; returns its id."""
        moment = None if logical_date is None else f"{logical_date}T00:00:00Z"
        return str(self.api.post(self.runs, {"logical_date": moment, "conf": conf})["dag_run_id"])

    @contextmanager
    def held_up_in_create(self) -> Iterator[str]:
        """A run, by its id, whose `create_partitions` waits for a lock until the end of the block."""
        run = self.trigger()
        with self.locked():
            self.pause(False)
            self.until(lambda: self.sessions("create"), "create_partitions to wait for the lock")
            yield run

    def pause(self, paused: bool) -> None:
        self.api.patch(f"dags/{self.dag_id}", {"is_paused": paused})

    def clear(self, run: str, *tasks: str | tuple[str, int], downstream: bool = False) -> None:
        body = {"dry_run": False, "only_failed": False, "dag_run_id": run, "task_ids": list(tasks), "include_downstream": downstream}
        self.api.post(f"dags/{self.dag_id}/clearTaskInstances", body)

    def clear_failed(self, run: str) -> None:
        """What the UI calls "clear only failed tasks"; what has succeeded stays as it is."""
        self.api.post(f"dags/{self.dag_id}/clearTaskInstances", {"dry_run": False, "only_failed": True, "dag_run_id": run})

    def clear_run(self, run: str) -> None:
        self.api.post(f"{self.runs}/{run}/clear", {"dry_run": False})

    def mark(self, run: str, task: str, state: str, index: int | None = None) -> None:
        mapped = "" if index is None else f"/{index}"
        self.api.patch(f"{self.runs}/{run}/taskInstances/{task}{mapped}", {"new_state": state})

    def note(self, run: str, text: str) -> None:
        """What a person writes beside a run in Airflow's UI."""
        self.api.patch(f"{self.runs}/{run}", {"note": text})

    def backfill(self, first: int, last: int, **how: Any) -> int:
        """By the REST API, from the first of one month to that of another, both inclusive; returns its id."""
        body = {"dag_id": self.dag_id, "from_date": f"{month(first)}T00:00:00Z", "to_date": f"{month(last)}T00:00:00Z", **how}
        return int(self.api.post("backfills", body)["id"])

    # What becomes of it

    def state(self, run: str) -> str:
        return str(self.api.get(f"{self.runs}/{run}")["state"])

    def noted(self, run: str) -> str:
        return str(self.api.get(f"{self.runs}/{run}")["note"])

    def ended(self, run: str) -> str:
        """The state in which the run ends."""
        self.until(lambda: self.state(run) in ENDED, f"the end of {run}")
        return self.state(run)

    def tasks(self, run: str) -> dict[str, str | None]:
        """State of each task instance, by `task` or `task[index]`."""
        found = self.api.get(f"{self.runs}/{run}/taskInstances", limit=200)["task_instances"]
        return {each["task_id"] + (f"[{each['map_index']}]" if each["map_index"] >= 0 else ""): each["state"] for each in found}

    def tries(self, run: str, task: str, index: int = -1) -> int:
        found = self.api.get(f"{self.runs}/{run}/taskInstances", limit=200)["task_instances"]
        return max((each["try_number"] for each in found if (each["task_id"], each["map_index"]) == (task, index)), default=0)

    def log(self, run: str, task: str, attempt: int = 1, index: int = -1) -> str:
        return str(self._log(run, task, attempt, index))

    def _log(self, run: str, task: str, attempt: int, index: int) -> dict[str, Any]:
        return self.api.get(f"{self.runs}/{run}/taskInstances/{task}/logs/{attempt}", map_index=index, full_content=True)

    def backfilled(self, backfill: int) -> list[dict[str, Any]]:
        """The runs of a finished backfill, in the order in which they began."""
        self.until(lambda: self.api.get(f"backfills/{backfill}")["completed_at"], f"the end of backfill {backfill}")
        return self.backfill_runs()

    def backfill_runs(self) -> list[dict[str, Any]]:
        """In the order in which they began."""
        runs = self.api.get(self.runs, limit=100, run_type="backfill")["dag_runs"]
        return sorted(runs, key=lambda run: str(run["start_date"]))

    def all_runs(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.api.get(self.runs, limit=100)["dag_runs"]
        return found

    def scheduled(self) -> str:
        """The id of the run that the scheduler makes by itself."""
        self.until(lambda: any(run["run_type"] == "scheduled" for run in self.all_runs()), "a scheduled run")
        return str(next(run["dag_run_id"] for run in self.all_runs() if run["run_type"] == "scheduled"))

    def account(self) -> str:
        """What a person would look up when the scene has failed: runs, tasks, how the log of each that is not good ends, and the ledger."""
        told = [f"{self.dag_id}:"]
        for run in sorted(self.all_runs(), key=lambda each: str(each["start_date"])):
            told.append(f"{run['dag_run_id']}: {run['state']}, from {run['start_date']} to {run['end_date']}")
            told += self._account_of_tasks(run["dag_run_id"])
        return "\n".join([*told, *(" ".join(map(str, event)) for event in self._events())])

    def _account_of_tasks(self, run: str) -> Iterator[str]:
        for each in self.api.get(f"{self.runs}/{run}/taskInstances", limit=200)["task_instances"]:
            told = f"  {each['task_id']}[{each['map_index']}]: {each['state']}, try {each['try_number']}"
            yield f"{told}, from {each['start_date']} to {each['end_date']}"
            if each["state"] not in ("success", "skipped"):
                yield from (f"    {line}" for line in self._last_words(run, each))

    def _events(self) -> list[tuple[Any, ...]]:
        if not self._has_ledger():
            return []
        columns = "happened_at, run_id, try_number, action, outcome, partition, detail"
        return self.sql(f"SELECT {columns} FROM partition_lifecycle.event WHERE parent = 'runs.{self.name}' ORDER BY event_id")

    def _last_words(self, run: str, task: dict[str, Any]) -> list[str]:
        try:
            lines = self._log(run, task["task_id"], task["try_number"], task["map_index"])["content"]
            return [str(line["event"]) for line in lines[-30:]]
        except httpx.HTTPError as error:  # a task that never began has none
            return [str(error)]

    def until(self, what: Callable[[], Any], described: str) -> None:
        end = time.monotonic() + PATIENCE
        while not what():
            assert time.monotonic() < end, f"{self.name}: waited {PATIENCE} s for {described}"
            time.sleep(LOOK_AGAIN)

    def sessions(self, action: str) -> int:
        """How many connections a step of ours has to the database."""
        name = f"partition_lifecycle {action} {SCHEMA}.{self.name}"
        return int(self.sql(f"SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE '{name}%'")[0][0])

    def failures(self, action: str) -> int:
        """How often a step has said that it failed."""
        if not self._has_ledger():
            return 0
        table = f"parent = 'runs.{self.name}'"
        return int(
            self.sql(f"SELECT count(*) FROM partition_lifecycle.event WHERE {table} AND action = '{action}' AND outcome = 'failed'")[0][0]
        )

    def _has_ledger(self) -> bool:
        return self.sql("SELECT to_regclass('partition_lifecycle.event')") != [(None,)]

    # What is in the way

    def storage_in_the_way(self, offset: int) -> Path:
        """A file where a partition's archive must go; to be removed by who asked for it."""
        place = self.archive / f"{SCHEMA}.{self.name}" / self.partition(offset)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text("a file where the partition's folder must go")
        return place

    @contextmanager
    def nobody_has_made_the_asset_yet(self) -> Iterator[None]:
        """Whoever makes the table's asset in Airflow's own database waits for the end of the block."""
        asset = {"name": f"{SCHEMA}.{self.name}", "uri": f"partition-lifecycle://postgres_default/{SCHEMA}/{self.name}"}
        with psycopg.connect(self.uri, dbname="airflow") as connection:
            connection.execute(
                'INSERT INTO asset (name, uri, "group", extra, created_at, updated_at) VALUES (%(name)s, %(uri)s, %(name)s, %(extra)s, now(), now())',
                {**asset, "extra": "{}"},
            )
            yield
            connection.rollback()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Somebody holds a lock on the table with which it can be read and written, and nothing be attached to it or detached from it."""
        with self._lock(self.name, "SHARE UPDATE EXCLUSIVE"):
            yield

    @contextmanager
    def locked_wholly(self, offset: int) -> Iterator[None]:
        """Somebody holds a lock on a partition with which nobody else can even read it."""
        with self._lock(self.partition(offset), "ACCESS EXCLUSIVE"):
            yield

    @contextmanager
    def _lock(self, table: str, mode: str) -> Iterator[None]:
        with psycopg.connect(self.uri) as connection:
            connection.execute(f"LOCK TABLE ONLY runs.{table} IN {mode} MODE".encode())
            yield
