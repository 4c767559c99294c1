"""The view over a table's newest intervals."""

from pydantic import Field

from include.partitioning.fields import TableField
from include.partitioning.frozen import Frozen


class RecentViewPolicy(Frozen):
    """A view over the newest intervals. Its range moves with the database's clock, so it does not go stale when maintenance stops."""

    name: TableField = Field(description="schema.view; refused when something else has the name.", examples=["core.v_sessions_recent"])
    intervals: int = Field(3, strict=True, ge=1, le=1000, description="Intervals shown, the current one included.", examples=[3])
