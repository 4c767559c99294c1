"""Who has copies of a table while it gets another shape: a standby, which must not fall behind, and a subscriber, which must not miss anything."""

import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from psycopg import errors

from demo.embedded_postgres import running
from include.partitioning import reshape as reshape_values
from include.partitioning.errors import TransientError
from include.partitioning.reshape import Move
from include.postgres.reshaping import standby_wait
from partition_operators.copy_table import CopyTableOperator
from partition_operators.plan_reshape import PlanReshapeOperator
from tests.databases import fresh_database
from tests.integration.conftest import Lifecycle
from tests.integration.server_tools import dump, standby_of, tool
from tests.integration.test_preflight import wait_for
from tests.integration.test_reshape import PLAIN, STEPS, SUM, kind, reshape, schemas, step

ROWS = 2500
LAG = {"max_replica_lag": "256 KiB"}


@pytest.mark.slow
def test_a_standby_is_waited_for_and_its_readers_see_every_row_once(
    lifecycle: Lifecycle, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(reshape_values, "ROWS_OF_A_PORTION", 200)
    lifecycle.sql(PLAIN)
    lifecycle.sql("UPDATE app.visits SET note = repeat(md5(id::text), 30); ALTER TABLE app.visits ALTER COLUMN note SET STORAGE EXTERNAL")
    with (
        tempfile.TemporaryDirectory(prefix="primary-", ignore_cleanup_errors=True) as primary,
        running(Path(primary), {"autovacuum": "off"}) as uri,
        standby_of(Path(primary), uri, "reports") as copy,
    ):
        tool("psql", "-q", "-X", "-v", "ON_ERROR_STOP=1", uri, stdin=dump(lifecycle.uri))
        monkeypatch.setenv("AIRFLOW_CONN_TARGET", uri)
        visits = Lifecycle(uri, lifecycle.archive, {"table": "app.visits", "retention": None, "archive": None, "reshape": LAG})
        there = Lifecycle(copy, lifecycle.archive)
        wait_for(visits, CAUGHT_UP)
        step(visits, PlanReshapeOperator, Move.ADOPT)
        assert "standby reports (streaming, async) is " in capsys.readouterr().out

        there.sql("SELECT pg_wal_replay_pause()")
        with monkeypatch.context() as impatient:
            impatient.setattr(standby_wait, "LONGEST_LAG", timedelta(0))
            with pytest.raises(TransientError, match=r"waits for the standby reports, .* when it has caught up"):
                step(visits, CopyTableOperator, Move.ADOPT)
        before = copied(visits)
        copying = threading.Thread(target=step, args=(visits, CopyTableOperator, Move.ADOPT))
        copying.start()
        time.sleep(5)
        assert copying.is_alive()
        assert copied(visits) == before < ROWS
        assert "max_replica_lag is 256.0 KiB" in capsys.readouterr().out
        there.sql("SELECT pg_wal_replay_resume()")
        copying.join(60)
        assert copied(visits) == ROWS

        with counting(there) as counts:
            for operator in STEPS[2:]:
                step(visits, operator, Move.ADOPT)
            wait_for(visits, CAUGHT_UP)
            wait_for(there, "SELECT count(*) FROM pg_partitioned_table WHERE partrelid = 'app.visits'::regclass")
        assert set(counts) == {ROWS}
        assert there.value(SUM) == visits.value(SUM)


CAUGHT_UP = "SELECT count(*) FROM pg_stat_replication WHERE replay_lsn >= pg_current_wal_flush_lsn()"


def copied(visits: Lifecycle) -> Any:
    """How many rows are copied."""
    return visits.value(f'SELECT coalesce(sum(rows), 0) FROM {schemas(visits)[0]}."00_portions"')


@contextmanager
def counting(there: Lifecycle) -> Iterator[list[int]]:
    """Somebody counts the rows on a standby all the time. A statement that the exchange cancels there is made again."""
    stop, counts = threading.Event(), list[int]()

    def count() -> None:
        with there.connect(autocommit=True) as connection:
            while not stop.is_set():
                with suppress(errors.SerializationFailure):  # "canceling statement due to conflict with recovery"
                    counts.extend(rows for (rows,) in connection.execute("SELECT count(*) FROM app.visits"))

    thread = threading.Thread(target=count)
    thread.start()
    try:
        yield counts
    finally:
        stop.set()
        thread.join()


@pytest.mark.slow
@pytest.mark.parametrize("which", ["", " WHERE (id % 2 = 0)"], ids=["every row", "a filter"])
def test_a_subscriber_goes_on_as_if_nothing_had_happened(lifecycle: Lifecycle, server: str, which: str) -> None:
    if which and lifecycle.value("SHOW server_version_num") < "150000":
        pytest.skip("filters of publications are new in PostgreSQL 15")
    lifecycle.sql(PLAIN)
    lifecycle.values = {"table": "app.visits", "retention": None, "archive": None}
    lifecycle.sql(f"CREATE PUBLICATION visits FOR TABLE app.visits{which} WITH (publish_via_partition_root = true)")
    with fresh_database(server) as uri, subscribed(lifecycle, Lifecycle(uri, lifecycle.archive)) as subscriber:
        for move in (Move.ADOPT, Move.UNDO, Move.ADOPT):
            with writing(lifecycle):
                reshape(lifecycle, move)
            assert kind(lifecycle) == ("r" if move is Move.UNDO else "p")
            same(lifecycle, subscriber, which)
        assert lifecycle.value("SELECT count(*) FROM app.visits WHERE note LIKE 'late %'") > 30


@contextmanager
def subscribed(publisher: Lifecycle, subscriber: Lifecycle) -> Iterator[Lifecycle]:
    """The other database is subscribed to the publication `visits`, by a slot that is made first: both are on one server."""
    slot = f"slot_{publisher.value('SELECT current_database()')}"
    subscriber.sql("CREATE SCHEMA app; CREATE TABLE app.visits (id bigint PRIMARY KEY, user_id integer, created_at timestamptz, note text)")
    publisher.sql(f"SELECT pg_create_logical_replication_slot('{slot}', 'pgoutput')")
    subscriber.sql(
        f"CREATE SUBSCRIPTION visits CONNECTION '{publisher.uri}' PUBLICATION visits WITH (create_slot = false, slot_name = {slot})"
    )
    try:
        yield subscriber
    finally:
        for end in ("DISABLE", "SET (slot_name = NONE)"):
            subscriber.sql(f"ALTER SUBSCRIPTION visits {end}")
        subscriber.sql("DROP SUBSCRIPTION visits")
        wait_for(publisher, f"SELECT count(*) FROM pg_replication_slots WHERE slot_name = '{slot}' AND NOT active")
        publisher.sql(f"SELECT pg_drop_replication_slot('{slot}')")


@contextmanager
def writing(lifecycle: Lifecycle) -> Iterator[None]:
    """Somebody inserts, changes, moves to another month and deletes all the time."""
    stop = threading.Event()

    def write() -> None:
        with lifecycle.connect(autocommit=True) as connection:
            while not stop.wait(0.01):
                with connection.transaction():
                    for statement in WRITES:
                        connection.execute(statement)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


WRITES = (
    "INSERT INTO app.visits (user_id, created_at, note) SELECT 1, timestamptz '2026-10-01 00:00+00' + random() * interval '60 days', 'late ' || g"
    " FROM generate_series(1, 3) g",
    "UPDATE app.visits SET note = note || '.' WHERE id = (SELECT min(id) FROM app.visits)",
    "UPDATE app.visits SET created_at = created_at + interval '40 days' WHERE id = (SELECT max(id) FROM app.visits WHERE created_at < '2026-09-01')",
    "DELETE FROM app.visits WHERE id = (SELECT min(id) FROM app.visits WHERE created_at > '2026-05-01')",
)


def same(publisher: Lifecycle, subscriber: Lifecycle, which: str) -> None:
    """Whatever was written arrives."""
    rows = f"SELECT id, user_id, created_at, note FROM app.visits{which} ORDER BY id"
    expected: list[dict[str, Any]] = publisher.sql(rows)
    for _ in range(300):
        if subscriber.sql(rows.replace(which, "")) == expected:
            return
        time.sleep(0.1)
    assert subscriber.sql(rows.replace(which, "")) == expected
