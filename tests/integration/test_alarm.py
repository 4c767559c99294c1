"""The alarm on real databases: what it sees, as whom, on which kind of server, and what its command says."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from airflow.sdk.exceptions import AirflowFailException

from demo.embedded_postgres import running
from include import alarm as command
from include.partitioning.alarm import Alarm, Severity
from include.partitioning.policy import PartitionPolicy
from include.postgres.alarm import LONGEST_LOOK, look_at, look_at_table
from include.postgres.session import prepare_to_read
from partition_operators.raise_alarms import RaiseAlarmsOperator
from partition_operators.report_run import ReportRunOperator
from tests.integration.conftest import Lifecycle
from tests.integration.server_tools import standby_of, tool

ROLE = "alarm_of_tests"


def policy(lifecycle: Lifecycle, **changes: Any) -> PartitionPolicy:
    return lifecycle.policy(schedule="@daily", **changes)


def alarms(lifecycle: Lifecycle, user: str = "postgres", **changes: Any) -> list[str]:
    """What the alarm says, a line each."""
    with lifecycle.connect(user=user) as connection:
        prepare_to_read(connection, "test", LONGEST_LOOK)
        return [str(each) for each in look_at_table(connection, policy(lifecycle, **changes))]


@pytest.fixture
def maintained(lifecycle: Lifecycle) -> Lifecycle:
    """The small table after a run that has made what is needed today, and has expired nothing: the policy of these tests keeps everything."""
    lifecycle.values = {"retention": None}
    now = datetime.now(UTC).isoformat()
    lifecycle.create(reference_date=now)
    lifecycle.run(ReportRunOperator, reference_date=now)
    return lifecycle


def test_a_table_that_was_just_looked_after_gives_no_alarm_and_a_dry_run_is_no_run(maintained: Lifecycle) -> None:
    assert alarms(maintained) == []
    maintained.run(ReportRunOperator, dry_run=True)
    assert maintained.value("SELECT count(*) FROM partition_lifecycle.event WHERE action = 'run'") == 1


def test_before_the_first_run_there_is_no_ledger_and_that_is_said(lifecycle: Lifecycle) -> None:
    lifecycle.values = {"retention": None}
    found = alarms(lifecycle)
    assert [each.split(":")[0] for each in found] == ["CRITICAL app.events", "WARNING app.events"]
    assert "none is known that ever did" in found[1]


def test_runs_that_are_missed_are_told_by_the_ledger_alone(maintained: Lifecycle) -> None:
    maintained.sql("ALTER TABLE partition_lifecycle.event DISABLE TRIGGER append_only")
    maintained.sql("UPDATE partition_lifecycle.event SET happened_at = happened_at - interval '3 days' WHERE action = 'run'")
    (said,) = alarms(maintained)
    assert said.startswith("WARNING app.events: no run has succeeded since ")
    assert alarms(maintained, premake=3, deadline=None) == [said]
    assert look(maintained, policy(maintained).model_copy(update={"schedule": "@monthly"})) == []


def look(lifecycle: Lifecycle, changed: PartitionPolicy) -> list[Alarm]:
    with lifecycle.connect() as connection:
        prepare_to_read(connection, "test", LONGEST_LOOK)
        return look_at_table(connection, changed)


def test_a_table_without_any_partition_and_one_that_is_not_there_are_critical(maintained: Lifecycle) -> None:
    maintained.sql("CREATE TABLE app.empty (created_at timestamptz NOT NULL) PARTITION BY RANGE (created_at)")
    assert "INSERTs fail" in alarms(maintained, table="app.empty")[0]
    (said,) = alarms(maintained, table="app.absent")
    assert said.startswith('CRITICAL app.absent: there is no table "app.absent" in this database')


def test_what_is_past_retention_is_late_unless_a_hold_keeps_it(maintained: Lifecycle) -> None:
    (said,) = alarms(maintained, retention="24 months")
    assert said.startswith("WARNING app.events: 3 partitions are past retention")
    assert '"app.events_p202408"' in said
    maintained.sql("SELECT partition_lifecycle.set_hold('app.events', 'case 4711')")
    assert alarms(maintained, retention="24 months") == []


def test_a_pending_detach_is_named(maintained: Lifecycle) -> None:
    with maintained.connect() as reader:
        reader.execute("SELECT count(*) FROM app.events")
        stranger = maintained.connect(autocommit=True, options="-c lock_timeout=200ms")
        with stranger, pytest.raises(psycopg.errors.LockNotAvailable):
            stranger.execute("ALTER TABLE app.events DETACH PARTITION app.events_p202408 CONCURRENTLY")
        (said,) = alarms(maintained)
    assert 'the detach of "app.events_p202408" is pending' in said


@pytest.mark.parametrize(("key", "alarm"), [("2020-01-01", True), ("infinity", False)])
def test_rows_in_default_that_have_a_time_are_named(maintained: Lifecycle, key: str, alarm: bool) -> None:
    maintained.sql("CREATE TABLE app.events_default PARTITION OF app.events DEFAULT")
    assert alarms(maintained) == []
    maintained.sql(f"INSERT INTO app.events VALUES (1, 1, '{key}', 'x')")
    assert any('"app.events_default", the DEFAULT partition, has rows' in said for said in alarms(maintained)) is alarm


@pytest.fixture
def reader(maintained: Lifecycle) -> Iterator[Lifecycle]:
    """A role that may log in, and has no privilege yet."""
    maintained.sql(f"CREATE ROLE {ROLE} LOGIN")
    try:
        yield maintained
    finally:
        maintained.sql(f"DROP OWNED BY {ROLE}; DROP ROLE {ROLE}")


def test_a_role_that_may_only_read_sees_all_and_without_that_it_says_what_to_grant(reader: Lifecycle) -> None:
    reader.sql("CREATE TABLE app.events_default PARTITION OF app.events DEFAULT")
    reader.sql("INSERT INTO app.events VALUES (1, 1, '2020-01-01', 'x')")
    ledger, default = alarms(reader, user=ROLE, retention="24 months")
    assert "GRANT USAGE ON SCHEMA partition_lifecycle and SELECT ON ALL TABLES IN SCHEMA partition_lifecycle" in ledger
    assert "whether DEFAULT has rows is not known: " in default
    reader.sql(
        f"GRANT USAGE ON SCHEMA partition_lifecycle, app TO {ROLE}; GRANT SELECT ON ALL TABLES IN SCHEMA partition_lifecycle TO {ROLE}"
    )
    reader.sql(f"GRANT SELECT ON app.events_default TO {ROLE}")
    late, default = alarms(reader, user=ROLE, retention="24 months")
    assert "3 partitions are past retention" in late
    assert "has rows that belong elsewhere" in default


def test_it_cannot_change_anything(maintained: Lifecycle) -> None:
    with maintained.connect() as connection:
        prepare_to_read(connection, "test", LONGEST_LOOK)
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            connection.execute("CREATE TABLE app.something (n integer)")


def write(folder: Path, *policies: str) -> str:
    file = folder / "policies.yaml"
    file.write_text(
        "defaults: {partition_key: created_at, schedule: '@daily'}\npolicies:\n" + "".join(f"  - {{{each}}}\n" for each in policies)
    )
    return str(file)


def test_the_command_says_nothing_but_ok_and_exits_with_zero(
    maintained: Lifecycle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main([write(tmp_path, "table: app.events"), "--database", maintained.uri]) == 0
    assert capsys.readouterr().out == "OK: tables in order: 1\n"
    assert (
        command.main(
            [write(tmp_path, "table: app.events, retention: 24 months, destroy_without_archive: true"), "--database", maintained.uri]
        )
        == 1
    )


def test_one_database_that_is_away_hides_no_other_and_no_policy_that_is_wrong(
    maintained: Lifecycle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    policies = write(
        tmp_path, "table: app.absent, postgres_conn_id: here", "table: app.events, postgres_conn_id: away", "table: app.other, premake: 0"
    )
    status = command.main([policies, "--connection", "here", maintained.uri, "--connection", "away", f"postgresql:///x?host={tmp_path}"])
    lines = capsys.readouterr().out.splitlines()
    assert status == Severity.CRITICAL
    assert len(lines) == 3
    assert 'CRITICAL connection "away": tables cannot be looked at: connect: the server is not available' in lines[1]
    assert lines[2].startswith('CRITICAL app.absent: there is no table "app.absent"')
    assert "premake" in lines[0]


def test_a_connection_that_is_lost_on_the_way_is_one_alarm_and_not_one_for_each_table(maintained: Lifecycle) -> None:
    @contextmanager
    def dying() -> Iterator[psycopg.Connection[Any]]:
        with maintained.connect() as connection:
            yield prepare_to_read(connection, "test", LONGEST_LOOK)

    def lost(policies: list[PartitionPolicy]) -> Iterator[PartitionPolicy]:
        yield policies[0]
        maintained.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'test' AND datname = current_database()"
        )
        yield from policies[1:]

    (only,) = look_at("here", dying, lost([policy(maintained)] * 3))
    assert str(only).startswith('CRITICAL connection "here": tables cannot be looked at: ')


def test_the_operator_counts_what_is_in_order_and_fails_with_a_line_for_each_problem(
    maintained: Lifecycle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PARTITION_POLICIES", write(tmp_path, "table: app.events, postgres_conn_id: target"))
    assert RaiseAlarmsOperator(task_id="alarm", postgres_conn_id="target").execute({}) == 1
    write(tmp_path, "table: app.absent, postgres_conn_id: target", "table: app.gone, postgres_conn_id: target")
    with pytest.raises(AirflowFailException, match=r"CRITICAL app.absent: .*\nCRITICAL app.gone: "):
        RaiseAlarmsOperator(task_id="alarm", postgres_conn_id="target").execute({})
    with pytest.raises(AirflowFailException, match=r'CRITICAL connection "nowhere": .*Airflow has no connection "nowhere"; make it'):
        RaiseAlarmsOperator(task_id="alarm", postgres_conn_id="nowhere").execute({})


@pytest.mark.slow
@pytest.mark.every_server
def test_a_hot_standby_is_as_good_as_its_primary(maintained: Lifecycle) -> None:
    with (
        tempfile.TemporaryDirectory(prefix="primary-", ignore_cleanup_errors=True) as primary,
        running(Path(primary)) as uri,
    ):
        tool("psql", "-q", "-X", "-v", "ON_ERROR_STOP=1", uri, stdin=tool("pg_dump", maintained.uri))
        with standby_of(Path(primary), uri, "alarm") as copy:
            there = Lifecycle(copy, maintained.archive, maintained.values)
            assert there.value("SELECT pg_is_in_recovery()") is True
            assert alarms(there) == []
            assert "3 partitions are past retention" in alarms(there, retention="24 months")[0]
