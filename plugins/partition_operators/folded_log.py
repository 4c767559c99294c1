"""Lines of a task's log that Airflow folds up below a title: details that are wanted when something is to be found out."""

from collections.abc import Iterator
from contextlib import contextmanager

from include.postgres.lookout import InfoLog


@contextmanager
def folded(log: InfoLog, title: str) -> Iterator[None]:
    """Fold what is logged within the block. What a person must not miss is logged outside: Airflow shows groups closed.

    The marks go through the log, not to standard output, which Airflow collects apart and later.
    """
    log.info("::group::%s", title)
    try:
        yield
    finally:
        log.info("::endgroup::")
