"""A table and what its partitions are cut by, as somebody else has cut them."""

from dataclasses import dataclass
from datetime import datetime

from include.partitioning.calendar import Calendar
from include.partitioning.interval import Interval
from include.partitioning.partition import Partition, PartitionedTable


def bounded_partitions(table: PartitionedTable) -> list[Partition]:
    """Those with a beginning and an end, oldest first."""
    return [each for each in table.partitions if each.bounds is not None and not each.bounds.is_open]


@dataclass(frozen=True, slots=True)
class CutTable:
    """A partitioned table with the interval and the zone of most of its partitions, of which there is at least one."""

    table: PartitionedTable
    interval: Interval
    zone: str

    @property
    def calendar(self) -> Calendar:
        """The periods that it is cut into."""
        return Calendar.of_key(self.interval, self.table.key_type, self.zone)

    @property
    def bounded(self) -> list[Partition]:
        """Partitions with a beginning and an end, oldest first."""
        return bounded_partitions(self.table)

    @property
    def periods(self) -> int:
        """How many partitions are one whole period."""
        return sum(self.is_period(each) for each in self.bounded)

    @property
    def end(self) -> datetime:
        """Where the newest partition ends, exclusive."""
        return max(each.bounds.upper for each in self.bounded if each.bounds is not None)

    def is_period(self, partition: Partition) -> bool:
        """Whether it is one whole period."""
        return partition.bounds is not None and self.calendar.is_period(partition.bounds)
