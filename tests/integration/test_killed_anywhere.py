"""Whatever is killed, wherever: when the DAG's steps have run once more, the database and the storage are as after an undisturbed run.

Killed are the session, the worker's process, and the whole server, at points that `faults.py` generates from the statements themselves. To be quick,
one life dies once in every step, at the first point of each; the next life at the second, and so on until no step has so many.
"""

import signal
from collections.abc import Callable, Iterable
from itertools import count

import pytest

from include.partitioning.errors import TransientError
from tests.integration.conftest import Lifecycle
from tests.integration.faults import Fuse, When, Worker, kill_backend, kill_worker, lit
from tests.integration.whole_run import live, run_again, steps_of, the_state, undisturbed, wanted_policy

Copies = Callable[[], Lifecycle]
Dies = Callable[[Fuse, Callable[[], object]], bool]


def die_in_every_step(
    copies: Copies, dies: Dies, make_fuse: Callable[[int, Lifecycle], Fuse], points: Iterable[int], detached_retention: str | None = None
) -> int:
    """Returns how often something died."""
    expected = undisturbed(copies(), detached_retention)
    deaths = 0
    for point in points:
        lifecycle = copies()
        policy = wanted_policy(lifecycle, detached_retention)
        steps = steps_of(lifecycle, policy)
        died: list[str] = []
        for name, step in steps.items():
            fuse = make_fuse(point, lifecycle)
            if dies(fuse, step):
                died.append(f"{name}, {fuse.where}")
                run_again(steps, name)
        live(lifecycle, policy)
        assert the_state(lifecycle) == expected, f"died at point {point} of {died}"
        if not died:
            break
        deaths += len(died)
    return deaths


def with_the_session(fuse: Fuse, step: Callable[[], object]) -> bool:
    """The step fails by an error that Airflow retries; or it had ended already, but for a file's name."""
    try:
        with lit(fuse):
            step()
    except TransientError:
        return True
    return fuse.where is not None


def with_the_worker(fuse: Fuse, step: Callable[[], object]) -> bool:
    """The step's process is gone; or it had no such point."""

    def work() -> None:
        with lit(fuse):
            step()

    status = Worker(work).end()
    assert status in (0, -signal.SIGKILL)
    return status != 0


def session_fuse(point: int, lifecycle: Lifecycle) -> Fuse:
    return Fuse(point, kill_backend(lifecycle.uri))


def worker_fuse(point: int, lifecycle: Lifecycle) -> Fuse:
    return Fuse(point, kill_worker, (When.SENT,))


@pytest.mark.slow
def test_a_killed_session_is_made_up_for_by_the_next_run(copies: Copies) -> None:
    assert die_in_every_step(copies, with_the_session, session_fuse, count(1)) > 40


@pytest.mark.slow
def test_a_killed_session_is_made_up_for_by_the_next_run_also_where_the_table_is_kept_for_a_while(copies: Copies) -> None:
    assert die_in_every_step(copies, with_the_session, session_fuse, (1, 4, 6), "7 days") > 10


@pytest.mark.slow
def test_a_killed_worker_is_made_up_for_by_the_next_run(copies: Copies) -> None:
    assert die_in_every_step(copies, with_the_worker, worker_fuse, count(1)) > 30


def test_a_sample_of_killed_sessions(copies: Copies) -> None:
    assert die_in_every_step(copies, with_the_session, session_fuse, (2, 5)) > 8
