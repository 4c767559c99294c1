"""Every wait of ours is limited, and says in the log for whom: sessions, prepared transactions, workers, and what may not be seen."""

import logging
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest
from psycopg import sql

from include.partitioning.errors import LockNotAvailableError, TransientError, WaitTooLongError
from include.postgres import lookout, watch
from include.postgres.executor import Executor
from include.postgres.lookout import Lookout
from include.postgres.sessions import Session, advisory_lock_holders, describe, lock_holders
from include.postgres.table_lock import advisory_lock
from tests.databases import fresh_database
from tests.integration.conftest import Lifecycle

OLD = "app.events_p202408"
USERS, PARENT = "auth.users", "app.events"


def oid(lifecycle: Lifecycle, table: str) -> int:
    return int(lifecycle.value("SELECT %s::regclass::oid::bigint", table))


def holders(lifecycle: Lifecycle, *tables: str, **options: str) -> list[Session]:
    with lifecycle.connect(autocommit=True, **options) as connection:
        return lock_holders(connection, [oid(lifecycle, table) for table in tables])


def until(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not what():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.02)


def is_waiting(lifecycle: Lifecycle, application: str) -> bool:
    return bool(
        lifecycle.value(
            "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name LIKE %s", f"%{application}%"
        )
    )


@contextmanager
def prepared(lifecycle: Lifecycle, statement: str) -> Iterator[None]:
    """A transaction that was prepared and forgotten."""
    with lifecycle.connect(autocommit=True) as connection:
        connection.execute("BEGIN")
        connection.execute(statement.encode())
        connection.execute("PREPARE TRANSACTION 'forgotten'")
    try:
        yield
    finally:
        lifecycle.sql("ROLLBACK PREPARED 'forgotten'")


def test_a_session_is_named_with_user_application_state_ages_what_it_holds_and_its_query(lifecycle: Lifecycle) -> None:
    with lifecycle.connect(application_name="a person") as holder:
        holder.execute("SELECT count(*)\n  FROM app.events_p202408")
        said = describe(holders(lifecycle, OLD))
        pid = holder.info.backend_pid
    assert re.fullmatch(
        rf"pid {pid} \(postgres, a person, idle in transaction, transaction 0:00:0\d old, query begun 0:00:0\d ago, "
        rf"holds AccessShareLock on {OLD}, query: SELECT count\(\*\) FROM app\.events_p202408\)",
        said,
    ), said


def test_a_prepared_transaction_has_no_session_and_is_named_by_how_it_can_be_ended(lifecycle: Lifecycle) -> None:
    with (
        prepared(lifecycle, "UPDATE auth.users SET id = id WHERE id = 1"),
        pytest.raises(TransientError, match=r'blocked by prepared transaction "forgotten" \(postgres, prepared 0:00:0\d ago, ') as caught,
    ):
        lifecycle.create(policy=lifecycle.policy(lock_attempts=1, retention="1 month"))
    assert "holds RowExclusiveLock on auth.users; it has no session: only COMMIT PREPARED or ROLLBACK PREPARED ends it" in str(caught.value)


def test_a_prepared_transaction_that_a_detach_waits_for_is_named_too(lifecycle: Lifecycle) -> None:
    lifecycle.archive_partition(OLD)
    with (
        prepared(lifecycle, "SELECT count(*) FROM app.events"),
        pytest.raises(WaitTooLongError, match=r'waited 1 s for prepared transaction "forgotten".*its transaction must end first'),
    ):
        lifecycle.detach(OLD, policy=lifecycle.policy(wait_timeout="1 s"))
    lifecycle.detach(OLD)


def test_what_a_parallel_worker_holds_its_leader_holds(lifecycle: Lifecycle) -> None:
    with lifecycle.connect(application_name="a parallel report", autocommit=True) as leader:
        pid = leader.info.backend_pid
        leader.execute("SET debug_parallel_query = on" if lifecycle.version >= 16 else "SET force_parallel_mode = on")
        query = threading.Thread(target=run_until_cancelled, args=(leader, f"SELECT count(*), pg_sleep(20) FROM {OLD}"))
        query.start()
        try:
            until(lambda: bool(lifecycle.value("SELECT count(*) > 0 FROM pg_stat_activity WHERE leader_pid = %s", pid)))
            found = holders(lifecycle, OLD)
        finally:
            leader.cancel_safe()
            query.join()
    assert [each.pid for each in found] == [pid]
    assert found[0].application == "a parallel report"


def run_until_cancelled(connection: psycopg.Connection[object], statement: str) -> None:
    with suppress(psycopg.errors.QueryCanceled):
        connection.execute(statement.encode())


