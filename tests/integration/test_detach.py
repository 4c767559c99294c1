"""Detaching: without stalling anybody, and never half done."""

import threading
import time
from typing import Any

import psycopg
import pytest
from airflow.sdk.exceptions import AirflowFailException

from include.partitioning.errors import LockNotAvailableError, WaitTooLongError
from tests.integration.conftest import Lifecycle

OLD = "app.events_p202408"
WAITING = """
SELECT EXISTS (SELECT FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE NOT l.granted AND a.datname = current_database())
"""


def foreign_keys(lifecycle: Lifecycle, table: str) -> int:
    return int(lifecycle.value("SELECT count(*) FROM pg_constraint WHERE conrelid = %s::regclass AND contype = 'f'", table))


def record(lifecycle: Lifecycle) -> dict[str, Any]:
    return lifecycle.sql("SELECT * FROM partition_lifecycle.detached_partition")[0]


def test_a_detached_partition_keeps_its_rows_loses_its_foreign_keys_and_is_in_the_ledger(lifecycle: Lifecycle) -> None:
    policy = lifecycle.policy(detached_retention="7 days")
    lifecycle.archive_partition(OLD, policy=policy)
    lifecycle.detach(OLD, policy=policy)
    assert "events_p202408" not in lifecycle.partitions()
    assert lifecycle.value(f"SELECT count(*) FROM {OLD}") == 50
    assert foreign_keys(lifecycle, OLD) == 0
    noted = record(lifecycle)
    assert (noted["partition"], noted["parent"]) == (OLD, "app.events")
    assert (noted["drop_after"] - noted["detached_at"]).days == 7
    # A user may go now, and no cascade reaches into the table that is archived.
    lifecycle.sql("DELETE FROM auth.users WHERE id = 3")
    assert lifecycle.value(f"SELECT count(*) FROM {OLD}") == 50
    assert "is detached already" in lifecycle.detach(OLD, policy=policy)


def test_without_an_archive_it_is_refused(lifecycle: Lifecycle) -> None:
    with pytest.raises(AirflowFailException, match=r"no archive that was read back and compared"):
        lifecycle.detach(OLD)
    assert "events_p202408" in lifecycle.partitions()


@pytest.mark.alone
def test_readers_and_writers_go_on_while_it_waits_for_an_older_transaction(lifecycle: Lifecycle) -> None:
    lifecycle.archive_partition(OLD)
    longest = 0.0
    over = threading.Event()

    def client() -> None:
        nonlocal longest
        with lifecycle.connect(autocommit=True) as connection:
            number = 1000
            while not over.is_set():
                begun, number = time.monotonic(), number + 1
                connection.execute("SELECT count(*) FROM app.events WHERE created_at >= '2026-11-01'")
                connection.execute("INSERT INTO app.events (id, user_id, created_at) VALUES (%s, 1, '2026-11-11')", (number,))
                longest = max(longest, time.monotonic() - begun)

    with lifecycle.connect() as reader:
        reader.execute("SELECT count(*) FROM app.events")
        threading.Timer(3, reader.rollback).start()
        thread = threading.Thread(target=client)
        thread.start()
        begun = time.monotonic()
        lifecycle.detach(OLD)
        waited = time.monotonic() - begun
        over.set()
        thread.join()
    assert waited > 2
    assert longest < 0.5
    assert "events_p202408" not in lifecycle.partitions()


@pytest.mark.alone
def test_a_writer_of_the_referenced_table_makes_it_give_way_and_other_writers_hardly_wait(lifecycle: Lifecycle) -> None:
    lifecycle.archive_partition(OLD)
    with lifecycle.connect() as holder, lifecycle.connect(autocommit=True) as other:
        holder.execute("UPDATE auth.users SET id = id WHERE id = 1")
        threading.Timer(1.5, holder.rollback).start()
        failed: list[BaseException] = []

        def detach() -> None:
            try:
                lifecycle.detach(OLD, policy=lifecycle.policy(lock_attempts=60))
            except BaseException as error:  # noqa: BLE001 - shown by the assertion below
                failed.append(error)

        thread = threading.Thread(target=detach)
        thread.start()
        longest = 0.0
        while thread.is_alive():
            begun = time.monotonic()
            other.execute("UPDATE auth.users SET id = id WHERE id = 5")
            longest = max(longest, time.monotonic() - begun)
            time.sleep(0.01)
        thread.join()
    assert failed == []
    assert longest < 0.6
    assert "events_p202408" not in lifecycle.partitions()


