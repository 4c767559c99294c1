"""The message about a run that failed: from the states that Airflow knows and the ledger, or from either alone."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from include.partitioning.notify import Occasion
from include.postgres.ledger import Ledger
from include.postgres.ledger_records import Event, RunIdentity
from include.postgres.session import prepare
from partition_operators.run_alerts import TellOfRun
from tests.integration.conftest import Lifecycle
from tests.recording import RECORDING, SAID

RUN = RunIdentity("a_dag", "a_run", "archive", 0, 1)


@pytest.fixture
def told(lifecycle: Lifecycle) -> Any:
    """Tells of a run whose first archive failed, as Airflow's DAG processor would have it told; the lines of the message."""
    SAID.clear()
    with lifecycle.connect() as connection:
        prepare(connection, "test")
        policy = lifecycle.policy(notify={"on_failure": [RECORDING]})
        ledger = Ledger(connection, policy.table, RUN)
        ledger.install()
        ledger.record(Event("archive", "failed", policy.table, detail="the disk is full; make room"))

    def tell(states: dict[str, str] | None) -> list[str]:
        known = {"ti": SimpleNamespace(get_task_states=lambda **_: {"a_run": states})} if states is not None else {}
        TellOfRun(policy, Occasion.FAILURE)({"dag": SimpleNamespace(dag_id="a_dag"), "run_id": "a_run", **known})
        return SAID.pop().splitlines()[1:]

    return tell


def test_a_task_that_did_not_run_because_of_another_is_not_named(told: Any) -> None:
    states = {"archive_0": "failed", "detach_0": "upstream_failed", "archive_1": "success", "analyze": "failed", "report": "failed"}
    assert told(states) == ["- analyze: its log says why", '- archive_0 "app.events": the disk is full; make room']
    assert told({"archive_0": "success", "report": "failed"}) == ["- report: its log says why"]


def test_without_the_states_the_ledger_is_enough_and_without_the_ledger_the_states_are(
    told: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert told(None) == ['- archive_0 "app.events": the disk is full; make room']
    monkeypatch.setenv("AIRFLOW_CONN_TARGET", f"postgresql://nobody@/nothing?host={tmp_path}")
    named, unread = told({"archive_0": "failed"})
    assert named == "- archive_0: its log says why"
    assert unread.startswith(
        '- the ledger cannot be read, so messages are in the logs only: connect to "target": the server is not available'
    )
