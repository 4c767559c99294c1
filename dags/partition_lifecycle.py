"""One DAG for each policy: `partition_lifecycle.<schema>.<table>`. Wiring only.

Importing this file reads the policy files and no database. A policy that is not usable gets a DAG of the same name whose only
task fails with what is wrong, so that one typo neither stops the other tables nor stops silently.
"""

import inspect
from datetime import UTC, datetime
from typing import Any

from airflow.sdk import DAG, Param, TriggerRule, chain, get_parsing_context, task, task_group
from airflow.sdk.exceptions import AirflowFailException

from include.partitioning.config import read_policies
from include.partitioning.errors import BadArgumentError, Problem
from include.partitioning.names import TableName
from include.partitioning.policy import PartitionPolicy, dag_id_of
from partition_operators.analyze_partitions import AnalyzePartitionsOperator
from partition_operators.announcements import archived, maintained
from partition_operators.archive_partition import ArchivePartitionOperator
from partition_operators.build_indexes import BuildIndexesOperator
from partition_operators.create_partitions import CreatePartitionsOperator
from partition_operators.detach_partition import DetachPartitionOperator
from partition_operators.drain_default import DrainDefaultOperator
from partition_operators.drop_partition import DropPartitionOperator
from partition_operators.heal_partitions import HealPartitionsOperator
from partition_operators.lifecycle_operator import DRY_RUN, LifecycleOperator
from partition_operators.measure_bloat import MeasureBloatOperator
from partition_operators.plan_partitions import PlanPartitionsOperator
from partition_operators.refresh_recent_view import RefreshRecentViewOperator
from partition_operators.reindex_partition import ReindexPartitionOperator
from partition_operators.report_run import ReportRunOperator
from partition_operators.retrying import retry_arguments
from partition_operators.run_alerts import alerts_of

START = datetime(2024, 1, 1, tzinfo=UTC)
BY_PARTITION = "{{ task.partition }}"

PARAMS = {
    "reference_date": Param(
        None,
        type=["null", "string"],
        format="date",
        title="Reference date",
        description="Act as of this day. Empty: the run's logical date. What is destroyed must be expired today as well.",
    ),
    "dry_run": Param(False, type="boolean", title="Dry run", description="Print the statements of every step and change nothing."),
}

LIFECYCLE_DOC = """
### The life of `{table}`

Keeps {premake} partitions (one per {interval}) ready ahead{retention}. Every decision rests on the catalog's real bounds.

| step | does | when it fails |
| --- | --- | --- |
| plan | reads the catalog; says what will be done, and why | nothing is destroyed in this run |
| heal | finishes what an interrupted run left | clear it; it goes on where it stopped |
| drain_default | moves rows of DEFAULT to partitions of their own, if the policy says so | clear it; every row is where it was or belongs |
| create_partitions | creates what is missing | the others were created; the message names the obstacle |
| recent_view | keeps the recent view as the policy says | queries see the old definition |
| approve | waits for a person's yes to what would be destroyed, if the policy says so | nothing is destroyed in this run |
| expire, for each partition: archive, detach, drop | Parquet, read back and compared; DETACH; DROP | that partition stays; the others go on |
| build_indexes | builds the policy's indexes CONCURRENTLY, if it has any | clear it; it goes on where it stopped |
| measure_bloat, reindex_partition | rebuilds bloated indexes CONCURRENTLY | the old index stays in use |
| analyze | fresh statistics, of the parent too | queries go on with old ones |
| report | sums up, and fails if anything failed | read the messages it names |

**Parameters**: `reference_date` (a day, or empty for the run's logical date) and `dry_run`. A backfill creates what was missing as of its
date, and destroys only what is expired both as of that date and today. Every step can be run again.

Policy, operators and the runbook are explained in the project's README.
"""

BROKEN_DOC = "### This table is not looked after\n\nIts policy is not usable. The task's log says what is wrong, in which file and line."


def lifecycle_dag(policy: PartitionPolicy) -> DAG:
    """The whole life of one table; see the design of the trigger rules in ARCHITECTURE.md."""
    with DAG(
        policy.dag_id,
        schedule=policy.schedule,
        start_date=START,
        catchup=False,
        max_active_runs=1,
        tags=["partition-lifecycle", policy.table.schema, *policy.tags],
        default_args={"owner": policy.owner, **retry_arguments()},
        doc_md=_doc(policy),
        **alerts_of(policy),
    ) as dag:
        common: dict[str, Any] = {"policy": policy, "dry_run": DRY_RUN}
        plan = PlanPartitionsOperator(task_id="plan", **common)
        heal = HealPartitionsOperator(task_id="heal", **common)
        drain = DrainDefaultOperator(task_id="drain_default", trigger_rule=TriggerRule.ALL_DONE, **common)
        create = CreatePartitionsOperator(task_id="create_partitions", trigger_rule=TriggerRule.ALL_DONE, **common)
        recent_view = RefreshRecentViewOperator(task_id="recent_view", trigger_rule=TriggerRule.ALL_DONE, **common)

        measure = MeasureBloatOperator(task_id="measure_bloat", trigger_rule=TriggerRule.ALL_DONE, **common)
        reindex = _rebuilds(common).expand(partition=measure.output)
        analyze = AnalyzePartitionsOperator(task_id="analyze", trigger_rule=TriggerRule.ALL_DONE, **common)

        expire = _expiry(common).expand(partition=_agreed(plan, common).output)
        chain(plan, heal, drain, create, expire, *_index_builds(common), measure, reindex, analyze)
        create >> recent_view
        # Directly behind each: when only what failed is cleared, what lies between is done already, and would let the report go ahead at once.
        list(dag.tasks) >> _report(common)
    # Behind the tasks: each would get a copy of its own, which Airflow checks again whenever it serializes the task. A run merges the DAG's.
    dag.params.update(PARAMS)
    return dag


