"""What a step that destroys asks before it does: whether somebody agreed to exactly this, in this run."""

from airflow.sdk.exceptions import AirflowSkipException

from include.partitioning.approval import approved, intention_for, why_not_approved
from include.partitioning.errors import DestructionRefusedError
from include.partitioning.target import Target
from partition_operators.lifecycle_operator import Step


def require_approval(step: Step, target: Target) -> None:
    """Look for the approval in the ledger. Does nothing where the policy asks for none.

    :raises DestructionRefusedError: nobody agreed in this run, or to something else; with what has changed.
    :raises AirflowSkipException: the grace period was not over when the question was asked.
    """
    if step.policy.approval is None:
        return
    agreed = approved(step.ledger.approvals())
    if not agreed:
        raise DestructionRefusedError(
            f'"{target.name}" stays: the policy of "{step.table.name}" asks for an approval, and the ledger has none of this DAG run; put an '
            "ApprovePlanOperator before this step, or clear its task to be asked (again)"
        )
    seen = agreed.get(target.oid)
    if seen is not None and not seen.destroys and target.detached is not None:
        raise AirflowSkipException(f'"{target.name}" waits for the next run: its grace period was not over when this one was approved')
    why = why_not_approved(agreed, intention_for(step.policy, step.table, target))
    if why is not None:
        raise DestructionRefusedError(
            f'"{target.name}" is not what was approved, and stays: {why}; start the DAG again, to be asked about it as it is now'
        )
