"""A worker that dies at any statement of a drain: rows are where they were or where they belong, and the next run ends what it began."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import psycopg
import pytest
from airflow.sdk.exceptions import AirflowFailException
from psycopg import sql

from include.postgres.drain_proof import compare
from include.postgres.executor import Executor
from include.postgres.ledger import Ledger
from tests.integration.conftest import Lifecycle

FILL = """
CREATE TABLE app.events_default PARTITION OF app.events DEFAULT;
INSERT INTO app.events SELECT g, 1 + g % 10, CASE WHEN g % 3 = 0 THEN timestamptz '2026-12-05 00:00+00' WHEN g % 3 = 1 THEN '2020-02-02 00:00+00' ELSE '2300-01-01 00:00+00' END
  FROM generate_series(1, 90) g;
"""
START_OVER = """
DELETE FROM app.events WHERE created_at >= '2026-12-01' OR created_at < '2021-01-01';
DROP TABLE IF EXISTS app.events_p202612, app.events_p202002, app.events_default;
"""


class KilledError(BaseException):
    """The worker is gone."""


class Boundary:
    """Closes the connection and raises at the statement with this number."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.passed = 0

    def __call__(self, connection: psycopg.Connection[Any]) -> None:
        self.passed += 1
        if self.passed == self.at:
            connection.close()
            raise KilledError


@pytest.fixture
def lit(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], Boundary]]:
    """Before and after each statement that the executor runs and each line of the ledger, and before each comparison."""

    def light(at: int) -> Boundary:
        fuse = Boundary(at)
        run, write = Executor.run_together, Ledger._write

        def run_with_fuse(self: Executor, together: Sequence[sql.Composed]) -> None:
            fuse(self.connection)
            run(self, together)
            fuse(self.connection)

        def write_with_fuse(self: Ledger, name: str, /, **values: object) -> None:
            fuse(self._connection)
            write(self, name, **values)

        def compare_with_fuse(connection: psycopg.Connection[Any], *arguments: Any) -> Any:
            fuse(connection)
            return compare(connection, *arguments)

        monkeypatch.setattr(Executor, "run_together", run_with_fuse)
        monkeypatch.setattr(Ledger, "_write", write_with_fuse)
        monkeypatch.setattr("include.postgres.draining.compare", compare_with_fuse)
        monkeypatch.setattr("include.postgres.drain_remains.compare", compare_with_fuse)
        return fuse

    yield light
    monkeypatch.undo()


def put_away(lifecycle: Lifecycle) -> str | None:
    """The old DEFAULT, if it is replaced and not yet dropped."""
    found: str | None = lifecycle.value(
        "SELECT max(c.oid::regclass::text) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace"
        " WHERE nspname LIKE 'partition_lifecycle_drained_%%' AND relkind = 'r'"
    )
    return found


def the_state(lifecycle: Lifecycle) -> dict[str, Any]:
    return {
        "rows": lifecycle.value("SELECT count(*) FROM app.events"),
        "by table": {
            each["name"]: each["rows"]
            for each in lifecycle.sql(
                "SELECT tableoid::regclass::text AS name, count(*) AS rows FROM app.events WHERE id > 50 OR created_at > '2026-12-01' OR created_at < '2021-01-01' GROUP BY 1"
            )
        },
        "schemas": lifecycle.value("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'partition\\_lifecycle\\_drain%%' AND nspname <> 'partition_lifecycle_drill'"),
        "triggers": lifecycle.value("SELECT count(*) FROM pg_trigger WHERE tgname LIKE '00%%'"),
        "functions": lifecycle.value("SELECT count(*) FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname LIKE 'partition_lifecycle_drain%%'"),
    }  # fmt: skip


@pytest.mark.slow
def test_a_drain_that_dies_at_any_statement_is_ended_by_the_next_one(
    lifecycle: Lifecycle, lit: Callable[[int], Boundary], monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = lifecycle.policy(default_partition="drain", lock_attempts=60)
    boundary, passed = 0, 0
    while True:
        lifecycle.sql(FILL)
        boundary += 1
        fuse = lit(boundary)
        died = False
        try:
            lifecycle.drain(policy=policy)
        except KilledError:
            died = True
        monkeypatch.undo()
        monkeypatch.setenv("AIRFLOW_CONN_TARGET", lifecycle.uri)
        assert lifecycle.value("SELECT count(*) FROM app.events") == 250 + 90, f"after dying at boundary {boundary}"
        if not put_away(lifecycle):
            lifecycle.sql("UPDATE app.events SET note = 'meanwhile' WHERE id = 3 AND created_at = '2026-12-05'")
        if died:
            lifecycle.drain(policy=policy)
        assert the_state(lifecycle) == {
            "rows": 340, "by table": {"app.events_p202612": 30, "app.events_p202002": 30, "app.events_default": 30},
            "schemas": 0, "triggers": 0, "functions": 0,
        }, f"after dying at boundary {boundary}"  # fmt: skip
        passed = fuse.passed
        if not died:
            break
        lifecycle.sql(START_OVER)
    assert passed > 25


def test_an_old_default_whose_rows_were_changed_before_they_were_compared_is_kept_until_a_person_drops_it(
    lifecycle: Lifecycle, monkeypatch: pytest.MonkeyPatch
) -> None:
    lifecycle.sql(FILL)
    policy = lifecycle.policy(default_partition="drain")

    def die(*_: object) -> None:
        raise KilledError

    monkeypatch.setattr("include.postgres.drain_remains.DrainRemains.drop_old", die)
    with pytest.raises(KilledError):
        lifecycle.drain(policy=policy)
    lifecycle.sql("UPDATE app.events SET note = 'meanwhile' WHERE id = 3 AND created_at = '2026-12-05'")
    for _ in range(2):
        with pytest.raises(AirflowFailException, match=r'events_default", which was the DEFAULT partition .* is kept: 1 of its 90 rows'):
            lifecycle.drain(policy=policy)
    lifecycle.sql(f"DROP TABLE {put_away(lifecycle)}")
    assert lifecycle.drain(policy=policy) == []
    assert the_state(lifecycle)["schemas"] == 0
