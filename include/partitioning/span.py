"""Lengths of time as people write them: `24 months`, `7 days`, `100 ms`."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

import pendulum

_TERM = re.compile(r"\s*([+-]?\d+)\s*([a-z]+)\s*,?", re.IGNORECASE)

LONGEST_YEARS = 1000

_CALENDAR = {
    "hour": (0, 0, 1),
    "day": (0, 1, 0),
    "week": (0, 7, 0),
    "month": (1, 0, 0),
    "quarter": (3, 0, 0),
    "year": (12, 0, 0),
}
_SHORT = {"ms": 0.001, "millisecond": 0.001, "s": 1, "sec": 1, "second": 1, "min": 60, "minute": 60, "h": 3600, "hour": 3600, "day": 86400}


@dataclass(frozen=True, slots=True)
class CalendarSpan:
    """Months, days and hours, kept apart because their lengths differ: a month is not 30 days, a day not always 24 hours."""

    months: int = 0
    days: int = 0
    hours: int = 0

    @classmethod
    def parse(cls, text: str) -> "CalendarSpan":
        """Read one or more terms such as `24 months` or `1 year 6 months`.

        :raises ValueError: no term, an unknown unit, a negative or zero term, signs that differ, more than 1000 years.
        """
        months = days = hours = 0
        for count, unit in _terms(text, _CALENDAR):
            per_month, per_day, per_hour = _CALENDAR[unit]
            months, days, hours = months + count * per_month, days + count * per_day, hours + count * per_hour
        if months / 12 + days / 366 + hours / 8784 > LONGEST_YEARS:
            raise ValueError(f'"{text}" is longer than {LONGEST_YEARS} years')
        return cls(months, days, hours)

    def before(self, moment: datetime, timezone: str) -> datetime:
        """The instant this long before `moment`, by the calendar of `timezone`; the last day of a shorter month where needed."""
        local = pendulum.instance(moment).in_timezone(timezone)
        return local.subtract(months=self.months, days=self.days, hours=self.hours).in_timezone("UTC")

    def after(self, moment: datetime, timezone: str) -> datetime:
        """The instant this long after `moment`, by the calendar of `timezone`."""
        local = pendulum.instance(moment).in_timezone(timezone)
        return local.add(months=self.months, days=self.days, hours=self.hours).in_timezone("UTC")

    def __str__(self) -> str:
        """The span as `parse` reads it."""
        parts = ((self.months, "month"), (self.days, "day"), (self.hours, "hour"))
        return " ".join(f"{count} {unit}{'' if count == 1 else 's'}" for count, unit in parts if count)


def parse_duration(text: str) -> timedelta:
    """Read a short length of time such as `100 ms`, `30 min` or `1 h 30 min`.

    :raises ValueError: as for `CalendarSpan.parse`.
    """
    return timedelta(seconds=sum(count * _SHORT[unit] for count, unit in _terms(text, _SHORT)))


def format_duration(duration: timedelta) -> str:
    """The duration in the largest unit that holds it without a fraction, as `parse_duration` reads it."""
    milliseconds = round(duration.total_seconds() * 1000)
    for size, unit in ((3_600_000, "h"), (60_000, "min"), (1000, "s")):
        if milliseconds >= size and milliseconds % size == 0:
            return f"{milliseconds // size} {unit}"
    return f"{milliseconds} ms"


def about(seconds: float) -> str:
    """A length of time that is only estimated: `40 s`, `12 min`, `3 h`, `2 days`."""
    for size, unit in ((172_800, "days"), (7200, "h"), (120, "min")):
        if seconds >= size:
            return f"{seconds / {'days': 86400, 'h': 3600, 'min': 60}[unit]:.0f} {unit}"
    return f"{seconds:.0f} s"


def _terms(text: str, units: dict[str, tuple[int, int, int]] | dict[str, float]) -> list[tuple[int, str]]:
    terms = []
    position = 0
    stripped = text.strip()
    while position < len(stripped):
        match = _TERM.match(stripped, position)
        if match is None:
            raise ValueError(f'"{text}" is not a length of time')
        unit = match[2].lower()
        unit = unit if unit in units else unit.removesuffix("s")
        if unit not in units:
            raise ValueError(f'"{match[2]}" is not a unit of time here; use one of {", ".join(units)}')
        terms.append((int(match[1]), unit))
        position = match.end()
    _check_signs(terms, text)
    return terms


def _check_signs(terms: list[tuple[int, str]], text: str) -> None:
    if not terms:
        raise ValueError("an empty length of time")
    positive = [count > 0 for count, _ in terms]
    if any(positive) and not all(positive):
        raise ValueError(f'"{text}" mixes positive terms with negative or zero ones')
    if not all(positive):
        raise ValueError(f'"{text}" is not longer than zero')
