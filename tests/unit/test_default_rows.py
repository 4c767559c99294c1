"""Sorting out the rows of DEFAULT, without a database."""

from datetime import UTC, datetime

from include.partitioning.bounds import Bounds, KeyType
from include.partitioning.default_rows import Contents, KeyGroup, creates_for, sort_out
from include.partitioning.expiry import Horizon
from include.partitioning.names import TableName
from include.partitioning.partition import Cluster, DetachedPartition, Partition, PartitionedTable
from include.partitioning.policy import PartitionPolicy

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def policy(**changes: object) -> PartitionPolicy:
    values = {"table": "app.t", "partition_key": "at", "retention": "24 months", "destroy_without_archive": True, "premake": 1, **changes}
    return PartitionPolicy(**values)


def table(*bounds: Bounds) -> PartitionedTable:
    partitions = [Partition(TableName("app", f"t_{number}"), number, each) for number, each in enumerate(bounds, 1)]
    default = Partition(TableName("app", "rest"), 99, None)
    return PartitionedTable(TableName("app", "t"), 1, "at", KeyType.TIMESTAMPTZ, "keeper", Cluster(1, 1), 180004, (*partitions, default))


def horizon(of: PartitionPolicy) -> Horizon:
    return Horizon.of(of, KeyType.TIMESTAMPTZ, NOW, NOW)


def group(rows: int, oldest: str, newest: str) -> KeyGroup:
    return KeyGroup(rows, day(oldest), day(newest))


def test_what_of_a_period_a_partition_covers_is_left_out() -> None:
    covered = table(Bounds(day("2026-10-10"), day("2026-10-20")))
    found = sort_out(policy(), covered, (), horizon(policy()), Contents((group(5, "2026-10-01", "2026-10-31"),), 0))
    assert [str(each.bounds) for each in creates_for(covered, found, {})] == [
        "[2026-10-01, 2026-10-10)",
        "[2026-10-20, 2026-11-01)",
    ]


def test_rows_whose_partition_was_detached_and_still_exists_stay() -> None:
    bounds = Bounds(day("2026-10-01"), day("2026-11-01"))
    name = TableName("app", "t_p202610")
    detached = DetachedPartition(name, 7, TableName("app", "t"), 1, bounds, "", NOW, NOW, found_as=name, attached=False)
    found = sort_out(policy(), table(), (detached,), horizon(policy()), Contents((group(5, "2026-10-01", "2026-10-31"),), 2))
    assert found.movable == ()
    assert found.away == group(5, "2026-10-01", "2026-10-31")
    assert (found.rows, found.staying) == (7, 7)


def test_a_group_that_two_periods_share_is_counted_once_and_both_are_made() -> None:
    hours = policy(interval="hour", timezone="Europe/Paris", retention=None, destroy_without_archive=False)
    twice = KeyGroup(4, datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 25, 1, 30, tzinfo=UTC))  # 02:30, and 02:30 again
    found = sort_out(hours, table(), (), horizon(hours), Contents((twice,), 0))
    assert found.rows == 4
    made = list(creates_for(table(), found, {}))
    assert made[0].bounds.holds(twice.oldest)
    assert made[-1].bounds.holds(twice.newest)
