"""The alarm: is every table looked after? Asked of the databases, not of the DAGs that look after them. Wiring only."""

import inspect
import os
from datetime import UTC, datetime

from airflow.sdk import DAG

from include.partitioning.config import read_policies
from partition_operators.check_policy_files import CheckPolicyFilesOperator
from partition_operators.raise_alarms import RaiseAlarmsOperator

START = datetime(2024, 1, 1, tzinfo=UTC)

SCHEDULE = os.environ.get("PARTITION_ALARM_SCHEDULE", "30 6 * * *")
"""In the morning, when somebody is there to read it, and not at midnight, when the tables' own runs are under way."""

ALARM_DOC = """
### Is every table looked after?

Fails, and tells those whom the policies name (`notify.on_alarm`), if a table has fewer upcoming partitions than its last run should have made,
if its last two runs have not succeeded, if a partition is still there that should be gone, if a detach is pending, or if DEFAULT has rows.
A DAG that is paused, broken or gone is noticed so. One task for each database, so that none hides another.

The same from outside of Airflow: `python -m include.alarm`, for cron or a monitoring program. The runbook says what to do about each alarm.
"""


def alarm_dag(databases: list[str]) -> DAG:
    """One task instance for each connection that policies name."""
    with DAG(
        "partition_alarm",
        schedule=SCHEDULE,
        start_date=START,
        catchup=False,
        max_active_runs=1,
        tags=["partition-lifecycle", "alarm"],
        default_args={"retries": 0},
        doc_md=ALARM_DOC,
    ) as made:
        CheckPolicyFilesOperator(task_id="policy_files")
        if databases:
            RaiseAlarmsOperator.partial(
                task_id="database", map_index_template="{{ task.postgres_conn_id }}", doc_md=inspect.getdoc(RaiseAlarmsOperator)
            ).expand(postgres_conn_id=databases)
    return made


partition_alarm = alarm_dag(sorted({policy.postgres_conn_id for policy in read_policies().policies}))
