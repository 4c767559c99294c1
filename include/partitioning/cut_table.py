"""A table as somebody else has left it: what its partitions are cut by, and what is around it."""

from dataclasses import dataclass
from datetime import datetime

from include.partitioning.calendar import Calendar
from include.partitioning.interval import Interval
from include.partitioning.names import TableName
from include.partitioning.partition import Partition, PartitionedTable


def bounded_partitions(table: PartitionedTable) -> list[Partition]:
    """Those with a beginning and an end, oldest first."""
    return [each for each in table.partitions if each.bounds is not None and not each.bounds.is_open]


@dataclass(frozen=True, slots=True)
class Around:
    """What there is around a table that somebody else has looked after.

    :param template_missing: whether the template table that is named is gone.
    :param template_ahead: what the template table has, and the newest partition has not.
    :param kept: tables beside it that look like former partitions, as pg_partman leaves them with `retention_keep_table`.
    :param of_others: partitions that belong to somebody else than the table, each with whom.
    :param default_has_rows: whether the DEFAULT partition has rows that belong elsewhere; None if it could not be told.
    """

    template_missing: bool = False
    template_ahead: tuple[str, ...] = ()
    kept: tuple[TableName, ...] = ()
    of_others: tuple[tuple[TableName, str], ...] = ()
    default_has_rows: bool | None = False


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
