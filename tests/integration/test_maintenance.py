"""Reindex, analyze and the recent view."""

import re
import time
from typing import Any

import psycopg
import pytest
from airflow.sdk.exceptions import AirflowFailException

from include.postgres import bloat
from partition_operators.measure_bloat import MeasureBloatOperator
from partition_operators.refresh_recent_view import RefreshRecentViewOperator
from partition_operators.reindex_partition import ReindexPartitionOperator
from tests.integration.conftest import Lifecycle

NOW = "app.events_p202611"
VIEW = {"recent_view": {"name": "app.v_recent", "intervals": 2}}


def fill(lifecycle: Lifecycle, rows: int = 60_000) -> None:
    lifecycle.sql(
        "INSERT INTO app.events SELECT g, 1 + g %% 10, '2026-11-01 00:00+00'::timestamptz + g * interval '20 seconds', 'x' FROM generate_series(1000, %s) g",
        1000 + rows,
    )
    lifecycle.sql("ANALYZE app.events")


def shares(lifecycle: Lifecycle) -> dict[str, float | None]:
    with lifecycle.connect() as connection:
        oid = lifecycle.value("SELECT %s::regclass::oid::bigint", NOW)
        return {index.name.name: index.share for index in bloat.measure(connection, [oid])[oid]}


def test_freshly_built_indexes_are_estimated_as_hardly_bloated_and_emptied_ones_as_much(lifecycle: Lifecycle) -> None:
    fill(lifecycle)
    lifecycle.sql(f"REINDEX TABLE {NOW}; ANALYZE {NOW}")
    fresh = shares(lifecycle)
    assert all(share is not None and share < 0.12 for share in fresh.values()), fresh
    lifecycle.sql(f"DELETE FROM {NOW} WHERE mod(id, 10) <> 0")
    for statement in (f"VACUUM {NOW}", f"ANALYZE {NOW}"):
        lifecycle.sql(statement)
    assert all(share is not None and share > 0.75 for share in shares(lifecycle).values()), shares(lifecycle)


def test_a_bloated_partition_is_measured_reindexed_and_then_left_alone(lifecycle: Lifecycle) -> None:
    fill(lifecycle)
    assert lifecycle.run(MeasureBloatOperator) == []
    lifecycle.sql(f"DELETE FROM {NOW} WHERE mod(id, 10) <> 0")
    for statement in (f"VACUUM {NOW}", f"ANALYZE {NOW}"):
        lifecycle.sql(statement)
    assert lifecycle.run(MeasureBloatOperator) == [NOW]
    before = lifecycle.value("SELECT pg_indexes_size(%s::regclass)", NOW)
    lines: list[str] = lifecycle.run(ReindexPartitionOperator, partition=NOW)
    assert len(lines) == 2
    assert lifecycle.value("SELECT pg_indexes_size(%s::regclass)", NOW) < before / 3
    assert lifecycle.run(MeasureBloatOperator) == []
    assert lifecycle.run(ReindexPartitionOperator, partition=NOW) == []


