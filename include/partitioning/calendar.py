"""Periods of one interval in one time zone: where each begins, and which one holds an instant."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pendulum

from include.partitioning.bounds import Bounds, KeyType
from include.partitioning.interval import Interval


@dataclass(frozen=True, slots=True)
class Period:
    """One desired partition: its interval, its label (naive wall-clock beginning) and its bounds on the key's axis."""

    interval: Interval
    label: datetime
    bounds: Bounds

    @property
    def suffix(self) -> str:
        """What the name of its partition ends in."""
        return self.interval.suffix(self.label)


@dataclass(frozen=True, slots=True)
class Calendar:
    """Cuts time into the periods of `interval`, at the wall-clock times of `timezone`.

    A wall-clock time that does not exist is read with the offset before the jump, one that occurs twice as its
    second occurrence: PostgreSQL reads them so too, which makes a bound equal to what `created_at >= '2024-11-03'`
    means in a session of that zone (an integration test compares the two). A period that is thereby empty, such as
    30 December 2011 in Samoa, is left out; every instant belongs to exactly one period.
    """

    interval: Interval
    timezone: str

    @classmethod
    def of_key(cls, interval: Interval, key_type: KeyType, timezone: str) -> "Calendar":
        """The calendar for a key: a `date` or `timestamp` has no zone, so its midnights are its own."""
        return cls(interval, timezone if key_type is KeyType.TIMESTAMPTZ else "UTC")

    def holding(self, moment: datetime) -> Period:
        """The period that holds `moment`, an aware instant on the key's axis."""
        wall = pendulum.instance(moment).in_timezone(self.timezone).naive()
        label = self.interval.label_of(wall)
        while self._beginning(label) > moment:
            label = self.interval.following(label, -1)
        while self._beginning(self.interval.following(label)) <= moment:
            label = self.interval.following(label)
        return self._period(label)

    def periods_from(self, moment: datetime) -> Iterator[Period]:
        """The period that holds `moment`, and all that follow, without end."""
        period = self.holding(moment)
        while True:
            yield period
            period = self.after(period)

    def after(self, period: Period) -> Period:
        """The next period that is not empty."""
        return self.holding(period.bounds.upper)

    def is_boundary(self, moment: datetime) -> bool:
        """Whether some period begins exactly at `moment`."""
        return self.holding(moment).bounds.lower == moment

    def is_period(self, bounds: Bounds) -> bool:
        """Whether the range is one whole period."""
        return self.holding(bounds.lower).bounds == bounds

    def aligns(self, bounds: Bounds) -> bool:
        """Whether the range begins and ends where periods do, or is one whole period of another interval: the interval was that once."""
        if self.is_boundary(bounds.lower) and self.is_boundary(bounds.upper):
            return True
        return any(replace(self, interval=each).is_period(bounds) for each in Interval)

    def _period(self, label: datetime) -> Period:
        return Period(self.interval, label, Bounds(self._beginning(label), self._beginning(self.interval.following(label))))

    def _beginning(self, label: datetime) -> datetime:
        return instant_of(label, self.timezone)


def instant_of(wall: datetime, timezone: str) -> datetime:
    """The instant, in UTC, that PostgreSQL takes a wall-clock time of `timezone` for, also where it is skipped or repeated."""
    local = pendulum.datetime(wall.year, wall.month, wall.day, wall.hour, wall.minute, wall.second, wall.microsecond, tz=timezone)
    plain = datetime(local.year, local.month, local.day, local.hour, local.minute, local.second, local.microsecond, UTC)
    return plain - (local.utcoffset() or timedelta())


def on_key_axis(moment: datetime, key_type: KeyType, timezone: str) -> datetime:
    """Where an aware instant falls on the key's axis: itself for `timestamptz`, else the wall-clock time in `timezone`."""
    if key_type is KeyType.TIMESTAMPTZ:
        return moment.astimezone(UTC)
    local = pendulum.instance(moment).in_timezone(timezone).naive()
    return datetime(local.year, local.month, local.day, local.hour, local.minute, local.second, local.microsecond, UTC)
