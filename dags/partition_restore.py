"""What is done by hand, or rehearsed: bringing archives back, drilling it, and making ledger and storage agree. Wiring only.

Three DAGs for all tables together: `partition_restore`, `partition_restore_drill` and `partition_reconcile_archives`.
"""

import inspect
from datetime import UTC, datetime
from typing import Any

from airflow.sdk import DAG, Param

from include.partitioning.config import read_policies
from partition_operators.find_archives import FindArchivesOperator
from partition_operators.lifecycle_operator import DRY_RUN
from partition_operators.reconcile_archives import ReconcileArchivesOperator
from partition_operators.restore_drill import RestoreDrillOperator
from partition_operators.restore_partition import RestoreMode, RestorePartitionOperator
from partition_operators.retrying import retry_arguments

START = datetime(2024, 1, 1, tzinfo=UTC)
TAGS = ["partition-lifecycle", "archive"]

policies = [policy for policy in read_policies().policies if policy.archive is not None]
tables = [str(policy.table) for policy in policies]

TABLE = Param(
    tables[0] if tables else None,
    type=["null", "string"],
    enum=tables or [None],
    title="Table",
    description="A table whose policy archives.",
)
DAY: dict[str, Any] = {"type": ["null", "string"], "format": "date"}
DRY_RUN_PARAM = Param(False, type="boolean", title="Dry run", description="Say what would be done and change nothing.")

RESTORE_PARAMS: dict[str, Param] = {
    "table": TABLE,
    "from": Param(None, title="From", description="First day, inclusive. Needed.", **DAY),
    "to": Param(None, title="To", description="Day after the last. Empty: only the partition that holds the first day.", **DAY),
    "mode": Param(
        RestoreMode.ATTACH.value,
        type="string",
        enum=[mode.value for mode in RestoreMode],
        title="Mode",
        description="attach: back into the table; table: beside it, as <partition>_restored; verify: read and compare only.",
    ),
    "hold_until": Param(None, title="Hold until", description="Not expired again before this day. Empty: for 30 days.", **DAY),
    "version": Param(
        None, type=["null", "integer"], minimum=1, title="Version", description="Only if a name was archived with different rows."
    ),
    "dry_run": DRY_RUN_PARAM,
}


def restore_dag() -> DAG:
    """A form, and one restored partition for each archive in the range."""
    with DAG(
        "partition_restore",
        schedule=None,
        start_date=START,
        params=RESTORE_PARAMS,
        tags=TAGS,
        default_args=retry_arguments(),
        doc_md=inspect.getdoc(RestorePartitionOperator),
    ) as made:
        common: dict[str, Any] = {"policy": "{{ params.table }}", "dry_run": DRY_RUN}
        find = FindArchivesOperator(task_id="find", start="{{ params['from'] }}", end="{{ params['to'] }}", **common)
        RestorePartitionOperator.partial(
            task_id="restore",
            mode="{{ params.mode }}",
            hold_until="{{ params.hold_until }}",
            version="{{ params.version }}",
            map_index_template="{{ task.partition }}",
            max_active_tis_per_dagrun=1,
            doc_md=inspect.getdoc(RestorePartitionOperator),
            **common,
        ).expand(partition=find.output)
    return made


def drill_dag() -> DAG:
    """Every month, one archive of each table: one that nobody has ever restored is a hope."""
    params = {
        "archives": Param(1, type="integer", minimum=1, title="Archives of each table", description="How many are restored and dropped."),
        "dry_run": DRY_RUN_PARAM,
    }
    with DAG(
        "partition_restore_drill",
        schedule="@monthly",
        start_date=START,
        catchup=False,
        max_active_runs=1,
        params=params,
        tags=TAGS,
        default_args=retry_arguments(),
        doc_md=inspect.getdoc(RestoreDrillOperator),
    ) as made:
        RestoreDrillOperator.partial(
            task_id="drill",
            archives="{{ params.archives }}",
            dry_run=DRY_RUN,
            map_index_template="{{ task.policy }}",
            max_active_tis_per_dagrun=1,
            doc_md=inspect.getdoc(RestoreDrillOperator),
        ).expand(policy=tables)
    return made


def reconcile_dag() -> DAG:
    """After the loss of a ledger, or of manifests."""
    with DAG(
        "partition_reconcile_archives",
        schedule=None,
        start_date=START,
        params={"dry_run": DRY_RUN_PARAM},
        tags=TAGS,
        default_args=retry_arguments(),
        doc_md=inspect.getdoc(ReconcileArchivesOperator),
    ) as made:
        ReconcileArchivesOperator.partial(
            task_id="reconcile",
            dry_run=DRY_RUN,
            map_index_template="{{ task.policy }}",
            doc_md=inspect.getdoc(ReconcileArchivesOperator),
        ).expand(policy=tables)
    return made


for build in (restore_dag, drill_dag, reconcile_dag) if tables else ():
    built = build()
    globals()[built.dag_id] = built
