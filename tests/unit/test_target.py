"""The one partition that a destructive step was asked for: found only where the policy expires it."""

from datetime import UTC, datetime
from typing import Any

import pytest

from include.partitioning.bounds import Bounds, KeyType
from include.partitioning.errors import DestructionRefusedError
from include.partitioning.expiry import Horizon
from include.partitioning.names import TableName
from include.partitioning.partition import Cluster, DetachedPartition, Kind, Partition, PartitionedTable
from include.partitioning.policy import PartitionPolicy
from include.partitioning.target import Target, find_target

NOW = datetime(2025, 10, 15, tzinfo=UTC)
POLICY = PartitionPolicy(table="core.s", partition_key="at", retention="1 year", archive={"path": "s3://bucket"})
NAME = TableName("core", "s_p202401")
OLD = Bounds(datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 2, 1, tzinfo=UTC))
NEW = Bounds(datetime(2025, 10, 1, tzinfo=UTC), datetime(2025, 11, 1, tzinfo=UTC))


def record(**values: Any) -> DetachedPartition:
    """The ledger's record of the old partition, detached and still there, or `values`."""
    base: dict[str, Any] = {
        "name": NAME,
        "oid": 11,
        "parent": TableName("core", "s"),
        "parent_oid": 10,
        "bounds": OLD,
        "columns_digest": "d",
        "detached_at": NOW,
        "drop_after": NOW,
        "found_as": NAME,
        "attached": False,
    }
    return DetachedPartition(**{**base, **values})


def find(*partitions: Partition, detached: tuple[DetachedPartition, ...] = (), name: TableName = NAME) -> Target | None:
    """The target in a table with these partitions and a newer one."""
    newest = Partition(TableName("core", "s_p202510"), 99, NEW)
    table = PartitionedTable(TableName("core", "s"), 10, "at", KeyType.TIMESTAMPTZ, "owner", Cluster(1, 2), 180000, (*partitions, newest))
    return find_target(POLICY, table, detached, Horizon.of(POLICY, KeyType.TIMESTAMPTZ, NOW, NOW), name)


def test_an_attached_partition_past_retention_is_a_target() -> None:
    assert find(Partition(NAME, 11, OLD, rows=7)) == Target(NAME, 11, OLD, 7)


def test_an_attached_partition_whose_detach_is_pending_is_a_target() -> None:
    found = find(Partition(NAME, 11, OLD, detach_pending=True), detached=(record(detached_at=None, drop_after=None, attached=True),))
    assert found == Target(NAME, 11, OLD)


@pytest.mark.parametrize(
    ("partition", "why"),
    [
        (Partition(NAME, 11, Bounds(datetime(2025, 9, 1, tzinfo=UTC), datetime(2025, 10, 1, tzinfo=UTC))), "keeps what is newer"),
        (Partition(NAME, 11, None), "it is the DEFAULT partition"),
        (Partition(NAME, 11, OLD, held="until 2026-01-01"), "it is held until 2026-01-01"),
        (Partition(NAME, 11, OLD, detach_pending=True, held="until 2026-01-01"), "it is held until 2026-01-01"),
        (Partition(NAME, 11, OLD, kind=Kind.FOREIGN), "it is a foreign table"),
        (Partition(NAME, 11, OLD, kind=Kind.PARTITIONED), "it is partitioned itself"),
        (Partition(NAME, 11, Bounds(datetime(2024, 1, 3, tzinfo=UTC), datetime(2024, 2, 1, tzinfo=UTC))), "not those of a month"),
    ],
)
def test_an_attached_partition_that_is_kept_is_refused_with_the_reason(partition: Partition, why: str) -> None:
    with pytest.raises(DestructionRefusedError, match=f'"core.s_p202401" is not expired: .*{why}'):
        find(partition)


def test_the_newest_partition_is_refused() -> None:
    with pytest.raises(DestructionRefusedError, match=r"is not expired"):
        find(Partition(NAME, 11, OLD), name=TableName("core", "s_p202510"))


def test_a_table_that_was_never_a_partition_of_this_one_is_refused() -> None:
    with pytest.raises(DestructionRefusedError, match=r'"auth\.users" is no partition of "core\.s"'):
        find(detached=(record(),), name=TableName("auth", "users"))


def test_a_partition_that_we_detached_is_a_target_with_its_record() -> None:
    assert find(detached=(record(),)) == Target(NAME, 11, OLD, None, record())


def test_a_partition_that_we_detached_and_that_is_gone_is_none() -> None:
    assert find(detached=(record(found_as=None),)) is None


def test_a_detached_partition_that_was_renamed_is_refused() -> None:
    with pytest.raises(DestructionRefusedError, match=r'renamed to "core\.keep_me"'):
        find(detached=(record(found_as=TableName("core", "keep_me")),))


def test_a_detached_partition_that_was_attached_elsewhere_is_refused() -> None:
    with pytest.raises(DestructionRefusedError, match=r"attached to another table"):
        find(detached=(record(attached=True),))


def test_a_detached_partition_that_the_policy_keeps_by_now_is_refused() -> None:
    with pytest.raises(DestructionRefusedError, match=r"the policy .* keeps it as of this date"):
        find(detached=(record(bounds=NEW),))


def test_a_detached_partition_that_is_held_is_refused_with_the_hold() -> None:
    with pytest.raises(DestructionRefusedError, match=r'^"core\.s_p202401" is held until 2026-01-01: lawsuit$'):
        find(detached=(record(held="until 2026-01-01: lawsuit"),))


def test_a_held_record_of_a_partition_that_is_gone_holds_nothing() -> None:
    assert find(detached=(record(found_as=None, held="until 2026-01-01"),)) is None


def test_a_hold_on_another_detached_partition_does_not_matter() -> None:
    other = record(name=TableName("core", "s_p202312"), found_as=TableName("core", "s_p202312"), oid=12, held="for ever")
    assert find(detached=(other, record())) == Target(NAME, 11, OLD, None, record())


def test_a_later_partition_of_the_same_name_is_found_behind_the_record_of_one_that_is_gone() -> None:
    gone, there = record(oid=11, found_as=None), record(oid=12)
    for records in ((gone, there), (there, gone)):
        found = find(detached=records)
        assert found is not None
        assert found.oid == 12
