"""The grains a table can be cut into, and their wall-clock arithmetic.

A *label* is the naive wall-clock time at which a period begins, such as 2025-10-01 00:00 for October 2025.
Zones come in one level up, in `calendar.py`.
"""

from datetime import datetime
from enum import StrEnum

import pendulum


class Interval(StrEnum):
    """Length of one partition."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"

    def label_of(self, wall: datetime) -> datetime:
        """The label of the period that holds the naive wall-clock time `wall`. Weeks are ISO weeks: they begin on Monday."""
        moment = pendulum.instance(wall, tz=None).naive()
        start = moment.first_of("quarter") if self is Interval.QUARTER else moment.start_of(self.value)
        return _plain(start)

    def following(self, label: datetime, count: int = 1) -> datetime:
        """The label `count` periods later (earlier when negative)."""
        unit, size = _STEP[self]
        return _plain(pendulum.instance(label, tz=None).naive().add(**{unit: size * count}))

    def suffix(self, label: datetime) -> str:
        """What a partition's name ends in, without the underscore: p202510, p2025q4, p2025, p2025w41, p20251014, p2025101405."""
        if self is Interval.QUARTER:
            return f"p{label.year:04}q{(label.month + 2) // 3}"
        if self is Interval.WEEK:
            year, week, _ = label.isocalendar()
            return f"p{year:04}w{week:02}"
        return f"p{label.year:04}" + label.strftime(_SUFFIX[self])


_STEP = {
    Interval.HOUR: ("hours", 1),
    Interval.DAY: ("days", 1),
    Interval.WEEK: ("weeks", 1),
    Interval.MONTH: ("months", 1),
    Interval.QUARTER: ("months", 3),
    Interval.YEAR: ("years", 1),
}
_SUFFIX = {Interval.HOUR: "%m%d%H", Interval.DAY: "%m%d", Interval.MONTH: "%m", Interval.YEAR: ""}


def _plain(moment: datetime) -> datetime:
    return datetime(moment.year, moment.month, moment.day, moment.hour)  # noqa: DTZ001 - a label is wall-clock time by definition
