"""When a person must agree before a run destroys anything, and how long it waits for the answer."""

from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from include.partitioning.fields import DurationField, SizeField, refusal, within
from include.partitioning.frozen import Frozen
from include.partitioning.interval import Interval
from include.partitioning.span import format_duration

REQUIRED = "required"

SHORTEST = {
    Interval.HOUR: timedelta(hours=1),
    Interval.DAY: timedelta(hours=23),
    Interval.WEEK: timedelta(days=6, hours=23),
    Interval.MONTH: timedelta(days=27, hours=23),
    Interval.QUARTER: timedelta(days=89, hours=23),
    Interval.YEAR: timedelta(days=365),
}
"""The shortest that one period can be, where a clock is put forward in a short month."""


class ApprovalPolicy(Frozen):
    """An approval is needed above any of these limits. `required` is another way to write `{partitions: 0}`."""

    partitions: int | None = Field(None, strict=True, ge=0, description="Partitions that one run detaches or drops.", examples=[3])
    rows: int | None = Field(None, strict=True, ge=0, description="Rows in them, by the planner's estimate.", examples=[50_000_000])
    bytes: SizeField | None = Field(None, description="Their size on disk, indexes included.", examples=["10 GB"])

    @model_validator(mode="after")
    def _has_a_limit(self) -> Self:
        if self.partitions is None and self.rows is None and self.bytes is None:
            raise refusal("says above what an approval is needed: partitions, rows or bytes; or write `required`", "approval")
        return self

    def why_needed(self, partitions: int, rows: int | None, size: int) -> str | None:
        """The limits that are exceeded, or None. An unknown number of rows exceeds any limit of rows.

        :param partitions: that the run would detach or drop; with none of them nobody is asked.
        """
        if not partitions:
            return None
        if self.partitions == 0:
            return "the policy says approval: required"
        found = []
        if self.partitions is not None and partitions > self.partitions:
            found.append(f"{partitions:,} partitions are more than {self.partitions:,}")
        if self.rows is not None and (rows is None or rows > self.rows):
            counted = "an unknown number of rows may be" if rows is None else f"about {rows:,} rows are"
            found.append(f"{counted} more than {self.rows:,}")
        if self.bytes is not None and size > self.bytes:
            found.append(f"{size:,} bytes are more than {self.bytes:,}")
        return "; ".join(found) or None


def why_too_patient(interval: Interval, premake: int, timeout: timedelta) -> str | None:
    """Why a run must not wait so long, or None.

    A DAG runs once at a time, so the next run, which creates partitions, waits for the one that waits for a person. Half of what
    is ready ahead leaves the other half for that.
    """
    longest = SHORTEST[interval] * premake / 2
    if timeout <= longest:
        return None
    return (
        f"{format_duration(timeout)} is more than half of the {premake} partitions that premake keeps ready: the next run, which creates more, "
        f"waits for this one; write at most {format_duration(longest)}, or raise premake"
    )


def _required(value: object) -> object:
    if value == REQUIRED:
        return {"partitions": 0}
    if isinstance(value, (dict, ApprovalPolicy)):
        return value
    raise refusal(f'"{value}" is neither `required` nor limits')


ApprovalField = Annotated[ApprovalPolicy, BeforeValidator(_required, json_schema_input_type=Literal["required"] | ApprovalPolicy)]
ApprovalTimeoutField = Annotated[
    DurationField, within(timedelta(seconds=1), timedelta(days=30), "a run waits for so long, and the next one behind it")
]
