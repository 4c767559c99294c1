"""Whether a partition may be destroyed: the conditions, each with its reason.

The plan asks them, and so does every operator that destroys, because an operator trusts no argument.
"""

from dataclasses import dataclass
from datetime import datetime

from include.partitioning.bounds import Bounds, KeyType
from include.partitioning.calendar import Calendar, on_key_axis
from include.partitioning.partition import Kind, Partition, PartitionedTable
from include.partitioning.policy import PartitionPolicy


@dataclass(frozen=True, slots=True)
class Horizon:
    """The moments that a plan is judged by, on the key's axis.

    :param moment: the earlier of the reference date and the database's now.
    :param cutoff: `moment` minus the retention, inclusive: an upper bound at or before it is past. None: kept for ever.
    """

    moment: datetime
    cutoff: datetime | None
    reference: datetime

    @classmethod
    def of(cls, policy: PartitionPolicy, key_type: KeyType, reference: datetime, database_now: datetime) -> "Horizon":
        """The horizon of a policy at a reference date; both moments aware."""
        earlier = min(reference, database_now)
        cutoff = policy.retention.before(earlier, policy.timezone) if policy.retention else None
        return cls(
            on_key_axis(earlier, key_type, policy.timezone),
            None if cutoff is None else on_key_axis(cutoff, key_type, policy.timezone),
            on_key_axis(reference, key_type, policy.timezone),
        )

    def is_past(self, bounds: Bounds) -> bool:
        """Whether everything in `bounds` is at least as old as the retention."""
        return self.cutoff is not None and bounds.upper <= self.cutoff


def why_kept(policy: PartitionPolicy, table: PartitionedTable, partition: Partition, horizon: Horizon) -> str | None:
    """The first condition that keeps an attached partition, or None if it may be destroyed."""
    ordinary = _held(partition) or _not_past(partition, horizon) or _not_ordinary(partition)
    return ordinary or _misaligned(policy, table, partition) or _last(table, partition)


def _held(partition: Partition) -> str | None:
    return None if partition.held is None else f"it is held {partition.held}"


def _not_past(partition: Partition, horizon: Horizon) -> str | None:
    if partition.bounds is None:
        return "it is the DEFAULT partition"
    if horizon.cutoff is None:
        return "the policy has no retention"
    if not horizon.is_past(partition.bounds):
        return f"it reaches to {partition.bounds.upper:%Y-%m-%d %H:%M}, and the policy keeps what is newer than {horizon.cutoff:%Y-%m-%d %H:%M}"
    return None


def _not_ordinary(partition: Partition) -> str | None:
    if partition.kind is Kind.FOREIGN:
        return "it is a foreign table; its data lives elsewhere"
    if partition.kind is Kind.PARTITIONED:
        return "it is partitioned itself; expire its partitions by a policy of its own"
    return None


def _misaligned(policy: PartitionPolicy, table: PartitionedTable, partition: Partition) -> str | None:
    """A range that does not begin and end where periods do was not made for this policy, unless we clipped it ourselves."""
    if partition.bounds is None or partition.bounds.is_open:
        return "its range is open; detach it by hand if it is to go"
    if partition.ours or Calendar.of_key(policy.interval, table.key_type, policy.timezone).aligns(partition.bounds):
        return None
    return f"its bounds are not those of a {policy.interval.value} in {policy.timezone}, nor of another interval; detach it by hand if it is to go"


def _last(table: PartitionedTable, partition: Partition) -> str | None:
    if partition.bounds is None:
        return None
    upper = partition.bounds.upper
    # From the end, where a newer one is found at once: this is asked for each of thousands of partitions.
    newer = any(each.bounds is not None and each.bounds.upper > upper for each in reversed(table.partitions))
    return None if newer else "it is the newest partition of the table"
