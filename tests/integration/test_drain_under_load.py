"""Draining DEFAULT while everybody goes on: each statement with a new snapshot, and each open REPEATABLE READ transaction, sees every row once."""

import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest
from psycopg import errors

from tests.integration.conftest import Lifecycle

ROWS = 3000
STILL = 300
"""Rows with the lowest ids: nobody changes them, and all of them are in December."""

TABLES = {
    "with a primary key": "id bigint, created_at timestamptz, user_id integer REFERENCES auth.users, amount bigint, PRIMARY KEY (id, created_at)",
    "without any key": "id bigint, created_at timestamptz, user_id integer, amount bigint",
}
FILL = f"""
CREATE TABLE app.other ();
CREATE TABLE app.money_p202611 PARTITION OF app.money FOR VALUES FROM ('2026-11-01 00:00+00') TO ('2026-12-01 00:00+00');
CREATE TABLE app.money_default PARTITION OF app.money DEFAULT;
INSERT INTO app.money SELECT g, CASE WHEN g <= {STILL} THEN timestamptz '2026-12-24 00:00+00'
  ELSE timestamptz '2026-01-01 00:00+00' + (g * 37 % 480) * interval '1 day' END, 1 + g % 10, 100 FROM generate_series(1, {ROWS}) g;
CREATE INDEX ON app.money (created_at); ANALYZE app.money;
"""
SEEN = f"""
SELECT (SELECT count(*) FROM app.money), (SELECT count(DISTINCT id) FROM app.money), (SELECT sum(amount) FROM app.money),
  (SELECT count(*) FROM app.money WHERE created_at >= '2026-12-01 00:00+00' AND created_at < '2027-01-01 00:00+00' AND id <= {STILL})
"""
ALL = "SELECT sum(hashtext(m::text)::bigint), count(*) FROM app.money m"
EXPECTED = (ROWS, ROWS, 100 * ROWS, STILL)
ANY_DAY = "timestamptz '2026-01-01 00:00+00' + %s * interval '1 day'"


@dataclass
class Crowd:
    """Clients that work until they are told to stop, and what went wrong for them."""

    lifecycle: Lifecycle
    stop: threading.Event = field(default_factory=threading.Event)
    wrong: list[str] = field(default_factory=list)
    done: dict[str, int] = field(default_factory=dict)
    longest: float = 0.0

    def work(self, client: "Client", number: int) -> None:
        dice = random.Random(number)
        with self.lifecycle.connect(autocommit=True) as connection:
            while not self.stop.is_set():
                try:
                    client(self, connection, dice)
                except (errors.SerializationFailure, errors.DeadlockDetected):
                    connection.rollback()
                except psycopg.Error as error:
                    self.wrong.append(f"{client.__name__}: {error}")
                    return
                self.done[client.__name__] = self.done.get(client.__name__, 0) + 1

    def timed(self, connection: psycopg.Connection[Any], statement: str, *values: Any) -> list[tuple[Any, ...]]:
        begun = time.monotonic()
        cursor = connection.execute(statement.encode(), values or None)
        self.longest = max(self.longest, time.monotonic() - begun)
        return cursor.fetchall() if cursor.description else []

    def look(self, connection: psycopg.Connection[Any], who: str) -> None:
        found = self.timed(connection, SEEN)
        if found != [EXPECTED]:
            self.wrong.append(f"{who} saw {found[0]}")


Client = Callable[[Crowd, psycopg.Connection[Any], random.Random], None]


def reads_committed(crowd: Crowd, connection: psycopg.Connection[Any], dice: random.Random) -> None:
    crowd.look(connection, "a statement")


