"""Holds: keeping a range of a table from expiring, and ending that. Wiring only; two forms for all tables."""

import inspect
from datetime import UTC, datetime
from typing import Any

from airflow.sdk import DAG, Param

from include.partitioning.config import read_policies
from partition_operators.hold_partitions import HoldPartitionsOperator
from partition_operators.lifecycle_operator import DRY_RUN
from partition_operators.lift_hold import LiftHoldOperator

START = datetime(2024, 1, 1, tzinfo=UTC)
TAGS = ["partition-lifecycle", "hold"]
WHO = "{{ dag_run.triggering_user_name or '' }}"
"""Whoever filled in the form, as Airflow knows them."""

tables = [str(policy.table) for policy in read_policies().policies]

TABLE = Param(tables[0] if tables else None, type=["null", "string"], enum=tables or [None], title="Table")
DAY: dict[str, Any] = {"type": ["null", "string"], "format": "date"}
DRY_RUN_PARAM = Param(False, type="boolean", title="Dry run", description="Say what would be done and change nothing.")
COMMON: dict[str, Any] = {"policy": "{{ params.table }}", "dry_run": DRY_RUN, "by": WHO}


def hold_dag() -> DAG:
    """A form for a new hold."""
    params = {
        "table": TABLE,
        "from": Param(None, title="From", description="First day, inclusive. Empty: from the beginning.", **DAY),
        "to": Param(None, title="To", description="Day after the last. Empty: without end.", **DAY),
        "reason": Param("", type="string", title="Reason", description="Who asked for it and why. Needed."),
        "until": Param(None, title="Until", description="From this day on it is over. Empty: until it is lifted.", **DAY),
        "dry_run": DRY_RUN_PARAM,
    }
    with _form("partition_hold", params, HoldPartitionsOperator) as made:
        HoldPartitionsOperator(
            task_id="hold",
            start="{{ params['from'] }}",
            end="{{ params['to'] }}",
            reason="{{ params.reason }}",
            until="{{ params.until }}",
            **COMMON,
        )
    return made


def lift_dag() -> DAG:
    """A form that lists holds and ends one."""
    number = Param(None, type=["null", "integer"], minimum=1, title="Hold", description="Its number. Empty: only list the holds.")
    with _form("partition_lift_hold", {"table": TABLE, "number": number, "dry_run": DRY_RUN_PARAM}, LiftHoldOperator) as made:
        LiftHoldOperator(task_id="lift_hold", number="{{ params.number }}", **COMMON)
    return made


def _form(dag_id: str, params: dict[str, Param], operator: type) -> DAG:
    return DAG(dag_id, schedule=None, start_date=START, params=params, tags=TAGS, doc_md=inspect.getdoc(operator))


for build in (hold_dag, lift_dag) if tables else ():
    built = build()
    globals()[built.dag_id] = built
