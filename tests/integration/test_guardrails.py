"""What stops destruction: holds, a ledger from elsewhere, a retention that shrank, a slot that lags."""

import tempfile
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest
from airflow.sdk.exceptions import AirflowFailException

from demo.embedded_postgres import running
from partition_operators.hold_partitions import HoldPartitionsOperator
from partition_operators.lift_hold import LiftHoldOperator
from tests.integration.conftest import Lifecycle
from tests.integration.server_tools import dump, tool

OLD = "app.events_p202408"
NEXT = "app.events_p202409"


def said_of_plan(lifecycle: Lifecycle, capsys: pytest.CaptureFixture[str], **arguments: Any) -> str:
    capsys.readouterr()
    lifecycle.plan(**arguments)
    return capsys.readouterr().out


def test_a_hold_by_sql_keeps_every_partition_that_it_reaches_into_until_it_is_lifted(
    lifecycle: Lifecycle, capsys: pytest.CaptureFixture[str]
) -> None:
    lifecycle.heal()
    number = lifecycle.value(
        "SELECT partition_lifecycle.set_hold('app.events', 'case 4711', '2024-08-31', '2024-09-02', held_by => 'legal')"
    )
    said = said_of_plan(lifecycle, capsys)
    assert said.count(f"it is held until the hold is lifted: case 4711 (hold {number}, by legal)") == 2
    assert lifecycle.plan() == ["app.events_p202410"]
    for name in (OLD, NEXT):
        with pytest.raises(AirflowFailException, match="case 4711"):
            lifecycle.archive_partition(name)
        with pytest.raises(AirflowFailException, match="case 4711"):
            lifecycle.detach(name)
    lifecycle.sql("SELECT partition_lifecycle.lift_hold(%s)", number)
    assert lifecycle.plan() == [OLD, NEXT, "app.events_p202410"]
    assert lifecycle.sql("SELECT reason, lifted_by FROM partition_lifecycle.hold") == [{"reason": "case 4711", "lifted_by": "postgres"}]
    with pytest.raises(psycopg.errors.RaiseException, match=f"there is no hold {number} that could be lifted"):
        lifecycle.sql("SELECT partition_lifecycle.lift_hold(%s)", number)


def test_a_hold_ends_by_itself_on_its_date(lifecycle: Lifecycle) -> None:
    lifecycle.heal()
    lifecycle.sql("SELECT partition_lifecycle.set_hold('app.events', 'an audit', held_until => now() + interval '1 hour')")
    assert lifecycle.plan() == []
    lifecycle.sql("UPDATE partition_lifecycle.hold SET held_until = now() - interval '1 second'")
    assert len(lifecycle.plan()) == 3


def test_a_hold_keeps_what_is_detached_already_and_outlives_its_table_being_made_anew(lifecycle: Lifecycle) -> None:
    lifecycle.archive_partition(OLD)
    lifecycle.detach(OLD)
    lifecycle.sql("SELECT partition_lifecycle.set_hold('app.events', 'case 4711', '2024-08-01', '2024-09-01')")
    with pytest.raises(AirflowFailException, match="case 4711"):
        lifecycle.drop(OLD)
    lifecycle.sql(f"DROP TABLE {OLD}")
    lifecycle.sql(f"CREATE TABLE {OLD} PARTITION OF app.events FOR VALUES FROM ('2024-08-01 00:00+00') TO ('2024-09-01 00:00+00')")
    assert OLD not in lifecycle.plan()


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Tokyo"])
def test_a_hold_by_sql_on_a_key_without_a_zone_is_on_its_wall_clock_whatever_the_session_s_zone(lifecycle: Lifecycle, zone: str) -> None:
    lifecycle.sql("""
        CREATE TABLE app.days (at date NOT NULL) PARTITION BY RANGE (at);
        CREATE TABLE app.days_p20240801 PARTITION OF app.days FOR VALUES FROM ('2024-08-01') TO ('2024-08-02');
        CREATE TABLE app.days_p20240802 PARTITION OF app.days FOR VALUES FROM ('2024-08-02') TO ('2024-08-03');
        CREATE TABLE app.days_p20240803 PARTITION OF app.days FOR VALUES FROM ('2024-08-03') TO ('2024-08-04');
        CREATE TABLE app.days_p20261122 PARTITION OF app.days FOR VALUES FROM ('2026-11-22') TO ('2026-11-23')
    """)
    policy = lifecycle.policy(table="app.days", partition_key="at", interval="day")
    lifecycle.heal(policy=policy)
    with lifecycle.connect(autocommit=True) as person:
        person.execute(f"SET TimeZone = '{zone}'".encode())
        person.execute("SELECT partition_lifecycle.set_hold('app.days', 'an audit', '2024-08-02', '2024-08-03')")
    assert lifecycle.plan(policy=policy) == ["app.days_p20240801", "app.days_p20240803"]


