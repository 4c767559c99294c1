"""Two at once: runs, backfills, another Airflow, a person in psql. One waits or stops and says for whom; nothing is done twice, no client sees an error."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from include.partitioning.errors import PartitionLifecycleError, WaitTooLongError
from include.postgres import bloat
from include.postgres.ledger import Ledger
from partition_operators.reindex_partition import ReindexPartitionOperator
from tests.integration.conftest import Lifecycle

OLD = "app.events_p202408"
OLDS = (OLD, "app.events_p202409", "app.events_p202410")
EVENTS = "SELECT count(*) FROM partition_lifecycle.event WHERE action = %s AND outcome = 'done'"


def first_of_each(connection: psycopg.Connection[Any], oids: Iterable[int], _: float) -> dict[int, list[bloat.IndexBloat]]:
    """One index of each partition, however small and well it is."""
    return {oid: found[:1] for oid, found in bloat.measure(connection, oids).items()}


class Side:
    """Something that goes on in a thread, and what it said or failed with."""

    def __init__(self, work: Callable[..., Any], *arguments: Any, **named: Any) -> None:
        self.said: Any = None
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(work, arguments, named))
        self._thread.start()

    def _run(self, work: Callable[..., Any], arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        try:
            self.said = work(*arguments, **named)
        except BaseException as error:  # noqa: BLE001 - the test looks at it
            self.error = error

    def end(self) -> "Side":
        self._thread.join(60)
        assert not self._thread.is_alive()
        return self


@contextmanager
def advisory(lifecycle: Lifecycle, table: str, application: str = "another Airflow") -> Iterator[psycopg.Connection[Any]]:
    """Somebody else has our lock of this table."""
    with lifecycle.connect(autocommit=True, application_name=application) as other:
        other.execute("SELECT pg_advisory_lock(hashtextextended('partition_lifecycle ' || (%s::regclass::oid::bigint)::text, 0))", (table,))
        yield other


@contextmanager
def clients(lifecycle: Lifecycle, number: int = 3) -> Iterator[list[str]]:
    """An application that goes on meanwhile, and the errors that it saw."""
    over, errors = threading.Event(), list[str]()

    def live(identity: int) -> None:
        with lifecycle.connect(autocommit=True) as connection:
            row = 100_000 * identity
            while not over.is_set():
                row += 1
                for statement in (
                    f"INSERT INTO app.events VALUES ({row}, {identity}, '2026-11-11', 'new')",
                    f"UPDATE app.events SET note = 'changed' WHERE id = {row} AND created_at = '2026-11-11'",
                    f"UPDATE auth.users SET id = id WHERE id = {identity}",
                    "SELECT count(*) FROM app.events WHERE user_id = 1",
                ):
                    try:
                        connection.execute(statement.encode())
                    except psycopg.Error as error:
                        errors.append(f"{statement}: {error}")
                time.sleep(0.005)

    threads = [threading.Thread(target=live, args=(identity,)) for identity in range(1, number + 1)]
    for thread in threads:
        thread.start()
    try:
        yield errors
    finally:
        over.set()
        for thread in threads:
            thread.join()


def test_of_two_archives_of_one_partition_at_once_the_second_finds_the_first_s(lifecycle: Lifecycle) -> None:
    sides = [Side(lifecycle.archive_partition, OLD) for _ in range(2)]
    said = [str(side.end().said) for side in sides]
    assert sorted("is archived already" in each for each in said) == [False, True], said
    assert lifecycle.value("SELECT count(*) FROM partition_lifecycle.archive") == 1
    assert lifecycle.value(EVENTS, "archive") == 1


@pytest.mark.parametrize("step", ["archive_partition", "detach", "drop"])
def test_a_step_waits_for_whoever_works_on_the_same_partition_and_names_him(lifecycle: Lifecycle, step: str) -> None:
    lifecycle.archive_partition(OLD)
    if step == "drop":
        lifecycle.detach(OLD)
    with (
        advisory(lifecycle, OLD),
        pytest.raises(WaitTooLongError, match=rf'"{OLD}": waited 1 s for pid \d+ \(postgres, another Airflow, .*has the lock'),
    ):
        getattr(lifecycle, step)(OLD, policy=lifecycle.policy(wait_timeout="1 s"))
    getattr(lifecycle, step)(OLD)


@pytest.mark.parametrize("step", ["create", "detach"])
def test_creating_and_detaching_partitions_of_one_table_never_go_on_side_by_side(lifecycle: Lifecycle, step: str) -> None:
    lifecycle.archive_partition(OLD)
    arguments = (OLD,) if step == "detach" else ()
    with (
        advisory(lifecycle, "app.events"),
        pytest.raises(WaitTooLongError, match=r'"app.events": waited 1 s for pid \d+ \(postgres, another Airflow, .*has the lock'),
    ):
        getattr(lifecycle, step)(*arguments, policy=lifecycle.policy(wait_timeout="1 s"))
    getattr(lifecycle, step)(*arguments)


@pytest.mark.parametrize("table", ["app.events", "app.events_p202611"])
def test_analyze_waits_for_whoever_changes_what_it_would_read(lifecycle: Lifecycle, table: str) -> None:
    if table != "app.events":
        lifecycle.needs(18, "analyzing a partition without its table")
    with (
        advisory(lifecycle, table),
        pytest.raises(WaitTooLongError, match=rf'analyze "{table}": waited 1 s for pid \d+ \(postgres, another Airflow'),
    ):
        lifecycle.analyze(policy=lifecycle.policy(wait_timeout="1 s"))


def test_what_was_done_while_a_step_waited_is_not_done_again(lifecycle: Lifecycle) -> None:
    """The second detach, and an archive, wait for a run that detaches and drops meanwhile."""
    lifecycle.archive_partition(OLD)
    steps = []
    with advisory(lifecycle, OLD) as other:
        steps = [Side(lifecycle.detach, OLD), Side(lifecycle.archive_partition, OLD)]
        time.sleep(1)
        record = "INSERT INTO partition_lifecycle.event (action, outcome, parent, partition) VALUES ('drop', 'done', 'app.events', %s)"
        lifecycle.sql(
            """
            INSERT INTO partition_lifecycle.detached_partition (system_identifier, database_oid, partition_oid, partition, parent_oid, parent,
                   lower_bound, upper_bound, columns_digest, detached_at, drop_after, dropped_at)
            SELECT s.system_identifier, d.oid, %s::regclass, %s, 'app.events'::regclass, 'app.events', '2024-08-01', '2024-09-01', '', now(), now(), now()
              FROM pg_control_system() s, pg_database d WHERE d.datname = current_database()
            """,
            OLD,
            OLD,
        )
        lifecycle.sql(record, OLD)
        lifecycle.sql(f"DROP TABLE {OLD}")
        other.execute("SELECT pg_advisory_unlock_all()")
        assert [side.end().error for side in steps] == [None, None]
    assert [side.said for side in steps] == [f'"{OLD}" is gone already; nothing to do'] * 2
    assert lifecycle.value(EVENTS, "detach") == 0


def test_a_partition_that_was_replaced_while_a_step_waited_is_left_alone(lifecycle: Lifecycle) -> None:
    with advisory(lifecycle, OLD) as other:
        step = Side(lifecycle.archive_partition, OLD)
        time.sleep(1)
        lifecycle.sql(
            f"DROP TABLE {OLD}; CREATE TABLE {OLD} PARTITION OF app.events FOR VALUES FROM ('2024-08-01 00:00+00') TO ('2024-09-01 00:00+00')"
        )
        other.execute("SELECT pg_advisory_unlock_all()")
        step.end()
    assert "was replaced by another table while this step waited" in str(step.error)


def test_a_reindex_and_a_detach_of_one_partition_take_turns(lifecycle: Lifecycle, monkeypatch: pytest.MonkeyPatch) -> None:
    """An old transaction keeps the rebuild from ending; the detach begins when that is over."""
    monkeypatch.setattr(bloat, "worth_rebuilding", first_of_each)
    lifecycle.archive_partition(OLD)
    with lifecycle.connect() as reader:
        reader.execute(f"SELECT count(*) FROM {OLD}".encode())
        rebuild = Side(lifecycle.run, ReindexPartitionOperator, partition=OLD)
        time.sleep(1)
        detach = Side(lifecycle.detach, OLD)
        time.sleep(1)
        assert lifecycle.value("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'ALTER TABLE%%DETACH%%' AND state = 'active'") == 0
    assert len(rebuild.end().said or []) == 1, rebuild.error
    assert detach.end().error is None
    assert lifecycle.value("SELECT count(*) FROM pg_index WHERE NOT indisvalid") == 0
    assert "events_p202408" not in lifecycle.partitions()


def test_a_reindex_that_waited_for_the_detach_finds_no_partition_and_says_so(lifecycle: Lifecycle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bloat, "worth_rebuilding", first_of_each)
    lifecycle.archive_partition(OLD)
    with advisory(lifecycle, OLD) as other:
        rebuild = Side(lifecycle.run, ReindexPartitionOperator, partition=OLD)
        time.sleep(1)
        lifecycle.sql(f"ALTER TABLE app.events DETACH PARTITION {OLD}")
        other.execute("SELECT pg_advisory_unlock_all()")
        assert rebuild.end().error is None
    assert rebuild.said == []


def test_a_person_s_analyze_of_the_parent_makes_a_creation_give_way_and_go_on_behind_it(lifecycle: Lifecycle) -> None:
    policy = lifecycle.policy(retention="1 month", lock_attempts=1)
    with lifecycle.connect(application_name="a person") as person:
        person.execute("ANALYZE app.events")
        with pytest.raises(
            PartitionLifecycleError, match=r"blocked by pid \d+ \(postgres, a person, .*ShareUpdateExclusiveLock on app.events"
        ):
            lifecycle.create(policy=policy)
    assert "app.events_p202612" in lifecycle.create(policy=policy)


def test_a_detach_by_hand_while_ours_begins_ends_in_the_same_state(lifecycle: Lifecycle, monkeypatch: pytest.MonkeyPatch) -> None:
    lifecycle.archive_partition(OLD)
    announce = Ledger.announce_detach

    def and_then_a_person(*arguments: Any) -> None:
        announce(*arguments)
        lifecycle.sql(f"ALTER TABLE app.events DETACH PARTITION {OLD}")

    monkeypatch.setattr(Ledger, "announce_detach", and_then_a_person)
    lifecycle.detach(OLD)
    assert lifecycle.value("SELECT drop_after IS NOT NULL FROM partition_lifecycle.detached_partition") is True
    lifecycle.drop(OLD)
    assert not lifecycle.exists(OLD)


def test_a_detach_by_hand_while_ours_waits_is_said_and_the_next_run_goes_on(lifecycle: Lifecycle) -> None:
    lifecycle.archive_partition(OLD)
    with lifecycle.connect() as person:
        person.execute(f"ALTER TABLE app.events DETACH PARTITION {OLD}".encode())
        ours = Side(lifecycle.detach, OLD, policy=lifecycle.policy(lock_attempts=60))
        time.sleep(1)
        person.commit()
    ours.end()
    if ours.error is not None:  # the statement was waiting just then
        assert "is not a partition of" in str(ours.error)
        assert lifecycle.heal() == [OLD]
    lifecycle.drop(OLD)
    assert not lifecycle.exists(OLD)


def test_a_drop_by_hand_while_our_drop_waits_is_said_and_nothing_else_goes(lifecycle: Lifecycle) -> None:
    lifecycle.archive_partition(OLD)
    lifecycle.detach(OLD)
    with lifecycle.connect() as person:
        person.execute(f"DROP TABLE {OLD}".encode())
        ours = Side(lifecycle.drop, OLD)
        time.sleep(1)
        person.commit()
    assert isinstance(ours.end().error, AirflowFailException | PartitionLifecycleError), ours.said
    assert OLD in str(ours.error)
    assert len(lifecycle.partitions()) == 4


def test_a_drop_beside_a_restore_ends_with_the_rows_in_the_table_or_in_the_archive(lifecycle: Lifecycle) -> None:
    lifecycle.archive_partition(OLD)
    lifecycle.detach(OLD)
    drop, restore = Side(lifecycle.drop, OLD), Side(lifecycle.restore, OLD)
    drop.end()
    restore.end()
    assert drop.error is None, drop.error
    if restore.error is not None:
        assert "still exists" in str(restore.error) or "the name is taken" in str(restore.error), restore.error
        lifecycle.restore(OLD)
    assert lifecycle.value("SELECT count(*) FROM app.events WHERE created_at < '2024-09-01'") == 50


@pytest.mark.slow
@pytest.mark.every_server
def test_whole_lifecycles_at_once_with_different_reference_dates_end_as_one_would(lifecycle: Lifecycle) -> None:
    """Two Airflows and a backfill; each expires what is past as of its own date, and what another has done is a success that says so."""
    policy = lifecycle.policy(retention="24 months", lock_attempts=60, wait_timeout="60 s")
    dates = ("2026-11-22", "2026-11-01", "2026-10-22")

    def live(date: str) -> None:
        arguments = {"policy": policy, "reference_date": date}
        names = lifecycle.plan(**arguments)
        lifecycle.heal(**arguments)
        lifecycle.create(**arguments)
        for name in names:
            lifecycle.archive_partition(name, **arguments)
            lifecycle.detach(name, **arguments)
            with suppress(AirflowSkipException):
                lifecycle.drop(name, **arguments)
        lifecycle.analyze(**arguments)

    with clients(lifecycle) as errors:
        sides = [Side(live, date) for date in dates]
        failed = [side.end().error for side in sides]
    assert failed == [None] * 3, failed
    assert errors == []
    assert not any(lifecycle.exists(name) for name in OLDS)
    assert lifecycle.value("SELECT count(*) FROM partition_lifecycle.archive") == 3
    assert [lifecycle.value(EVENTS, action) for action in ("archive", "detach", "drop")] == [3, 3, 3]
    assert lifecycle.value("SELECT count(*) FROM pg_inherits WHERE inhdetachpending") == 0
    lowers = lifecycle.sql(
        "SELECT lower_bound, count(*) FROM partition_lifecycle.event WHERE action = 'create' AND outcome = 'done' GROUP BY 1"
    )
    assert {each["count"] for each in lowers} == {1}
