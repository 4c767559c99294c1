"""What a policy's DAG gets for telling somebody of its runs, and the message about one that is late."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.serialization.serialized_objects import DagSerialization
from airflow.triggers.callback import CallbackTrigger

from demo.local_airflow import PROJECT
from include.partitioning.policy import PartitionPolicy
from partition_operators import run_alerts
from partition_operators.run_alerts import alerts_of, run_is_late, unusable_alerts
from tests.recording import RECORDING, SAID

NOBODY = {"notifier": "no_such_provider.Notifier"}


@pytest.fixture(autouse=True)
def silence() -> None:
    SAID.clear()


def policy(**values: Any) -> PartitionPolicy:
    return PartitionPolicy(table="core.sessions", partition_key="created_at", **values)


def test_a_policy_that_tells_nobody_costs_its_dag_nothing() -> None:
    assert alerts_of(policy()) == {}
    assert alerts_of(policy(notify={"on_alarm": [RECORDING]})) == {}


def test_a_dag_has_callbacks_only_for_what_somebody_hears_of() -> None:
    assert list(alerts_of(policy(notify={"on_failure": [RECORDING]}))) == ["on_failure_callback"]
    assert list(alerts_of(policy(notify={"on_success": [RECORDING]}))) == ["on_success_callback"]
    assert str(alerts_of(policy(notify={"on_failure": [RECORDING]}))["on_failure_callback"]) == "TellOfRun(core.sessions, on_failure)"


TEXT = """
policies:
  - table: core.sessions
    partition_key: created_at
    deadline: 6 h
    notify: {on_failure: [{notifier: no_such_provider.Notifier, arguments: {channel: dba}}]}
"""


def test_deadline_and_notifiers_are_in_the_serialized_dag_although_nothing_of_them_is_installed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "policies.yaml").write_text(TEXT)
    monkeypatch.setenv("PARTITION_POLICIES", str(tmp_path / "policies.yaml"))
    bag = DagBag(PROJECT / "dags")
    assert bag.import_errors == {}
    serialized = DagSerialization.to_dict(bag.dags["partition_lifecycle.core.sessions"])["dag"]
    assert serialized["has_on_failure_callback"] is True
    (found,) = serialized["deadline"]
    assert found["reference"]["reference_type"] == "DagRunQueuedAtDeadline"
    assert found["interval"]["__data__"] == timedelta(hours=6).total_seconds()
    assert found["callback"]["__data__"]["path"] == "partition_operators.run_alerts.run_is_late"
    assert found["callback"]["__data__"]["kwargs"]["notifiers"] == [
        {"notifier": "no_such_provider.Notifier", "arguments": {"channel": "dba"}}
    ]


async def events_of(trigger: CallbackTrigger) -> list[Any]:
    return [event.payload async for event in trigger.run()]


@pytest.mark.parametrize(
    ("notify", "state"), [({"on_failure": [RECORDING]}, "success"), ({"on_deadline": [NOBODY]}, "failed"), ({}, "success")]
)
def test_the_triggerer_tells_that_a_run_is_late_and_airflow_knows_if_it_could_not(notify: dict[str, Any], state: str) -> None:
    deadline = alerts_of(policy(notify=notify, deadline="90 min"))["deadline"]
    context = {"dag_run": {"dag_id": "partition_lifecycle.core.sessions", "dag_run_id": "scheduled__2026-11-01"}, "deadline": {}}
    trigger = CallbackTrigger(deadline.callback.path, {**deadline.callback.kwargs, "context": context})
    assert [event["state"] for event in asyncio.run(events_of(trigger))] == ["running", state]
    if notify == {"on_failure": [RECORDING]}:
        (said,) = SAID
        assert 'partition lifecycle of "core.sessions": the run scheduled__2026-11-01 is not done 90 min after it was queued' in said


def test_the_link_leads_to_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example.org/")
    context = {"dag_run": {"dag_id": "d", "dag_run_id": "manual__2026-11-01T00:00:00+00:00"}}
    asyncio.run(run_is_late("core.sessions", "1 h", [RECORDING], context))
    assert SAID[0].endswith("\nhttps://airflow.example.org/dags/d/runs/manual__2026-11-01T00%3A00%3A00%2B00%3A00")


def test_an_airflow_that_watches_no_deadlines_makes_the_dag_without_and_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_alerts, "deadlines_are_known", lambda: False)
    assert alerts_of(policy(deadline="1 h")) == {}
    assert unusable_alerts(policy(deadline="1 h")) == ["this Airflow watches no deadlines; 3.1 does"]
    assert unusable_alerts(policy(notify={"on_failure": [RECORDING]})) == []
