"""In which partitions the free part of a period is made, where other partitions cover the rest of it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import takewhile

from include.partitioning.bounds import Bounds
from include.partitioning.calendar import Calendar, Period
from include.partitioning.interval import Interval

_GRAINS = tuple(Interval)
"""From the finest to the coarsest."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A partition to be: the period that it is named after, and what of it the partition covers."""

    period: Period
    bounds: Bounds

    @property
    def is_whole(self) -> bool:
        """Whether it covers all of its period."""
        return self.bounds == self.period.bounds


class Cutter:
    """Cuts what no partition covers into pieces.

    Where a free part lies beside a partition of a finer grain, the policy's interval was changed: the finer grain then goes on, growing
    coarser where it can, to where the next whole period begins. Any other part of a period is one piece, clipped to what is free.
    """

    def __init__(self, calendar: Calendar, existing: Iterable[Bounds]) -> None:
        self._calendar = calendar
        self._neighbours = {moment: bounds for bounds in existing if not bounds.is_open for moment in (bounds.lower, bounds.upper)}

    def pieces(self, period: Period, free: Bounds) -> list[Piece]:
        """The pieces that make up `free`, which lies within the period and reaches to its ends or to another partition."""
        if free == period.bounds:
            return [Piece(period, free)]
        grain = self._grain_beside(free)
        return [Piece(period, free)] if grain is None else list(self._finer(grain, free))

    def _grain_beside(self, free: Bounds) -> Interval | None:
        """The grain of a neighbour that is one period of a finer interval, if such periods fill the free part."""
        beside = [self._neighbours[moment] for moment in (free.lower, free.upper) if moment in self._neighbours]
        for grain in reversed(self._finer_grains()):
            calendar = replace(self._calendar, interval=grain)
            if (
                any(calendar.is_period(bounds) for bounds in beside)
                and calendar.is_boundary(free.lower)
                and calendar.is_boundary(free.upper)
            ):
                return grain
        return None

    def _finer(self, grain: Interval, free: Bounds) -> Iterator[Piece]:
        """Whole periods, each of the coarsest grain that begins there and ends within the free part."""
        grains = [each for each in reversed(self._finer_grains()) if each is grain or _contains(each, grain)]
        moment = free.lower
        while moment < free.upper:
            beginning = (replace(self._calendar, interval=each).holding(moment) for each in grains)
            period = next(each for each in beginning if each.bounds.lower == moment and each.bounds.upper <= free.upper)
            yield Piece(period, period.bounds)
            moment = period.bounds.upper

    def _finer_grains(self) -> tuple[Interval, ...]:
        return _GRAINS[: _GRAINS.index(self._calendar.interval)]


def _contains(coarse: Interval, fine: Interval) -> bool:
    """Whether periods of `coarse` are made of whole periods of `fine`, and make up whole longer ones: weeks do not make up months."""
    return Interval.WEEK not in (coarse, fine) and _GRAINS.index(coarse) > _GRAINS.index(fine)


def periods_of(gap: Bounds, calendar: Calendar) -> Iterator[tuple[Period, Bounds]]:
    """The gap, period by period, each with its part of the gap."""
    for period in takewhile(lambda period: period.bounds.lower < gap.upper, calendar.periods_from(gap.lower)):
        yield period, Bounds(max(gap.lower, period.bounds.lower), min(gap.upper, period.bounds.upper))
