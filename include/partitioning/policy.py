"""What a team promises about one table: the policy, as pydantic models that cannot be changed once built.

The same keys and the same checks serve the YAML file and `PartitionPolicy(...)` in a user's own DAG.
"""

import difflib
import hashlib
from datetime import timedelta
from typing import Annotated, Any, Self, get_args

from pydantic import BaseModel, ByteSize, Field, ValidationError, model_validator

from include.partitioning.approval_policy import ApprovalField, ApprovalTimeoutField, why_too_patient
from include.partitioning.archive_policy import ArchivePolicy
from include.partitioning.choices import DefaultPartition, FirstDrop, OnExpiry, SubscriberPartitions
from include.partitioning.errors import PolicyError, Problem
from include.partitioning.fields import (
    DEFAULT_POOL,
    ArchiveDurationField,
    DeadlineField,
    LockTimeoutField,
    PoolField,
    ScheduleField,
    SizeField,
    SpanField,
    TableField,
    TimezoneField,
    WaitTimeoutField,
    refusal,
)
from include.partitioning.frozen import Frozen
from include.partitioning.index_policy import IndexPolicy, why_not
from include.partitioning.interval import Interval
from include.partitioning.notify import NotifyPolicy
from include.partitioning.recent_view_policy import RecentViewPolicy
from include.partitioning.reshape_policy import ReshapePolicy

MAX_DAG_ID = 200
"""Characters behind `partition_lifecycle.`; Airflow's limit is 250 in all."""

MOST_MAPPED = 1000
"""Partitions that one run may have tasks for: Airflow fails a task that returns more than its `max_map_length`, by default 1024."""


class ReindexPolicy(Frozen):
    """Which partitions the reindex step rebuilds."""

    bloat_above: float = Field(
        0.30, gt=0, lt=1, description="Rebuild an index when more than this share of it is estimated to be unused.", examples=[0.30]
    )


