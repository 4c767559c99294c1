"""A worker that dies at any statement boundary of any step: the next run ends where an undisturbed one does.

The boundaries are generated from the executor and the ledger, before and after each statement, so that new statements are
covered by themselves. To die means here what the server sees of it: the connection is gone, and nothing after it runs.
"""

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from include.archive import storage
from include.archive.storage_path import StoragePath
from include.partitioning.policy import PartitionPolicy
from include.postgres.executor import Executor
from include.postgres.ledger import Ledger
from tests.integration.conftest import Lifecycle

OLD = "app.events_p202408"


class KilledError(BaseException):
    """The worker is gone."""


class Fuse:
    """Closes the connection and raises at the boundary with this number, counted over all steps."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.passed = 0

    def __call__(self, connection: psycopg.Connection[Any] | None) -> None:
        self.passed += 1
        if self.passed == self.at:
            if connection is not None:
                connection.close()
            raise KilledError


@pytest.fixture
def lit(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], Fuse]]:
    """Put a fuse into every place that runs a statement, writes the ledger, or gives a file its name."""

    def light(at: int) -> Fuse:
        fuse = Fuse(at)
        run, write, rename = Executor.run, Ledger._write, storage.flush_folders

        def run_with_fuse(self: Executor, statement: psycopg.sql.Composed) -> None:
            fuse(self.connection)
            run(self, statement)
            fuse(self.connection)

        def write_with_fuse(self: Ledger, name: str, /, **values: object) -> None:
            fuse(self._connection)
            write(self, name, **values)
            fuse(self._connection)

        def rename_with_fuse(target: StoragePath) -> None:
            fuse(None)
            rename(target)
            fuse(None)

        monkeypatch.setattr(Executor, "run", run_with_fuse)
        monkeypatch.setattr(Ledger, "_write", write_with_fuse)
        monkeypatch.setattr(storage, "flush_folders", rename_with_fuse)
        return fuse

    yield light
    monkeypatch.undo()


def live(lifecycle: Lifecycle, policy: PartitionPolicy) -> None:
    """One whole run, as the DAG does it, for the oldest partition."""
    lifecycle.heal(policy=policy)
    lifecycle.create(policy=policy)
    lifecycle.archive_partition(OLD, policy=policy)
    lifecycle.detach(OLD, policy=policy)
    lifecycle.drop(OLD, policy=policy)


def the_state(lifecycle: Lifecycle) -> dict[str, Any]:
    manifests = [file.parent for file in lifecycle.archive.glob("*/*/*/_manifest.json")]
    latest = lifecycle.value("SELECT path FROM partition_lifecycle.archive ORDER BY verified_at DESC LIMIT 1")
    return {
        "partitions": lifecycle.partitions(),
        "tables": lifecycle.value("SELECT count(*) FROM pg_class WHERE relnamespace = 'app'::regnamespace AND relkind IN ('r', 'p')"),
        "pending": lifecycle.value("SELECT count(*) FROM pg_inherits WHERE inhdetachpending"),
        "invalid": lifecycle.value("SELECT count(*) FROM pg_index WHERE NOT indisvalid"),
        "not dropped": lifecycle.value(
            "SELECT count(*) FROM partition_lifecycle.detached_partition WHERE dropped_at IS NULL OR drop_after IS NULL"
        ),
        "archive is there": any(f"file://{folder}" == latest for folder in manifests),
        "half uploads": [folder for folder in lifecycle.archive.glob("*/*/*") if folder not in manifests],
        "rows": lifecycle.value("SELECT count(*) FROM app.events"),
    }


@pytest.mark.slow
def test_a_worker_that_dies_at_any_boundary_is_made_up_for_by_the_next_run(
    lifecycle: Lifecycle, lit: Callable[[int], Fuse], monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = lifecycle.policy(retention="1 month", premake=1)
    lifecycle.sql("DROP TABLE app.events_p202610")  # leaves a gap for create to close, beside the upcoming partition
    boundary = 0
    while True:
        boundary += 1
        fuse = lit(boundary)
        died = False
        try:
            live(lifecycle, policy)
        except KilledError:
            died = True
        monkeypatch.undo()
        monkeypatch.setenv("AIRFLOW_CONN_TARGET", lifecycle.uri)
        if died:
            live(lifecycle, policy)
        expected = {
            "partitions": ["events_p202409", "events_p202410", "events_p202610", "events_p202611", "events_p202612"], "tables": 6, "pending": 0,
            "invalid": 0, "not dropped": 0, "archive is there": True, "half uploads": [], "rows": 150,
        }  # fmt: skip
        assert the_state(lifecycle) == expected, f"after dying at boundary {boundary}"
        if not died:
            break
        start_over(lifecycle)
    assert fuse.passed > 40


def start_over(lifecycle: Lifecycle) -> None:
    """The table as it was, without the ledger."""
    lifecycle.sql("""
        DROP SCHEMA partition_lifecycle CASCADE; DROP TABLE app.events_p202610, app.events_p202612;
        CREATE TABLE app.events_p202408 PARTITION OF app.events FOR VALUES FROM ('2024-08-01 00:00+00') TO ('2024-09-01 00:00+00');
        INSERT INTO app.events SELECT g, 1 + g % 10, timestamptz '2024-08-01 00:00+00' + g * interval '1 hour', 'row ' || g FROM generate_series(1, 50) g;
    """)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["attach", "table", "drill"])
def test_a_restore_that_dies_at_any_boundary_is_made_up_for_by_the_next(
    lifecycle: Lifecycle, lit: Callable[[int], Fuse], monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    lifecycle.archive_partition(OLD)
    lifecycle.detach(OLD)
    lifecycle.drop(OLD)
    restored = {"attach": OLD, "table": f"{OLD}_restored", "drill": None}[mode]

    def bring_back() -> None:
        lifecycle.drill() if mode == "drill" else lifecycle.restore(OLD, mode)

    boundary = 0
    while True:
        boundary += 1
        fuse = lit(boundary)
        died = False
        try:
            bring_back()
        except KilledError:
            died = True
        monkeypatch.undo()
        monkeypatch.setenv("AIRFLOW_CONN_TARGET", lifecycle.uri)
        if died:
            bring_back()
        assert restored_state(lifecycle, restored) == {
            "rows": 50 if restored else 0, "attached": mode == "attach", "tables": 6 if restored else 5, "unfinished": 0, "drill": 0,
        }, f"after dying at boundary {boundary}"  # fmt: skip
        if not died:
            break
        lifecycle.sql(f"DROP TABLE IF EXISTS {restored or OLD}; DELETE FROM partition_lifecycle.hold")
    assert fuse.passed > 15


def restored_state(lifecycle: Lifecycle, restored: str | None) -> dict[str, Any]:
    tables = "SELECT count(*) FROM pg_class WHERE relnamespace = 'app'::regnamespace AND relkind IN ('r', 'p')"
    unfinished = "SELECT count(*) FROM partition_lifecycle.restored r JOIN pg_class c ON c.oid = r.relation_oid WHERE finished_at IS NULL"
    return {
        "rows": lifecycle.value(f"SELECT count(*) FROM {restored}") if restored else 0,
        "attached": bool(restored) and lifecycle.value("SELECT count(*) FROM pg_inherits WHERE inhrelid = %s::regclass", restored) == 1,
        "tables": lifecycle.value(tables),
        "unfinished": lifecycle.value(unfinished),
        "drill": lifecycle.value("SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = 'partition_lifecycle_drill' AND relkind = 'r'"),
    }  # fmt: skip
