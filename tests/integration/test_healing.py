"""What interrupted runs leave: ours is cleared away at the start of the next, a stranger's is named with what to do about it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from airflow.sdk.exceptions import AirflowFailException

from include.partitioning.errors import WaitTooLongError
from include.postgres import catalog
from include.postgres.ledger import Ledger
from include.postgres.ledger_records import RunIdentity
from include.postgres.leftovers import leftovers
from include.postgres.session import prepare
from include.postgres.strays import stray_findings
from partition_operators.reindex_partition import ReindexPartitionOperator
from tests.integration.conftest import Lifecycle

OLD = "app.events_p202408"
NOW = "app.events_p202611"
OTHER = "app.events_p202409"

INVALID = "SELECT count(*) FROM pg_index WHERE NOT indisvalid"


@contextmanager
def old_snapshot(
    lifecycle: Lifecycle, statement: str = "SELECT count(*) FROM auth.users"
) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    with lifecycle.connect(application_name="a long report") as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        connection.execute(statement.encode())
        yield connection


def interrupt_rebuild(lifecycle: Lifecycle, partition: str) -> None:
    """As a rebuild does that is cut off while it waits for an old snapshot: it leaves an index for each of the table, and one in pg_toast."""
    cut_off(lifecycle, f"REINDEX TABLE CONCURRENTLY {partition}")


def cut_off(lifecycle: Lifecycle, statement: str) -> None:
    impatient = lifecycle.connect(autocommit=True, options="-c lock_timeout=100ms")
    with old_snapshot(lifecycle), impatient as connection, pytest.raises(psycopg.errors.LockNotAvailable):
        connection.execute(statement.encode())


def note_our_rebuild(lifecycle: Lifecycle, partition: str) -> None:
    lifecycle.sql(
        "INSERT INTO partition_lifecycle.event (action, outcome, parent, partition, partition_oid) SELECT 'reindex', 'began', 'app.events', %s, %s::regclass::oid",
        partition, partition,
    )  # fmt: skip


def findings(lifecycle: Lifecycle) -> list[str]:
    policy = lifecycle.policy()
    with lifecycle.connect() as connection:
        prepare(connection, "test")
        ledger = Ledger(connection, policy.table, RunIdentity())
        return stray_findings(connection, ledger, catalog.read_table(connection, policy, ledger))


def test_what_interrupted_rebuilds_of_ours_left_is_dropped_on_all_partitions_and_a_stranger_s_is_not(lifecycle: Lifecycle) -> None:
    lifecycle.create()
    for partition in (OLD, NOW, OTHER):
        interrupt_rebuild(lifecycle, partition)
    assert lifecycle.value(INVALID) == 9
    note_our_rebuild(lifecycle, OLD)
    note_our_rebuild(lifecycle, NOW)
    healed = lifecycle.heal()
    assert len(healed) == 6
    assert all("_ccnew" in name for name in healed)
    assert lifecycle.value(INVALID + " AND indrelid = %s::regclass", OTHER) == 2
    assert lifecycle.value(INVALID) == 3
    said = "\n".join(findings(lifecycle))
    assert 'DROP INDEX CONCURRENTLY "app"."events_p202409_pkey_ccnew"' in said
    assert lifecycle.heal() == []


def test_an_index_that_we_began_to_build_under_its_name_is_dropped_when_it_is_invalid(lifecycle: Lifecycle) -> None:
    lifecycle.create()
    for name in ("ours", "theirs"):
        cut_off(lifecycle, f"CREATE INDEX CONCURRENTLY {name} ON {NOW} (note)")
    lifecycle.sql(
        "INSERT INTO partition_lifecycle.event (action, outcome, parent, partition, partition_oid, detail)"
        " SELECT 'index', 'began', 'app.events', %s, %s::regclass::oid, 'app.ours'", NOW, NOW
    )  # fmt: skip
    assert lifecycle.heal() == ["app.ours"]
    assert lifecycle.exists("app.theirs")
    assert any('"app.theirs" is invalid' in each for each in findings(lifecycle))


def test_in_pg_toast_an_owner_without_usage_only_says_what_a_superuser_has_to_do(lifecycle: Lifecycle) -> None:
    lifecycle.create()
    interrupt_rebuild(lifecycle, NOW)
    note_our_rebuild(lifecycle, NOW)
    oid = lifecycle.value("SELECT %s::regclass::oid::bigint", NOW)
    role = f"owner_of_{oid}"
    lifecycle.sql(f"CREATE ROLE {role}; GRANT USAGE ON SCHEMA partition_lifecycle TO {role}; ALTER TABLE {NOW} OWNER TO {role}")
    lifecycle.sql(f"GRANT SELECT ON ALL TABLES IN SCHEMA partition_lifecycle TO {role}")
    try:
        with lifecycle.connect() as connection:
            prepare(connection, "test")
            connection.execute(f"SET ROLE {role}".encode())
            ledger = Ledger(connection, lifecycle.policy().table, RunIdentity())
            on_toast, *_ = [each for each in leftovers(connection, ledger, [oid]) if each.on_toast]
            assert "as a superuser: DROP INDEX CONCURRENTLY" in str(on_toast.why_left)
            lifecycle.sql(f"GRANT USAGE ON SCHEMA pg_toast TO {role}")
            assert [each.why_left for each in leftovers(connection, ledger, [oid])] == [None, None, None]
    finally:
        lifecycle.sql(f"ALTER TABLE {NOW} OWNER TO postgres; DROP OWNED BY {role}; DROP ROLE {role}")


def test_a_forgotten_partition_is_named_and_not_touched(
    lifecycle: Lifecycle, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    lifecycle.create()
    lifecycle.sql(f"ALTER TABLE app.events DETACH PARTITION {OTHER}")
    lifecycle.sql("ALTER TABLE app.events DETACH PARTITION app.events_p202410 CONCURRENTLY")
    lifecycle.sql("ALTER TABLE app.events_p202410 RENAME TO set_aside")
    said = findings(lifecycle)
    assert len(said) == 2
    assert f'"{OTHER}" is no partition, but has the columns of "app.events", and it has the name of one' in said[0]
    assert 'ALTER TABLE "app"."events" ATTACH PARTITION "app"."events_p202409"' in said[0]
    assert '"app.set_aside" is no partition' in said[1]
    assert 'and the CHECK "events_p202410_created_at_check" bounds its "created_at"' in said[1]
    lifecycle.plan()
    lifecycle.heal()
    assert (capsys.readouterr().out + caplog.text).count("is no partition, but has the columns of") == 4
    assert lifecycle.value(f"SELECT count(*) FROM {OTHER}") == 50
    assert lifecycle.value("SELECT count(*) FROM app.set_aside") == 50


def test_tables_that_the_ledger_knows_copies_and_other_tables_partitions_are_not_taken_for_forgotten_ones(lifecycle: Lifecycle) -> None:
    policy = lifecycle.policy(detached_retention="7 days")
    lifecycle.archive_partition(OLD, policy=policy)
    lifecycle.detach(OLD, policy=policy)
    lifecycle.restore(OLD, "table")
    lifecycle.sql("""
        ALTER TABLE app.events ADD CONSTRAINT of_this_century CHECK (created_at >= '2000-01-01 00:00+00' AND created_at < '2100-01-01 00:00+00');
        CREATE TABLE app.events_copy AS TABLE app.events;
        CREATE TABLE app.events_p202001 (at timestamptz);
        CREATE TABLE app.events_like (LIKE app.events INCLUDING ALL);
        CREATE TABLE app.events_pages (LIKE app.events) PARTITION BY RANGE (created_at);
        CREATE TABLE app.events_pages_p2020 (LIKE app.events, CHECK (created_at IS NOT NULL AND created_at >= '2020-01-01' AND created_at < '2021-01-01'));
    """)
    assert findings(lifecycle) == []
    lifecycle.sql("DELETE FROM partition_lifecycle.detached_partition")  # the entry is lost
    assert [each.split('"')[1] for each in findings(lifecycle)] == [OLD]


def test_an_index_of_the_parent_that_partitions_lack_is_named_with_statements_that_complete_it(lifecycle: Lifecycle) -> None:
    lifecycle.sql("CREATE UNIQUE INDEX by_note ON ONLY app.events (note, created_at) WHERE note <> ' ON ONLY '")
    cut_off(lifecycle, f"CREATE UNIQUE INDEX CONCURRENTLY half ON {OLD} (note, created_at) WHERE note <> ' ON ONLY '")
    lifecycle.sql("ALTER INDEX app.by_note ATTACH PARTITION app.half")
    rounds = 0
    while said := [each for each in findings(lifecycle) if '"app.by_note"' in each]:
        rounds += 1
        assert rounds <= 5
        assert f"{6 - rounds} partitions lack a valid part of it" in said[0]
        for statement in said[0].partition("as the owner: ")[2].partition(", and so on")[0].split("; "):
            lifecycle.sql(statement)
    assert lifecycle.value("SELECT indisvalid FROM pg_index WHERE indexrelid = 'app.by_note'::regclass") is True
    assert findings(lifecycle) == []


def test_an_index_of_the_parent_that_we_began_is_completed_partition_by_partition(lifecycle: Lifecycle) -> None:
    lifecycle.heal()  # installs the ledger
    lifecycle.sql("CREATE INDEX by_note ON ONLY app.events (note)")
    lifecycle.sql("""
        INSERT INTO partition_lifecycle.event (action, outcome, parent, partition_oid, detail)
        VALUES ('index', 'began', 'app.events', 'app.events'::regclass, 'app.by_note')
    """)
    assert not [each for each in findings(lifecycle) if "by_note" in each]  # ours needs nobody
    with pytest.MonkeyPatch.context() as older:
        older.setattr(psycopg.ConnectionInfo, "server_version", 140003)
        with pytest.raises(AirflowFailException, match=r'no index of "app.events" is built: PostgreSQL 14.3 can corrupt'):
            lifecycle.heal()
    assert lifecycle.heal(dry_run=True) == ["app.by_note"]
    assert lifecycle.value("SELECT indisvalid FROM pg_index WHERE indexrelid = 'app.by_note'::regclass") is False
    assert lifecycle.heal() == ["app.by_note"]
    assert lifecycle.value("SELECT indisvalid FROM pg_index WHERE indexrelid = 'app.by_note'::regclass") is True
    assert lifecycle.value("SELECT count(*) FROM pg_inherits WHERE inhparent = 'app.by_note'::regclass") == 5
    assert lifecycle.heal() == []


def test_what_a_restore_that_was_not_repeated_left_is_named(lifecycle: Lifecycle) -> None:
    lifecycle.expire(OLD)
    lifecycle.restore(OLD, "table")
    assert findings(lifecycle) == []
    lifecycle.sql("UPDATE partition_lifecycle.restored SET finished_at = NULL")
    assert [each for each in findings(lifecycle) if 'DROP TABLE "app"."events_p202408_restored" RESTRICT' in each]


@pytest.fixture
def reindexing(lifecycle: Lifecycle, monkeypatch: pytest.MonkeyPatch) -> Lifecycle:
    """With an index of the present month that is worth a rebuild."""
    from include.postgres import bloat

    monkeypatch.setattr(bloat, "SMALLEST_BYTES", 8192)
    lifecycle.sql(
        f"INSERT INTO {NOW} SELECT g, 1, '2026-11-01 00:00+00'::timestamptz + g * interval '1 minute', 'x' FROM generate_series(1000, 4000) g"
    )
    lifecycle.sql(f"DELETE FROM {NOW} WHERE mod(id, 20) <> 0")
    lifecycle.sql(f"VACUUM {NOW}")
    lifecycle.sql(f"ANALYZE {NOW}")
    return lifecycle


def rebuilt(lifecycle: Lifecycle, **changes: str) -> int:
    return len(lifecycle.run(ReindexPartitionOperator, policy=lifecycle.policy(**changes), partition=NOW))


def test_a_rebuild_waits_for_older_snapshots_before_it_builds_and_leaves_nothing_if_they_do_not_end(reindexing: Lifecycle) -> None:
    with old_snapshot(reindexing):
        with pytest.raises(WaitTooLongError, match=r"waited 1 s for pid .*a long report.*has an older snapshot"):
            rebuilt(reindexing, wait_timeout="1 s")
        assert reindexing.value(INVALID) == 0
        assert reindexing.value("SELECT count(*) FROM partition_lifecycle.event WHERE action = 'reindex' AND outcome = 'began'") == 0
    with old_snapshot(reindexing) as connection:
        threading.Timer(1, connection.rollback).start()
        assert rebuilt(reindexing) == 2


def test_a_rebuild_waits_for_a_prepared_transaction_on_the_table(reindexing: Lifecycle) -> None:
    with reindexing.connect() as connection:
        connection.execute(f"SELECT count(*) FROM {NOW}".encode())
        connection.execute("PREPARE TRANSACTION 'forgotten'")
        connection.commit()
    try:
        with pytest.raises(WaitTooLongError, match=r'prepared transaction "forgotten".*has used the table'):
            rebuilt(reindexing, wait_timeout="1 s")
        assert reindexing.value(INVALID) == 0
    finally:
        reindexing.sql("ROLLBACK PREPARED 'forgotten'")


def test_a_rebuild_does_not_wait_for_what_cannot_hold_it_up(reindexing: Lifecycle, server: str) -> None:
    with psycopg.connect(server) as elsewhere, reindexing.connect() as idle:
        elsewhere.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        elsewhere.execute("SELECT count(*) FROM pg_class")
        idle.execute("UPDATE auth.users SET id = id WHERE id = 1")  # between its statements it has no snapshot
        assert rebuilt(reindexing, wait_timeout="1 s") == 2
