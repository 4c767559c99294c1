"""Killed while a CONCURRENTLY statement waits: each phase is held by another session, the session or the worker is killed there, and the DAG's steps run again."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest

from include.postgres import reindexing
from partition_operators.reindex_partition import ReindexPartitionOperator
from tests.integration.conftest import Lifecycle
from tests.integration.faults import Worker
from tests.integration.whole_run import NOW, OLD, live, the_state, undisturbed, wanted_policy

READ_PARENT = ("SELECT count(*) FROM app.events",)
READ_PARTITION = (f"SELECT count(*) FROM {NOW}",)
WRITE_PARTITION = (f"INSERT INTO {NOW} (id, created_at) VALUES (-1, '2026-11-02')",)
WRITE_PARTITION_TOO = (f"INSERT INTO {NOW} (id, created_at) VALUES (-2, '2026-11-02')",)
LOCK_PARENT = ("LOCK TABLE app.events IN SHARE UPDATE EXCLUSIVE MODE",)
OLD_SNAPSHOT = ("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "SELECT count(*) FROM auth.users")


@dataclass(frozen=True)
class Phase:
    """A phase of a statement.

    :param holders: what sessions do that hold the statement up, one after the other: each begins while the one before it does, which then ends.
    :param reached: one condition for each of them, true once it is waited for.
    """

    step: str
    holders: Sequence[tuple[str, ...]]
    reached: Sequence[str]


def waits(statement: str) -> str:
    return f"SELECT count(*) > 0 FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE NOT l.granted AND a.query LIKE '{statement}'"


def builds(phase: str) -> str:
    return f"SELECT count(*) > 0 FROM pg_stat_progress_create_index WHERE phase = '{phase}'"


PENDING = "SELECT bool_or(inhdetachpending) FROM pg_inherits"
BEFORE_BUILD, BEFORE_DEAD = builds("waiting for writers before build"), builds("waiting for readers before marking dead")
PHASES = {
    "detach: before it is pending": Phase("detach", [LOCK_PARENT], [waits("ALTER TABLE%DETACH%CONCURRENTLY")]),
    "detach: pending": Phase("detach", [READ_PARENT], [PENDING]),
    "finalize": Phase("finalize", [OLD_SNAPSHOT], [waits("ALTER TABLE%FINALIZE")]),
    "reindex: before building": Phase("reindex", [WRITE_PARTITION], [BEFORE_BUILD]),
    "reindex: before validating": Phase(
        "reindex", [WRITE_PARTITION, WRITE_PARTITION_TOO], [BEFORE_BUILD, builds("waiting for writers before validation")]
    ),
    "reindex: built, waiting for old snapshots": Phase("reindex", [OLD_SNAPSHOT], [builds("waiting for old snapshots")]),
    "reindex: swapped": Phase("reindex", [READ_PARTITION], [BEFORE_DEAD]),
    "reindex: before dropping": Phase("reindex", [READ_PARTITION, READ_PARTITION], [BEFORE_DEAD, builds("waiting for readers before dropping")]),
    "drop of a leftover": Phase("heal", [READ_PARTITION], [waits("DROP INDEX CONCURRENTLY%")]),
}  # fmt: skip


def step_of(lifecycle: Lifecycle, step: str) -> Callable[[], Any]:
    policy = wanted_policy(lifecycle, lock_timeout="10 s")
    return {
        "detach": lambda: lifecycle.detach(OLD, policy=policy),
        "finalize": lambda: lifecycle.detach(OLD, policy=policy),
        "reindex": lambda: lifecycle.run(ReindexPartitionOperator, policy=policy, partition=NOW),
        "heal": lambda: lifecycle.heal(policy=policy),
    }[step]


def make_ready(lifecycle: Lifecycle, step: str) -> None:
    """Everything that comes before the statement that is to be held up."""
    if step in ("detach", "finalize"):
        lifecycle.archive_partition(OLD, policy=wanted_policy(lifecycle))
    if step == "finalize":
        impatient = lifecycle.connect(autocommit=True, options="-c lock_timeout=200ms")
        with holding(lifecycle, READ_PARENT), impatient as other, pytest.raises(psycopg.errors.LockNotAvailable):
            other.execute(f"ALTER TABLE app.events DETACH PARTITION {OLD} CONCURRENTLY".encode())
    if step == "heal":
        lifecycle.create(policy=wanted_policy(lifecycle))
        leave_an_index(lifecycle)


def leave_an_index(lifecycle: Lifecycle, name: str = "events_p202611_pkey_ccnew") -> None:
    """As an interrupted rebuild of ours does."""
    lifecycle.sql(f"CREATE INDEX {name} ON {NOW} (id)")
    lifecycle.sql("UPDATE pg_index SET indisvalid = false WHERE indexrelid = %s::regclass", f"app.{name}")
    lifecycle.sql(
        "INSERT INTO partition_lifecycle.event (action, outcome, parent, partition, partition_oid)"
        " SELECT 'reindex', 'began', 'app.events', %s, %s::regclass::oid", NOW, NOW
    )  # fmt: skip


@contextmanager
def holding(lifecycle: Lifecycle, statements: tuple[str, ...]) -> Iterator[None]:
    """A session with an open transaction that has run these."""
    with lifecycle.connect() as connection:
        for statement in statements:
            connection.execute(statement.encode())
        yield
        connection.rollback()


def until(lifecycle: Lifecycle, condition: str, seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not lifecycle.value(condition):
        assert time.monotonic() < deadline, condition
        time.sleep(0.02)


def kill_session(lifecycle: Lifecycle, worker: Worker) -> None:
    lifecycle.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
        " AND application_name LIKE 'partition_lifecycle %' AND application_name <> 'partition_lifecycle watch'"
    )
    assert worker.end() == 1


def kill_worker(lifecycle: Lifecycle, worker: Worker) -> None:
    worker.kill()


@pytest.mark.slow
@pytest.mark.parametrize("kill", [kill_session, kill_worker])
def test_killed_inside_any_phase_is_made_up_for_by_the_next_run(
    copies: Callable[[], Lifecycle], monkeypatch: pytest.MonkeyPatch, kill: Callable[[Lifecycle, Worker], None]
) -> None:
    expected = undisturbed(copies())
    for name, phase in PHASES.items():
        lifecycle = copies()
        make_ready(lifecycle, phase.step)
        with monkeypatch.context() as patch, ExitStack() as first:
            # Who begins right after we looked is not waited for beforehand; so it is with these.
            patch.setattr(reindexing, "wait_for_older_users", lambda *_: None)
            first.enter_context(holding(lifecycle, phase.holders[0]))
            worker = Worker(step_of(lifecycle, phase.step))
            until(lifecycle, phase.reached[0])
            with ExitStack() as second:
                for holder, reached in zip(phase.holders[1:], phase.reached[1:], strict=True):
                    second.enter_context(holding(lifecycle, holder))
                    first.close()
                    until(lifecycle, reached)
                kill(lifecycle, worker)
        live(lifecycle, wanted_policy(lifecycle))
        assert the_state(lifecycle) == expected, name


@pytest.mark.slow
def test_a_statement_whose_worker_is_gone_does_not_go_on_waiting_with_others_behind_it(bloated: Lifecycle) -> None:
    """The worker watched it; nobody does now."""
    make_ready(bloated, "detach")
    with holding(bloated, ("UPDATE auth.users SET id = id WHERE id = 1",)):
        worker = Worker(step_of(bloated, "detach"))
        until(bloated, waits("ALTER TABLE%DETACH%CONCURRENTLY"))
        worker.kill()
        begun = time.monotonic()
        bloated.sql("SET lock_timeout = '10 s'; UPDATE auth.users SET id = id WHERE id = 5")
        assert time.monotonic() - begun < 4
