"""Finding the one partition that a destructive step was asked for, and refusing everything else. An operator trusts no argument."""

from collections.abc import Sequence
from dataclasses import dataclass

from include.partitioning.bounds import Bounds
from include.partitioning.errors import DestructionRefusedError
from include.partitioning.expiry import Horizon, why_kept
from include.partitioning.names import TableName
from include.partitioning.partition import DetachedPartition, PartitionedTable
from include.partitioning.policy import PartitionPolicy


@dataclass(frozen=True, slots=True)
class Target:
    """A partition past retention: attached (perhaps with its detach pending), or detached by us (`detached` is then its record)."""

    name: TableName
    oid: int
    bounds: Bounds
    rows: int | None = None
    detached: DetachedPartition | None = None


def find_target(
    policy: PartitionPolicy, table: PartitionedTable, detached: Sequence[DetachedPartition], horizon: Horizon, name: TableName
) -> Target | None:
    """The partition of that name, if the policy expires it; None if the ledger knows it and it is gone.

    :raises DestructionRefusedError: it is kept, is no partition of this table and never was, or is another table by now.
    """
    attached = table.partition(name)
    if attached is not None:
        kept = why_kept(policy, table, attached, horizon)
        if kept is not None or attached.bounds is None:
            raise DestructionRefusedError(f'"{name}" is not expired: {kept}')
        return Target(name, attached.oid, attached.bounds, attached.rows)
    records = sorted((each for each in detached if each.name == name), key=lambda each: each.found_as is None)
    record = records[0] if records else None  # one that still exists goes before one that is gone
    if record is None:
        raise DestructionRefusedError(
            f'"{name}" is no partition of "{table.name}", and the ledger does not know it as one that was detached'
        )
    return _detached_target(policy, record, horizon)


def _detached_target(policy: PartitionPolicy, record: DetachedPartition, horizon: Horizon) -> Target | None:
    if record.found_as is None:
        return None
    if record.found_as != record.name:
        raise DestructionRefusedError(
            f'"{record.name}" was renamed to "{record.found_as}" after its detach; rename it back, or look after it by hand'
        )
    if record.attached:
        raise DestructionRefusedError(f'"{record.name}" is attached to another table; it is none of this policy\'s business any more')
    if record.held is not None:
        raise DestructionRefusedError(f'"{record.name}" is held {record.held}')
    if not horizon.is_past(record.bounds):
        raise DestructionRefusedError(
            f'"{record.name}" {record.bounds} was detached, but the policy (retention: {policy.retention}) keeps it as of this date; attach it again'
        )
    return Target(record.name, record.oid, record.bounds, None, record)
