"""A table gets another shape while everybody goes on: each statement with a new snapshot, and each open REPEATABLE READ transaction, sees
every row once, and what was written is there at the end.
"""

import random
from typing import Any

import psycopg
import pytest

from include.partitioning.reshape import Move
from tests.integration.conftest import Lifecycle
from tests.integration.test_drain_under_load import ANY_DAY, CLIENTS, ROWS, STILL, Crowd, crowded
from tests.integration.test_reshape import kind, reshape, schemas

FILL = f"""
CREATE TABLE app.other ();
INSERT INTO app.money SELECT g, CASE WHEN g <= {STILL} THEN timestamptz '2026-12-24 00:00+00'
  ELSE timestamptz '2026-01-01 00:00+00' + (g * 37 % 480) * interval '1 day' END, 1 + g % 10, 100 FROM generate_series(1, {ROWS}) g;
CREATE INDEX ON app.money (created_at); CREATE INDEX ON app.money (user_id); ANALYZE app.money;
CREATE VIEW app.money_of_users AS SELECT user_id, sum(amount) AS amount FROM app.money GROUP BY user_id;
"""
MONTHS = """
SELECT format('CREATE TABLE app.money_p%1$s PARTITION OF app.money FOR VALUES FROM (%2$L) TO (%3$L)', to_char(m, 'YYYYMM'), m, m + interval '1 month')
  FROM generate_series(timestamp '2026-01-01', '2027-06-01', interval '1 month') m
"""
COLUMNS = "id bigint, created_at timestamptz NOT NULL, user_id integer REFERENCES auth.users, amount bigint"
PLAIN = f"CREATE TABLE app.money ({COLUMNS}, PRIMARY KEY (id))"
WITHOUT_KEY = f"CREATE TABLE app.money ({COLUMNS})"
PARTITIONED = f"CREATE TABLE app.money ({COLUMNS}, PRIMARY KEY (id, created_at)) PARTITION BY RANGE (created_at)"
MOVES = {
    "adopt": (Move.ADOPT, PLAIN),
    "adopt without any key": (Move.ADOPT, WITHOUT_KEY),
    "regrain": (Move.REGRAIN, PARTITIONED),
    "undo": (Move.UNDO, PARTITIONED),
}


def upserts(crowd: Crowd, connection: psycopg.Connection[Any], dice: random.Random) -> None:
    """Finds each time that the row is there."""
    crowd.timed(
        connection,
        "INSERT INTO app.money SELECT id, created_at, user_id, amount FROM app.money WHERE id = %s FOR UPDATE ON CONFLICT DO NOTHING",
        dice.randrange(STILL + 1, ROWS + 1),
    )


def copies_in(crowd: Crowd, connection: psycopg.Connection[Any], dice: random.Random) -> None:
    """Deletes a row and copies it in again."""
    number = dice.randrange(STILL + 1, ROWS + 1)
    with connection.transaction():
        gone = crowd.timed(connection, "DELETE FROM app.money WHERE id = %s RETURNING id, created_at, user_id, amount", number)
        with connection.cursor() as cursor, cursor.copy("COPY app.money FROM STDIN") as copy:
            for each in gone:
                copy.write_row(each)


def empties(crowd: Crowd, connection: psycopg.Connection[Any], dice: random.Random) -> None:
    """Takes back what it does, so that a sum is wrong for whoever sees it, and for the copy that follows it."""
    with connection.transaction(force_rollback=True):
        crowd.timed(connection, "DELETE FROM app.money WHERE id = %s", dice.randrange(STILL + 1, ROWS + 1))
        with connection.transaction(force_rollback=dice.random() < 0.5):
            crowd.timed(connection, f"INSERT INTO app.money VALUES (%s, {ANY_DAY}, 1, 5)", ROWS + 1, dice.randrange(480))


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.parametrize(("move", "table"), MOVES.values(), ids=MOVES)
def test_readers_and_writers_see_every_row_once_at_every_moment(lifecycle: Lifecycle, move: Move, table: str) -> None:
    lifecycle.sql(table)
    if table == PARTITIONED:
        for each in lifecycle.sql(MONTHS):
            lifecycle.sql(each["format"])
    lifecycle.sql(FILL)
    policy = lifecycle.policy(
        table="app.money", interval="quarter" if move is Move.REGRAIN else "month", lock_attempts=200, retention=None, archive=None,
        wait_timeout="60 s", premake=8,
    )  # fmt: skip
    clients = (*CLIENTS, copies_in, empties, *((upserts,) if table != WITHOUT_KEY else ()))
    with crowded(lifecycle, clients) as crowd:
        reshape(lifecycle, move, policy=policy)
    assert crowd.wrong == []
    assert kind(lifecycle, "app.money") == ("r" if move is Move.UNDO else "p")
    assert set(crowd.done) == {client.__name__ for client in clients}
    assert [each for each in schemas(lifecycle) if "reshape" in each] == []