def test_what_our_role_may_not_see_is_said_with_what_it_lacks(lifecycle: Lifecycle) -> None:
    lifecycle.sql("CREATE ROLE poor_sighted LOGIN")
    try:
        with lifecycle.connect(application_name="a stranger") as holder:
            holder.execute(f"SELECT count(*) FROM {OLD}".encode())
            said = describe(holders(lifecycle, OLD, user="poor_sighted"))
    finally:
        lifecycle.sql("DROP ROLE poor_sighted")
    assert "postgres, a stranger, what it does is shown to members of pg_read_all_stats only, holds AccessShareLock" in said
    assert "None" not in said
    assert "query:" not in said


def test_a_relation_with_the_same_oid_in_another_database_is_another_one(lifecycle: Lifecycle, server: str, template: str) -> None:
    with fresh_database(server, template) as elsewhere, psycopg.connect(elsewhere) as stranger:
        stranger.execute("LOCK TABLE app.events IN ACCESS EXCLUSIVE MODE")
        found = stranger.execute("SELECT 'app.events'::regclass::oid::bigint").fetchone()
        assert found == (oid(lifecycle, PARENT),)
        stranger.execute(
            "SELECT pg_advisory_lock(hashtextextended('partition_lifecycle ' || 'app.events'::regclass::oid::bigint::text, 0))"
        )
        assert holders(lifecycle, PARENT) == []
        with lifecycle.connect(autocommit=True) as connection:
            assert advisory_lock_holders(connection, str(oid(lifecycle, PARENT))) == []


def test_more_sessions_than_anybody_reads_are_counted() -> None:
    one = Session(1, None, "client backend", "app", "web", "active", timedelta(seconds=2), timedelta(seconds=1), "SELECT 1", "holds it up")
    assert describe([replace(one, pid=number) for number in range(7)]).endswith("; and 2 more")
    assert describe([]) == "somebody who has gone meanwhile"


def test_an_autovacuum_worker_is_called_one(lifecycle: Lifecycle) -> None:
    worker = Session(
        7,
        None,
        "autovacuum worker",
        None,
        "",
        "active",
        timedelta(hours=1),
        timedelta(hours=1),
        "autovacuum: VACUUM app.events_p202408",
        "in the way",
    )
    assert str(worker) == (
        "pid 7 (autovacuum worker, active, transaction 1:00:00 old, query begun 1:00:00 ago, in the way, query: autovacuum: VACUUM app.events_p202408)"
    )


@pytest.mark.slow
@pytest.mark.every_server
@pytest.mark.alone
def test_a_real_autovacuum_worker_is_named_by_a_step_that_gives_way_to_it(lifecycle: Lifecycle, monkeypatch: pytest.MonkeyPatch) -> None:
    lifecycle.sql("CREATE TABLE app.events_default PARTITION OF app.events DEFAULT")  # so the plain way, which needs ACCESS EXCLUSIVE
    lifecycle.sql(f"INSERT INTO {OLD} SELECT g, 1, '2024-08-15', repeat('x', 500) FROM generate_series(1000, 60000) g")
    lifecycle.archive_partition(OLD)
    slowly = "autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1, autovacuum_vacuum_insert_threshold = 0, autovacuum_vacuum_threshold = 0"
    lifecycle.sql(f"ALTER TABLE {OLD} SET ({slowly}, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_insert_scale_factor = 0)")
    try:
        for statement in ("ALTER SYSTEM SET autovacuum = on", "ALTER SYSTEM SET autovacuum_naptime = 1", "SELECT pg_reload_conf()"):
            lifecycle.sql(statement)
        with suppress(AssertionError):
            until(lambda: bool(lifecycle.value("SELECT count(*) > 0 FROM pg_stat_progress_vacuum WHERE relid = %s::regclass", OLD)))
        with pytest.raises(
            LockNotAvailableError, match=r"pid \d+ \(autovacuum worker, .*ShareUpdateExclusiveLock on app.events_p202408.*VACUUM"
        ):
            lifecycle.detach(OLD)
    finally:
        for name in ("autovacuum", "autovacuum_naptime"):
            lifecycle.sql(f"ALTER SYSTEM RESET {name}")
        lifecycle.sql("SELECT pg_reload_conf()")
        lifecycle.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'autovacuum worker'")


