"""Giving a table another shape while it is used: four forms for all tables. Wiring only."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from airflow.sdk import DAG, Param, chain

from include.partitioning.config import read_policies
from include.partitioning.reshape import Move
from partition_operators.cancel_reshape import CancelReshapeOperator
from partition_operators.complete_copy import CompleteCopyOperator
from partition_operators.copy_table import CopyTableOperator
from partition_operators.lifecycle_operator import DRY_RUN
from partition_operators.plan_reshape import PlanReshapeOperator
from partition_operators.retrying import retry_arguments
from partition_operators.swap_table import SwapTableOperator

START = datetime(2024, 1, 1, tzinfo=UTC)
TAGS = ["partition-lifecycle", "reshape"]

ABOUT = {
    Move.ADOPT: """An ordinary table becomes a partitioned one while it is used, with the partitions that its policy says.""",
    Move.REGRAIN: """A partitioned table gets partitions of the interval that its policy says today, while it is used: months become quarters, or the
other way round. Change `interval` in the policy first, and pause the table's lifecycle until this is done.""",
    Move.UNDO: """A partitioned table becomes an ordinary one, while it is used, with all that was written since it was partitioned.
Remove its policy afterwards.""",
}
COURSE = """

`plan` says what will be different, or what stands against it; nothing is created yet. `copy` builds the new table beside the old one, follows
every change by triggers, and copies the rows; `index` builds indexes; `swap` compares every row and exchanges the two in a moment. Each step can be
run again and goes on where it stopped. The old table is kept for `reshape: keep_former`. To give up before the exchange, run
`partition_cancel_reshape`. See docs/reshaping.md.
"""

tables = [str(policy.table) for policy in read_policies().policies]

FORM: dict[str, Callable[[], Param]] = {
    "table": lambda: Param(tables[0], type="string", enum=tables, title="Table"),
    "free_disk": lambda: Param(
        None,
        type=["null", "string"],
        title="Free disk",
        description="How much is free where the table lies, such as 500 GiB. Empty: it is looked up, if the server is on the worker's machine.",
    ),
    "reference_date": lambda: Param(
        None,
        type=["null", "string"],
        format="date",
        title="Reference date",
        description="Partitions are made as of this date. Empty: today.",
    ),
    "dry_run": lambda: Param(False, type="boolean", title="Dry run", description="Plan only."),
}


def reshape_dag(move: Move) -> DAG:
    """A form, and the four steps."""
    common: dict[str, Any] = {"policy": "{{ params.table }}", "move": move, "dry_run": DRY_RUN}
    with _form(f"partition_{move}", ABOUT[move] + COURSE) as made:
        chain(
            PlanReshapeOperator(task_id="plan", free_disk="{{ params.free_disk }}", **common),
            CopyTableOperator(task_id="copy", **common),
            CompleteCopyOperator(task_id="index", **common),
            SwapTableOperator(task_id="swap", **common),
        )
    return made


def cancel_dag() -> DAG:
    """A form that takes away what was built."""
    with _form("partition_cancel_reshape", CancelReshapeOperator.__doc__ or "") as made:
        CancelReshapeOperator(task_id="cancel", policy="{{ params.table }}", dry_run=DRY_RUN)
    return made


def _form(dag_id: str, about: str) -> DAG:
    params = {name: make() for name, make in FORM.items()}
    return DAG(
        dag_id, schedule=None, start_date=START, params=params, tags=TAGS, doc_md=about, max_active_runs=1, default_args=retry_arguments()
    )


for made in [*(reshape_dag(move) for move in Move), cancel_dag()] if tables else []:
    globals()[made.dag_id] = made
