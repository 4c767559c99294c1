"""How long and how often a step waits for a lock."""

import random
from dataclasses import dataclass
from datetime import timedelta

FIRST_PAUSE, LONGEST_PAUSE = 0.05, 2.0
"""Seconds between attempts for a lock: doubled from the first to the longest, times a jitter of 0.5 to 1.5."""


@dataclass(frozen=True, slots=True)
class LockBudget:
    """How long and how often a step may wait; see the policy keys of the same names."""

    lock_timeout: timedelta
    lock_attempts: int
    wait_timeout: timedelta


def pause_after(attempt: int) -> float:
    """Seconds before the next attempt, counted from 1."""
    longest: float = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(attempt - 1, 10))
    return longest * random.uniform(0.5, 1.5)  # noqa: S311 - jitter, not a secret