def test_a_step_says_for_whom_it_waits_to_write_the_ledger(
    lifecycle: Lifecycle, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(lookout, "SAY_EVERY", 0.2)
    lifecycle.create()
    with lifecycle.connect(application_name="a curious person") as person:
        person.execute("LOCK TABLE partition_lifecycle.event IN EXCLUSIVE MODE")
        step = threading.Thread(target=lifecycle.archive_partition, args=(OLD,))
        step.start()
        until(lambda: is_waiting(lifecycle, "partition_lifecycle archive"))
        time.sleep(0.7)
        person.rollback()
        step.join()
    said = capsys.readouterr().out + caplog.text
    assert re.search(
        r'archive for "app.events": waiting for pid \d+ \(postgres, a curious person, .*in the way of RowExclusiveLock on '
        r"partition_lifecycle.event, query: LOCK TABLE.*; 0 s so far, (20|19) s left",
        said,
    ), said


def test_a_read_of_the_catalog_and_the_ledger_waits_no_longer_than_wait_timeout_and_says_for_whom(
    lifecycle: Lifecycle, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(lookout, "SAY_EVERY", 0.2)
    lifecycle.create(reference_date="2026-10-22")  # installs the ledger
    with lifecycle.connect(application_name="a person") as person:
        person.execute("LOCK TABLE partition_lifecycle.event IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(LockNotAvailableError, match=r"read the catalog"):
            lifecycle.create(policy=lifecycle.policy(wait_timeout="1 s"))
    assert "a person, idle in transaction" in capsys.readouterr().out + caplog.text


def test_the_lookout_opens_no_connection_while_no_statement_runs(lifecycle: Lifecycle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookout, "SAY_EVERY", 0.05)
    with lifecycle.connect(autocommit=True) as connection, Lookout(connection, logging.getLogger("test"), "nothing", timedelta(seconds=1)):
        time.sleep(0.3)
        assert lifecycle.value("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'partition_lifecycle watch'") == 0


def test_all_locks_of_one_attempt_together_are_waited_for_no_longer_than_lock_timeout(lifecycle: Lifecycle, executor: Executor) -> None:
    """The first is let go after 200 of 300 ms, so that 100 are left for the second; a limit for each alone would make it 500."""
    budget = replace(executor.budget, lock_attempts=1, lock_timeout=timedelta(milliseconds=300))
    once = Executor(executor.connection, budget, executor.log)
    lasted: list[float] = []

    def work(_: object) -> None:
        threading.Timer(0.2, first.rollback).start()
        begun = time.monotonic()
        try:
            for table in (PARENT, USERS):
                once.run_briefly(sql.SQL("LOCK TABLE ONLY {} IN ACCESS EXCLUSIVE MODE").format(sql.Identifier(*table.split("."))))
        finally:
            lasted.append(time.monotonic() - begun)

    with lifecycle.connect() as first, lifecycle.connect() as second:
        first.execute(f"LOCK TABLE ONLY {PARENT} IN ACCESS SHARE MODE".encode())
        second.execute(f"LOCK TABLE {USERS} IN ACCESS SHARE MODE".encode())
        with pytest.raises(LockNotAvailableError):
            once.transaction("lock both", work, [oid(lifecycle, PARENT), oid(lifecycle, USERS)])
    assert 0.25 < lasted[0] < 0.45, lasted


def test_a_statement_that_takes_several_locks_gets_a_share_for_each(lifecycle: Lifecycle, executor: Executor) -> None:
    shares: list[str] = []

    def work(connection: psycopg.Connection[object]) -> None:
        executor.run_briefly(sql.SQL("SELECT 1").format(), locks=4)
        found = connection.execute("SHOW lock_timeout").fetchone()
        shares.append(str(found[0]) if found else "")  # type: ignore[index]  # SHOW returns text

    executor.transaction("look", work)
    assert shares == ["25ms"]


def test_who_waits_for_us_while_we_wait_for_him_never_gets_the_error(lifecycle: Lifecycle, executor: Executor) -> None:
    """A lock_timeout as long as the server's deadlock_timeout would let it choose the victim; so ours is always shorter."""
    lifecycle.sql("ALTER SYSTEM SET deadlock_timeout = '200ms'; ")
    lifecycle.sql("SELECT pg_reload_conf()")
    patient = Executor(executor.connection, replace(executor.budget, lock_timeout=timedelta(seconds=10), lock_attempts=2), executor.log)
    failed: list[BaseException] = []

    def work(_: object) -> None:
        patient.run_briefly(sql.SQL("LOCK TABLE auth.users IN ACCESS EXCLUSIVE MODE").format())
        waiting = threading.Thread(target=application, args=("SELECT count(*) FROM auth.users",))
        threads.append(waiting)
        waiting.start()
        time.sleep(0.05)
        patient.run_briefly(sql.SQL("LOCK TABLE ONLY app.events IN ACCESS EXCLUSIVE MODE").format())

    def application(statement: str) -> None:
        try:
            client.execute(statement.encode())
        except psycopg.Error as error:
            failed.append(error)

    threads: list[threading.Thread] = []
    try:
        with lifecycle.connect() as client:
            client.execute("SELECT count(*) FROM app.events")
            with pytest.raises(LockNotAvailableError, match=r"no lock within 100 ms in 2 attempts"):
                patient.transaction("lock both", work, [oid(lifecycle, PARENT)])
            for thread in threads:
                thread.join()
    finally:
        lifecycle.sql("ALTER SYSTEM RESET deadlock_timeout")
        lifecycle.sql("SELECT pg_reload_conf()")
    assert failed == []


def test_a_ledger_that_somebody_locks_keeps_no_lock_of_attach_waiting(lifecycle: Lifecycle) -> None:
    """The note is written before ATTACH: meanwhile the referenced table is free for writers."""
    lifecycle.create(reference_date="2026-10-22")  # installs the ledger
    with lifecycle.connect() as person, lifecycle.connect(autocommit=True) as client:
        person.execute("LOCK TABLE partition_lifecycle.event IN EXCLUSIVE MODE")
        policy = lifecycle.policy(wait_timeout="1 s", retention="1 month")
        step = threading.Thread(target=lambda: suppressed(lambda: lifecycle.create(policy=policy)))
        step.start()
        longest = 0.0
        while step.is_alive():
            begun = time.monotonic()
            client.execute("UPDATE auth.users SET id = id WHERE id = 5")
            longest = max(longest, time.monotonic() - begun)
        step.join()
        person.rollback()
    assert longest < 0.09, longest


def suppressed(work: Callable[[], object]) -> None:
    with suppress(LockNotAvailableError, Exception):
        work()


def test_a_watch_whose_look_fails_gives_way_and_whose_cancel_fails_tries_again(
    lifecycle: Lifecycle, executor: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the observer's trouble nor a lost request may leave the statement waiting in the way of others."""
    cancel = psycopg.Connection.cancel_safe
    lost: list[bool] = []

    def lose_the_first(connection: psycopg.Connection[object], *, timeout: float = 30.0) -> None:
        if not lost:
            lost.append(True)
            raise psycopg.OperationalError("the request was lost")
        cancel(connection, timeout=timeout)

    def fail(*_: object, **__: object) -> None:
        raise psycopg.OperationalError("the observer was terminated")

    monkeypatch.setattr(psycopg.Connection, "cancel_safe", lose_the_first)
    monkeypatch.setattr(watch, "row", fail)
    with lifecycle.connect() as holder:
        holder.execute("LOCK TABLE app.events IN SHARE UPDATE EXCLUSIVE MODE")
        once = Executor(executor.connection, replace(executor.budget, lock_attempts=1), executor.log)
        begun = time.monotonic()
        with pytest.raises(LockNotAvailableError):
            once.concurrently(
                "detach",
                sql.SQL("ALTER TABLE app.events DETACH PARTITION app.events_p202408 CONCURRENTLY").format(),
                lambda _: nullcontext(),
                lambda: False,
                [],
            )
        assert time.monotonic() - begun < 2
    assert lost == [True]


def test_an_advisory_lock_is_waited_for_with_a_limit_and_a_name(lifecycle: Lifecycle, executor: Executor) -> None:
    short = Executor(executor.connection, replace(executor.budget, wait_timeout=timedelta(milliseconds=300)), executor.log)
    with lifecycle.connect(autocommit=True, application_name="another Airflow") as other:
        other.execute("SELECT pg_advisory_lock(hashtextextended('partition_lifecycle 42', 0))")
        with (
            pytest.raises(WaitTooLongError, match=r'maintain "x": waited 300 ms for pid \d+ \(postgres, another Airflow, .*has the lock'),
            advisory_lock(short, 42, 'maintain "x"'),
        ):
            pass


def test_a_drop_of_a_table_that_has_a_foreign_key_again_keeps_readers_of_the_other_table_no_longer_than_lock_timeout(
    lifecycle: Lifecycle,
) -> None:
    """Its own table may be waited for 2 s, because nobody queues there; the table referred to may not."""
    lifecycle.archive_partition(OLD)
    lifecycle.detach(OLD)
    lifecycle.sql(f"ALTER TABLE {OLD} ADD FOREIGN KEY (user_id) REFERENCES auth.users")
    with lifecycle.connect() as writer, lifecycle.connect(autocommit=True) as client:
        writer.execute("UPDATE auth.users SET id = id WHERE id = 1")
        step = threading.Thread(target=lambda: suppressed(lambda: lifecycle.drop(OLD, policy=lifecycle.policy(lock_attempts=1))))
        step.start()
        longest = 0.0
        while step.is_alive():
            begun = time.monotonic()
            client.execute("SELECT count(*) FROM auth.users")
            longest = max(longest, time.monotonic() - begun)
        step.join()
    assert 0.05 < longest < 1, longest
    lifecycle.drop(OLD)
