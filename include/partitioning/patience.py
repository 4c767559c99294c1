"""How often a failed step is worth another try, and how soon, by the kind of its error. The one place that says so."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from include.partitioning.errors import (
    CatalogChangedError,
    LockNotAvailableError,
    PermanentError,
    ServerUnavailableError,
    StorageUnavailableError,
    WaitTooLongError,
)


@dataclass(frozen=True, slots=True)
class Patience:
    """Retries after the first try, and the pauses before them, which double from `first` to `longest`."""

    retries: int
    first: timedelta
    longest: timedelta

    def pause(self, retry: int) -> timedelta:
        """Before the retry of this number, which counts from 1."""
        return min(self.first * (1 << (retry - 1)), self.longest)


ORDINARY = Patience(2, timedelta(minutes=2), timedelta(minutes=4))
"""With an error that is none of ours: a worker's fault, a provider's, a bug."""

PATIENCE: Mapping[type[BaseException], Patience] = {
    # A try has knocked for about two minutes by itself. Locks of an application come and go.
    LockNotAvailableError: Patience(8, timedelta(minutes=1), timedelta(minutes=1)),
    # Over in a moment; but a server that is damaged says the same.
    CatalogChangedError: Patience(3, timedelta(seconds=10), timedelta(minutes=1)),
    # A try has waited for wait_timeout, 30 minutes by default; whoever it waited for is old.
    WaitTooLongError: Patience(2, timedelta(minutes=5), timedelta(minutes=10)),
    # A restart takes seconds, a failover minutes, an upgrade most of an hour. Each step of a run waits for itself, so not for hours.
    ServerUnavailableError: Patience(4, timedelta(minutes=3), timedelta(minutes=24)),
    StorageUnavailableError: Patience(4, timedelta(minutes=3), timedelta(minutes=24)),
    PermanentError: Patience(0, timedelta(), timedelta()),
    BaseException: ORDINARY,
}

MOST_RETRIES = max(each.retries for each in PATIENCE.values())


def patience_with(error: BaseException) -> Patience:
    """That of the nearest kind that the error is of."""
    return next(PATIENCE[kind] for kind in type(error).__mro__ if kind in PATIENCE)
