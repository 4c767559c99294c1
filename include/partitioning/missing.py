"""Desired minus existing: which ranges lack a partition, and what the partition for each is called."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, time
from itertools import groupby, islice

from include.partitioning.bounds import BEGINNING, Bounds, KeyType
from include.partitioning.calendar import Calendar, Period
from include.partitioning.expiry import Horizon
from include.partitioning.names import TableName, fitted
from include.partitioning.partition import DetachedPartition, Partition, PartitionedTable
from include.partitioning.pieces import Cutter, Piece, periods_of
from include.partitioning.policy import PartitionPolicy


def missing_pieces(
    policy: PartitionPolicy, key_type: KeyType, existing: Sequence[Partition], horizon: Horizon
) -> Iterator[tuple[Period, list[Piece]]]:
    """What no partition covers, period by period, without what would be past retention as soon as it is there.

    Lazy: a reference date some centuries away has millions of them.
    """
    calendar = Calendar.of_key(policy.interval, key_type, policy.timezone)
    window = _window(policy, calendar, existing, horizon)
    covered = [partition.bounds for partition in existing if partition.bounds]
    cutter = Cutter(calendar, covered)
    parts = (part for gap in window.minus(covered) for part in periods_of(gap, calendar))
    for period, group in groupby(parts, key=lambda part: part[0]):
        free = [piece for _, bounds in group for piece in cutter.pieces(period, bounds) if not horizon.is_past(piece.bounds)]
        if free:
            yield period, free


def _window(policy: PartitionPolicy, calendar: Calendar, existing: Sequence[Partition], horizon: Horizon) -> Bounds:
    """From the oldest partition that is still retained (gaps are closed) to `premake` after the one that holds the reference date.

    What is retained is judged by the horizon, so that a reference date far in the future asks for everything from today on:
    `max_creates_per_run` then stops it.
    """
    oldest = [each.bounds.upper if each.bounds.lower == BEGINNING else each.bounds.lower for each in existing if each.bounds]
    start = min([calendar.holding(horizon.moment).bounds.lower, *oldest])
    if horizon.cutoff is not None:
        start = max(start, calendar.holding(horizon.cutoff).bounds.lower)
    return Bounds(start, end_of_wanted(policy, calendar, horizon))


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
    free = (piece for _, parts in pieces for piece in parts if not any(piece.bounds.overlaps(other) for other in away))
    names: list[str] = []
    for piece in islice(free, policy.max_creates_per_run):  # a plan with more of them creates none
        names += possible_names_of_piece(table, piece)
    return names


def possible_names_of_piece(table: PartitionedTable, piece: Piece) -> list[str]:
    """The names of which `name_of_piece` takes one."""
    plain = _plain_name(table, piece)
    return [plain] if piece.is_whole else [plain, _name_of_part(table, piece)]


def name_of_piece(table: PartitionedTable, piece: Piece, *, alone: bool, taken: Mapping[str, str]) -> TableName:
    """`<table>_p202510`; a clipped partition whose plain name is taken says where it begins: `…_p202510_from_20251015`.

    :param alone: whether it is the only one of its period that is made.
    """
    plain = _plain_name(table, piece)
    if piece.is_whole or (alone and plain not in taken):
        return TableName(table.name.schema, plain)
    return TableName(table.name.schema, _name_of_part(table, piece))


def name_of_period(table: PartitionedTable, period: Period) -> TableName:
    """What a partition that holds a whole period is called."""
    return TableName(table.name.schema, fitted(table.name.name, f"_{period.suffix}"))


def _plain_name(table: PartitionedTable, piece: Piece) -> str:
    return name_of_period(table, piece.period).name


def _name_of_part(table: PartitionedTable, piece: Piece) -> str:
    lower = piece.bounds.lower
    shown = "%Y%m%d" if lower.time() == time() else "%Y%m%d_%H%M%S" if lower.microsecond == 0 else "%Y%m%d_%H%M%S_%f"
    return fitted(table.name.name, f"_{piece.period.suffix}_from_{lower.strftime(shown)}")
