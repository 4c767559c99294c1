"""What the plan, and a dry run, say of the indexes that a policy wants."""

from collections.abc import Collection

from include.partitioning.errors import PartitionLifecycleError, ServerUnavailableError
from include.partitioning.index_policy import IndexPolicy
from include.partitioning.plan_text import Line, human_bytes
from include.postgres import catalog
from include.postgres.index_intentions import intention
from partition_operators.lifecycle_operator import Step


def index_lines(step: Step, leaving: Collection[int] = frozenset()) -> list[Line]:
    """One line for each index of the policy, with the statements that it takes.

    :param leaving: OIDs of partitions that will be gone before anything is built.
    """
    return [_line(step, wanted, leaving) for wanted in step.policy.indexes]


def _line(step: Step, wanted: IndexPolicy, leaving: Collection[int]) -> Line:
    try:
        found = intention(step.connection, step.table, wanted, leaving)
    except ServerUnavailableError:
        raise
    except PartitionLifecycleError as error:
        return Line(f"  will fail: {error}")
    if found.complete:
        return Line(f"  index {found.name} is there: {found.definition}")
    size = human_bytes(sum(catalog.sizes(step.connection, found.lacking).values()))
    jobs = 1 if found.definition.waits_for_others else step.policy.index_jobs
    return Line(
        f"  build index {found.name} on {len(found.lacking)} of {found.tables} tables ({size}), {jobs} at a time: {found.definition}",
        found.statements,
    )
