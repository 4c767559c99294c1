"""Whether a table can be taken over from pg_partman: what it says is compared with the catalog's bounds, which decide."""

from collections.abc import Iterator, Sequence

from include.partitioning.cut_table import CutTable, bounded_partitions
from include.partitioning.interval import Interval
from include.partitioning.partition import Kind, PartitionedTable
from include.partitioning.partman import PartmanConfig

_NATIVE = ("native", "range")
"""What 4.x and 5.x call a table that PostgreSQL partitions by range."""


def obstacles(config: PartmanConfig, table: PartitionedTable, cut: CutTable | None, *, is_partition: bool) -> list[str]:
    """Why it cannot be taken over as it is, a sentence each.

    :param cut: of `cut_of`.
    :param is_partition: whether the table is a partition itself.
    """
    found = [*obstacles_of_kind(config), *_obstacles_of_nesting(config, table, is_partition=is_partition)]
    if config.our_interval is None:
        found.append(_no_interval(config))
    elif cut is None:
        found.append(_no_zone(table, config.our_interval))
    return found


def obstacles_of_kind(config: PartmanConfig) -> Iterator[str]:
    """What of pg_partman's own settings stands in the way, whatever the catalog says."""
    if config.kind not in _NATIVE:
        yield f"its partition_type is {config.kind}; only range partitioning by PostgreSQL itself can be taken over (native in 4.x, range in 5.x)"
    if config.epoch != "none":
        yield f"its key is a number that counts {config.epoch} (epoch); the key must be date, timestamp or timestamptz"
    if config.key_is_encoded:
        yield f"its key has the time encoded in it (time_encoder {config.others['time_encoder']}); the key must be date, timestamp or timestamptz"
    if config.undoing:
        yield "pg_partman is about to undo its partitioning (undo_in_progress); finish that, or set it back"


def _obstacles_of_nesting(config: PartmanConfig, table: PartitionedTable, *, is_partition: bool) -> Iterator[str]:
    nested = [each for each in table.partitions if each.kind is Kind.PARTITIONED]
    if config.sub_partitioned or nested:
        yield "its partitions are partitioned themselves (sub-partitioning); this package makes partitions that are plain tables"
    if is_partition:
        yield "it is a partition of another table, which pg_partman sub-partitions; take over neither of them"


def _no_interval(config: PartmanConfig) -> str:
    known = ", ".join(each.value for each in Interval)
    return f"its partition_interval is '{config.interval}', for which this package has no word; it has {known}"


def _no_zone(table: PartitionedTable, interval: Interval) -> str:
    bounded = bounded_partitions(table)
    if not bounded:
        return "it has no partition whose bounds could say how it goes on; let pg_partman make one first"
    begins = {Interval.WEEK: " (weeks begin on Mondays)", Interval.QUARTER: " (quarters begin in January, April, July and October)"}
    return (
        f"the bounds of its partitions are not those of a {interval.value}{begins.get(interval, '')} in any time zone that was tried; "
        f'the newest is "{bounded[-1].name}" {bounded[-1].bounds} in UTC; if they are midnights of another zone, say which by --timezone'
    )


def cut_of(config: PartmanConfig, table: PartitionedTable, zones: Sequence[str]) -> CutTable | None:
    """By the zone in which most partitions are one whole period, the first of equals; None if it is none at all."""
    if config.our_interval is None:
        return None
    cuts = [CutTable(table, config.our_interval, zone) for zone in zones]
    best = max(cuts, key=lambda cut: cut.periods, default=None)
    return best if best is not None and best.periods else None
