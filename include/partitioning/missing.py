"""Desired minus existing: which ranges lack a partition, and what the partition for each is called."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, time
from itertools import groupby, islice, takewhile

from include.partitioning.bounds import BEGINNING, Bounds, KeyType
from include.partitioning.calendar import Calendar, Period
from include.partitioning.expiry import Horizon
from include.partitioning.names import TableName, fitted
from include.partitioning.partition import DetachedPartition, Partition, PartitionedTable
from include.partitioning.policy import PartitionPolicy


def missing_pieces(
    policy: PartitionPolicy, key_type: KeyType, existing: Sequence[Partition], horizon: Horizon
) -> Iterator[tuple[Period, list[Bounds]]]:
    """What no partition covers, period by period, without what would be past retention as soon as it is there.

    Lazy: a reference date some centuries away has millions of them.
    """
    calendar = Calendar.of_key(policy.interval, key_type, policy.timezone)
    window = _window(policy, calendar, existing, horizon)
    gaps = window.minus(partition.bounds for partition in existing if partition.bounds)
    pieces = (piece for gap in gaps for piece in _cut(gap, calendar))
    for period, group in groupby(pieces, key=lambda piece: piece[0]):
        free = [bounds for _, bounds in group if not horizon.is_past(bounds)]
        if free:
            yield period, free


def _cut(gap: Bounds, calendar: Calendar) -> Iterator[tuple[Period, Bounds]]:
    """The gap, period by period, each with its part of the gap."""
    for period in takewhile(lambda period: period.bounds.lower < gap.upper, calendar.periods_from(gap.lower)):
        yield period, Bounds(max(gap.lower, period.bounds.lower), min(gap.upper, period.bounds.upper))


def _window(policy: PartitionPolicy, calendar: Calendar, existing: Sequence[Partition], horizon: Horizon) -> Bounds:
    """From the oldest partition that is still retained (gaps are closed) to `premake` after the one that holds the reference date.

    What is retained is judged by the horizon, so that a reference date far in the future asks for everything from today on:
    `max_creates_per_run` then stops it.
    """
    oldest = [each.bounds.upper if each.bounds.lower == BEGINNING else each.bounds.lower for each in existing if each.bounds]
    start = min([horizon.moment, *oldest])
    if horizon.cutoff is not None:
        start = max(start, horizon.cutoff)
    return Bounds(calendar.holding(start).bounds.lower, end_of_wanted(policy, calendar, horizon))


def end_of_wanted(policy: PartitionPolicy, calendar: Calendar, horizon: Horizon) -> datetime:
    """Where the last of the `premake` upcoming periods ends, exclusive; what lies beyond has no partition yet."""
    last = calendar.holding(horizon.reference)
    for _ in range(policy.premake):
        last = calendar.after(last)
    return last.bounds.upper


def possible_names(policy: PartitionPolicy, table: PartitionedTable, detached: Sequence[DetachedPartition], horizon: Horizon) -> list[str]:
    """Every name that a plan may give to a partition: of these it must be known whether something has them already."""
    away = [each.bounds for each in detached if each.found_as is not None and not each.attached]
    pieces = missing_pieces(policy, table.key_type, table.partitions, horizon)
    free = ((period, bounds) for period, parts in pieces for bounds in parts if not any(bounds.overlaps(other) for other in away))
    names: list[str] = []
    for period, bounds in islice(free, policy.max_creates_per_run):  # a plan with more of them creates none
        names += possible_names_of_piece(policy, table, period, bounds)
    return names


def possible_names_of_piece(policy: PartitionPolicy, table: PartitionedTable, period: Period, bounds: Bounds) -> list[str]:
    """The names of which `name_of_piece` takes one."""
    plain = _plain_name(policy, table, period)
    return [plain] if bounds == period.bounds else [plain, _name_of_part(policy, table, period, bounds)]


def name_of_piece(
    policy: PartitionPolicy, table: PartitionedTable, period: Period, bounds: Bounds, *, whole: bool, taken: Mapping[str, str]
) -> TableName:
    """`<table>_p202510`; a clipped partition whose plain name is taken says where it begins: `…_p202510_from_20251015`."""
    plain = _plain_name(policy, table, period)
    if bounds == period.bounds or (whole and plain not in taken):
        return TableName(table.name.schema, plain)
    return TableName(table.name.schema, _name_of_part(policy, table, period, bounds))


def _plain_name(policy: PartitionPolicy, table: PartitionedTable, period: Period) -> str:
    return fitted(table.name.name, f"_{policy.interval.suffix(period.label)}")


def _name_of_part(policy: PartitionPolicy, table: PartitionedTable, period: Period, bounds: Bounds) -> str:
    lower = bounds.lower
    shown = "%Y%m%d" if lower.time() == time() else "%Y%m%d_%H%M%S" if lower.microsecond == 0 else "%Y%m%d_%H%M%S_%f"
    return fitted(table.name.name, f"_{policy.interval.suffix(period.label)}_from_{lower.strftime(shown)}")
