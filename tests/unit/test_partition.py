"""Finding partitions among those of a table."""

from datetime import UTC, datetime

from include.partitioning.bounds import Bounds, KeyType
from include.partitioning.names import TableName
from include.partitioning.partition import Cluster, Partition, PartitionedTable

OCTOBER = Partition(TableName("core", "s_p202510"), 11, Bounds(datetime(2025, 10, 1, tzinfo=UTC), datetime(2025, 11, 1, tzinfo=UTC)))
DEFAULT = Partition(TableName("core", "s_default"), 12, None)


def table(*partitions: Partition) -> PartitionedTable:
    """A table with these partitions."""
    return PartitionedTable(TableName("core", "s"), 10, "at", KeyType.TIMESTAMPTZ, "owner", Cluster(1, 2), 180000, partitions)


def test_the_default_partition_is_the_one_without_bounds() -> None:
    assert table(OCTOBER, DEFAULT).default == DEFAULT
    assert table(OCTOBER).default is None


def test_a_partition_is_found_by_schema_and_name() -> None:
    found = table(OCTOBER, DEFAULT)
    assert found.partition(TableName("core", "s_p202510")) == OCTOBER
    assert found.partition(TableName("public", "s_p202510")) is None
