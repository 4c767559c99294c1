"""The approval step."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import Context
from airflow.sdk.execution_time.hitl import HITLUser

from include.partitioning.approval import Answer, AskedAbout, approved, covers, first_question, intentions, last_question
from include.partitioning.approval_text import Measured, Question, body_of, subject_of
from include.partitioning.errors import ApprovalError
from include.partitioning.policy import PartitionPolicy
from include.partitioning.span import format_duration
from include.postgres import catalog
from include.postgres.ledger_records import Event
from partition_operators.lifecycle_operator import LifecycleOperator, Step
from partition_operators.plan_findings import findings_beside
from partition_operators.plan_partitions import current_plan

APPROVE, REJECT = "Approve", "Reject"
"""The pair of options that Airflow's UI knows as an approval."""

WITHIN_LIMITS = "this is within the limits of the policy"


class ApprovePlanOperator(LifecycleOperator, HITLOperator):
    """Ask a person whether the expired partitions may go, if the policy says so, and wait for the answer without a worker.

    The plan is made anew and shown as a table, with a digest of what would be destroyed. The question and the answer, with the person's
    name, go to the ledger, where detach and drop look for them: an approval is good for this run, and for what was shown or less. The
    return value is the list of partitions to expire, over which the rest of the DAG is mapped: empty after a no, so that nothing behind it
    runs. Nobody is asked when nothing is to be destroyed, within the limits of the policy, in a dry run, and when this run was approved
    before it was cleared. No answer within `approval_timeout` means no.

    **When it fails** nothing is destroyed in this run. Whoever has answered is asked again when it is tried again: the answer did not reach
    the ledger.

    Arguments: those of `LifecycleOperator`, and `notifiers` of Airflow's `HITLOperator`.
    """

    template_fields: Sequence[str] = LifecycleOperator.template_fields  # what is shown comes from the catalog, and is no template
    action: ClassVar[str] = "approve"
    ui_color = "#e8eaf6"

    def __init__(self, *, policy: PartitionPolicy | str, **kwargs: Any) -> None:  # noqa: ANN401 - of both bases
        super().__init__(policy=policy, subject="", options=[APPROVE, REJECT], defaults=[REJECT], **kwargs)

    def execute(self, context: Context) -> Any:  # noqa: ANN401 - BaseOperator says so
        """Return the partitions to expire, or ask; the task then waits, and goes on in `execute_complete`."""
        found = self.run_step(context, self.perform)
        return HITLOperator.execute(self, context) if found is None else found

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:  # noqa: ANN401 - HITLOperator says so
        """Write the answer down, and return the partitions to expire: those that were shown, or none."""
        given = HITLOperator.execute_complete(self, context, event)
        return self.run_step(context, partial(self._write_down_answer, given=given))

    def perform(self, step: Step) -> list[str] | None:
        """Return the partitions to expire, or None if a person is to be asked; all is ready for that then."""
        question = _question(step)
        going = question.going.values()
        if step.policy.approval is None or not going:
            return self._ask_nobody(question, "there is nothing to destroy" if not going else "the policy asks for no approval")
        if step.dry_run:
            return self._ask_nobody(question, f"this is a dry run; otherwise: {question.why or WITHIN_LIMITS}")
        history = step.ledger.approvals()
        if covers(approved(history), going):
            return self._ask_nobody(question, "this run was approved before, and would destroy nothing else")
        if question.why is None:
            self._write_down(step, question, Answer(question.digest, WITHIN_LIMITS, None, step.database_now.isoformat()))
            return self._ask_nobody(question, WITHIN_LIMITS)
        _refuse_another_question(question, first_question(history))
        self._write_down(step, question)
        self._prepare(step, question)
        return None

    def _ask_nobody(self, question: Question, why: str) -> list[str]:
        self.log.info("nobody is asked: %s", why)
        return [str(each.name) for each in question.plan.expires]

    def _write_down(self, step: Step, question: Question, answer: Answer | None = None) -> None:
        """What would be destroyed; and the policy's own answer, if it has one."""
        with step.connection.transaction():
            for partition, wanted in zip(question.plan.expires, question.wanted, strict=True):
                rows, size = question.measured.rows.get(partition.oid), question.measured.bytes.get(partition.oid)
                detail = wanted.as_text(question.digest, asked=answer is None)
                step.ledger.record(Event("approve", "began", partition.name, partition.oid, partition.bounds, rows, size, detail=detail))
                self.log.info("%s %s: %s", partition.name, partition.bounds, ", ".join(wanted.steps) or "nothing yet")
            if answer is not None:
                step.ledger.record(Event("approve", "done", detail=answer.as_text()))

    def _prepare(self, step: Step, question: Question) -> None:
        """What HITLOperator puts before the person."""
        self.log.info("a person is asked, because %s; digest %s", question.why, question.digest)
        findings = (*question.plan.findings, *findings_beside(step, question.plan))
        self.subject, self.body = subject_of(question), body_of(replace(question, plan=replace(question.plan, findings=findings)))
        self.response_timeout = step.policy.approval_timeout
        self.assigned_users = [HITLUser(id=each, name=each) for each in step.policy.approvers] or None

    def _write_down_answer(self, step: Step, given: Mapping[str, Any]) -> list[str]:
        question = last_question(step.ledger.approvals())
        if question is None:
            raise ApprovalError("the ledger has lost the question to which this is the answer; start the DAG again to have it asked anew")
        digest, shown = question
        yes = given["chosen_options"] == [APPROVE]
        said = "approved" if yes else "rejected"
        if given["responded_by_user"] is None:
            said = f"nobody answered within {format_duration(step.policy.approval_timeout)}"
        answer = Answer(digest, said, _named(given["responded_by_user"]), given["responded_at"].isoformat())
        step.ledger.record(Event("approve", "done" if yes else "refused", detail=answer.as_text()))
        self.log.info("%s%s", answer, "" if yes else "; nothing is detached or dropped")
        return [each.partition for each in shown.values()] if yes else []


def _question(step: Step) -> Question:
    plan = current_plan(step)
    oids = [each.oid for each in plan.expires]
    measured = Measured(catalog.estimated_rows(step.connection, oids), catalog.sizes(step.connection, oids))
    return Question(step.policy, step.table, plan, intentions(step.policy, step.table, plan), measured)


def _refuse_another_question(question: Question, shown: AskedAbout | None) -> None:
    """Airflow 3.3.2 keeps the text of a task's first question: who is asked again would see that one, and must not agree to more by it.

    :raises ApprovalError: this run has asked, and not about all of this.
    """
    if shown is not None and not covers(shown[1], question.going.values()):
        raise ApprovalError(
            f'this DAG run has asked about "{question.table.name}" before, when something else was to go, and Airflow would show that question '
            "again; start the DAG again, to be asked about what is to go now"
        )


def _named(user: Mapping[str, str] | None) -> str | None:
    """The person's name, with the id where that is another, as with Airflow's FAB auth manager."""
    if user is None:
        return None
    return user["name"] if user["name"] == user["id"] else f"{user['name']} ({user['id']})"