def test_when_the_older_transaction_never_ends_it_stops_names_it_and_the_next_run_finishes(lifecycle: Lifecycle) -> None:
    lifecycle.archive_partition(OLD)
    with lifecycle.connect(application_name="a long report") as reader:
        reader.execute("SELECT count(*) FROM app.events")
        with pytest.raises(WaitTooLongError, match=r"waited 1 s for pid .*a long report"):
            lifecycle.detach(OLD, policy=lifecycle.policy(wait_timeout="1 s"))
        assert lifecycle.value("SELECT bool_or(inhdetachpending) FROM pg_inherits") is True
    assert lifecycle.heal() == [OLD]
    assert lifecycle.value("SELECT bool_or(inhdetachpending) FROM pg_inherits") is False
    assert "events_p202408" not in lifecycle.partitions()
    assert foreign_keys(lifecycle, OLD) == 0
    assert record(lifecycle)["detached_at"] is not None
    assert lifecycle.heal() == []


def test_a_backend_that_is_killed_while_it_waits_leaves_nothing_that_a_second_try_does_not_finish(lifecycle: Lifecycle) -> None:
    lifecycle.archive_partition(OLD)
    with lifecycle.connect() as reader:
        reader.execute("SELECT count(*) FROM app.events")

        def kill() -> None:
            lifecycle.sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'ALTER TABLE%%DETACH%%' AND pid <> pg_backend_pid()"
            )

        threading.Timer(1, kill).start()
        with pytest.raises(Exception, match=r"the server is not available"):
            lifecycle.detach(OLD)
    assert "detached" in lifecycle.detach(OLD)
    assert lifecycle.value("SELECT bool_or(inhdetachpending) FROM pg_inherits") is False
    assert record(lifecycle)["detached_at"] is not None


def test_a_detach_that_succeeded_but_was_not_written_down_is_written_down(lifecycle: Lifecycle) -> None:
    lifecycle.archive_partition(OLD)
    lifecycle.detach(OLD)
    lifecycle.sql("UPDATE partition_lifecycle.detached_partition SET detached_at = NULL, drop_after = NULL")
    assert lifecycle.heal() == [OLD]
    assert record(lifecycle)["drop_after"] is not None


def test_with_a_default_partition_it_takes_the_plain_way_and_says_who_is_in_it(lifecycle: Lifecycle) -> None:
    lifecycle.sql("CREATE TABLE app.events_default PARTITION OF app.events DEFAULT")
    lifecycle.archive_partition(OLD)
    with lifecycle.connect(application_name="a reader") as reader:
        reader.execute("SELECT count(*) FROM app.events")
        with pytest.raises(LockNotAvailableError, match=r"blocked by pid .*a reader"):
            lifecycle.detach(OLD)
    assert "events_p202408" in lifecycle.partitions()
    lifecycle.detach(OLD)
    assert "events_p202408" not in lifecycle.partitions()


