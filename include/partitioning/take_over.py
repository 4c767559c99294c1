"""Whether a table can be taken over from pg_partman: what stands in the way, and what a person should know beforehand.

What pg_partman says is compared with the catalog's bounds, which decide.
"""

from collections.abc import Iterator, Sequence

from include.partitioning.calendar import Calendar
from include.partitioning.interval import Interval
from include.partitioning.names import fitted
from include.partitioning.partition import Kind, Partition, PartitionedTable
from include.partitioning.partman import PartmanConfig, Rename
from include.partitioning.take_over_policy import MOST_PREMADE

_NATIVE = ("native", "range")
"""What 4.x and 5.x call a table that PostgreSQL partitions by range."""

_SHOWN = 3


def obstacles(config: PartmanConfig, table: PartitionedTable, zone: str | None, *, is_partition: bool) -> list[str]:
    """Why it cannot be taken over as it is, a sentence each.

    :param zone: of `timezone_of`.
    :param is_partition: whether the table is a partition itself.
    """
    return [
        *obstacles_of_kind(config),
        *_obstacles_of_nesting(config, table, is_partition=is_partition),
        *([_no_interval(config)] if config.length is None or config.length.interval is None else []),
        *([_no_zone(config, table)] if config.length is not None and config.length.interval is not None and zone is None else []),
    ]


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


def _no_zone(config: PartmanConfig, table: PartitionedTable) -> str:
    newest = _ordinary(table)[-1:]
    if not newest:
        return "it has no partition whose bounds could say how it goes on; let pg_partman make one first"
    assert config.length is not None and config.length.interval is not None  # noqa: S101, PT018 - the caller has looked; for the type checker
    begins = {Interval.WEEK: " (weeks begin on Mondays)", Interval.QUARTER: " (quarters begin in January, April, July and October)"}
    return (
        f"the bounds of its partitions are not those of a {config.length.interval.value}{begins.get(config.length.interval, '')} in any time zone "
        f'that was tried; the newest is "{newest[0].name}" {newest[0].bounds} in UTC; if they are midnights of another zone, say which by --timezone'
    )


def timezone_of(config: PartmanConfig, table: PartitionedTable, zones: Sequence[str]) -> str | None:
    """Of these zones the one in which most partitions are one whole period, the first of equals; None if it is none at all."""
    interval = config.length.interval if config.length else None
    if interval is None:
        return None
    counts = {zone: len(_ordinary(table)) - len(misaligned(table, interval, zone)) for zone in zones}
    best = max(zones, key=lambda zone: counts[zone], default=None)
    return best if best is not None and counts[best] else None


def misaligned(table: PartitionedTable, interval: Interval, zone: str) -> list[Partition]:
    """Partitions that are not one whole period, DEFAULT and open ranges left out."""
    calendar = Calendar.of_key(interval, table.key_type, zone)
    return [each for each in _ordinary(table) if each.bounds is not None and not calendar.is_period(each.bounds)]


def _ordinary(table: PartitionedTable) -> list[Partition]:
    return [each for each in table.partitions if each.bounds is not None and not each.bounds.is_open]


def remarks(config: PartmanConfig, table: PartitionedTable, interval: Interval, zone: str, template_ahead: Sequence[str] = ()) -> list[str]:
    """What will be otherwise than with pg_partman, a sentence each.

    :param template_ahead: what the template table has, and the newest partition has not.
    """
    return [
        *_remarks_of_partitions(table, interval, zone),
        *_remarks_of_making(config, template_ahead),
        *_remarks_of_retention(config),
        *_remarks_of_others(config),
    ]


