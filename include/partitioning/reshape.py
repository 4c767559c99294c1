"""Giving a table another shape while it is used: from one table to partitions, from one grain to another, and back to one table.

What is decided here is decided from values alone: which partitions the new table gets, and in which portions its rows are copied.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import islice, pairwise, takewhile

from include.partitioning.bounds import BEGINNING, END, Bounds, KeyType
from include.partitioning.calendar import Calendar
from include.partitioning.errors import ReshapeRefusedError
from include.partitioning.expiry import Horizon
from include.partitioning.missing import end_of_wanted, name_of_period
from include.partitioning.partition import PartitionedTable
from include.partitioning.plan import Create
from include.partitioning.policy import PartitionPolicy

ROWS_OF_A_PORTION = 2_000_000
"""About as many rows are copied in one transaction where an index finds them: a minute of work, which is what a killed worker loses."""

ROWS_WORTH_DIVIDING = 100_000
"""Of fewer rows nobody copies or compares a part; of more, each connection does where an index finds it."""

MOST_READINGS = 8
"""How often a table without an index on the key is read as a whole at most, a portion each time."""

MOST_PARTITIONS = 1000
"""More are a mistake: the planner looks at each of them."""


class Move(StrEnum):
    """What becomes of the table."""

    ADOPT = "adopt"
    REGRAIN = "regrain"
    UNDO = "undo"

    @property
    def partitions(self) -> bool:
        """Whether the new table is partitioned."""
        return self is not Move.UNDO

    @property
    def of_partitions(self) -> bool:
        """Whether the old table is partitioned."""
        return self is not Move.ADOPT


@dataclass(frozen=True, slots=True)
class Extent:
    """What a table holds, as one statement saw it.

    :param lowest: of the key, on its axis, infinities left out; None: no row has one.
    :param infinite: rows whose key is -infinity or infinity, or before the year 1 or after 9999.
    """

    rows: int
    lowest: datetime | None
    highest: datetime | None
    infinite: int = 0


@dataclass(frozen=True, slots=True)
class Portion:
    """Rows that are copied in one transaction: keys from `lower`, inclusive, to `upper`, exclusive, as literals of the key's type; None: no end."""

    number: int
    lower: str | None
    upper: str | None

    def __str__(self) -> str:
        """For a log line."""
        return f"[{self.lower or '…'}, {self.upper or '…'})"


def wanted_partitions(
    policy: PartitionPolicy, table: PartitionedTable, extent: Extent, reference: datetime, database_now: datetime
) -> tuple[Create, ...]:
    """The partitions of the new table: from the oldest row, or the oldest partition, to `premake` after the one of the reference date.

    :raises ReshapeRefusedError: there would be too many of them, or rows lie where there would be none.
    """
    horizon = Horizon.of(policy, table.key_type, reference, database_now)
    calendar = Calendar.of_key(policy.interval, table.key_type, policy.timezone)
    _refuse_extent(policy, extent, horizon, end := _end(end_of_wanted(policy, calendar, horizon), table))
    oldest = [each.bounds.lower for each in table.partitions if each.bounds is not None and each.bounds.lower != BEGINNING]
    start = min(each for each in (extent.lowest, horizon.moment, *oldest) if each is not None)
    periods = takewhile(lambda period: period.bounds.lower < end, calendar.periods_from(start))
    found = list(islice(periods, MOST_PARTITIONS + 1))
    if len(found) > MOST_PARTITIONS:
        raise ReshapeRefusedError(
            f'"{policy.table}" would have more than {MOST_PARTITIONS:,} partitions: its oldest row is of {start:%Y-%m-%d}; delete or correct rows '
            f"that are older than they can be, or choose a longer interval than {policy.interval}"
        )
    return tuple(
        Create(
            name_of_period(table, period),
            period.bounds,
            "upcoming" if period.bounds.lower > horizon.reference else "rows of the table that was",
        )
        for period in found
    )


