"""Tables and configurations of pg_partman's for tests that need no server."""

from datetime import UTC, datetime
from typing import Any

from include.partitioning.bounds import Bounds, KeyType
from include.partitioning.cut_table import CutTable
from include.partitioning.interval import Interval
from include.partitioning.names import TableName
from include.partitioning.partition import Cluster, Kind, Partition, PartitionedTable
from include.partitioning.partman import Length, PartmanConfig

NAME = TableName("core", "sessions")
MONTH, YEARS = Length(1, 0, 0), Length(24, 0, 0)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def part(lower: str, upper: str, kind: Kind = Kind.TABLE) -> Partition:
    return Partition(TableName("core", f"sessions_p{utc(lower):%Y%m%d}"), 11, Bounds(utc(lower), utc(upper)), kind)


def table(*partitions: Partition, key_type: KeyType = KeyType.TIMESTAMPTZ) -> PartitionedTable:
    return PartitionedTable(NAME, 10, "created_at", key_type, "owner", Cluster(1, 2), 180000, partitions)


def cut(*partitions: Partition, interval: Interval = Interval.MONTH, zone: str = "UTC") -> CutTable:
    return CutTable(table(*(partitions or (part("2026-10-01", "2026-11-01"), part("2026-11-01", "2026-12-01")))), interval, zone)


def config(
    length: Length | None = MONTH, retention_length: Length | None = None, *, sub_partitioned: bool = False, **row: Any
) -> PartmanConfig:
    """What pg_partman says of the table, as one of its rows says it."""
    said = {
        "control": "created_at", "partition_type": "native", "partition_interval": "1 mon", "premake": 4, "automatic_maintenance": "on",
        "datetime_string": "YYYY_MM", "retention": "2 years" if retention_length else None, **row,
    }  # fmt: skip
    return PartmanConfig.of_row(NAME, said, length=length, retention_length=retention_length, sub_partitioned=sub_partitioned)
