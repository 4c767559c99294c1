"""Whether a table can be given back to pg_partman, and what it will do with it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from include.partitioning.cut_table import CutTable
from include.partitioning.names import TableName
from include.partitioning.partman import PartmanConfig


@dataclass(frozen=True, slots=True)
class Rename:
    """A partition whose name pg_partman would not have given it. `taken_by`: what has the right name already."""

    partition: TableName
    name: str
    taken_by: str | None = None


def obstacles_to_giving_back(config: PartmanConfig, cut: CutTable, changes: Sequence[Rename], *, template_missing: bool) -> list[str]:
    """Why pg_partman could not go on with the table as it is, a sentence each.

    :param template_missing: whether the template table that it names is gone.
    """
    return [
        *_taken_names(changes),
        *([_no_template(config)] if template_missing else []),
        *([] if cut.is_period(cut.bounded[-1]) else [_other_grain(config, cut)]),
    ]


def _taken_names(changes: Sequence[Rename]) -> Iterator[str]:
    for each in changes:
        if each.taken_by is not None:
            yield f'"{each.partition}" should be called "{each.name}", but that is {each.taken_by}; rename one of them'


def _no_template(config: PartmanConfig) -> str:
    return f'the template table "{config.template}" is gone, and pg_partman makes no partition without it; make it again, LIKE the table'


def _other_grain(config: PartmanConfig, cut: CutTable) -> str:
    newest = cut.bounded[-1]
    return (
        f'"{newest.name}" {newest.bounds} is not one {cut.interval.value}: pg_partman makes the next partition {config.interval} after the beginning '
        "of the newest, and would fail; make partitions of its interval first, by a policy with that"
    )


def remarks_on_giving_back(config: PartmanConfig, cut: CutTable) -> list[str]:
    """What will be otherwise than with this package, a sentence each."""
    found = ["tables that this package has detached stay as they are; pg_partman knows nothing of them"]
    if config.retention is not None:
        lost = not config.keep_table and config.retention_schema is None
        fate = "drops it, without an archive" if lost else "detaches it"
        found.append(f"its retention, {config.retention}, acts again: the next run_maintenance takes what is past it and {fate}")
    if config.template is not None:
        found.append(f'new partitions have of the template table "{config.template}" what it has now')
    if cut.table.default is None:
        found.append("there is no DEFAULT partition")
    return found
