"""What Airflow is told beside a step's result: assets on which others may schedule, and values that a person may look at.

No step of ours reads any of it: state is in PostgreSQL and in the archive.
"""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from airflow.sdk import Asset, AssetAlias

from include.partitioning.names import TableName
from include.partitioning.policy import PartitionPolicy
from include.partitioning.target import Target
from include.postgres.ledger_records import ArchiveRecord
from partition_operators.lifecycle_operator import Step

GROUP = "partition-lifecycle"


def maintained(policy: PartitionPolicy) -> AssetAlias:
    """The table: updated by each run of its lifecycle that ended well. An alias, because a dry run updates nothing."""
    return AssetAlias(name=f"{policy.table} maintained", group=GROUP)


def archived(policy: PartitionPolicy) -> AssetAlias:
    """All archived partitions of the table: updated whenever one more has been archived and proven."""
    return AssetAlias(name=f"{policy.table} archived", group=GROUP)


def asset_of(policy: PartitionPolicy, name: TableName) -> Asset:
    """A table, or one archived partition such as `core.sessions_p202510`; the URI says in which database."""
    place = "/".join(quote(each, safe="") for each in (policy.postgres_conn_id, name.schema, name.name))
    return Asset(name=str(name), uri=f"partition-lifecycle://{place}", group=GROUP)


def announce_archive(step: Step, target: Target, record: ArchiveRecord) -> None:
    """Tell whoever schedules on it that the partition is archived."""
    _announce(
        step,
        archived(step.policy),
        target.name,
        {
            "table": str(step.table.name),
            "partition": str(target.name),
            "lower": target.bounds.lower.isoformat(),
            "upper": target.bounds.upper.isoformat(),
            "uri": record.path,
            "rows": record.rows,
            "bytes": record.bytes,
            "archive_id": record.archive_id,
            "manifest_sha256": record.manifest_sha256,
        },
    )


def announce_run(step: Step, counts: Mapping[str, int]) -> None:
    """Tell whoever schedules on it that the table was looked after, and what was done, such as `{"drop done": 2}`."""
    if not step.dry_run:
        _announce(step, maintained(step.policy), step.table.name, {"reference_date": step.reference.isoformat(), **counts})


def _announce(step: Step, alias: AssetAlias, name: TableName, extra: dict[str, Any]) -> None:
    """Nothing outside a DAG run, and in somebody's own DAG only where the task has the outlet."""
    events: Any = step.context.get("outlet_events")
    task: Any = step.context.get("task")
    if events is not None and alias in task.outlets:
        events[alias].add(asset_of(step.policy, name), extra=extra)


def leave_manifest(step: Step, path: str, text: str | None) -> None:
    """Leave the manifest where the task's button "Manifest" leads; nothing outside a DAG run."""
    instance: Any = step.context.get("ti")
    if instance is not None and text is not None:
        instance.xcom_push(key="manifest", value={"archive": path, "manifest": json.loads(text, parse_int=_storable)})


def _storable(digits: str) -> int | str:
    """Airflow stores whole numbers of 64 bits; sums of a table may be larger."""
    number = int(digits)
    return number if abs(number) < 2**63 else digits
