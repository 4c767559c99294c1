"""Whatever is killed, wherever, while a table gets another shape: nobody misses a row meanwhile, and the next run of the steps ends what was begun."""

from collections.abc import Callable, Iterable
from itertools import count
from typing import Any

import psycopg
import pytest

from include.partitioning.reshape import Move
from tests.integration.conftest import Lifecycle
from tests.integration.faults import Fuse, session_fuse, with_the_session, with_the_worker, worker_fuse
from tests.integration.test_reshape import PLAIN, SUM, kind, reshape, schemas

Dies = Callable[[Fuse, Callable[[], object]], bool]
MakeFuse = Callable[[int, Lifecycle], Fuse]

WRITES = """
UPDATE app.visits SET note = note || '!', created_at = created_at + interval '1 day' WHERE id % 7 = %(point)s % 7;
DELETE FROM app.visits WHERE id = 100 + %(point)s;
INSERT INTO app.visits (user_id, created_at, note) VALUES (1, '2026-11-20 00:00+00', 'while it lay half done')
"""


def there_and_back(lifecycle: Lifecycle, dies: Dies, make_fuse: MakeFuse, points: Iterable[int]) -> int:
    """Adopt, or undo what was adopted before; each time something dies, clients write before it is run again. Returns how often that was."""
    policy = lifecycle.policy(reshape={"jobs": 1}, interval="quarter")
    deaths = 0
    for point in points:
        move = Move.ADOPT if kind(lifecycle) == "r" else Move.UNDO
        fuse = make_fuse(point, lifecycle)
        if dies(fuse, lambda move=move: reshape(lifecycle, move, policy=policy)):  # type: ignore[misc]  # mypy takes the default for a parameter
            deaths += 1
            with lifecycle.connect(autocommit=True) as connection:
                write(connection, point)
        before = lifecycle.value(SUM)
        reshape(lifecycle, move, policy=policy)
        assert lifecycle.value(SUM) == before, fuse.where
        assert kind(lifecycle) == ("p" if move is Move.ADOPT else "r"), fuse.where
        assert [each for each in schemas(lifecycle) if "reshape" in each] == [], fuse.where
        if fuse.where is None and dies is with_the_session:
            break
        drop_formers(lifecycle)
    return deaths


def write(connection: psycopg.Connection[Any], point: int) -> None:
    for statement in WRITES.replace("id % 7", "id %% 7").replace("s % 7", "s %% 7").split(";"):
        connection.execute(statement.encode(), {"point": point})


def drop_formers(lifecycle: Lifecycle) -> None:
    """So that the next one has the room, and the name."""
    for schema in schemas(lifecycle):
        lifecycle.sql(f"DROP SCHEMA {schema} CASCADE")


@pytest.fixture
def visits(lifecycle: Lifecycle) -> Lifecycle:
    lifecycle.sql(PLAIN)
    lifecycle.values = {"table": "app.visits", "retention": None, "archive": None, "premake": 1}
    return lifecycle


@pytest.mark.slow
def test_a_killed_session_is_made_up_for_by_the_next_run(visits: Lifecycle) -> None:
    assert there_and_back(visits, with_the_session, session_fuse, count(1)) > 50


@pytest.mark.slow
def test_a_killed_worker_is_made_up_for_by_the_next_run(visits: Lifecycle) -> None:
    assert there_and_back(visits, with_the_worker, worker_fuse, range(1, 100, 7)) > 8


def test_a_sample_of_killed_sessions(visits: Lifecycle) -> None:
    assert there_and_back(visits, with_the_session, session_fuse, (7, 19, 38)) == 3
