"""Whatever is killed, wherever: when the DAG's steps have run once more, the database and the storage are as after an undisturbed run.

Killed are the session, the worker's process, and the whole server, at points that `faults.py` generates from the statements themselves. To be quick,
one life dies once in every step, at the first point of each; the next life at the second, and so on until no step has so many.
"""

import tempfile
import time
from collections.abc import Callable, Iterable
from itertools import count
from pathlib import Path

import psycopg
import pytest

from demo.embedded_postgres import running
from demo.local_airflow import socket_uri
from tests.integration.conftest import Lifecycle, copying, fill_with_bloat, small_table
from tests.integration.faults import Fuse, crash, session_fuse, with_the_session, with_the_worker, worker_fuse
from tests.integration.whole_run import OLD, live, run_again, steps_of, the_state, undisturbed, wanted_policy

Copies = Callable[[], Lifecycle]
Dies = Callable[[Fuse, Callable[[], object]], bool]
MakeFuse = Callable[[int, Lifecycle], Fuse]


def die_in_every_step(copies: Copies, dies: Dies, make_fuse: MakeFuse, points: Iterable[int], detached_retention: str | None = None) -> int:
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
                nothing_is_held(lifecycle)
                died.append(f"{name}, {fuse.where}")
                run_again(steps, name)
        live(lifecycle, policy)
        assert the_state(lifecycle) == expected, f"died at point {point} of {died}"
        if not died:
            break
        deaths += len(died)
    return deaths


def nothing_is_held(lifecycle: Lifecycle) -> None:
    """No session of ours is left, and so no lock and no open transaction; the server may need a moment to notice that a worker is gone."""
    deadline = time.monotonic() + 10
    while lifecycle.value(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'partition_lifecycle%'"
    ):
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.slow
def test_a_killed_session_is_made_up_for_by_the_next_run(copies: Copies) -> None:
    assert die_in_every_step(copies, with_the_session, session_fuse, count(1)) > 40


@pytest.mark.slow
def test_a_killed_session_is_made_up_for_by_the_next_run_also_where_the_table_is_kept_for_a_while(copies: Copies) -> None:
    assert die_in_every_step(copies, with_the_session, session_fuse, (1, 4, 6), "7 days") > 10


@pytest.mark.slow
def test_a_killed_worker_is_made_up_for_by_the_next_run(copies: Copies) -> None:
    assert die_in_every_step(copies, with_the_worker, worker_fuse, count(1, 3)) > 10


def test_a_sample_of_killed_sessions(copies: Copies) -> None:
    assert die_in_every_step(copies, with_the_session, session_fuse, [3]) > 5


def test_a_sample_of_killed_workers(copies: Copies) -> None:
    assert die_in_every_step(copies, with_the_worker, worker_fuse, [2]) > 5


@pytest.mark.slow
def test_a_crash_of_the_whole_server_is_made_up_for_by_the_next_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        tempfile.TemporaryDirectory(prefix="postgres-that-crashes-", ignore_cleanup_errors=True) as folder,
        running(Path(folder), {"autovacuum": "off"}) as server,
    ):
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute("CREATE DATABASE original")
        uri = socket_uri(server.partition("host=")[2], "original")
        with psycopg.connect(uri) as connection:
            small_table(connection)
        original = fill_with_bloat(Lifecycle(uri, tmp_path), monkeypatch)
        with copying(original, server, tmp_path, monkeypatch) as copies:
            deaths = die_in_every_step(copies, with_the_session, lambda point, _: Fuse(point, crash(Path(folder) / "pgdata")), [3])
    assert deaths > 5


@pytest.mark.slow
@pytest.mark.parametrize(("dies", "make_fuse", "stride"), [(with_the_session, session_fuse, 1), (with_the_worker, worker_fuse, 4)])
def test_a_killed_restore_is_made_up_for_by_the_next(lifecycle: Lifecycle, dies: Dies, make_fuse: MakeFuse, stride: int) -> None:
    lifecycle.expire(OLD)
    modes: dict[str, Callable[[], object]] = {
        "attach": lambda: lifecycle.restore(OLD),
        "table": lambda: lifecycle.restore(OLD, "table"),
        "drill": lifecycle.drill,
    }
    expected = {}
    for mode, restore in modes.items():
        restore()
        expected[mode] = the_state(lifecycle)
        forget_restore(lifecycle)
    assert len({str(each["relations"]) for each in expected.values()}) == 3
    deaths = 0
    for point in count(1, stride):
        died = 0
        for mode, restore in modes.items():
            fuse = make_fuse(point, lifecycle)
            died += dies(fuse, restore)
            restore()
            assert the_state(lifecycle) == expected[mode], f"died at point {point} of {mode}, {fuse.where}"
            forget_restore(lifecycle)
        if not died:
            break
        deaths += died
    assert deaths > 40 / stride


def forget_restore(lifecycle: Lifecycle) -> None:
    lifecycle.sql(f"DROP TABLE IF EXISTS {OLD}, {OLD}_restored; DELETE FROM partition_lifecycle.hold")
