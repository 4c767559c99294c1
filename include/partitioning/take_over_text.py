"""What the command says about a table of pg_partman's, for a person who decides by it."""

from collections.abc import Iterable, Sequence

from include.partitioning.names import TableName
from include.partitioning.partition import PartitionedTable
from include.partitioning.partman import Installation, PartmanConfig
from include.partitioning.plan import Plan

_SHOWN = 3


def described(installation: Installation, config: PartmanConfig, table: PartitionedTable | None) -> str:
    """What was found: what pg_partman says, and what the catalog says."""
    maintenance = "on" if config.automatic else "off"
    lines = [
        f"partition_type {config.kind}, control {config.control}, partition_interval {config.interval}, premake {config.premake}",
        f"automatic_maintenance {maintenance}, infinite_time_partitions {_yes(config.infinite)}, epoch {config.epoch}",
        _retention(config),
        f"template_table {config.template or 'none'}, names end in _p{config.name_format or '?'}",
        *(f"{name} {value}" for name, value in config.others.items()),
    ]
    return heading(f'{installation} manages "{config.table}"', lines) + (heading("the catalog", _catalog(table)) if table else "")


def _retention(config: PartmanConfig) -> str:
    if config.retention is None:
        return "no retention"
    moved = f", retention_schema {config.retention_schema}" if config.retention_schema else ""
    return f"retention {config.retention}, retention_keep_table {_yes(config.keep_table)}, retention_keep_index {_yes(config.keep_index)}{moved}"


def _yes(value: bool) -> str:
    return "true" if value else "false"


def _catalog(table: PartitionedTable) -> list[str]:
    bounded = [each for each in table.partitions if each.bounds is not None]
    ends = [f'"{each.name}" {each.bounds}' for each in (*bounded[:1], *bounded[1:][-1:])]
    lines = [
        f"key {table.key}, {table.key_type.value}; owner {table.owner}",
        f"{len(bounded)} partitions" + (f": {' to '.join(ends)}" if ends else ""),
    ]
    if table.default is not None:
        rows = "a number of rows that is not known" if table.default.rows is None else f"about {table.default.rows:,} rows"
        lines.append(f'the DEFAULT partition "{table.default.name}" with {rows}')
    return lines


def first_run_lines(plan: Plan, on_expiry: str) -> list[str]:
    """What a run of the new policy would do now."""
    creates = _names(each.name for each in plan.creates)
    expires = _names(each.name for each in plan.expires)
    blocked = [f'"{each.name}" cannot be created: the name is taken by {each.blocked_by}' for each in plan.creates if each.blocked_by]
    return [
        f"creates {creates}" if creates else "creates nothing: what premake asks for is there",
        *blocked,
        f"takes out of the table, as past retention ({on_expiry}): {expires}" if expires else "takes nothing out of the table",
        *plan.findings,
        *([plan.too_many_creates] if plan.too_many_creates else []),
    ]


def _names(found: Iterable[TableName]) -> str:
    names = [f'"{each}"' for each in found]
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if names[_SHOWN:] else "")


def heading(text: str, lines: Sequence[str]) -> str:
    """A paragraph: a heading, and a line for each sentence; nothing where there is none."""
    return f"{text}\n" + "".join(f"  {line}\n" for line in lines) if lines else ""


def steps(text: str, found: Sequence[tuple[str, Sequence[str]]]) -> str:
    """A numbered list, each step with the statements or commands that belong to it."""
    lines = []
    for number, (step, commands) in enumerate(found, start=1):
        lines += [f"{number}. {step}", *(f"   {command}" for command in commands)]
    return heading(text, lines)