def reads_repeatably(crowd: Crowd, connection: psycopg.Connection[Any], dice: random.Random) -> None:
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        crowd.timed(connection, "SELECT count(*) FROM app.other")  # a snapshot, but no lock on the table
        time.sleep(dice.random() * 1.5)
        crowd.look(connection, "a transaction")
        first = crowd.timed(connection, ALL)
        time.sleep(dice.random() * 0.4)
        if crowd.timed(connection, ALL) != first:
            crowd.wrong.append("a transaction saw other rows than before")


def exchanges(crowd: Crowd, connection: psycopg.Connection[Any], dice: random.Random) -> None:
    """Two rows change their amounts, the sum stays."""
    one, other = sorted(dice.sample(range(STILL + 1, ROWS + 1), 2))
    with connection.transaction():
        less = crowd.timed(connection, "UPDATE app.money SET amount = amount - 7 WHERE id = %s RETURNING id", one)
        more = crowd.timed(connection, "UPDATE app.money SET amount = amount + 7 WHERE id = %s RETURNING id", other)
        if len(less) + len(more) < 2:  # one of them is just being replaced by somebody
            raise psycopg.Rollback


def moves(crowd: Crowd, connection: psycopg.Connection[Any], dice: random.Random) -> None:
    """To another day: out of DEFAULT, into it, within it."""
    crowd.timed(
        connection, f"UPDATE app.money SET created_at = {ANY_DAY} WHERE id = %s", dice.randrange(480), dice.randrange(STILL + 1, ROWS + 1)
    )


def replaces(crowd: Crowd, connection: psycopg.Connection[Any], dice: random.Random) -> None:
    """Deletes a row and inserts it anew, at times only to change its mind."""
    number = dice.randrange(STILL + 1, ROWS + 1)
    with connection.transaction(force_rollback=dice.random() < 0.2):
        gone = crowd.timed(connection, "DELETE FROM app.money WHERE id = %s RETURNING user_id, amount", number)
        for user, amount in gone:
            crowd.timed(connection, f"INSERT INTO app.money VALUES (%s, {ANY_DAY}, %s, %s)", number, dice.randrange(480), user, amount)


def changes_repeatably(crowd: Crowd, connection: psycopg.Connection[Any], dice: random.Random) -> None:
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        crowd.timed(connection, "SELECT count(*) FROM app.other")
        time.sleep(dice.random() * 0.3)
        exchanges(crowd, connection, dice)


CLIENTS = (reads_committed, reads_repeatably, reads_repeatably, exchanges, moves, replaces, changes_repeatably)


@contextmanager
def crowded(lifecycle: Lifecycle, clients: Sequence[Client]) -> Iterator[Crowd]:
    """All of them at work, from a second before the block to a second after it."""
    crowd = Crowd(lifecycle)
    threads = [threading.Thread(target=crowd.work, args=(client, number)) for number, client in enumerate(clients)]
    for thread in threads:
        thread.start()
    try:
        time.sleep(1)
        yield crowd
        time.sleep(1)
    finally:
        crowd.stop.set()
        for thread in threads:
            thread.join()
    print("longest", crowd.longest, crowd.done)  # noqa: T201 - for whoever looks why it failed


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.parametrize("columns", TABLES.values(), ids=TABLES)
def test_readers_and_writers_see_every_row_once_at_every_moment_of_a_drain(lifecycle: Lifecycle, columns: str) -> None:
    lifecycle.sql(f"CREATE TABLE app.money ({columns}) PARTITION BY RANGE (created_at); {FILL}")
    policy = lifecycle.policy(
        table="app.money", default_partition="drain", lock_attempts=200, retention=None, archive=None, wait_timeout="60 s"
    )
    with crowded(lifecycle, CLIENTS) as crowd:
        moved = lifecycle.drain(policy=policy)
    assert crowd.wrong == []
    assert len(moved) == 13
    assert set(crowd.done) == {client.__name__ for client in CLIENTS}
    assert (
        lifecycle.value(
            "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'partition_lifecycle_drain_%%' OR nspname LIKE 'partition_lifecycle_drained_%%'"
        )
        == 0
    )
