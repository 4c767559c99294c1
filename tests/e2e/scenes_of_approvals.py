"""A person's yes and no to what a run would destroy: what goes, what stays, and what does not wait for it."""

import json
import re
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from demo.airflow_api import AirflowApi
from demo.installation import USER
from tests.e2e.cast import Part
from tests.e2e.installations import log_in
from tests.e2e.scenes import OLDEST, Scene, month

BEN = "ben"
"""May do everything in Airflow, and is no approver."""

OLD = [OLDEST, OLDEST + 1, OLDEST + 2]
KEPT = [-5, -4, -3, -2, -1, 0]
CREATED = [1]
ASKS = {"retention": "5 months", "approval": "required", "schedule": None, "lock_attempts": 3}


@dataclass(frozen=True)
class Asking:
    """A run that asks."""

    scene: Scene
    run: str

    @classmethod
    def of(cls, scene: Scene) -> "Asking":
        run = scene.trigger()
        scene.pause(False)
        return cls(scene, run)

    def question(self) -> dict[str, Any]:
        """What is asked, once it may be answered: Airflow 3.3.2 fails a task whose answer comes before the scheduler knows that its process has ended."""
        self.scene.until(lambda: self.task("approve") == "awaiting_input", "a question")
        self.scene.until(self._has_asked, "the end of who asked")
        return self.scene.api.get(self._question)

    def answer(self, option: str, api: AirflowApi | None = None) -> None:
        (api or self.scene.api).patch(self._question, {"chosen_options": [option], "params_input": {}})

    def task(self, name: str) -> str | None:
        return self.scene.tasks(self.run).get(name)

    def ends_as(self, state: str) -> None:
        assert self.scene.ended(self.run) == state, (self.scene.tasks(self.run), events(self.scene))

    @property
    def _question(self) -> str:
        return f"{self.scene.runs}/{self.run}/taskInstances/approve/-1/hitlDetails"

    def _has_asked(self) -> bool:
        tries = self.scene.tries(self.run, "approve")
        noted = f"Received executor event with state success.*task_id='approve', run_id='{re.escape(self.run)}', try_number={tries}"
        return re.search(noted, (self.scene.folder / "logs" / "scheduler.log").read_text()) is not None


def after_a_yes_by_one_who_may_what_was_shown_goes_and_what_creates_has_not_waited_for_it(scene: Scene) -> None:
    asking = Asking.of(scene)
    asked = asking.question()
    assert asked["subject"] == f"runs.{scene.name}: expire 3 partitions?"
    assert all(f"runs.{scene.partition(offset)}" in asked["body"] for offset in OLD)
    scene.until(lambda: asking.task("recent_view") == "success", "creation")
    assert existing(scene) == OLD + KEPT + CREATED
    with pytest.raises(httpx.HTTPStatusError, match="403"):
        asking.answer("Approve", log_in(scene.folder, BEN))
    assert asking.task("approve") == "awaiting_input"

    asking.answer("Approve")
    asking.ends_as("success")
    assert existing(scene) == KEPT + CREATED
    scene.ends_with(KEPT[0], CREATED[-1])
    ((outcome, detail),) = answers(scene)
    assert (outcome, detail["by"], detail["said"]) == ("done", USER, "approved")
    assert detail["digest"] in asked["body"]
    assert detail["digest"] in scene.log(asking.run, "plan")
    assert len(scene.archived()) == len(OLD)


def after_a_no_nothing_goes_everything_else_is_done_and_the_run_says_who_said_no(scene: Scene) -> None:
    asking = Asking.of(scene)
    asking.question()
    asking.answer("Reject")
    asking.ends_as("failed")
    tasks = scene.tasks(asking.run)
    assert {task for task, state in tasks.items() if state == "failed"} == {"report"}
    assert {state for task, state in tasks.items() if task.startswith("expire.")} == {"skipped"}
    assert (tasks["create_partitions"], tasks["analyze"]) == ("success", "success")
    assert existing(scene) == OLD + KEPT + CREATED
    said = scene.log(asking.run, "report")
    assert 'rejected by \\"admin\\"' in said or 'rejected by "admin"' in said
    assert [(outcome, detail["by"]) for outcome, detail in answers(scene)] == [("refused", USER)]
    assert not scene.archived()

    scene.clear_run(asking.run)
    asking.question()
    asking.answer("Approve")
    asking.ends_as("success")
    assert existing(scene) == KEPT + CREATED
    assert [outcome for outcome, _ in answers(scene)] == ["refused", "done"]


