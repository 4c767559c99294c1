"""How gently a table is given another shape, and how long the old one is kept."""

from datetime import timedelta

from pydantic import ByteSize, Field

from include.partitioning.fields import SizeField, SpanField
from include.partitioning.frozen import Frozen
from include.partitioning.span import CalendarSpan


class ReshapePolicy(Frozen):
    """What `partition_adopt`, `partition_regrain` and `partition_undo` do to the server, and what they leave."""

    jobs: int = Field(2, strict=True, ge=1, le=16, description="Connections that copy rows and build indexes side by side.", examples=[2])
    rows_per_second: int | None = Field(
        None, strict=True, ge=1, description="Copy no faster than this, on average. Omitted: as fast as it goes.", examples=[50_000]
    )
    max_replica_lag: SizeField = Field(
        ByteSize(1024**3),
        description="Copying waits while a standby is further behind than this. The role needs pg_read_all_stats to see standbys.",
        examples=["1 GiB"],
    )
    widen_unique: bool = Field(
        False,
        strict=True,
        description="Unique constraints without the partition key get it added, and are then unique only together with it. "
        "The primary key is widened in any case.",
        examples=[False],
    )
    keep_former: SpanField = Field(
        CalendarSpan(days=7), description="How long the old table is kept beside the new one.", examples=["7 days"]
    )


LONGEST_LAG = timedelta(hours=1)
"""How long copying waits for standbys before the step gives up, to be taken up again by its retry."""
