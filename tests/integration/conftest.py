"""A small table with four old months and the present one, and a harness that runs operators on it as Airflow would."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from include.partitioning.policy import PartitionPolicy
from include.postgres import bloat
from include.postgres.executor import Executor
from include.postgres.lock_budget import LockBudget
from partition_operators.analyze_partitions import AnalyzePartitionsOperator
from partition_operators.archive_partition import ArchivePartitionOperator
from partition_operators.create_partitions import CreatePartitionsOperator
from partition_operators.detach_partition import DetachPartitionOperator
from partition_operators.drain_default import DrainDefaultOperator
from partition_operators.drop_partition import DropPartitionOperator
from partition_operators.heal_partitions import HealPartitionsOperator
from partition_operators.lifecycle_operator import LifecycleOperator
from partition_operators.plan_partitions import PlanPartitionsOperator
from partition_operators.restore_drill import RestoreDrillOperator
from partition_operators.restore_partition import RestorePartitionOperator
from tests.databases import fresh_database, template_database

AS_OF = "2026-11-22"

TABLE = """
CREATE SCHEMA auth; CREATE SCHEMA app;
CREATE TABLE auth.users (id integer PRIMARY KEY);
INSERT INTO auth.users SELECT generate_series(1, 10);
CREATE TABLE app.events (
  id bigint NOT NULL, user_id integer REFERENCES auth.users ON DELETE CASCADE, created_at timestamptz NOT NULL, note text,
  PRIMARY KEY (id, created_at)
) PARTITION BY RANGE (created_at);
CREATE INDEX events_user_id_created_at_idx ON app.events (user_id, created_at);
"""
MONTHS = (("2024-08", "2024-09"), ("2024-09", "2024-10"), ("2024-10", "2024-11"), ("2026-10", "2026-11"), ("2026-11", "2026-12"))
MONTH = """
CREATE TABLE app.events_p{name} PARTITION OF app.events FOR VALUES FROM ('{lower}-01 00:00+00') TO ('{upper}-01 00:00+00');
INSERT INTO app.events SELECT g, 1 + g % 10, timestamptz '{lower}-01 00:00+00' + g * interval '1 hour', 'row ' || g FROM generate_series(1, 50) g;
"""


@dataclass
class Lifecycle:
    """Runs operators on one database, and asks it what became of that."""

    uri: str
    archive: Path
    values: dict[str, Any] = field(default_factory=dict)

    def policy(self, **changes: Any) -> PartitionPolicy:
        values = {
            "table": "app.events",
            "partition_key": "created_at",
            "retention": "24 months",
            "postgres_conn_id": "target",
            "archive": {"path": f"file://{self.archive}"},
            "lock_attempts": 3,
            "wait_timeout": "20 s",
            **self.values,
            **changes,
        }
        return PartitionPolicy(**{key: value for key, value in values.items() if value is not None})

    def run(
        self, operator: type[LifecycleOperator], *, policy: PartitionPolicy | None = None, reference_date: str = AS_OF, **arguments: Any
    ) -> Any:
        return operator(task_id="step", policy=policy or self.policy(), reference_date=reference_date, **arguments).execute({})

    def plan(self, **arguments: Any) -> list[str]:
        names: list[str] = self.run(PlanPartitionsOperator, **arguments)
        return names

    def create(self, **arguments: Any) -> list[str]:
        names: list[str] = self.run(CreatePartitionsOperator, **arguments)
        return names

    def drain(self, **arguments: Any) -> list[str]:
        names: list[str] = self.run(DrainDefaultOperator, **arguments)
        return names

    def archive_partition(self, partition: str, **arguments: Any) -> str:
        said: str = self.run(ArchivePartitionOperator, partition=partition, **arguments)
        return said

    def detach(self, partition: str, **arguments: Any) -> str:
        said: str = self.run(DetachPartitionOperator, partition=partition, **arguments)
        return said

    def drop(self, partition: str, **arguments: Any) -> str:
        said: str = self.run(DropPartitionOperator, partition=partition, **arguments)
        return said

    def restore(self, partition: str, mode: str = "attach", **arguments: Any) -> str:
        said: str = self.run(RestorePartitionOperator, partition=partition, mode=mode, **arguments)
        return said

    def drill(self, **arguments: Any) -> list[str]:
        names: list[str] = self.run(RestoreDrillOperator, **arguments)
        return names

    def expire(self, partition: str, **arguments: Any) -> None:
        """Archive, detach and drop."""
        self.archive_partition(partition, **arguments)
        self.detach(partition, **arguments)
        self.drop(partition, **arguments)

    def heal(self, **arguments: Any) -> list[str]:
        names: list[str] = self.run(HealPartitionsOperator, **arguments)
        return names

    def analyze(self, **arguments: Any) -> list[str]:
        names: list[str] = self.run(AnalyzePartitionsOperator, **arguments)
        return names

    def sql(self, statement: str, *values: Any) -> list[dict[str, Any]]:
        """Run a statement as the superuser; rows as dictionaries."""
        with psycopg.connect(self.uri, autocommit=True, row_factory=dict_row) as connection:
            cursor = connection.execute(statement.encode(), values or None)
            return cursor.fetchall() if cursor.description else []

    def value(self, statement: str, *values: Any) -> Any:
        """The first column of the first row."""
        return next(iter(self.sql(statement, *values)[0].values()))

    @property
    def version(self) -> int:
        """The server's major version."""
        with self.connect() as connection:
            return connection.info.server_version // 10000

    def needs(self, version: int, what: str) -> None:
        """Skip the test on a server older than `version`, where there is no such thing."""
        if self.version < version:
            pytest.skip(f"{what} is new in PostgreSQL {version}")

    def partitions(self, table: str = "app.events") -> list[str]:
        """Attached partitions, by name."""
        found = self.sql(
            "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = %s::regclass", table
        )
        return sorted(each["relname"] for each in found)

    def exists(self, table: str) -> bool:
        return self.value("SELECT to_regclass(%s) IS NOT NULL", table) is True

    def connect(self, **options: Any) -> psycopg.Connection[Any]:
        return psycopg.connect(self.uri, **options)