def test_a_hold_needs_a_reason_a_range_and_a_partitioned_table(lifecycle: Lifecycle) -> None:
    lifecycle.heal()
    for call, why in (
        ("set_hold('auth.users', 'x')", "is not partitioned"),
        ("set_hold('app.events', ' ')", "violates check constraint"),
        ("set_hold('app.events', 'x', '2024-09-01', '2024-09-01')", "violates check constraint"),
        ("set_hold('app.events', 'x', 'soon')", "invalid input syntax"),
    ):
        with pytest.raises(psycopg.Error, match=why):
            lifecycle.sql(f"SELECT partition_lifecycle.{call}")
    assert len(lifecycle.plan()) == 3


def test_the_form_sets_a_hold_shows_it_and_lifts_it(lifecycle: Lifecycle) -> None:
    holds = lifecycle.run(
        HoldPartitionsOperator, start="2024-08-01", end="2024-09-01", reason="case 4711", until="", by="legal@example.org"
    )
    assert holds == ["[2024-08-01, 2024-09-01) is held until the hold is lifted: case 4711 (hold 1, by legal@example.org)"]
    assert OLD not in lifecycle.plan()
    again = lifecycle.run(HoldPartitionsOperator, start="2024-08-01", end="2024-09-01", reason="case 4711", until="2090-01-01")
    assert again == ["[2024-08-01, 2024-09-01) is held until 2090-01-01 00:00 UTC: case 4711 (hold 1, by legal@example.org)"]
    assert lifecycle.run(LiftHoldOperator, number="None") == again
    with pytest.raises(AirflowFailException, match="has no hold 7 in force; in force: 1"):
        lifecycle.run(LiftHoldOperator, number="7")
    assert lifecycle.run(LiftHoldOperator, number="1", dry_run=True) == again
    assert lifecycle.run(LiftHoldOperator, number="1", by="legal@example.org") == []
    assert lifecycle.value("SELECT lifted_by FROM partition_lifecycle.hold") == "legal@example.org"
    assert OLD in lifecycle.plan()


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"reason": " "}, "a hold needs a reason"),
        ({"reason": "x", "start": "2024-09-01", "end": "2024-09-01"}, 'from "2024-09-01" is not before to "2024-09-01"'),
        ({"reason": "x", "start": "soon"}, 'from "soon" is not an ISO date'),
        ({"reason": "x", "until": "2020-01-01"}, 'until "2020-01-01" is past'),
    ],
)
def test_a_form_that_is_not_filled_in_well_holds_nothing(lifecycle: Lifecycle, arguments: dict[str, Any], why: str) -> None:
    with pytest.raises(AirflowFailException, match=why):
        lifecycle.run(HoldPartitionsOperator, **arguments)
    assert lifecycle.value("SELECT count(*) FROM partition_lifecycle.hold") == 0


