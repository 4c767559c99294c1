"""Tables that are somebody else's: nothing is waited for that is done to them, and nothing fails that they are dropped meanwhile."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from include.partitioning.errors import CatalogChangedError
from include.partitioning.reshape import Move
from include.postgres.alarm import look_at_table
from include.postgres.failures import translated
from include.postgres.session import prepare_to_read
from partition_operators.build_indexes import BuildIndexesOperator
from partition_operators.cancel_reshape import CancelReshapeOperator
from partition_operators.plan_reshape import PlanReshapeOperator
from tests.integration.conftest import Lifecycle
from tests.integration.test_killed_inside import until
from tests.integration.test_reshape import PLAIN, reshape, step
from tests.integration.whole_run import OLD, live, wanted_policy

THEIRS = """
CREATE TABLE app.events_like (LIKE app.events INCLUDING ALL, CHECK (created_at >= '2020-01-01' AND created_at < '2021-01-01'));
CREATE TABLE app.events_p202001 (LIKE app.events INCLUDING ALL, CHECK (created_at >= '2020-01-01' AND created_at < '2020-02-01'));
CREATE TABLE app.others (LIKE app.events INCLUDING ALL) PARTITION BY RANGE (created_at);
CREATE TABLE app.others_p202411 PARTITION OF app.others FOR VALUES FROM ('2024-11-01') TO ('2024-12-01');
CREATE TABLE app.others_p202412 (LIKE app.others INCLUDING ALL, CHECK (created_at >= '2024-12-01' AND created_at < '2025-01-01'));
CREATE VIEW app.of_others AS TABLE app.others;
CREATE FUNCTION app.nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER nothing BEFORE INSERT ON app.events_like FOR EACH ROW EXECUTE FUNCTION app.nothing();
"""
NAMES = "app.events_like, app.events_p202001, app.others, app.others_p202411, app.others_p202412"
IMPATIENT: dict[str, Any] = {"wait_timeout": "1 s", "lock_attempts": 1}


@pytest.fixture(params=["as in a small catalog", "as in a large catalog"])
def locked(lifecycle: Lifecycle, request: pytest.FixtureRequest) -> Iterator[Lifecycle]:
    """With tables beside ours that somebody rewrites, as VACUUM FULL would for hours: they cannot even be looked at.

    How queries of the catalog are planned depends on its size, and with it which rows a function is asked of before others are left out.
    """
    lifecycle.sql(THEIRS)
    if request.param == "as in a large catalog":
        database = lifecycle.value("SELECT quote_ident(current_database())")
        for way in ("nestloop", "indexscan", "indexonlyscan", "bitmapscan"):
            lifecycle.sql(f"ALTER DATABASE {database} SET enable_{way} = off")
    with psycopg.connect(lifecycle.uri) as somebody:
        somebody.execute(f"LOCK TABLE {NAMES} IN ACCESS EXCLUSIVE MODE".encode())
        yield lifecycle


def test_no_step_waits_for_tables_that_are_not_ours(locked: Lifecycle, capsys: pytest.CaptureFixture[str]) -> None:
    live(locked, wanted_policy(locked, **IMPATIENT))
    said = capsys.readouterr().out
    assert '"app.events_like" is no partition, but has the columns of "app.events", and the CHECK "events_like_created_at_check"' in said
    assert '"app.events_p202001" is no partition' in said
    assert locked.value("SELECT to_regclass(%s)", OLD) is None


def test_nor_does_a_drain_an_index_a_restore_or_the_alarm(locked: Lifecycle) -> None:
    locked.values = IMPATIENT
    locked.sql(
        "CREATE TABLE app.events_default PARTITION OF app.events DEFAULT; INSERT INTO app.events VALUES (0, 1, '2025-05-05 00:00+00')"
    )
    locked.drain(policy=locked.policy(default_partition="drain"))
    assert "events_p202505" in locked.partitions()
    locked.run(BuildIndexesOperator, policy=locked.policy(indexes=[{"columns": ["note"]}]))
    locked.expire(OLD)
    locked.restore(OLD)
    locked.drill()
    with locked.connect() as connection:
        prepare_to_read(connection, "test", timedelta(seconds=1))
        look_at_table(connection, locked.policy())


@pytest.mark.parametrize("move", [Move.REGRAIN, Move.UNDO])
def test_nor_does_a_partitioned_table_that_is_reshaped(locked: Lifecycle, move: Move) -> None:
    locked.values = {**IMPATIENT, "retention": None, "archive": None, "max_creates_per_run": 200}
    locked.create()
    before = locked.value("SELECT count(*) FROM app.events")
    reshape(locked, move, policy=locked.policy(interval="quarter" if move is Move.REGRAIN else "month"))
    assert locked.value("SELECT count(*) FROM app.events") == before


def test_nor_does_an_ordinary_table_that_is_adopted(locked: Lifecycle) -> None:
    locked.sql(PLAIN)
    locked.values = {**IMPATIENT, "table": "app.visits", "retention": None, "archive": None}
    step(locked, PlanReshapeOperator, Move.ADOPT)
    step(locked, CancelReshapeOperator, None)
    reshape(locked, Move.ADOPT)
    assert locked.value("SELECT relkind::text FROM pg_class WHERE oid = 'app.visits'::regclass") == "p"


def test_what_vanishes_while_it_is_looked_at_is_worth_another_try(lifecycle: Lifecycle) -> None:
    lifecycle.sql("CREATE TABLE app.going (a integer CHECK (a > 0))")
    look = "SELECT pg_catalog.pg_get_constraintdef(oid) FROM pg_catalog.pg_constraint WHERE conrelid = 'app.going'::regclass"
    with psycopg.connect(lifecycle.uri) as somebody, lifecycle.connect() as connection, ThreadPoolExecutor() as pool:
        somebody.execute("DROP TABLE app.going")
        looking = pool.submit(connection.execute, look)
        until(lifecycle, f"SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = {connection.info.backend_pid}")
        somebody.commit()
        with pytest.raises(CatalogChangedError, match=r"read: .*[0-9]+ \(SQLSTATE XX000\).*run it again"), translated("read"):
            looking.result()
