"""The policy that goes on as pg_partman did, as a file for a person to read and complete.

pg_partman drops without an archive. The policy must not: a retention becomes `on_expiry: detach`, until a person says where archives go.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import yaml

from include.partitioning.cut_table import CutTable
from include.partitioning.interval import Interval
from include.partitioning.partition import PartitionedTable
from include.partitioning.partman import Installation, PartmanConfig

MOST_PREMADE = 1000
"""That a policy may keep ready."""

_USUAL_CREATES = 120
"""What a policy allows for one run if it does not say."""

_SCHEDULES = {Interval.HOUR: "@hourly", Interval.DAY: "@daily", Interval.WEEK: "@daily"}
"""How often a run is needed, so that what is kept ready lasts; monthly for longer intervals."""

_WIDTH = 35
"""Columns before a comment."""

_ARCHIVE = """\
    # archive:                        # where partitions are archived, and the archive is proved, before they are detached
    #   path: s3://bucket/prefix      # with it `on_expiry: detach` may go: they are dropped then, but not those that were detached before
    #   conn_id: aws_default
"""


@dataclass(frozen=True, slots=True)
class Setting:
    """One key of the policy, and where it comes from or what it does, for a comment."""

    key: str
    value: str | int
    why: str


def settings(config: PartmanConfig, cut: CutTable) -> list[Setting]:
    """The policy's keys, in the order in which they are written."""
    premake = min(config.premake, MOST_PREMADE)
    return [
        Setting("table", str(cut.table.name), "parent_table"),
        Setting("partition_key", cut.table.key, f"control: {config.control}"),
        Setting("interval", cut.interval.value, f"partition_interval: {config.interval}"),
        Setting("timezone", cut.zone, "the zone whose midnights bound the partitions"),
        Setting("premake", premake, f"premake: {config.premake}"),
        *(
            [Setting("max_creates_per_run", premake + 1, "more than the usual 120, because premake is that high")]
            if premake >= _USUAL_CREATES
            else []
        ),
        *_retention_settings(config),
        *_default_setting(cut.table),
        Setting("schedule", _SCHEDULES.get(cut.interval, "@monthly"), "how often the DAG runs"),
    ]


def _retention_settings(config: PartmanConfig) -> Iterator[Setting]:
    if config.our_retention is None:
        return
    yield Setting("retention", str(config.our_retention), f"retention: {config.retention}")
    if config.keep_table or config.retention_schema is not None:
        why = "retention_keep_table: true" if config.retention_schema is None else f"retention_schema: {config.retention_schema}"
        yield Setting("on_expiry", "detach", f"{why}; a detached partition stays as a table, and nothing is ever dropped")
    else:
        yield Setting(
            "on_expiry", "detach", "retention_keep_table: false drops without an archive; remove this line when `archive` is filled in"
        )


def _default_setting(table: PartitionedTable) -> Iterator[Setting]:
    if table.default is not None:
        yield Setting(
            "default_partition", "report", f'"{table.default.name}"; drain moves rows that belong elsewhere, while the table is in use'
        )


def policy_file(config: PartmanConfig, installation: Installation, found: Sequence[Setting]) -> str:
    """A policy file with this one policy, a comment on every line."""
    head = (
        f"# yaml-language-server: $schema=policy.schema.json\n# {_one_line(f'{config.table}, taken over from {installation}')}\npolicies:\n"
    )
    lines = (_line(each, "  - " if index == 0 else "    ") for index, each in enumerate(found))
    return head + "".join(lines)


def _line(setting: Setting, indent: str) -> str:
    value = yaml.safe_dump(setting.value, allow_unicode=True, width=10_000).removesuffix("...\n").strip()
    line = f"{f'{indent}{setting.key}: {value}':<{_WIDTH}} # {_one_line(setting.why)}\n"
    return line + _ARCHIVE if setting.key == "on_expiry" else line


def _one_line(text: str) -> str:
    return " ".join(text.split())
