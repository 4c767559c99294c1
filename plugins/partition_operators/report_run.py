"""The report step."""

from typing import Any, ClassVar

from airflow.sdk.exceptions import AirflowFailException

from include.partitioning.approval import ANSWERS, Entry, last_no
from include.postgres.failures import translated
from include.postgres.ledger_records import Event
from include.postgres.queries import Row
from partition_operators.announcements import announce_run
from partition_operators.lifecycle_operator import LifecycleOperator, Step
from partition_operators.run_alerts import unusable_alerts

FAILED = ("failed", "upstream_failed")


class ReportRunOperator(LifecycleOperator):
    """Say what the run did, from the ledger, and fail if any task of the run has failed, or a person said no.

    A run's state is that of its last tasks, so without this one a failed archive would end in a green run.

    **When it fails** the log names each failed task and its message. Clear what failed once the cause is gone. It fails, too, if the policy
    tells somebody by a notifier that is not installed: then the table is in order, but nobody would hear of it if it were not. After a no
    there is nothing to mend: the next run asks again, and so does this one when its task `approve` is cleared.

    Arguments: see `LifecycleOperator`.
    """

    action: ClassVar[str] = "report"
    ui_color = "#e8eaf6"

    def perform(self, step: Step) -> dict[str, int]:
        """Return how often each action had each outcome in this run, such as `{"drop done": 2}`."""
        counts: dict[str, int] = {}
        for event in step.ledger.events_of_run():
            key = f"{event['action']} {event['outcome']}"
            counts[key] = counts.get(key, 0) + 1
            self.log.info("%s %s %s", key, event["partition"] or event["parent"], _readable(event))
        if not counts:
            self.log.info("this run changed nothing")
        problems = [*_objections(step, counts), *_failures(step), *unusable_alerts(step.policy)]
        if problems:
            raise AirflowFailException("\n".join(problems))
        announce_run(step, counts)
        self._note_success(step)
        return counts

    def changes_database(self) -> bool:
        """It only reads, but for the line that says that the run is done."""
        return False

    def _note_success(self, step: Step) -> None:
        """The alarm asks when the last run succeeded, and one that had nothing to do leaves no other trace."""
        if step.dry_run or not step.ledger.version():
            return
        with translated("note the end of the run in the ledger"):
            step.ledger.record(Event("run", "done", detail=f"as of {step.reference.isoformat()}"))


def _readable(event: Row) -> str:
    detail = event["detail"] or ""
    asked = event["action"] == "approve" and event["outcome"] in ANSWERS
    return str(Entry(event["outcome"], detail)) if asked else detail


def _objections(step: Step, counts: dict[str, int]) -> list[str]:
    """That somebody said no, or nobody yes: a run that did not do what it was there for should not look as if it had."""
    answer = last_no(step.ledger.approvals())
    if answer is None:
        return []
    before = counts.get("detach done", 0) + counts.get("drop done", 0)
    kept = f"what had been approved before had been done: {before} detached or dropped" if before else "nothing was destroyed"
    return [f"{answer}: {kept}. The next run asks again, and so does this one when its task approve is cleared"]


def _failures(step: Step) -> list[str]:
    failed = _failed_tasks(step)
    if not failed:
        return []
    names = ", ".join(failed)
    return [f"{len(failed)} tasks of this run failed: {names}; what reached the database is said above, all of it in their own logs"]


def _failed_tasks(step: Step) -> list[str]:
    """Task instances of this run that failed, or could not run because another did; none outside a DAG run."""
    instance: Any = step.context.get("ti")
    if instance is None:
        return []
    states = instance.get_task_states(dag_id=instance.dag_id, run_ids=[instance.run_id]).get(instance.run_id, {})
    return sorted(task for task, state in states.items() if state in FAILED)
