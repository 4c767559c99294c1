"""What the plan says of those whom a step would wait for, and of those who have copies of the table."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from airflow.sdk.exceptions import AirflowFailException

from demo.embedded_postgres import running
from include.postgres import preflight
from tests.integration.conftest import Lifecycle
from tests.integration.server_tools import dump, standby_of, tool

OLD = "app.events_p202408"


def said_of_plan(lifecycle: Lifecycle, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    lifecycle.plan()
    return capsys.readouterr().out


def test_an_old_transaction_is_named_and_a_young_one_is_not(
    lifecycle: Lifecycle, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with lifecycle.connect(application_name="a long report") as reader:
        reader.execute("SELECT count(*) FROM app.events")
        assert "a long report" not in said_of_plan(lifecycle, capsys)
        monkeypatch.setattr(preflight, "OLD", "0 seconds")
        said = said_of_plan(lifecycle, capsys)
    assert "a transaction is open that detaching and reindexing may wait for: pid" in said
    assert "a long report" in said
    assert "SELECT count(*) FROM app.events" in said


def test_of_many_old_transactions_the_oldest_are_named_and_the_others_counted(
    lifecycle: Lifecycle, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preflight, "OLD", "0 seconds")
    sessions = [lifecycle.connect(application_name=f"reader {number}") for number in range(7)]
    for session in sessions:
        session.execute("SELECT 1")
    said = said_of_plan(lifecycle, capsys)
    for session in sessions:
        session.close()
    assert "reader 0" in said
    assert "reader 6" not in said
    assert "and 2 more such transactions" in said


def test_a_prepared_transaction_is_named_with_what_ends_it(lifecycle: Lifecycle, capsys: pytest.CaptureFixture[str]) -> None:
    with lifecycle.connect(autocommit=True) as session:
        session.execute("BEGIN")
        session.execute("INSERT INTO app.events VALUES (900, 1, '2026-11-05', 'x')")
        session.execute("PREPARE TRANSACTION 'forgotten by the app server'")
    try:
        said = said_of_plan(lifecycle, capsys)
        assert 'the prepared transaction "forgotten by the app server" of postgres' in said
        assert "COMMIT PREPARED or ROLLBACK PREPARED" in said
    finally:
        lifecycle.sql("ROLLBACK PREPARED 'forgotten by the app server'")


def test_a_role_that_sees_no_other_sessions_is_told_how_to(
    lifecycle: Lifecycle, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lifecycle.sql("CREATE ROLE blind LOGIN")
    monkeypatch.setenv("AIRFLOW_CONN_TARGET", lifecycle.uri.replace("postgres@", "blind@"))
    try:
        assert "GRANT pg_read_all_stats TO blind" in said_of_plan(lifecycle, capsys)
        lifecycle.sql("GRANT pg_read_all_stats TO blind")
        assert "pg_read_all_stats" not in said_of_plan(lifecycle, capsys)
    finally:
        lifecycle.sql("DROP ROLE blind")


SPEND_TRANSACTIONS = """DO $$ BEGIN FOR i IN 1..110000 LOOP
  BEGIN INSERT INTO app.noise VALUES (i); EXCEPTION WHEN division_by_zero THEN END;