@pytest.fixture(scope="session")
def template(server: str) -> Iterator[str]:
    """Name of a database with the small table, with 50 rows in each month."""
    with template_database(server, small_table) as name:
        yield name


def small_table(connection: psycopg.Connection[Any]) -> None:
    connection.execute(TABLE)
    for lower, upper in MONTHS:
        connection.execute(MONTH.format(name=lower.replace("-", ""), lower=lower, upper=upper).encode())


@pytest.fixture
def lifecycle(server: str, template: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lifecycle]:
    """The small table, with 50 rows in each month, and the connection `target`."""
    with fresh_database(server, template) as uri:
        monkeypatch.setenv("AIRFLOW_CONN_TARGET", uri)
        yield Lifecycle(uri, tmp_path / "archive")


@pytest.fixture
def executor(lifecycle: Lifecycle) -> Iterator[Executor]:
    """An executor with a small budget on a connection of its own."""
    import logging
    from datetime import timedelta

    from include.postgres.session import prepare

    with lifecycle.connect() as connection:
        prepare(connection, "test")
        yield Executor(connection, LockBudget(timedelta(milliseconds=100), 3, timedelta(seconds=5)), logging.getLogger("test"))


BLOATED = """
INSERT INTO app.events SELECT g, 1 + g % 10, '2026-11-01 00:00+00'::timestamptz + g * interval '5 minutes', 'x' FROM generate_series(1000, 4000) g;
DELETE FROM app.events_p202611 WHERE mod(id, 20) <> 0;
"""


def fill_with_bloat(lifecycle: Lifecycle, monkeypatch: pytest.MonkeyPatch) -> Lifecycle:
    """The present month's indexes become worth a rebuild."""
    monkeypatch.setattr(bloat, "SMALLEST_BYTES", 32_768)
    for statement in (BLOATED, "VACUUM app.events_p202611", "ANALYZE app.events"):
        lifecycle.sql(statement)
    return lifecycle


@pytest.fixture
def bloated(lifecycle: Lifecycle, monkeypatch: pytest.MonkeyPatch) -> Lifecycle:
    """The small table, with bloat that is worth a rebuild."""
    return fill_with_bloat(lifecycle, monkeypatch)


@pytest.fixture
def copies(bloated: Lifecycle, server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Lifecycle]]:
    """Makes one more database like that one, with a storage of its own."""
    with copying(bloated, server, tmp_path, monkeypatch) as copy:
        yield copy


@contextmanager
def copying(original: Lifecycle, server: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Lifecycle]]:
    """Copies, of which one at a time exists. No connection is kept, so the server may crash meanwhile."""
    name = str(psycopg.conninfo.conninfo_to_dict(original.uri)["dbname"])
    numbers = count(1)

    def administer(statement: str) -> None:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(statement.encode())

    def copy() -> Lifecycle:
        number = next(numbers)
        administer(f"DROP DATABASE IF EXISTS {name}_{number - 1} WITH (FORCE)")
        administer(f"CREATE DATABASE {name}_{number} TEMPLATE {name}")
        uri = original.uri.replace(f"/{name}", f"/{name}_{number}")
        monkeypatch.setenv("AIRFLOW_CONN_TARGET", uri)
        return replace(original, uri=uri, archive=folder / f"archive_{number}")

    yield copy
    administer(f"DROP DATABASE IF EXISTS {name}_{next(numbers) - 1} WITH (FORCE)")
