"""Finishing what an interrupted run of ours left, before a new run begins. What strangers left is reported by the plan, not touched."""

from include.partitioning.partition import DetachedPartition, PartitionedTable
from include.partitioning.policy import PartitionPolicy
from include.partitioning.target import Target
from include.postgres.detaching import detach_partition, is_pending
from include.postgres.executor import Executor
from include.postgres.ledger import Ledger


def unfinished(executor: Executor, ledger: Ledger, table: PartitionedTable) -> list[DetachedPartition]:
    """Detaches that we announced and began, but never wrote down as done: pending, or detached and then forgotten."""
    return [each for each in ledger.detached(table) if each.detached_at is None and _is_half_off(executor, table, each)]


def heal(executor: Executor, ledger: Ledger, policy: PartitionPolicy, table: PartitionedTable, each: DetachedPartition) -> None:
    """Finish one: FINALIZE if it is pending, drop its outgoing foreign keys, and write down when it may be dropped."""
    detach_partition(executor, ledger, policy, table, Target(each.name, each.oid, each.bounds, detached=each))


def _is_half_off(executor: Executor, table: PartitionedTable, each: DetachedPartition) -> bool:
    """Pending, or off its parent already; an announced detach that never began left the partition as it was."""
    if each.found_as != each.name:
        return False
    return is_pending(executor.connection, table, each.oid) or not each.attached