END LOOP; END $$"""


@contextmanager
def slot(lifecycle: Lifecycle, kind: str) -> Iterator[str]:
    name = psycopg.conninfo.conninfo_to_dict(lifecycle.uri)["dbname"]
    make = {"physical": "pg_create_physical_replication_slot(%s, true)", "logical": "pg_create_logical_replication_slot(%s, 'pgoutput')"}
    lifecycle.sql(f"SELECT {make[kind]}", name)
    try:
        yield str(name)
    finally:
        lifecycle.sql("SELECT pg_drop_replication_slot(%s)", name)


def test_a_slot_that_keeps_more_wal_than_is_allowed_stops_destruction(lifecycle: Lifecycle, capsys: pytest.CaptureFixture[str]) -> None:
    lifecycle.archive_partition(OLD)
    with slot(lifecycle, "physical") as name:
        lifecycle.values = {"max_slot_lag": "1 MiB"}
        assert f'replication slot "{name}" (physical, not active) keeps' in said_of_plan(lifecycle, capsys)
        lifecycle.sql("SELECT pg_switch_wal()")
        lifecycle.sql("CREATE TABLE app.noise (); SELECT pg_switch_wal()")
        stop = f'nothing is detached or dropped while replication slot "{name}" .* keeps .* MiB of WAL .*: more than max_slot_lag'
        with pytest.raises(AirflowFailException, match=stop):
            lifecycle.detach(OLD)
        assert "more than max_slot_lag" in said_of_plan(lifecycle, capsys)
        lifecycle.values = {}
        lifecycle.detach(OLD)  # ten GiB are allowed by default


def test_a_table_published_by_its_partitions_gets_new_ones_only_if_somebody_looks_after_the_subscribers(
    lifecycle: Lifecycle, capsys: pytest.CaptureFixture[str]
) -> None:
    lifecycle.sql("CREATE PUBLICATION pub FOR TABLE app.events")
    try:
        assert "subscriber_partitions" not in said_of_plan(lifecycle, capsys)  # nobody subscribes
        with slot(lifecycle, "logical"):
            said = said_of_plan(lifecycle, capsys)
            assert (
                '"app.events" is published by "pub": new partitions are published too, so subscribers need a table for each new one' in said
            )
            with pytest.raises(AirflowFailException, match=r'published by "pub" partition by partition.*subscriber_partitions: managed'):
                lifecycle.create()
            lifecycle.sql("ALTER PUBLICATION pub SET (publish_via_partition_root = true)")
            assert "subscriber_partitions" not in said_of_plan(lifecycle, capsys)
            lifecycle.sql("ALTER PUBLICATION pub SET (publish_via_partition_root = false)")
            lifecycle.values = {"subscriber_partitions": "managed"}
            assert "app.events_p202612" in lifecycle.create()
            assert "subscriber_partitions" not in said_of_plan(lifecycle, capsys)
    finally:
        lifecycle.sql("DROP PUBLICATION pub")


@pytest.mark.parametrize("what", ["ALL TABLES", "TABLE app.events_p202611", "TABLES IN SCHEMA app"])
def test_publications_of_every_kind_are_found(lifecycle: Lifecycle, capsys: pytest.CaptureFixture[str], what: str) -> None:
    if "SCHEMA" in what and lifecycle.value("SHOW server_version_num") < "150000":
        pytest.skip("publications of a schema are new in PostgreSQL 15")
    lifecycle.sql(f"CREATE PUBLICATION pub FOR {what}")
    assert '"app.events" is published by "pub"' in said_of_plan(lifecycle, capsys)


@pytest.mark.slow
@pytest.mark.every_server
def test_a_real_standby_and_a_vacuum_against_wraparound_are_named(
    lifecycle: Lifecycle, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    dumped = dump(lifecycle.uri)
    slow_vacuum = {"autovacuum_naptime": "1s", "autovacuum_vacuum_cost_delay": "100ms", "autovacuum_vacuum_cost_limit": "1"}
    with (
        tempfile.TemporaryDirectory(prefix="primary-", ignore_cleanup_errors=True) as primary,
        running(Path(primary), slow_vacuum) as uri,
    ):
        tool("psql", "-q", "-X", "-v", "ON_ERROR_STOP=1", uri, stdin=dumped)
        monkeypatch.setenv("AIRFLOW_CONN_TARGET", uri)
        there = Lifecycle(uri, lifecycle.archive)
        there.sql(
            f"ALTER TABLE {OLD} SET (autovacuum_enabled = false, autovacuum_freeze_max_age = 100000)"
        )  # only what must be is vacuumed
        there.sql(f"INSERT INTO {OLD} SELECT g, 1, '2024-08-02', repeat('x', 1000) FROM generate_series(1000, 9000) g")
        there.sql("CREATE TABLE app.noise (n integer)")
        there.sql(SPEND_TRANSACTIONS)
        wait_for(
            there,
            "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%events_p202408 (to prevent wraparound)'",
        )
        assert f'"{OLD}" is being vacuumed to prevent wraparound (pid' in said_of_plan(there, capsys)
        with standby_of(Path(primary), uri, "reports"):
            wait_for(there, "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'")
            said = said_of_plan(there, capsys)
            assert "standby reports (streaming, async) is " in said
            assert "cancelled by a detach and a drop after max_standby_streaming_delay" in said


def wait_for(lifecycle: Lifecycle, count: str) -> None:
    for _ in range(300):
        if lifecycle.value(count):
            return
        time.sleep(0.1)
    raise AssertionError(f"waited in vain for: {count}")