class PartitionPolicy(Frozen):
    """How one partitioned table is looked after.

    :raises PolicyError: with every problem found, when a key is unknown, missing or has a value that cannot be meant.
    """

    table: TableField = Field(description="The partitioned table, schema.table; each part may be quoted.", examples=["core.sessions"])
    partition_key: str = Field(min_length=1, description="The key column's name as stored, without quotes.", examples=["created_at"])
    interval: Interval = Field(Interval.MONTH, description="Length of one partition.", examples=["month"])
    timezone: TimezoneField = Field(
        "UTC", description="The zone whose midnights bound the partitions of a timestamptz key.", examples=["UTC"]
    )
    premake: int = Field(3, strict=True, ge=1, le=1000, description="Partitions kept ready after that of the reference date.", examples=[3])
    retention: SpanField | None = Field(
        None, description="A partition expires when its upper bound is at least this old. Omitted: kept for ever.", examples=["24 months"]
    )
    detached_retention: SpanField | None = Field(
        None, description="How long a detached partition waits for its drop. Omitted: dropped in the same run.", examples=["7 days"]
    )
    on_expiry: OnExpiry = Field(OnExpiry.DROP, description="drop, or detach: ends there and keeps the table.", examples=["drop"])
    destroy_without_archive: bool = Field(False, strict=True, description="Needed to drop without an archive.", examples=[False])
    first_drop: FirstDrop = Field(
        FirstDrop.ANY_TIME,
        description="any_time, or after_drill: nothing is dropped before one archive of the table was restored and compared.",
        examples=["after_drill"],
    )
    default_partition: DefaultPartition = Field(
        DefaultPartition.REPORT,
        description="report rows in the DEFAULT partition that belong elsewhere, or drain: move them while the table is in use.",
        examples=["drain"],
    )
    approval: ApprovalField | None = Field(
        None,
        description="required, or limits above which a person must agree before a run detaches or drops anything.",
        examples=["required"],
    )
    approval_timeout: ApprovalTimeoutField = Field(
        timedelta(days=1), description="How long a run waits for that; no answer means no.", examples=["1 h"]
    )
    approvers: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        (), description="Who may answer, by the id that Airflow knows them by. Empty: who may answer for the DAG.", examples=[["ana", "17"]]
    )
    max_drops_per_run: int = Field(
        12, strict=True, ge=1, le=MOST_MAPPED, description="Most partitions that one run expires.", examples=[12]
    )
    max_creates_per_run: int = Field(120, strict=True, ge=1, description="Most partitions that one run creates.", examples=[120])
    archive: ArchivePolicy | None = Field(
        None, description="Where expired partitions are archived.", examples=[{"path": "s3://bucket/prefix"}]
    )
    indexes: tuple[IndexPolicy, ...] = Field(
        (),
        description="Built on every partition while the table is in use. Nothing is ever dropped.",
        examples=[[{"columns": ["user_id"]}]],
    )
    index_jobs: int = Field(2, strict=True, ge=1, le=16, description="Partitions on which an index is built at a time.", examples=[2])
    recent_view: RecentViewPolicy | None = Field(
        None, description="A view over the newest intervals.", examples=[{"name": "core.v_sessions_recent", "intervals": 3}]
    )
    reshape: ReshapePolicy = Field(
        ReshapePolicy(),
        description="How gently partition_adopt, partition_regrain and partition_undo copy the table.",
        examples=["{jobs: 2, rows_per_second: 50000, keep_former: 14 days}"],
    )
    reindex: ReindexPolicy = Field(ReindexPolicy(), description="Which indexes are rebuilt.", examples=[{"bloat_above": 0.30}])
    lock_timeout: LockTimeoutField = Field(
        timedelta(milliseconds=100), description="Longest wait for a lock behind which others queue.", examples=["100 ms"]
    )
    lock_attempts: int = Field(
        60, strict=True, ge=1, le=10_000, description="Attempts for such a lock before the step fails.", examples=[60]
    )
    wait_timeout: WaitTimeoutField = Field(
        timedelta(minutes=30), description="Longest wait of a phase that blocks nobody (CONCURRENTLY).", examples=["30 min"]
    )
    archive_max_duration: ArchiveDurationField = Field(
        timedelta(hours=12), description="Longest that the snapshot of one archive may hold back vacuum.", examples=["12 hours"]
    )
    subscriber_partitions: SubscriberPartitions = Field(
        SubscriberPartitions.UNMANAGED,
        description="managed: logical subscribers have each new partition in time. Needed where partitions are published as themselves.",
        examples=["managed"],
    )
    max_slot_lag: SizeField = Field(
        ByteSize(10 * 1024**3),
        description="Nothing is detached or dropped while a replication slot keeps more WAL than this.",
        examples=["10 GiB"],
    )
    postgres_conn_id: str = Field(
        "postgres_default", min_length=1, description="Airflow connection of the database.", examples=["postgres_default"]
    )
    schedule: ScheduleField | None = Field(
        "@monthly", description="Cron expression or preset of the DAG; null for runs by hand only.", examples=["@monthly"]
    )
    notify: NotifyPolicy = Field(
        NotifyPolicy(),
        description="Who is told when a run fails, succeeds or is late, and when the alarm finds something wrong.",
        examples=["{on_failure: [{notifier: airflow.providers.smtp.notifications.smtp.SmtpNotifier, arguments: {to: dba@example.org}}]}"],
    )
    deadline: DeadlineField | None = Field(
        None, description="Somebody is told when a run is not done so long after it was queued. Omitted: no limit.", examples=["6 h"]
    )
    pool: PoolField = Field(
        DEFAULT_POOL,
        description="Airflow pool of archives, index builds and rebuilds. It must exist, or they wait for ever.",
        examples=["app_database"],
    )
    owner: str = Field("airflow", min_length=1, description="Who looks after the DAG, as Airflow shows it.", examples=["data-platform"])
    tags: tuple[str, ...] = Field((), description="Tags of the DAG, besides the schema's name.", examples=[["core", "gdpr"]])

    def __init__(self, /, **values: Any) -> None:  # noqa: ANN401 - pydantic checks them
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise PolicyError(problems_of(error, str(values.get("table", "")) or None)) from error

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        drops = self.retention is not None and self.on_expiry is OnExpiry.DROP
        if drops and self.archive is None and not self.destroy_without_archive:
            raise refusal(
                "is required: a retention without an archive would destroy the only copy; or set destroy_without_archive: true", "archive"
            )
        if self.archive is not None and self.destroy_without_archive:
            raise refusal("contradicts `archive`; remove one of them", "destroy_without_archive")
        if self.detached_retention is not None and self.on_expiry is OnExpiry.DETACH:
            raise refusal("says when to drop, but `on_expiry: detach` never drops; remove one of them", "detached_retention")
        if self.first_drop is FirstDrop.AFTER_DRILL and self.archive is None:
            raise refusal("waits for the restore of an archive, but the policy has no `archive`; remove it, or add one", "first_drop")
        too_patient = why_too_patient(self.interval, self.premake, self.approval_timeout) if self.approval else None
        if too_patient is not None:
            raise refusal(too_patient, "approval_timeout")
        wrong_index = why_not(self.indexes, self.partition_key)
        if wrong_index is not None:
            raise refusal(wrong_index, "indexes")
        if self.recent_view is not None and self.recent_view.name == self.table:
            raise refusal("is the table itself; a view needs a name of its own", "recent_view")
        return self

    @property
    def dag_id(self) -> str:
        """`partition_lifecycle.<schema>.<table>`."""
        return dag_id_of(self.table.schema, self.table.name)