def _remarks_of_partitions(table: PartitionedTable, interval: Interval, zone: str) -> Iterator[str]:
    odd = misaligned(table, interval, zone)
    if odd:
        names = ", ".join(f'"{each.name}" {each.bounds}' for each in odd[:_SHOWN]) + (
            f" and {len(odd) - _SHOWN} more" if odd[_SHOWN:] else ""
        )
        yield f"{len(odd)} partitions are not one {interval.value} in {zone}: {names}; they stay, and what is no whole period never expires"
    newest = _ordinary(table)[-1].bounds
    if newest is not None:
        suffix = Calendar.of_key(interval, table.key_type, zone).holding(newest.upper).suffix
        name = fitted(table.name.name, f"_{suffix}")
        yield f'the next partition is called "{name}"; those that are there keep their names, by which nothing is decided'


def _remarks_of_making(config: PartmanConfig, template_ahead: Sequence[str]) -> Iterator[str]:
    if not config.infinite:
        yield "pg_partman makes partitions as rows come in; this package keeps premake of them ready after today's, rows or no rows"
    if config.premake > MOST_PREMADE:
        yield f"premake is {config.premake}; a policy keeps at most {MOST_PREMADE} ready"
    if config.template is not None:
        yield f'the template table "{config.template}" is not read: a new partition has what the newest one has, of indexes and keys too'
    if template_ahead:
        yield (
            f"the template table has what the newest partition has not, so new ones will lack it: {', '.join(template_ahead)}; "
            "add it to the newest partition if they are to have it"
        )


def _remarks_of_retention(config: PartmanConfig) -> Iterator[str]:
    if config.retention is None:
        return
    if config.retention_length is None or config.retention_length.span is None:
        yield f"the retention '{config.retention}' cannot be taken over, it is no length of time from 1 hour to 1,000 years; everything is kept"
        return
    if config.retention_schema is not None:
        yield f'pg_partman moves expired partitions to the schema "{config.retention_schema}"; this package detaches them where they are'
    elif not config.keep_table:
        yield "pg_partman drops expired partitions without an archive; the policy only detaches them until it says where archives go"
    if not config.keep_index:
        yield "pg_partman drops the indexes of partitions that it detaches; this package leaves them as they are"


def _remarks_of_others(config: PartmanConfig) -> Iterator[str]:
    said = {
        "constraint_cols": "pg_partman adds CHECK constraints on these columns to old partitions; this package does not",
        "publications": "pg_partman adds each new partition to these publications; this package does not: publish the table itself",
        "subscription_refresh": "pg_partman refreshes this subscription after a new partition; this package does not",
    }
    yield from (f"{name} is {config.others[name]}: {sentence}" for name, sentence in said.items() if name in config.others)


def obstacles_to_giving_back(
    config: PartmanConfig, table: PartitionedTable, interval: Interval, zone: str, changes: Sequence[Rename], *, template_missing: bool
) -> list[str]:
    """Why pg_partman could not go on with the table as it is, a sentence each.

    :param template_missing: whether the template table that it names is gone.
    """
    newest = _ordinary(table)[-1]
    assert newest.bounds is not None  # noqa: S101 - DEFAULT is no ordinary one; this is for the type checker
    found = [
        f'"{each.partition}" should be called "{each.name}", but that is {each.taken_by}; rename one of them'
        for each in changes
        if each.taken_by
    ]
    if template_missing:
        found.append(
            f'the template table "{config.template}" is gone, and pg_partman makes no partition without it; make it again, LIKE the table'
        )
    if not Calendar.of_key(interval, table.key_type, zone).is_period(newest.bounds):
        found.append(
            f'"{newest.name}" {newest.bounds} is not one {interval.value}: pg_partman makes the next partition {config.interval} after the beginning '
            "of the newest, and would fail; make partitions of its interval first, by a policy with that"
        )
    return found


def remarks_on_giving_back(config: PartmanConfig, table: PartitionedTable) -> list[str]:
    """What will be otherwise than with this package, a sentence each."""
    found = ["tables that this package has detached stay as they are; pg_partman knows nothing of them, and nothing drops them"]
    if config.retention is not None and not config.keep_table and config.retention_schema is None:
        found.append(
            f"its retention ({config.retention}) acts again: what is past it is dropped by the next run_maintenance, without an archive"
        )
    if table.default is None:
        found.append("there is no DEFAULT partition")
    return found
