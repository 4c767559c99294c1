"""Holds: ranges of a table that a person keeps from expiring, for a lawsuit or an investigation, whatever partitions they are cut into."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from include.partitioning.bounds import Bounds


@dataclass(frozen=True, slots=True)
class Hold:
    """One hold that is in force.

    :param bounds: of the key, on its axis; whatever reaches into them is held, whole.
    :param until: exclusive; None: until it is lifted.
    :param by: who set it, as they said or as the database knows them.
    """

    number: int
    bounds: Bounds
    reason: str
    until: datetime | None
    by: str

    def __str__(self) -> str:
        """Until when, why, by whom, and its number, by which it is lifted."""
        until = f"until {self.until:%Y-%m-%d %H:%M} UTC" if self.until else "until the hold is lifted"
        return f"{until}: {self.reason} (hold {self.number}, by {self.by})"


def why_held(holds: Iterable[Hold], bounds: Bounds | None) -> str | None:
    """All holds that a range reaches into, or None; DEFAULT (None) has no range and never expires."""
    found = [str(hold) for hold in holds if bounds is not None and hold.bounds.overlaps(bounds)]
    return "; and ".join(found) or None