def test_nothing_is_rebuilt_by_a_server_that_may_corrupt_it_and_the_plan_says_so_before(
    lifecycle: Lifecycle, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    nodes = (
        "SELECT string_agg(relfilenode::text, ' ' ORDER BY oid) FROM pg_class WHERE relkind = 'i' AND relnamespace = 'app'::regnamespace"
    )
    before = lifecycle.value(nodes)
    monkeypatch.setattr(psycopg.ConnectionInfo, "server_version", 140003)
    lifecycle.plan()
    assert "no index will be rebuilt: PostgreSQL 14.3 can corrupt an index" in capsys.readouterr().out + caplog.text
    policy = lifecycle.policy(reindex={"bloat_above": 0.01})
    with pytest.raises(
        AirflowFailException, match=r'no index of "app\.events_p202611" is rebuilt: .* \(mended in 14\.4\); upgrade the server'
    ):
        lifecycle.run(ReindexPartitionOperator, partition=NOW, policy=policy)
    assert lifecycle.value(nodes) == before


def test_a_leftover_of_ours_is_dropped_and_a_stranger_s_is_not(lifecycle: Lifecycle) -> None:
    fill(lifecycle, rows=100)
    lifecycle.sql(f"CREATE INDEX events_p202611_pkey_ccnew ON {NOW} (id)")
    lifecycle.sql("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'app.events_p202611_pkey_ccnew'::regclass")
    lifecycle.create()  # installs the ledger
    assert lifecycle.run(MeasureBloatOperator) == []
    lifecycle.run(ReindexPartitionOperator, partition=NOW)
    assert lifecycle.exists("app.events_p202611_pkey_ccnew")
    lifecycle.sql(
        "INSERT INTO partition_lifecycle.event (action, outcome, parent, partition, partition_oid)"
        " SELECT 'reindex', 'began', 'app.events', %s, %s::regclass::oid", NOW, NOW
    )  # fmt: skip
    assert lifecycle.run(MeasureBloatOperator) == [NOW]
    lifecycle.run(ReindexPartitionOperator, partition=NOW)
    assert not lifecycle.exists("app.events_p202611_pkey_ccnew")


def counted(lifecycle: Lifecycle) -> None:
    """Until the server's counters have all that was done: up to 14 they come by a process of their own, within half a second."""
    if lifecycle.version >= 15:
        lifecycle.sql("SELECT pg_stat_force_next_flush()")
    else:
        time.sleep(1.5)


def test_analyze_takes_what_changed_and_the_parent_and_then_nothing(lifecycle: Lifecycle) -> None:
    every = {f"app.{name}" for name in lifecycle.partitions()}
    only = lifecycle.version >= 18  # before, ANALYZE of the parent takes all partitions along, so that it stands alone
    assert set(lifecycle.analyze()) == ({"app.events"} | every if only else {"app.events"})
    assert lifecycle.value("SELECT reltuples FROM pg_class WHERE oid = 'app.events'::regclass") == 250
    counted(lifecycle)
    assert lifecycle.analyze() == []
    lifecycle.sql("INSERT INTO app.events VALUES (500, 1, '2026-11-05')")
    counted(lifecycle)
    assert lifecycle.analyze() == ([NOW, "app.events"] if only else ["app.events"])
    counted(lifecycle)
    assert lifecycle.value("SELECT count(*) FROM pg_stat_user_tables WHERE schemaname = 'app' AND analyze_count > 0") == 6
    lifecycle.sql(f"ANALYZE {NOW}")
    counted(lifecycle)
    assert lifecycle.analyze() == ["app.events"]
    counted(lifecycle)
    assert lifecycle.analyze() == []


def test_analyze_that_the_server_skips_with_a_warning_has_failed(lifecycle: Lifecycle, monkeypatch: pytest.MonkeyPatch) -> None:
    """The parent's owner does not own this partition: PostgreSQL only warns."""
    lifecycle.sql("CREATE ROLE half_owner; GRANT USAGE ON SCHEMA app TO half_owner; ALTER TABLE app.events OWNER TO half_owner")
    try:
        with pytest.raises(AirflowFailException, match=r"permission denied to analyze|only table or database owner can analyze"):
            lifecycle.analyze()
    finally:
        lifecycle.sql("ALTER TABLE app.events OWNER TO postgres; DROP OWNED BY half_owner; DROP ROLE half_owner")


def explain(lifecycle: Lifecycle, statement: str) -> str:
    return "\n".join(
        str(next(iter(each.values()))) for each in lifecycle.sql(f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) {statement}")
    )


def view(lifecycle: Lifecycle, **changes: Any) -> str:
    said: str = lifecycle.run(RefreshRecentViewOperator, policy=lifecycle.policy(**{**VIEW, **changes}))
    return said


def this_month(lifecycle: Lifecycle, back: int = 0) -> str:
    return str(lifecycle.value("SELECT to_char(date_trunc('month', now() AT TIME ZONE 'UTC') - %s * interval '1 month', 'YYYYMM')", back))


def test_the_recent_view_shows_the_newest_months_and_prunes_the_old_ones(lifecycle: Lifecycle) -> None:
    lifecycle.create(reference_date=lifecycle.value("SELECT current_date::text"))
    lifecycle.sql("INSERT INTO app.events VALUES (900, 1, now()), (901, 1, now() - interval '400 days')")
    assert "made" in view(lifecycle)
    found = [each["id"] for each in lifecycle.sql("SELECT id FROM app.v_recent WHERE id >= 900")]
    assert found == [900]
    plan = explain(lifecycle, "SELECT * FROM app.v_recent")
    assert "Subplans Removed" in plan
    assert "events_p202408" not in plan
    assert f"events_p{this_month(lifecycle)}" in plan
    assert f"events_p{this_month(lifecycle, 1)}" in plan
    assert f"events_p{this_month(lifecycle, 2)}" not in plan
    assert "is what it should be" in view(lifecycle)


def test_the_recent_view_does_not_go_stale_when_maintenance_stops(lifecycle: Lifecycle) -> None:
    """Its lower end is a function of the database's clock, not a date that a run wrote down."""
    view(lifecycle)
    definition = lifecycle.value("SELECT pg_get_viewdef('app.v_recent'::regclass)")
    assert "now()" in definition
    assert re.search(r"\d{4}-\d{2}", definition) is None, definition
    options = "{security_invoker=true}" if lifecycle.version >= 15 else None
    assert lifecycle.value("SELECT reloptions::text FROM pg_class WHERE oid = 'app.v_recent'::regclass") == options


def test_the_recent_view_follows_the_policy_and_new_columns(lifecycle: Lifecycle) -> None:
    view(lifecycle)
    assert "made" in view(lifecycle, recent_view={"name": "app.v_recent", "intervals": 5}, timezone="Europe/Paris")
    lifecycle.sql("ALTER TABLE app.events ADD COLUMN extra text")
    assert "made" in view(lifecycle, recent_view={"name": "app.v_recent", "intervals": 5}, timezone="Europe/Paris")
    lifecycle.sql("SELECT extra FROM app.v_recent")


def test_a_view_name_that_is_taken_is_refused_by_the_plan_before_anything_is_touched(lifecycle: Lifecycle) -> None:
    lifecycle.sql("CREATE VIEW app.v_recent AS SELECT 1 AS mine")
    with pytest.raises(
        AirflowFailException, match=r'the name "app.v_recent" of "app.events" is taken by a view that this package did not make'
    ):
        lifecycle.plan(policy=lifecycle.policy(**VIEW))
    with pytest.raises(AirflowFailException, match=r"is taken by"):
        view(lifecycle)
    assert lifecycle.value("SELECT mine FROM app.v_recent") == 1


@pytest.mark.parametrize("key_type", ["date", "timestamp"])
def test_the_recent_view_fits_other_key_types(lifecycle: Lifecycle, key_type: str) -> None:
    lifecycle.sql(f"CREATE TABLE app.days (at {key_type} NOT NULL) PARTITION BY RANGE (at)")
    policy = lifecycle.policy(table="app.days", partition_key="at", **VIEW)
    lifecycle.create(policy=policy, reference_date=lifecycle.value("SELECT current_date::text"))
    lifecycle.run(RefreshRecentViewOperator, policy=policy)
    lifecycle.sql("INSERT INTO app.days VALUES (now() AT TIME ZONE 'UTC')")
    assert lifecycle.value("SELECT count(*) FROM app.v_recent") == 1
