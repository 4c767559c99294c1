"""A table whose policy was given another interval: both grains live in it, and runs go on."""

from typing import Any

import pytest

from partition_operators.refresh_recent_view import RefreshRecentViewOperator
from tests.integration.conftest import Lifecycle

QUARTERS: dict[str, Any] = {"interval": "quarter", "premake": 2}


@pytest.fixture
def months(lifecycle: Lifecycle) -> Lifecycle:
    """The small table, whose months reach to February."""
    lifecycle.values = {"premake": 3}
    lifecycle.create()
    assert lifecycle.partitions()[-3:] == ["events_p202612", "events_p202701", "events_p202702"]
    return lifecycle


def test_from_months_to_quarters_the_running_quarter_is_completed_by_months(months: Lifecycle) -> None:
    quarters = months.policy(**QUARTERS)
    assert months.create(policy=quarters) == ["app.events_p202703", "app.events_p2027q2"]
    assert months.create(policy=quarters) == []
    months.sql("INSERT INTO app.events VALUES (1, 1, '2027-03-31 23:59+00'), (1, 1, '2027-04-01 00:00+00')")
    found = months.sql("SELECT tableoid::regclass::text AS name FROM app.events WHERE created_at >= '2027-01-01' ORDER BY created_at")
    assert [each["name"] for each in found] == ["app.events_p202703", "app.events_p2027q2"]


def test_and_back_the_first_month_begins_where_the_last_quarter_ends(months: Lifecycle) -> None:
    months.create(policy=months.policy(**QUARTERS))
    assert months.create(reference_date="2027-05-15") == ["app.events_p202707", "app.events_p202708"]


def test_months_expire_by_their_own_bounds_under_a_policy_of_quarters(months: Lifecycle) -> None:
    policy = months.policy(**QUARTERS, on_expiry="drop")
    assert months.plan(policy=policy) == ["app.events_p202408", "app.events_p202409", "app.events_p202410"]
    months.expire("app.events_p202408", policy=policy)
    assert not months.exists("app.events_p202408")
    assert months.plan(policy=policy, reference_date="2028-12-01")[-1] == "app.events_p202410"  # the database's clock decides


def test_the_recent_view_follows_the_policy_whatever_partitions_there_are(months: Lifecycle) -> None:
    policy = months.policy(**QUARTERS, recent_view={"name": "app.v_events_recent", "intervals": 2})
    months.create(policy=policy)
    months.run(RefreshRecentViewOperator, policy=policy)
    shown = months.value("SELECT pg_get_viewdef('app.v_events_recent'::regclass)")
    assert "date_trunc('quarter'::text" in shown
    assert "'3 months'::interval" in shown or "'3 mons'::interval" in shown


def test_rows_of_the_running_quarter_in_default_are_moved_to_months(months: Lifecycle) -> None:
    months.sql("CREATE TABLE app.events_default PARTITION OF app.events DEFAULT")
    months.sql("INSERT INTO app.events VALUES (7, 1, '2027-03-31 23:59+00')")
    policy = months.policy(**QUARTERS, default_partition="drain")
    assert months.drain(policy=policy) == ["app.events_p202703"]
    assert months.create(policy=policy) == ["app.events_p2027q2"]
