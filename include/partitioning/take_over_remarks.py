"""What will be otherwise with this package than with pg_partman: what a person should know before a table is taken over."""

from collections.abc import Iterator, Sequence

from include.partitioning.cut_table import Around, CutTable
from include.partitioning.names import TableName, fitted
from include.partitioning.partman import PartmanConfig
from include.partitioning.take_over_policy import MOST_PREMADE

_SHOWN = 3


def remarks(config: PartmanConfig, cut: CutTable, around: Around) -> list[str]:
    """A sentence each."""
    return [
        *_of_partitions(cut),
        *_of_making(config),
        *_of_surroundings(around),
        *_of_retention(config),
        *_of_others(config),
    ]


def _of_partitions(cut: CutTable) -> Iterator[str]:
    odd = [each for each in cut.bounded if each.bounds is not None and not cut.calendar.aligns(each.bounds)]
    if odd:
        names = ", ".join(f'"{each.name}" {each.bounds}' for each in odd[:_SHOWN])
        more = f" and {len(odd) - _SHOWN} more" if odd[_SHOWN:] else ""
        yield f"{len(odd)} partitions never expire, because their bounds are those of no interval in {cut.zone}: {names}{more}"
    name = fitted(cut.table.name.name, f"_{cut.calendar.holding(cut.end).suffix}")
    yield f'the next partition is called "{name}"; those that are there keep their names, by which nothing is decided'


def _of_making(config: PartmanConfig) -> Iterator[str]:
    if not config.infinite:
        yield "pg_partman makes partitions as rows come in; this package keeps premake of them ready after today's, rows or no rows"
    if config.premake > MOST_PREMADE:
        yield f"premake is {config.premake}; a policy keeps at most {MOST_PREMADE} ready"
    if config.template is not None:
        yield f'the template table "{config.template}" is not read: a new partition has what the newest one has, of indexes and keys too'


def _of_surroundings(around: Around) -> Iterator[str]:
    if around.template_ahead:
        yield (
            f"the template table has what the newest partition has not, so new ones will lack it: {', '.join(around.template_ahead)}; "
            "add it to the newest partition if they are to have it"
        )
    if around.default_has_rows:
        yield "the DEFAULT partition has rows of a time for which no partition can be made before they are moved: `default_partition: drain`"
    if around.default_has_rows is None:
        yield "whether the DEFAULT partition has rows that belong elsewhere could not be told; the plan counts them"
    if around.kept:
        yield f"beside it: {_counted(around.kept, 'former partition')}; no policy reaches them: attach what is to be archived, drop what is not"
    if around.of_others:
        names = [name for name, _ in around.of_others]
        yield f"{_counted(names, 'partition')} of others than the owner of the table, as whom partitions are detached and dropped"


def _counted(names: Sequence[TableName], what: str) -> str:
    shown = ", ".join(f'"{name}"' for name in names[:_SHOWN])
    return f"{len(names)} {what}{'' if len(names) == 1 else 's'} ({shown}{', …' if names[_SHOWN:] else ''})"


def _of_retention(config: PartmanConfig) -> Iterator[str]:
    if config.retention is None:
        return
    if config.our_retention is None:
        yield f"the retention '{config.retention}' cannot be taken over, it is no length of time from 1 hour to 1,000 years; everything is kept"
        return
    if config.retention_schema is not None:
        yield f'pg_partman moves expired partitions to the schema "{config.retention_schema}"; this package detaches them where they are'
    elif not config.keep_table:
        yield "pg_partman drops expired partitions without an archive; the policy only detaches them until it says where archives go"
    if not config.keep_index:
        yield "pg_partman drops the indexes of partitions that it detaches; this package leaves them as they are"


def _of_others(config: PartmanConfig) -> Iterator[str]:
    said = {
        "constraint_cols": "pg_partman adds CHECK constraints on these columns to old partitions; this package does not",
        "publications": "pg_partman adds each new partition to these publications; this package does not: publish the table itself",
        "subscription_refresh": "pg_partman refreshes this subscription after a new partition; this package does not",
    }
    yield from (f"{name} is {config.others[name]}: {sentence}" for name, sentence in said.items() if name in config.others)