def dag_id_of(*parts: str) -> str:
    """The id of a table's DAG, another one for every table: characters that Airflow refuses, dots and hyphens within a part
    become their code point in hexadecimal between hyphens, and what is too long ends in a digest.
    """
    encoded = ".".join("".join(c if (c.isascii() and c.isalnum()) or c == "_" else f"-{ord(c):x}-" for c in part) for part in parts)
    if len(encoded) > MAX_DAG_ID:
        encoded = encoded[: MAX_DAG_ID - 17] + "-" + hashlib.sha256(encoded.encode()).hexdigest()[:16]
    return f"partition_lifecycle.{encoded}"


def problems_of(error: ValidationError, table: str | None, prefix: str = "") -> tuple[Problem, ...]:
    """Pydantic's findings in our words: key, what is wrong, a value that would do."""
    return tuple(_problem(dict(finding), table, prefix) for finding in error.errors())


def _problem(finding: dict[str, Any], table: str | None, prefix: str) -> Problem:
    location = [str(part) for part in finding["loc"]]
    if not location and finding.get("ctx", {}).get("key"):
        location = [finding["ctx"]["key"]]
    key = prefix + ".".join(location) if location else prefix.rstrip(".") or "policy"
    match finding["type"]:
        case "extra_forbidden":
            known = list(_model_of(location[:-1]).model_fields)
            close = difflib.get_close_matches(location[-1], known, n=1)
            return Problem(key, f"unknown key; known here are {', '.join(known)}", close[0] if close else None, table=table)
        case "missing":
            return Problem(key, "is required", _example(location), table=table)
        case "policy":
            return Problem(key, finding["msg"], _example(location), table=table)
        case _:
            return Problem(
                key, f"{finding['msg'][0].lower()}{finding['msg'][1:]}, not {finding['input']!r}", _example(location), table=table
            )


def _example(location: list[str]) -> str | None:
    field = _model_of(location[:-1]).model_fields.get(location[-1]) if location else None
    return str(field.examples[0]) if field is not None and field.examples else None


def _model_of(location: list[str]) -> type[BaseModel]:
    """The model that the keys at this place are of; numbers in `location` are places in a list."""
    model: type[BaseModel] = PartitionPolicy
    for part in location:
        field = model.model_fields.get(part)
        nested = _model_within(field.annotation) if field else None
        model = nested or model
    return model


def _model_within(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for each in get_args(annotation) if (found := _model_within(each))), None)