def test_several_foreign_keys_to_one_table_lock_it_exclusively_once(
    lifecycle: Lifecycle, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    lifecycle.sql("""
        ALTER TABLE app.events ADD COLUMN approved_by integer REFERENCES auth.users, ADD COLUMN place integer;
        CREATE TABLE auth.places (id integer PRIMARY KEY); ALTER TABLE app.events ADD FOREIGN KEY (place) REFERENCES auth.places;
    """)
    lifecycle.archive_partition(OLD)
    capsys.readouterr()
    lifecycle.detach(OLD)
    dropped = [line for line in (capsys.readouterr().out + caplog.text).splitlines() if "DROP CONSTRAINT" in line]
    assert [line.count("DROP CONSTRAINT") for line in dropped] == [2, 1]
    assert foreign_keys(lifecycle, OLD) == 0


def test_an_incoming_foreign_key_is_refused_by_its_name_and_nothing_is_left_pending(lifecycle: Lifecycle) -> None:
    lifecycle.sql("""
        CREATE TABLE app.notes (event_id bigint, at timestamptz, CONSTRAINT notes_event FOREIGN KEY (event_id, at) REFERENCES app.events (id, created_at));
        INSERT INTO app.notes SELECT id, created_at FROM app.events_p202408 LIMIT 3;
    """)
    lifecycle.archive_partition(OLD)
    with pytest.raises(AirflowFailException, match=r"notes_event"):
        lifecycle.detach(OLD)
    assert lifecycle.value("SELECT bool_or(inhdetachpending) FROM pg_inherits") is False


def test_a_pending_detach_of_somebody_else_is_named_by_the_plan_and_not_touched(
    lifecycle: Lifecycle, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    with lifecycle.connect() as reader:
        reader.execute("SELECT count(*) FROM app.events")
        with (
            lifecycle.connect(autocommit=True, options="-c lock_timeout=200ms") as stranger,
            pytest.raises(psycopg.errors.LockNotAvailable),
        ):
            stranger.execute("ALTER TABLE app.events DETACH PARTITION app.events_p202610 CONCURRENTLY")
    lifecycle.plan()
    said = capsys.readouterr().out + caplog.text
    assert "DETACH PARTITION app.events_p202610 FINALIZE" in said
    assert lifecycle.heal() == []
    assert lifecycle.value("SELECT bool_or(inhdetachpending) FROM pg_inherits") is True


def test_a_pending_detach_of_somebody_else_that_the_policy_expires_is_finished_and_remembered(lifecycle: Lifecycle) -> None:
    with lifecycle.connect() as reader:
        reader.execute("SELECT count(*) FROM app.events")
        with (
            lifecycle.connect(autocommit=True, options="-c lock_timeout=200ms") as stranger,
            pytest.raises(psycopg.errors.LockNotAvailable),
        ):
            stranger.execute("ALTER TABLE app.events DETACH PARTITION app.events_p202408 CONCURRENTLY")
    assert OLD in lifecycle.plan()
    lifecycle.archive_partition(OLD)
    lifecycle.detach(OLD)
    assert record(lifecycle)["drop_after"] is not None
    lifecycle.drop(OLD)
    assert not lifecycle.exists(OLD)


def wait_until_it_waits(lifecycle: Lifecycle) -> None:
    until = time.monotonic() + 30
    with lifecycle.connect(autocommit=True) as observer:
        while observer.execute(WAITING).fetchone() != (True,):
            assert time.monotonic() < until
            time.sleep(0.002)


@pytest.mark.parametrize("pause", [0.0, 0.03, 0.08])
@pytest.mark.parametrize("default", [False, True])
def test_names_that_are_exchanged_while_it_waits_take_no_other_partition_off(lifecycle: Lifecycle, *, default: bool, pause: float) -> None:
    """The names are given in the statement that waits: whoever exchanges them waits until it has given way."""
    if default:
        lifecycle.sql("CREATE TABLE app.events_default PARTITION OF app.events DEFAULT")
    lifecycle.archive_partition(OLD)
    failed: list[BaseException] = []

    def detach() -> None:
        try:
            lifecycle.detach(OLD, policy=lifecycle.policy(lock_attempts=60))
        except BaseException as error:  # noqa: BLE001 - shown by the assertion below
            failed.append(error)

    with lifecycle.connect() as other:
        other.execute("LOCK TABLE app.events IN SHARE UPDATE EXCLUSIVE MODE")
        thread = threading.Thread(target=detach)
        thread.start()
        wait_until_it_waits(lifecycle)
        time.sleep(pause)
        for old, new in (("events_p202408", "aside"), ("events_p202611", "events_p202408"), ("aside", "events_p202611")):
            other.execute(f"ALTER TABLE app.{old} RENAME TO {new}".encode())
        other.commit()
        thread.join()
    assert len(failed) == 1
    assert "was renamed or replaced while this step waited" in str(failed[0])
    assert len([name for name in lifecycle.partitions() if name != "events_default"]) == 5


def test_a_partition_is_not_renamed_under_a_detach_that_waits_and_is_as_soon_as_it_goes_by_oids(lifecycle: Lifecycle) -> None:
    """A name is kept only until the statement has looked it up: the wait for older transactions, which may be long, keeps nobody."""
    lifecycle.archive_partition(OLD)
    thread = threading.Thread(target=lambda: lifecycle.detach(OLD))
    with lifecycle.connect() as reader, lifecycle.connect(autocommit=True) as person:
        reader.execute("SELECT count(*) FROM app.events_p202611, app.events LIMIT 1")
        thread.start()
        while lifecycle.value("SELECT count(*) FROM pg_inherits WHERE inhdetachpending") == 0:
            time.sleep(0.01)
        time.sleep(0.05)
        held = "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE application_name = 'partition_lifecycle watch' AND relation = %s::regclass"
        assert person.execute(held, (OLD,)).fetchone() == (0,)
        assert thread.is_alive()
    thread.join()
    assert "events_p202408" not in lifecycle.partitions()


def test_two_detaches_at_once_take_turns(lifecycle: Lifecycle) -> None:
    names = [OLD, "app.events_p202409", "app.events_p202410"]
    for name in names:
        lifecycle.archive_partition(name)
    failed: list[BaseException] = []

    def detach(name: str) -> None:
        try:
            lifecycle.detach(name)
        except BaseException as error:  # noqa: BLE001 - shown by the assertion below
            failed.append(error)

    threads = [threading.Thread(target=detach, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert lifecycle.partitions() == ["events_p202610", "events_p202611"]


def test_a_detach_that_would_lose_a_foreign_key_is_refused_and_the_plan_says_so_before(
    lifecycle: Lifecycle, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    lifecycle.sql("""
        CREATE TABLE auth.tenants (id integer PRIMARY KEY) PARTITION BY RANGE (id);
        CREATE TABLE auth.tenants_few PARTITION OF auth.tenants FOR VALUES FROM (0) TO (1000);
        ALTER TABLE app.events ADD COLUMN tenant_id integer REFERENCES auth.tenants;
    """)
    lifecycle.archive_partition(OLD)
    with monkeypatch.context() as older:
        older.setattr(psycopg.ConnectionInfo, "server_version", 150008)
        lifecycle.plan()
        assert (
            'no partition will be detached: "app.events" has a foreign key to the partitioned table "auth.tenants"'
            in capsys.readouterr().out + caplog.text
        )
        with pytest.raises(AirflowFailException, match=r'"auth\.tenants", and PostgreSQL 15\.8 no longer enforces .*mended in 15\.9'):
            lifecycle.detach(OLD)
        assert "events_p202408" in lifecycle.partitions()
        assert lifecycle.value("SELECT count(*) FROM partition_lifecycle.detached_partition") == 0
    lifecycle.detach(OLD)
    assert lifecycle.value("SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND conrelid = %s::regclass", OLD) == 0


def test_a_pending_detach_is_finished_on_a_server_that_would_not_begin_it(lifecycle: Lifecycle, monkeypatch: pytest.MonkeyPatch) -> None:
    lifecycle.sql("""
        CREATE TABLE auth.tenants (id integer PRIMARY KEY) PARTITION BY RANGE (id);
        ALTER TABLE app.events ADD COLUMN tenant_id integer REFERENCES auth.tenants;
    """)
    lifecycle.archive_partition(OLD)
    with lifecycle.connect() as reader:
        reader.execute("SELECT count(*) FROM app.events")
        with pytest.raises(WaitTooLongError):
            lifecycle.detach(OLD, policy=lifecycle.policy(wait_timeout="1 s"))
    monkeypatch.setattr(psycopg.ConnectionInfo, "server_version", 150008)
    lifecycle.detach(OLD)
    assert "events_p202408" not in lifecycle.partitions()