def test_a_hold_of_the_ledgers_second_version_becomes_one_on_its_range(lifecycle: Lifecycle) -> None:
    lifecycle.expire(OLD)
    lifecycle.restore(OLD, hold_until="2090-01-01")
    lifecycle.sql("""
        DROP FUNCTION partition_lifecycle.set_hold, partition_lifecycle.lift_hold, partition_lifecycle.confirm_database, partition_lifecycle.confirm_retention;
        DROP TABLE partition_lifecycle.home, partition_lifecycle.retention, partition_lifecycle.hold; DROP INDEX partition_lifecycle.event_by_partition;
        DELETE FROM partition_lifecycle.schema_version WHERE version > 2;
        CREATE TABLE partition_lifecycle.hold (system_identifier bigint NOT NULL, database_oid oid NOT NULL, partition_oid oid NOT NULL, partition text NOT NULL,
          held_until timestamptz, reason text NOT NULL, held_at timestamptz NOT NULL DEFAULT now(), database_user name NOT NULL DEFAULT session_user,
          CONSTRAINT hold_pkey PRIMARY KEY (system_identifier, database_oid, partition_oid));
        INSERT INTO partition_lifecycle.hold (system_identifier, database_oid, partition_oid, partition, held_until, reason)
        SELECT system_identifier, database_oid, relation_oid, relation, '2090-01-01', 'restored' FROM partition_lifecycle.restored;
    """)
    lifecycle.heal()
    assert lifecycle.sql(
        "SELECT table_name, held_from::date::text AS lower, held_to::date::text AS upper, reason FROM partition_lifecycle.hold"
    ) == [{"table_name": "events", "lower": "2024-08-01", "upper": "2024-09-01", "reason": "restored"}]
    assert lifecycle.plan() == [NEXT, "app.events_p202410"]


