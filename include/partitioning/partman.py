"""What pg_partman says of a table that it manages, as plain values, and how its words read in ours.

The configuration of 4.x and 5.x differs in its columns: what a version does not have has the value that its absence means.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from include.partitioning.interval import Interval
from include.partitioning.names import MAX_IDENTIFIER_BYTES, TableName
from include.partitioning.span import LONGEST_YEARS, CalendarSpan

_HOUR, _DAY = 3600, 86400


@dataclass(frozen=True, slots=True)
class Length:
    """A PostgreSQL interval: months, days and seconds are kept apart there too."""

    months: int
    days: int
    seconds: float

    @property
    def interval(self) -> Interval | None:
        """The interval of ours that is as long, or None."""
        return _INTERVALS.get(self) or _INTERVALS.get(Length(self.months, self.days + int(self.seconds // _DAY), self.seconds % _DAY))

    @property
    def span(self) -> CalendarSpan | None:
        """As a retention; parts of an hour are rounded up, so that nothing goes earlier. None if it is not longer than zero, or too long."""
        parts = (self.months, self.days, self.seconds)
        if min(parts) < 0 or max(parts) <= 0:
            return None
        found = CalendarSpan(self.months, self.days, -int(-self.seconds // _HOUR))
        return found if self.months / 12 + self.days / 366 + found.hours / 8784 <= LONGEST_YEARS else None


_INTERVALS = {
    Length(0, 0, _HOUR): Interval.HOUR,
    Length(0, 1, 0): Interval.DAY,
    Length(0, 7, 0): Interval.WEEK,
    Length(1, 0, 0): Interval.MONTH,
    Length(3, 0, 0): Interval.QUARTER,
    Length(12, 0, 0): Interval.YEAR,
}


@dataclass(frozen=True, slots=True)
class Installation:
    """Where pg_partman is in a database. `version` is None where its tables were made without CREATE EXTENSION."""

    schema: str
    version: str | None

    def __str__(self) -> str:
        """For a sentence."""
        return f'pg_partman {self.version or "(no extension)"} in the schema "{self.schema}"'


@dataclass(frozen=True, slots=True)
class PartmanConfig:
    """One row of `part_config`, with what of `part_config_sub` belongs to it.

    :param length: of a partition; None if `interval` is no length of time.
    :param retention_length: None if there is no retention, or it is no length of time.
    :param name_format: how names of partitions end behind `_p`, as `to_char` reads it.
    :param others: settings that this package has no equal of, and what they are set to.
    """

    table: TableName
    control: str
    kind: str
    interval: str
    length: Length | None
    premake: int
    automatic: bool
    epoch: str
    template: TableName | None
    retention: str | None
    retention_length: Length | None
    retention_schema: str | None
    keep_table: bool
    keep_index: bool
    infinite: bool
    name_format: str | None
    sub_partitioned: bool
    undoing: bool
    others: Mapping[str, str]

    @classmethod
    def of_row(
        cls, table: TableName, row: Mapping[str, Any], *, length: Length | None, retention_length: Length | None, sub_partitioned: bool
    ) -> "PartmanConfig":
        """Read a row, as JSON has it, of whichever version."""
        return cls(
            table,
            control=row["control"],
            kind=row["partition_type"],
            interval=row["partition_interval"],
            length=length,
            premake=row["premake"],
            automatic=row["automatic_maintenance"] == "on",
            epoch=row.get("epoch") or "none",
            template=_as_written(row.get("template_table")),
            retention=row.get("retention"),
            retention_length=retention_length,
            retention_schema=row.get("retention_schema"),
            keep_table=bool(row.get("retention_keep_table", True)),
            keep_index=bool(row.get("retention_keep_index", True)),
            infinite=bool(row.get("infinite_time_partitions")),
            name_format=row.get("datetime_string"),
            sub_partitioned=sub_partitioned,
            undoing=bool(row.get("undo_in_progress")),
            others={name: str(row[name]) for name in _WITHOUT_EQUAL if row.get(name)},
        )

    @property
    def our_interval(self) -> Interval | None:
        """The interval of ours that its partitions are as long as, or None."""
        return self.length.interval if self.length else None

    @property
    def our_retention(self) -> CalendarSpan | None:
        """Its retention in ours, or None if there is none that a policy could have."""
        return self.retention_length.span if self.retention_length else None

    @property
    def key_is_encoded(self) -> bool:
        """Whether the key is text or a UUID with a time in it (5.2 and later)."""
        return "time_encoder" in self.others


_WITHOUT_EQUAL = ("constraint_cols", "publications", "subscription_refresh", "time_encoder")


def _as_written(text: str | None) -> TableName | None:
    """pg_partman writes a name as schema, dot, table, without quotes, and splits it at the dot again."""
    schema, _, name = (text or "").partition(".")
    return TableName(schema, name) if name else None


def as_partman_writes(table: TableName) -> str:
    """How `part_config.parent_table` has a table's name."""
    return f"{table.schema}.{table.name}"


def partman_name(table: str, ending: str) -> str:
    """What pg_partman calls a partition: the table's part is cut where the name would be too long, at a character."""
    suffix = f"_p{ending}"
    return table.encode()[: MAX_IDENTIFIER_BYTES - len(suffix.encode())].decode(errors="ignore") + suffix