def _rebuilds(common: dict[str, Any]) -> Any:  # noqa: ANN401 - what `partial` makes has no public type
    """The step that rebuilds one bloated partition's indexes, one at a time; to be mapped over the partitions."""
    return ReindexPartitionOperator.partial(
        task_id="reindex_partition",
        map_index_template=BY_PARTITION,
        max_active_tis_per_dagrun=1,
        pool=common["policy"].pool,
        doc_md=inspect.getdoc(ReindexPartitionOperator),
        **common,
    )


def _report(common: dict[str, Any]) -> ReportRunOperator:
    """The end of a run. One at a time, of all runs of the table: two that end at once would both make the table's asset, and Airflow 3.3.2
    fails the one that comes second.
    """
    outlets = [maintained(common["policy"])]
    return ReportRunOperator(task_id="report", trigger_rule=TriggerRule.ALL_DONE, outlets=outlets, max_active_tis_per_dag=1, **common)


def _agreed(plan: PlanPartitionsOperator, common: dict[str, Any]) -> LifecycleOperator:
    """The task whose list the expiry is mapped over: the plan, or where the policy wants it a person's word on it. Nothing else waits for that."""
    if common["policy"].approval is None:
        return plan
    from partition_operators.approve_plan import ApprovePlanOperator  # noqa: PLC0415 - loads what most policies do not need

    approve = ApprovePlanOperator(task_id="approve", **common)
    plan >> approve
    return approve


def _index_builds(common: dict[str, Any]) -> list[LifecycleOperator]:
    """The step that builds the policy's indexes, if it has any: behind the expiry, because what goes needs none, and an archive and a build
    would wait for each other; before the bloat is measured, because a build and a rebuild of one partition take turns.
    """
    policy = common["policy"]
    if not policy.indexes:
        return []
    return [BuildIndexesOperator(task_id="build_indexes", trigger_rule=TriggerRule.ALL_DONE, pool=policy.pool, **common)]


def _expiry(common: dict[str, Any]) -> Any:  # noqa: ANN401 - what the decorator makes has no public type
    """The group of steps for one expired partition; a failed one stops only those behind it."""

    @task_group
    def expire(partition: str) -> None:
        one = {**common, "partition": partition, "map_index_template": BY_PARTITION}
        policy = common["policy"]
        archive = ArchivePartitionOperator(
            task_id="archive_partition", trigger_rule=TriggerRule.ALL_DONE, outlets=[archived(policy)], pool=policy.pool, **one
        )
        archive >> DetachPartitionOperator(task_id="detach_partition", **one) >> DropPartitionOperator(task_id="drop_partition", **one)

    return expire


def broken_policy_dag(dag_id: str, problems: list[Problem]) -> DAG:
    """A DAG that runs every day only to fail with what is wrong in the policy file."""
    text = "\n".join(str(problem) for problem in problems)
    with DAG(
        dag_id, schedule="@daily", start_date=START, catchup=False, tags=["partition-lifecycle", "broken-policy"], doc_md=BROKEN_DOC
    ) as dag:

        @task(retries=0)
        def policy_is_not_usable() -> None:
            raise AirflowFailException(f"{text}\nmend the file; `make check-policies` checks it")

        policy_is_not_usable()
    return dag


def _doc(policy: PartitionPolicy) -> str:
    retention = f" and expires what is older than {policy.retention}" if policy.retention else "; nothing expires"
    return LIFECYCLE_DOC.format(table=policy.table, premake=policy.premake, interval=policy.interval.value, retention=retention)


def _problems_by_dag(problems: tuple[Problem, ...]) -> dict[str, list[Problem]]:
    found: dict[str, list[Problem]] = {}
    for problem in problems:
        found.setdefault(_dag_id_of(problem.table), []).append(problem)
    return found


def _dag_id_of(table: str | None) -> str:
    """The id that the table's DAG would have if its policy were good, so that its history goes on."""
    if table is None:
        return dag_id_of("policy_files")
    try:
        name = TableName.parse(table)
    except BadArgumentError:
        return dag_id_of(table)
    return dag_id_of(name.schema, name.name)


# A task's process needs only its own DAG: building the others would cost every task the time of all policies.
wanted = get_parsing_context().dag_id
policies = read_policies()
for each in policies.policies:
    if wanted in (None, each.dag_id):
        globals()[each.dag_id] = lifecycle_dag(each)
for broken, found in _problems_by_dag(policies.problems).items():
    if wanted in (None, broken) and broken not in {each.dag_id for each in policies.policies}:
        globals()[broken] = broken_policy_dag(broken, found)