@pytest.mark.parametrize("what", ["system_identifier = 1", "database_oid = 1", "timeline = '0000000F'"])
def test_a_ledger_from_elsewhere_stops_detach_and_drop_until_a_person_confirms(
    lifecycle: Lifecycle, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    lifecycle.archive_partition(OLD)
    lifecycle.detach(OLD)
    lifecycle.sql(f"UPDATE partition_lifecycle.home SET {what}")
    assert "SELECT partition_lifecycle.confirm_database()" in said_of_plan(lifecycle, capsys)
    with pytest.raises(AirflowFailException, match="nothing is detached or dropped"):
        lifecycle.drop(OLD)
    lifecycle.archive_partition(NEXT)  # a copy destroys nothing
    with pytest.raises(AirflowFailException, match="nothing is detached or dropped"):
        lifecycle.detach(NEXT)
    assert "app.events_p202612" in lifecycle.create()  # and neither does a new partition
    lifecycle.sql("SELECT partition_lifecycle.confirm_database()")
    assert "confirm_database" not in said_of_plan(lifecycle, capsys)
    lifecycle.drop(OLD)
    lifecycle.detach(NEXT)


def test_a_retention_that_is_suddenly_much_shorter_is_confirmed_by_a_person_before_it_destroys(
    lifecycle: Lifecycle, capsys: pytest.CaptureFixture[str]
) -> None:
    lifecycle.heal()
    typo = lifecycle.policy(retention="2 weeks")
    lifecycle.heal(policy=typo)
    assert "was 24 months at the last run, and is 14 days now" in said_of_plan(lifecycle, capsys, policy=typo)
    lifecycle.archive_partition(OLD, policy=typo)
    with pytest.raises(AirflowFailException, match="was 24 months at the last run, and is 14 days now"):
        lifecycle.detach(OLD, policy=typo)
    lifecycle.detach(OLD)  # the old retention still does
    lifecycle.sql("SELECT partition_lifecycle.confirm_retention($$app.events$$, '14 days')")
    lifecycle.drop(OLD, policy=typo)
    assert not lifecycle.exists(OLD)
    lifecycle.heal()
    assert lifecycle.value("SELECT retention FROM partition_lifecycle.retention") == "24 months"  # longer needs nobody


def test_a_first_run_without_a_heal_notes_the_retention_too(lifecycle: Lifecycle) -> None:
    lifecycle.archive_partition(OLD)
    lifecycle.detach(OLD)
    with pytest.raises(AirflowFailException, match="confirm_retention"):
        lifecycle.drop(OLD, policy=lifecycle.policy(retention="3 days"))


def test_a_dry_run_notes_no_retention(lifecycle: Lifecycle) -> None:
    lifecycle.heal()
    lifecycle.sql("DELETE FROM partition_lifecycle.retention")
    lifecycle.heal(dry_run=True)
    lifecycle.detach(OLD, dry_run=True)
    assert lifecycle.value("SELECT count(*) FROM partition_lifecycle.retention") == 0


@pytest.mark.parametrize("changes", [{"premake": 1}, {"interval": "quarter"}, {"interval": "day"}, {"interval": "year", "premake": 1}])
def test_a_lower_premake_or_another_interval_drops_nothing(lifecycle: Lifecycle, changes: dict[str, Any]) -> None:
    lifecycle.create(policy=lifecycle.policy(premake=6))
    before = lifecycle.partitions()
    policy = lifecycle.policy(retention="36 months", max_creates_per_run=1000, **changes)
    assert lifecycle.plan(policy=policy) == []
    lifecycle.create(policy=policy)
    assert set(before) <= set(lifecycle.partitions())


def test_a_name_that_says_old_does_not_make_a_partition_old(lifecycle: Lifecycle) -> None:
    lifecycle.sql("ALTER TABLE app.events_p202611 RENAME TO events_p201901")
    assert "app.events_p201901" not in lifecycle.plan()
    for step in (lifecycle.archive_partition, lifecycle.detach, lifecycle.drop):
        with pytest.raises(AirflowFailException, match="is not expired"):
            step("app.events_p201901")


# A server that was restored, and a database that was: the real things, each with a server or a database of its own.


@pytest.mark.slow
@pytest.mark.every_server
def test_a_database_that_was_restored_from_a_dump_destroys_nothing_until_a_person_confirms(
    lifecycle: Lifecycle, monkeypatch: pytest.MonkeyPatch
) -> None:
    lifecycle.archive_partition(OLD)
    lifecycle.detach(OLD)
    copy_name = str(psycopg.conninfo.conninfo_to_dict(lifecycle.uri)["dbname"]) + "_copy"
    lifecycle.sql(f"CREATE DATABASE {copy_name}")
    copy = Lifecycle(
        lifecycle.uri.replace(str(psycopg.conninfo.conninfo_to_dict(lifecycle.uri)["dbname"]), str(copy_name)), lifecycle.archive
    )
    try:
        dumped = dump(lifecycle.uri)
        tool("psql", "-q", "-X", "-v", "ON_ERROR_STOP=1", copy.uri, stdin=dumped)
        monkeypatch.setenv("AIRFLOW_CONN_TARGET", copy.uri)
        with pytest.raises(AirflowFailException, match="the ledger does not know it as one that was detached"):
            copy.drop(OLD)
        with pytest.raises(AirflowFailException, match="it was restored from a dump, or copied; nothing is detached or dropped"):
            copy.detach(NEXT)
        assert copy.exists(OLD)
        with pytest.raises(AirflowFailException, match="former_databases"):
            copy.archive_partition(NEXT)  # nor are another database's archives written over
    finally:
        lifecycle.sql(f"DROP DATABASE {copy_name} WITH (FORCE)")


@pytest.mark.slow
@pytest.mark.every_server
def test_a_server_that_was_restored_to_an_earlier_moment_destroys_nothing_until_a_person_confirms(
    lifecycle: Lifecycle, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tempfile.TemporaryDirectory(prefix="restored-server-", ignore_cleanup_errors=True) as folder:
        dumped = dump(lifecycle.uri)
        with running(Path(folder)) as uri:
            tool("psql", "-q", "-X", "-v", "ON_ERROR_STOP=1", uri, stdin=dumped)
            monkeypatch.setenv("AIRFLOW_CONN_TARGET", uri)
            there = Lifecycle(uri, lifecycle.archive)
            there.archive_partition(OLD)
        data = Path(folder) / "pgdata"
        (data / "recovery.signal").touch()
        with running(Path(folder), {"restore_command": "'false'"}) as uri:
            assert there.uri == uri
            wait_for_the_end_of_recovery(there)
            with pytest.raises(AirflowFailException, match="timeline 00000001, now 00000002"):
                there.detach(OLD)
            there.sql("SELECT partition_lifecycle.confirm_database()")
            there.detach(OLD)
            there.drop(OLD)


def wait_for_the_end_of_recovery(lifecycle: Lifecycle) -> None:
    for _ in range(100):
        if not lifecycle.value("SELECT pg_is_in_recovery()"):
            return
        time.sleep(0.1)
    raise AssertionError("the server is still in recovery")