def no_answer_in_time_is_a_no(scene: Scene) -> None:
    asking = Asking.of(scene)
    asking.ends_as("failed")
    assert existing(scene) == OLD + KEPT + CREATED
    assert [(outcome, detail["by"], detail["said"]) for outcome, detail in answers(scene)] == [
        ("refused", None, "nobody answered within 5 s")
    ]
    assert "nobody answered within 5 s" in scene.log(asking.run, "report")


def what_is_no_more_what_was_shown_stays_and_goes_once_it_has_been_shown_as_it_is(scene: Scene) -> None:
    asking = Asking.of(scene)
    asking.question()
    changed = OLD[1]
    middle = f"runs.{scene.partition(changed)}"
    scene.sql(f"DROP TABLE {middle}")
    scene.sql(
        f"CREATE TABLE {middle} PARTITION OF runs.{scene.name} FOR VALUES FROM ('{month(changed)} 00:00+00') TO ('{month(changed + 1)} 00:00+00')"
    )
    asking.answer("Approve")
    asking.ends_as("failed")
    assert existing(scene) == [changed, *KEPT, *CREATED], (scene.tasks(asking.run), events(scene))
    assert asking.task("expire.detach_partition[1]") == "failed"
    refused = [detail for action, outcome, _, detail in events(scene) if (action, outcome) == ("detach", "refused")]
    assert f'"{middle}" is not what was approved, and stays: its OID was' in refused[0]

    scene.clear_run(asking.run)
    asking.ends_as("failed")
    assert "this DAG run has asked about" in scene.log(asking.run, "approve", attempt=2)
    again = Asking.of(scene)
    assert again.question()["subject"] == f"runs.{scene.name}: expire 1 partition?"
    again.answer("Approve")
    again.ends_as("success")
    assert existing(scene) == KEPT + CREATED


def within_the_limits_nobody_is_asked(scene: Scene) -> None:
    Asking.of(scene).ends_as("success")
    assert existing(scene) == KEPT + CREATED
    assert [(outcome, detail["by"]) for outcome, detail in answers(scene)] == [("done", None)]


def existing(scene: Scene) -> list[int]:
    """Which months have a table of a partition's name, attached or not."""
    return [offset for offset in range(OLDEST, 5) if scene.sql(f"SELECT to_regclass('runs.{scene.partition(offset)}')") != [(None,)]]


def answers(scene: Scene) -> list[tuple[str, dict[str, Any]]]:
    """Outcome and detail of what was answered, in that order."""
    return [(outcome, json.loads(detail)) for action, outcome, _, detail in events(scene) if action == "approve" and outcome != "began"]


def events(scene: Scene) -> list[tuple[Any, ...]]:
    """What the ledger has: action, outcome, partition, detail."""
    return scene.sql(
        f"SELECT action, outcome, partition, detail FROM partition_lifecycle.event WHERE parent = 'runs.{scene.name}' ORDER BY event_id"
    )


PARTS = [
    Part(after_a_yes_by_one_who_may_what_was_shown_goes_and_what_creates_has_not_waited_for_it, {**ASKS, "approvers": [USER]}),
    Part(after_a_no_nothing_goes_everything_else_is_done_and_the_run_says_who_said_no, ASKS),
    Part(no_answer_in_time_is_a_no, {**ASKS, "approval_timeout": "5 s"}),
    Part(what_is_no_more_what_was_shown_stays_and_goes_once_it_has_been_shown_as_it_is, ASKS),
    Part(within_the_limits_nobody_is_asked, {**ASKS, "approval": {"partitions": 3}}),
]
