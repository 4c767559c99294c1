"""Rows in the DEFAULT partition, sorted out: which of them belong into partitions of their own, and which stay."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import reduce
from operator import add

from include.partitioning.calendar import Calendar, Period
from include.partitioning.choices import DefaultPartition
from include.partitioning.expiry import Horizon
from include.partitioning.missing import end_of_wanted, name_of_piece, possible_names_of_piece
from include.partitioning.names import TableName
from include.partitioning.partition import DetachedPartition, PartitionedTable
from include.partitioning.pieces import Cutter, Piece
from include.partitioning.plan import Create
from include.partitioning.policy import PartitionPolicy

MILLISECONDS_PER_ROW = 0.00013
"""That ATTACH takes to look through DEFAULT under its lock, from memory: measured at 1,000,000 rows of 73 bytes, PostgreSQL 18.4."""

MOST_LINES = 12
"""Ranges that the plan names one by one."""


@dataclass(frozen=True, slots=True)
class KeyGroup:
    """Some rows, with their oldest and newest key on the key's axis."""

    rows: int
    oldest: datetime
    newest: datetime

    def __add__(self, other: "KeyGroup") -> "KeyGroup":
        return KeyGroup(self.rows + other.rows, min(self.oldest, other.oldest), max(self.newest, other.newest))

    def __str__(self) -> str:
        return f"{self.rows:,} row{'' if self.rows == 1 else 's'}, keys {self.oldest:%Y-%m-%d %H:%M} to {self.newest:%Y-%m-%d %H:%M}"


@dataclass(frozen=True, slots=True)
class Contents:
    """What DEFAULT holds: groups that each lie in one period, and the number of rows whose key is NULL, infinite or in no calendar year."""

    groups: tuple[KeyGroup, ...]
    nowhere: int


@dataclass(frozen=True, slots=True)
class PeriodRows:
    """Rows of one period. `free` is what of the period no partition covers, and no detached one that still exists."""

    period: Period
    group: KeyGroup
    free: tuple[Piece, ...]
    expired: bool


@dataclass(frozen=True, slots=True)
class SortedRows:
    """The rows of DEFAULT by what is to become of them.

    :param movable: by period, oldest first, those for which a partition may be created.
    :param away: rows of ranges whose partition was detached and still exists.
    :param later: rows of periods behind the last that the policy keeps ready.
    :param nowhere: how many have no period at all.
    """

    name: TableName
    movable: tuple[PeriodRows, ...]
    away: KeyGroup | None
    later: KeyGroup | None
    nowhere: int

    @property
    def rows(self) -> int:
        """All of them."""
        return sum(each.group.rows for each in self.movable) + self.staying

    @property
    def staying(self) -> int:
        """Those that no partition can be created for."""
        return sum(each.rows for each in (self.away, self.later) if each) + self.nowhere


def sort_out(
    policy: PartitionPolicy, table: PartitionedTable, detached: Sequence[DetachedPartition], horizon: Horizon, contents: Contents
) -> SortedRows:
    """Decide for each period that has rows, by the catalog's bounds and the policy's calendar. The table has a DEFAULT partition."""
    assert table.default is not None  # noqa: S101 - the caller has looked; this is for the type checker
    calendar = Calendar.of_key(policy.interval, table.key_type, policy.timezone)
    end = end_of_wanted(policy, calendar, horizon)
    covered = [each.bounds for each in table.partitions if each.bounds is not None]
    cutter = Cutter(calendar, covered)
    waiting = [each.bounds for each in detached if each.found_as is not None and not each.attached]
    movable: list[PeriodRows] = []
    away: list[KeyGroup] = []
    later: list[KeyGroup] = []
    for period, group in _by_period(calendar, contents.groups).items():
        uncovered = (piece for part in period.bounds.minus(covered) for piece in cutter.pieces(period, part))
        free = tuple(piece for piece in uncovered if not any(piece.bounds.overlaps(other) for other in waiting))
        if period.bounds.lower >= end:
            later.append(group)
        elif free:
            movable.append(PeriodRows(period, group, free, horizon.is_past(period.bounds)))
        else:
            away.append(group)
    return SortedRows(table.default.name, tuple(movable), _together(away), _together(later), contents.nowhere)


def possible_names_for(table: PartitionedTable, found: SortedRows) -> list[str]:
    """Every name that `creates_for` may give."""
    return [name for each in found.movable for piece in each.free for name in possible_names_of_piece(table, piece)]


def creates_for(table: PartitionedTable, found: SortedRows, taken_names: Mapping[str, str]) -> Iterator[Create]:
    """Partitions for the rows that can be moved, oldest first."""
    for each in found.movable:
        reason = f"{each.group} in DEFAULT" + ("; past retention" if each.expired else "")
        for piece in each.free:
            name = name_of_piece(table, piece, alone=len(each.free) == 1, taken=taken_names)
            yield Create(name, piece.bounds, reason, taken_names.get(name.name))


def findings_of(policy: PartitionPolicy, found: SortedRows) -> list[str]:
    """What a person should know about DEFAULT, a sentence each."""
    lines = [_summary(found), *_ranges(found)]
    if found.away:
        lines.append(f'{found.away} in "{found.name}" are of ranges whose partition was detached and still exists; they stay')
    if found.later:
        lines.append(f'{found.later} in "{found.name}" are later than the upcoming partitions; they stay until theirs is due')
    if found.nowhere:
        lines.append(f'{found.nowhere:,} rows in "{found.name}" have a key that is NULL, infinite or in no calendar year; they stay')
    if found.movable and policy.default_partition is DefaultPartition.REPORT:
        lines.append(advice(found.name))
    return lines


def advice(default: TableName) -> str:
    """What to do about rows that stand in the way."""
    return (
        f'set default_partition: drain in the policy to have them moved while the table is in use, or move them out of "{default}" by hand'
    )


def _summary(found: SortedRows) -> str:
    milliseconds = max(1, round(found.rows * MILLISECONDS_PER_ROW))
    return (
        f'"{found.name}" holds {found.rows:,} rows: for each partition that is created, ATTACH reads them all while it keeps everybody out of it, '
        f"for about {milliseconds:,} ms if they are in memory"
    )


def _ranges(found: SortedRows) -> list[str]:
    lines = [_range(found.name, each) for each in found.movable[:MOST_LINES]]
    rest = found.movable[MOST_LINES:]
    if rest:
        lines.append(f'and {sum(each.group.rows for each in rest):,} rows in "{found.name}" of {len(rest)} later ranges')
    return lines


def _range(name: TableName, each: PeriodRows) -> str:
    what = "is past retention" if each.expired else "gets no partition while they are there"
    return f'{each.group} in "{name}" belong to {each.period.bounds}, which {what}'


def _by_period(calendar: Calendar, groups: Sequence[KeyGroup]) -> dict[Period, KeyGroup]:
    """Oldest first. A group in two periods (an hour that occurs twice) is counted in the first, but both are there."""
    found: dict[Period, KeyGroup] = {}
    for group in sorted(groups, key=lambda group: group.oldest):
        part = group
        for period in calendar.periods_from(group.oldest):
            if period.bounds.lower > group.newest:
                break
            found[period] = found[period] + part if period in found else part
            part = replace(part, rows=0)
    return found


def _together(groups: Sequence[KeyGroup]) -> KeyGroup | None:
    return reduce(add, groups) if groups else None
