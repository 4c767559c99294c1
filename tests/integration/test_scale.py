"""What steps cost must not grow faster than what they look after: statements are counted, and reads must not wait or read everything."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from include.partitioning.names import TableName
from include.postgres import catalog
from include.postgres.ledger import Ledger
from include.postgres.ledger_records import RunIdentity
from include.postgres.session import prepare
from partition_operators.create_partitions import CreatePartitionsOperator
from partition_operators.heal_partitions import HealPartitionsOperator
from partition_operators.measure_bloat import MeasureBloatOperator
from partition_operators.plan_partitions import PlanPartitionsOperator
from tests.benchmarks.database_time import database_time
from tests.integration.conftest import Lifecycle

STEPS = (PlanPartitionsOperator, HealPartitionsOperator, CreatePartitionsOperator, MeasureBloatOperator)


def statements(lifecycle: Lifecycle, operator: Any, **arguments: Any) -> int:
    with database_time() as spent:
        lifecycle.run(operator, **arguments)
    return spent.statements


@pytest.mark.parametrize("operator", STEPS)
def test_a_step_without_work_asks_as_many_questions_of_thirty_partitions_as_of_five(lifecycle: Lifecycle, operator: Any) -> None:
    keeps = lifecycle.policy(retention=None, archive=None, premake=1)
    lifecycle.sql("DROP TABLE app.events_p202408, app.events_p202409, app.events_p202410")
    lifecycle.create(policy=keeps)
    few = statements(lifecycle, operator, policy=keeps)
    lifecycle.create(policy=lifecycle.policy(retention=None, archive=None, premake=30))
    assert len(lifecycle.partitions()) > 30
    assert statements(lifecycle, operator, policy=keeps) == few


def test_each_further_partition_costs_a_handful_of_statements(lifecycle: Lifecycle) -> None:
    lifecycle.create()
    two = statements(lifecycle, CreatePartitionsOperator, policy=lifecycle.policy(premake=5))
    four = statements(lifecycle, CreatePartitionsOperator, policy=lifecycle.policy(premake=9))
    assert (four - two) / 2 <= 7, (two, four)


def test_a_session_is_prepared_in_five_round_trips(lifecycle: Lifecycle) -> None:
    with lifecycle.connect() as connection, database_time() as spent:
        prepare(connection, "test")
    assert spent.statements == 5


@contextmanager
def locked(lifecycle: Lifecycle, table: str) -> Iterator[None]:
    with lifecycle.connect() as connection:
        connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE".encode())
        yield


def test_reading_the_bounds_waits_for_nobody_who_has_a_partition_locked(lifecycle: Lifecycle) -> None:
    with lifecycle.connect() as connection, locked(lifecycle, "app.events_p202610"):
        prepare(connection, "test")
        connection.execute("SET lock_timeout = '50ms'")
        table = catalog.read_table(connection, lifecycle.policy())
    assert [str(each.bounds) for each in table.partitions][-2:] == ["[2026-10-01, 2026-11-01)", "[2026-11-01, 2026-12-01)"]


def test_only_names_that_a_plan_may_give_are_asked_about(lifecycle: Lifecycle) -> None:
    lifecycle.sql("CREATE VIEW app.events_p202612 AS SELECT 1 AS one; CREATE VIEW app.other AS SELECT 1 AS one")
    with lifecycle.connect() as connection:
        found = catalog.names_taken(prepare(connection, "test"), "app", ["events_p202612", "events_p202610", "events_p203001"])
    assert found == {"events_p202612": "a view", "events_p202610": "a partition of app.events"}


def test_the_ledger_s_version_is_asked_once(lifecycle: Lifecycle) -> None:
    lifecycle.create()
    with lifecycle.connect() as connection:
        ledger = Ledger(prepare(connection, "test"), TableName("app", "events"), RunIdentity())
        with database_time() as first:
            ledger.created()
        with database_time() as second:
            ledger.created()
    assert (first.statements, second.statements) == (3, 1)


def test_a_ledger_that_is_installed_meanwhile_is_noticed_by_who_installs_it(lifecycle: Lifecycle) -> None:
    with lifecycle.connect() as connection:
        ledger = Ledger(prepare(connection, "test"), TableName("app", "events"), RunIdentity())
        assert ledger.created() == frozenset()
        lifecycle.create(policy=lifecycle.policy(premake=1))
        ledger.install()
        assert len(ledger.created()) > 0


def test_a_statement_that_fails_among_others_is_told_by_the_server_s_own_words(lifecycle: Lifecycle) -> None:
    lifecycle.sql("CREATE ROLE keeper_of_none; GRANT SELECT ON app.events_p202611 TO keeper_of_none")
    lifecycle.sql("""
        CREATE FUNCTION app.no_grants() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no grants here'; END $$;
        CREATE EVENT TRIGGER no_grants ON ddl_command_start WHEN TAG IN ('GRANT') EXECUTE FUNCTION app.no_grants();
    """)
    try:
        with pytest.raises(Exception, match=r'create partition "app.events_p202612" of "app.events": no grants here'):
            lifecycle.create(policy=lifecycle.policy(premake=1))
        assert not lifecycle.exists("app.events_p202612")
    finally:
        lifecycle.sql("DROP EVENT TRIGGER no_grants; DROP OWNED BY keeper_of_none; DROP ROLE keeper_of_none")


def test_a_name_that_somebody_took_far_from_the_plan_s_beginning_is_known(lifecycle: Lifecycle) -> None:
    lifecycle.sql("CREATE TABLE app.events_p202901 (n integer)")
    with pytest.raises(Exception, match=r'"app.events_p202901" cannot be created .* taken by an ordinary table'):
        lifecycle.create(policy=lifecycle.policy(premake=30))
