"""Half-open ranges of time, and how PostgreSQL writes them.

Everything here is an aware `datetime` in UTC. A key of type `timestamptz` is an instant already; the wall-clock
time of a `date` or `timestamp` key is carried as if it were UTC, so that one arithmetic serves all three.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum

from include.partitioning.errors import CatalogMismatchError

BEGINNING = datetime.min.replace(tzinfo=UTC)
"""Stands for MINVALUE, -infinity and every time before the year 1. Compared with, never written into a statement."""

END = datetime.max.replace(tzinfo=UTC)
"""Stands for MAXVALUE, infinity and every time after the year 9999. Compared with, never written into a statement."""

_BEFORE_CHRIST = re.compile(r"\d{4,}-\d\d-\d\d( [\d:.+-]+)? BC")
_AFTER_9999 = re.compile(r"\d{5,}-\d\d-\d\d( [\d:.+-]+)?")
_VALUES = re.compile(r"FOR VALUES FROM \((?P<lower>.+)\) TO \((?P<upper>.+)\)", re.DOTALL)


class KeyType(StrEnum):
    """Types that a partition key may have here."""

    DATE = "date"
    TIMESTAMP = "timestamp without time zone"
    TIMESTAMPTZ = "timestamp with time zone"

    def literal(self, moment: datetime) -> str:
        """`moment` as ISO text that PostgreSQL reads alike under any TimeZone and DateStyle.

        :raises ValueError: `moment` is BEGINNING or END, or not a midnight where the key is a date.
        """
        if moment in (BEGINNING, END):
            raise ValueError("an open bound has no literal")
        if self is KeyType.DATE:
            if moment.timetz() != time(tzinfo=UTC):
                raise ValueError(f"{moment} is not a midnight, and the key is a date")
            return moment.date().isoformat()
        text = moment.replace(tzinfo=None).isoformat(sep=" ")
        return f"{text}+00" if self is KeyType.TIMESTAMPTZ else text


@dataclass(frozen=True, slots=True, order=True)
class Bounds:
    """The range `[lower, upper)`: lower inclusive, upper exclusive, as PostgreSQL's range partitions."""

    lower: datetime
    upper: datetime

    def __post_init__(self) -> None:
        if self.lower >= self.upper:
            raise ValueError(f"an empty range: [{self.lower}, {self.upper})")

    @property
    def is_open(self) -> bool:
        """Whether it has no beginning or no end."""
        return self.lower == BEGINNING or self.upper == END

    def holds(self, moment: datetime) -> bool:
        """Whether `moment` lies in the range."""
        return self.lower <= moment < self.upper

    def overlaps(self, other: "Bounds") -> bool:
        """Whether the two ranges share an instant."""
        return self.lower < other.upper and other.lower < self.upper

    def minus(self, others: Iterable["Bounds"]) -> list["Bounds"]:
        """What of this range none of `others` covers: zero or more ranges, in order, each as long as it can be."""
        free = []
        start = self.lower
        for other in sorted(others):
            if other.upper <= start or other.lower >= self.upper:
                continue
            if other.lower > start:
                free.append(Bounds(start, other.lower))
            start = max(start, other.upper)
        if start < self.upper:
            free.append(Bounds(start, self.upper))
        return free

    def __str__(self) -> str:
        """The range for a log line: midnights as dates, everything else with its time, in UTC."""
        return f"[{_short(self.lower)}, {_short(self.upper)})"


def parse_bounds(expression: str) -> Bounds:
    """Read `pg_get_expr(relpartbound)` as a session with TimeZone UTC and DateStyle ISO prints it.

    :raises CatalogMismatchError: not the bound of a range partition with one key column.
    """
    match = _VALUES.fullmatch(expression)
    if match is None:
        raise CatalogMismatchError(f'"{expression}" is not the bound of a range partition')
    lower, upper = parse_moment(match["lower"]), parse_moment(match["upper"])
    if lower == upper == BEGINNING:  # all of it before the year 1
        return Bounds(BEGINNING, BEGINNING + timedelta.resolution)
    if lower == upper == END:
        return Bounds(END - timedelta.resolution, END)
    return Bounds(lower, upper)


def parse_moment(value: str) -> datetime:
    """A key or an edge of a bound as the server prints it in our sessions; BEGINNING and END where it lies outside of the years 1 to 9999.

    :raises CatalogMismatchError: not a date or time.
    """
    text = value.strip("'")
    if text in ("MINVALUE", "-infinity") or _BEFORE_CHRIST.fullmatch(text):
        return BEGINNING
    if text in ("MAXVALUE", "infinity") or _AFTER_9999.fullmatch(text):
        return END
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise CatalogMismatchError(f'"{value}" is not a date or time; the partition key must be date, timestamp or timestamptz') from error
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _short(moment: datetime) -> str:
    if moment == BEGINNING:
        return "beginning"
    if moment == END:
        return "end"
    if moment.timetz() == time(tzinfo=UTC):
        return moment.date().isoformat()
    return moment.replace(tzinfo=None).isoformat(sep=" ")
