"""The retry policy of the DAGs, for Airflow 3.3 and newer; `retrying.py` knows what to do without it."""

from airflow.sdk import Context, RetryDecision, RetryPolicy

from include.partitioning.patience import MOST_RETRIES, patience_with
from include.partitioning.span import format_duration


class RetryByKind(RetryPolicy):
    """Try again as often, and as soon, as `include/partitioning/patience.py` says for the kind of the error.

    It can only cut retries short: tasks need `retries` of at least `MOST_RETRIES`. Airflow stores no more of it than that there is one.
    """

    def evaluate(self, exception: BaseException, try_number: int, max_tries: int, context: Context | None = None) -> RetryDecision:
        """Fail when the patience with this kind of error is over. A task that was cleared begins anew."""
        patience = patience_with(exception)
        retry = _try_since_cleared(try_number, max_tries, context)
        kind = type(exception).__name__
        if retry > patience.retries:
            return RetryDecision.fail(f"{kind}: no further retry, {patience.retries} are made")
        pause = patience.pause(retry)
        return RetryDecision.retry(pause, f"{kind}: retry {retry} of {patience.retries} in {format_duration(pause)}")


def _try_since_cleared(try_number: int, max_tries: int, context: Context | None) -> int:
    """Counts from 1. Clearing a task raises `max_tries` by the tries that it has had, and keeps its `try_number`."""
    task = context.get("task") if context else None
    retries = task.retries if task is not None and task.retries is not None else MOST_RETRIES
    return try_number - max(max_tries - retries, 0)
