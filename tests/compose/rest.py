"""What a team does with a cluster, over Airflow's REST API and nothing else."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from demo.airflow_api import AirflowApi


@dataclass(frozen=True)
class Team:
    """Logged in."""

    api: AirflowApi

    def wait_for_dags(self, dag_ids: Sequence[str], seconds: float) -> None:
        def all_there() -> bool:
            return set(dag_ids) <= {each["dag_id"] for each in self.api.get("dags", limit=100)["dags"]}

        wait(all_there, seconds, "the DAGs are not there")

    def trigger(self, dag_id: str) -> None:
        self.api.patch(f"dags/{dag_id}", {"is_paused": False})
        self.api.post(f"dags/{dag_id}/dagRuns", {"logical_date": None, "conf": {}})

    def runs(self) -> dict[str, str]:
        """State of the one run of each DAG."""
        return {each["dag_id"]: each["state"] for each in self.api.get("dags/~/dagRuns", limit=100)["dag_runs"]}

    def instances(self, **only: str) -> list[dict[str, Any]]:
        """All task instances, or those of a state."""
        found: list[dict[str, Any]] = []
        while True:
            page = self.api.get("dags/~/dagRuns/~/taskInstances", limit=100, offset=len(found), **only)
            found += page["task_instances"]
            if len(found) >= page["total_entries"] or not page["task_instances"]:
                return found

    def clear(self, instance: dict[str, Any]) -> None:
        """As a person who does not want to wait until it is tried again."""
        which = [instance["task_id"]] if instance["map_index"] < 0 else [[instance["task_id"], instance["map_index"]]]
        body = {"dry_run": False, "dag_run_id": instance["dag_run_id"], "task_ids": which, "only_failed": False, "only_running": False}
        self.api.post(f"dags/{instance['dag_id']}/clearTaskInstances", body)

    def states(self) -> Counter[str]:
        """How many task instances have each state."""
        return Counter(str(each["state"]) for each in self.instances())


def wait(until: Callable[[], bool], seconds: float, otherwise: str, pause: float = 1.0) -> None:
    """Ask again and again."""
    end = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < end, otherwise
        time.sleep(pause)
