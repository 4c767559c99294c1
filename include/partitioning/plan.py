"""What a run intends to do, decided from values alone: the same inputs give the same plan.

Decisions rest on the catalog's real bounds, never on names. Creation looks at the reference date, destruction at
the earlier of the reference date and the database's now.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from include.partitioning.bounds import Bounds
from include.partitioning.calendar import Period
from include.partitioning.choices import OnExpiry
from include.partitioning.expiry import Horizon, why_kept
from include.partitioning.missing import missing_pieces, name_of_piece
from include.partitioning.names import TableName
from include.partitioning.partition import DetachedPartition, Partition, PartitionedTable
from include.partitioning.pieces import Piece
from include.partitioning.policy import MOST_MAPPED, PartitionPolicy


@dataclass(frozen=True, slots=True)
class Create:
    """A partition to be created. `blocked_by` says what stands in the way of its name."""

    name: TableName
    bounds: Bounds
    reason: str
    blocked_by: str | None = None


@dataclass(frozen=True, slots=True)
class Expire:
    """A partition past retention and what is still to be done with it: some of archive, detach, drop.

    :param waits: its grace period runs, so that this run only says so.
    """

    name: TableName
    oid: int
    bounds: Bounds
    reason: str
    steps: tuple[str, ...]
    rows: int | None = None
    waits: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """The intention of one run for one table. `findings` are things a person should know, one sentence each."""

    table: TableName
    reference: datetime
    horizon: Horizon
    creates: tuple[Create, ...]
    expires: tuple[Expire, ...]
    findings: tuple[str, ...]
    too_many_creates: str | None = None


def make_plan(
    policy: PartitionPolicy,
    table: PartitionedTable,
    detached: Sequence[DetachedPartition],
    taken_names: Mapping[str, str],
    *,
    reference: datetime,
    database_now: datetime,
) -> Plan:
    """Desired minus existing, and expired minus protected.

    :param detached: what the ledger says still waits for its drop, of this table.
    :param taken_names: those of `possible_names` that something in the parent's schema has, each with what it is, for the message.
    :param reference: aware; creation is as of this moment.
    :param database_now: aware; destruction is as of the earlier of this and `reference`.
    """
    horizon = Horizon.of(policy, table.key_type, reference, database_now)
    creates, create_findings = _creates(policy, table, detached, taken_names, horizon)
    expires, expire_findings = _expires(policy, table, detached, horizon, database_now)
    too_many = None
    if len(creates) > policy.max_creates_per_run:
        too_many = (
            f'more partitions of "{table.name}" are missing as of {reference:%Y-%m-%d} than max_creates_per_run '
            f"({policy.max_creates_per_run}) allows; none is created; check the reference date, or raise max_creates_per_run for one run"
        )
    findings = (*create_findings, *expire_findings, *_state_findings(policy, table, detached, expires))
    return Plan(table.name, reference, horizon, tuple(creates), tuple(expires), findings, too_many)


def _creates(
    policy: PartitionPolicy,
    table: PartitionedTable,
    detached: Sequence[DetachedPartition],
    taken_names: Mapping[str, str],
    horizon: Horizon,
) -> tuple[list[Create], list[str]]:
    waiting = [partition for partition in detached if partition.found_as is not None and not partition.attached]
    existing = [partition for partition in table.partitions if partition.bounds is not None]
    creates: list[Create] = []
    findings: list[str] = []
    for period, free in missing_pieces(policy, table.key_type, existing, horizon):
        if len(creates) > policy.max_creates_per_run:
            break  # it is too many already; a typo of some centuries would take minutes to count
        if [piece.bounds for piece in free] != [period.bounds]:
            findings.append(_clip_finding(period, free, existing))
        for piece in free:
            away = next((partition for partition in waiting if partition.bounds.overlaps(piece.bounds)), None)
            if away is not None:
                findings.append(f'{piece.bounds} is not created again: "{away.name}" was detached from it and still exists')
                continue
            name = name_of_piece(table, piece, alone=len(free) == 1, taken=taken_names)
            creates.append(Create(name, piece.bounds, _reason(piece.bounds, horizon.reference), taken_names.get(name.name)))
    return creates, findings


def _reason(bounds: Bounds, now: datetime) -> str:
    if bounds.holds(now):
        return "holds the reference date"
    return "upcoming" if bounds.lower > now else "closes a gap"


def _clip_finding(period: Period, free: Sequence[Piece], existing: Sequence[Partition]) -> str:
    others = [
        f'"{partition.name}" {partition.bounds}' for partition in existing if partition.bounds and partition.bounds.overlaps(period.bounds)
    ]
    return f"{period.bounds} is covered in part by {', '.join(others)}: clipped to {', '.join(str(piece.bounds) for piece in free)}"


def _expires(
    policy: PartitionPolicy, table: PartitionedTable, detached: Sequence[DetachedPartition], horizon: Horizon, database_now: datetime
) -> tuple[list[Expire], list[str]]:
    records = [each for each in sorted(detached, key=lambda each: each.bounds) if _waits_for_drop(each)]
    expired = [each for each in records if horizon.is_past(each.bounds) and each.held is None]
    waiting = [_waiting(policy, each, database_now) for each in expired]
    in_grace = [each for each in waiting if each.waits]
    to_drop = [each for each in waiting if not each.waits]
    findings = [
        f'"{each.name}" {each.bounds} was detached, but as of this date the policy keeps it; it is not dropped'
        for each in records
        if not horizon.is_past(each.bounds)
    ]
    findings += [f'"{each.name}" {each.bounds} was detached and is not dropped: it is held {each.held}' for each in records if each.held]
    due: list[Expire] = []
    for partition in table.partitions:
        if partition.bounds is None or not horizon.is_past(partition.bounds):
            continue
        kept = why_kept(policy, table, partition, horizon)
        if kept is None:
            due.append(_due(policy, partition, horizon))
        else:
            findings.append(f'"{partition.name}" {partition.bounds} is past retention but stays: {kept}')
    now = [*to_drop, *due][: policy.max_drops_per_run]
    left = len(to_drop) + len(due) - len(now)
    if left:
        findings.append(
            f"{len(to_drop) + len(due)} partitions are to be expired; max_drops_per_run ({policy.max_drops_per_run}) leaves {left} of them, "
            "the newest, to the next run"
        )
    shown = in_grace[: MOST_MAPPED - len(now)]  # nothing is done with them but to say that they wait
    if len(in_grace) > len(shown):
        findings.append(
            f"{len(in_grace) - len(shown)} more partitions wait for the end of their grace period; they get no task in this run"
        )
    return [*shown, *now], findings


def _waits_for_drop(partition: DetachedPartition) -> bool:
    ours_still = partition.found_as == partition.name and not partition.attached
    return ours_still and (partition.drop_after is not None or partition.detached_at is None)


def _waiting(policy: PartitionPolicy, partition: DetachedPartition, now: datetime) -> Expire:
    since = f"detached at {partition.detached_at:%Y-%m-%d %H:%M} UTC" if partition.detached_at else "its detach was interrupted"
    until = f", may be dropped after {partition.drop_after:%Y-%m-%d %H:%M} UTC" if partition.drop_after else ""
    waits = partition.drop_after is not None and partition.drop_after > now
    return Expire(partition.name, partition.oid, partition.bounds, since + until, steps_of(policy, attached=False), waits=waits)


def _due(policy: PartitionPolicy, partition: Partition, horizon: Horizon) -> Expire:
    assert partition.bounds is not None  # noqa: S101 - the caller has left DEFAULT out; this is for the type checker
    pending = "; its detach is pending and will be finalized" if partition.detach_pending else ""
    reason = f"past retention: ends at or before {horizon.cutoff:%Y-%m-%d %H:%M}{pending}"
    return Expire(partition.name, partition.oid, partition.bounds, reason, steps_of(policy, attached=True), partition.rows)


def steps_of(policy: PartitionPolicy, *, attached: bool) -> tuple[str, ...]:
    """What the policy does with a partition past retention, in the end."""
    wanted = (("archive", policy.archive is not None), ("detach", attached), ("drop", policy.on_expiry is OnExpiry.DROP))
    return tuple(step for step, needed in wanted if needed)


def _state_findings(
    policy: PartitionPolicy, table: PartitionedTable, detached: Sequence[DetachedPartition], expires: Sequence[Expire]
) -> list[str]:
    expiring = {each.name for each in expires}
    findings = []
    if policy.archive is not None and policy.archive.path.startswith("file:"):
        findings.append(f"archives go to {policy.archive.path}: every worker must see the same folder there")
    if policy.destroy_without_archive and policy.retention is not None and policy.on_expiry is OnExpiry.DROP:
        findings.append("destroy_without_archive is set: what expires is dropped without an archive")
    if table.default is not None:
        findings.append(f'"{table.default.name}" is a DEFAULT partition: creating locks it, and detaching cannot be done CONCURRENTLY')
    for partition in detached:
        if partition.found_as is None:
            findings.append(f'"{partition.name}" was detached by us and has since been dropped by somebody else')
        elif partition.attached and partition.detached_at is not None:
            findings.append(f'"{partition.name}" was detached by us and is attached again; it will not be dropped unless it expires anew')
        elif partition.found_as != partition.name:
            findings.append(
                f'"{partition.name}" was renamed to "{partition.found_as}" after its detach; it is not dropped until it has its name again'
            )
    findings.extend(
        f'"{partition.name}" has a pending detach that this policy does not ask for; finish it with '
        f"ALTER TABLE {table.name} DETACH PARTITION {partition.name} FINALIZE"
        for partition in table.partitions
        if partition.detach_pending and partition.name not in expiring and partition.name not in {each.name for each in detached}
    )
    return findings