def _end(wanted: datetime, table: PartitionedTable) -> datetime:
    """At least as far as the old partitions reach: what could be written before can be written afterwards."""
    return max([wanted, *(each.bounds.upper for each in table.partitions if each.bounds is not None and each.bounds.upper != END)])


def _refuse_extent(policy: PartitionPolicy, extent: Extent, horizon: Horizon, end: datetime) -> None:
    """Rows that would have no partition of their own."""
    key, wrong = policy.partition_key, []
    if extent.infinite:
        wrong.append(f"{extent.infinite:,} rows have a {key} of infinity, or one that no calendar has")
    if extent.highest is not None and extent.highest >= end:
        wrong.append(
            f"the newest row is of {extent.highest:%Y-%m-%d %H:%M}, and partitions are made up to {end:%Y-%m-%d} (premake: {policy.premake})"
        )
    if wrong:
        raise ReshapeRefusedError(
            f'"{policy.table}" is left as it is as of {horizon.reference:%Y-%m-%d}: {"; ".join(wrong)}; correct or delete these rows first'
        )


def portions(partitions: Sequence[Bounds], extent: Extent, key_type: KeyType, *, key_is_indexed: bool) -> tuple[Portion, ...]:
    """How the rows are divided for copying; together the portions hold every key there can be, each exactly once.

    Where an index finds them, or the old table is partitioned, a portion is a partition or a part of one. Elsewhere each portion costs
    a reading of the whole table, so there are few.

    :param partitions: of the shape by which rows are found: the new ones, or those of an old table that is partitioned.
    """
    highest = extent.highest
    filled = [each for each in partitions if highest is not None and each.lower <= highest]
    if not filled or extent.rows <= (min(ROWS_WORTH_DIVIDING, ROWS_OF_A_PORTION) if key_is_indexed else ROWS_OF_A_PORTION):
        return (Portion(1, None, None),)
    cuts = _fine_cuts(filled, extent.rows) if key_is_indexed else _coarse_cuts(filled)
    edges = (None, *dict.fromkeys(_literal(each, key_type) for each in cuts), None)
    return tuple(Portion(number, *ends) for number, ends in enumerate(pairwise(edges), start=1))


def _fine_cuts(partitions: Sequence[Bounds], rows: int) -> list[datetime]:
    parts = max(1, math.ceil(rows / len(partitions) / ROWS_OF_A_PORTION))
    cuts = [each.lower + (each.upper - each.lower) / parts * number for each in partitions for number in range(parts)]
    return cuts[1:]


def _coarse_cuts(partitions: Sequence[Bounds]) -> list[datetime]:
    step = math.ceil(len(partitions) / MOST_READINGS)
    return [each.lower for each in partitions[step::step]]


def _literal(moment: datetime, key_type: KeyType) -> str:
    """Whole seconds; of a date whole days."""
    plain = moment.replace(microsecond=0)
    return key_type.literal(plain.replace(hour=0, minute=0, second=0) if key_type is KeyType.DATE else plain)


def why_done(move: Move, policy: PartitionPolicy, table: PartitionedTable, *, is_partitioned: bool) -> str | None:
    """Why there is nothing to do; None if there is.

    :raises ReshapeRefusedError: the table is of a kind from which this move does not lead anywhere.
    """
    if move is Move.ADOPT:
        return f'"{table.name}" is partitioned already' if is_partitioned else None
    if move is Move.UNDO:
        return None if is_partitioned else f'"{table.name}" is an ordinary table already'
    if not is_partitioned:
        raise ReshapeRefusedError(f'"{table.name}" is not partitioned, so it has no grain to change; adopt it')
    calendar = Calendar.of_key(policy.interval, table.key_type, policy.timezone)
    alike = all(each.bounds is None or calendar.holding(each.bounds.lower).bounds == each.bounds for each in table.partitions)
    return f'all partitions of "{table.name}" are of one {policy.interval} already' if alike else None
