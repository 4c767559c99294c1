"""When others hear that a partition is archived: once in the run that archived it, also if the first try died behind the archive."""

from types import SimpleNamespace
from typing import Any

import pytest

from include.postgres.ledger import Ledger
from partition_operators.announcements import archived
from partition_operators.archive_partition import ArchivePartitionOperator
from tests.integration.conftest import AS_OF, Lifecycle

OLD = "app.events_p202408"


class Events:
    """What the task tells Airflow, by alias."""

    def __init__(self) -> None:
        self.told: list[tuple[str, dict[str, Any]]] = []

    def __getitem__(self, _alias: Any) -> Any:
        return SimpleNamespace(add=lambda asset, extra: self.told.append((asset.name, extra)))


def archive(lifecycle: Lifecycle, run_id: str) -> list[tuple[str, dict[str, Any]]]:
    """One try of the task in a DAG run; returns what others hear."""
    policy = lifecycle.policy()
    instance = SimpleNamespace(dag_id="dag", run_id=run_id, task_id="archive", map_index=0, try_number=1, xcom_push=lambda **_: None)
    events = Events()
    context: Any = {"ti": instance, "task": SimpleNamespace(outlets=[archived(policy)]), "outlet_events": events}
    ArchivePartitionOperator(task_id="archive", policy=policy, reference_date=AS_OF, partition=OLD).execute(context)
    return events.told


def test_a_second_try_tells_what_the_first_could_not_and_a_later_run_tells_nothing(
    lifecycle: Lifecycle, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as dying:
        dying.setattr(Ledger, "done_in_run", lambda *_: (_ for _ in ()).throw(RuntimeError("the worker died")))
        with pytest.raises(RuntimeError, match="the worker died"):
            archive(lifecycle, "one")
    ((name, extra),) = archive(lifecycle, "one")
    assert (name, extra["rows"]) == (OLD, 50)
    assert archive(lifecycle, "two") == []
