"""Which retries a DAG's tasks get: by the kind of the error where this Airflow can tell kinds apart, else two for whatever may pass."""

from datetime import timedelta
from typing import Any

from include.partitioning.patience import MOST_RETRIES, ORDINARY

try:
    from partition_operators.retry_by_kind import RetryByKind
except ImportError:  # Airflow below 3.3 has no retry policies
    RETRY_BY_KIND = None
else:
    RETRY_BY_KIND = RetryByKind()


def retry_arguments() -> dict[str, Any]:
    """For `default_args` of a DAG. The delays are for what no policy is asked about: a worker that has died."""
    delays = {"retry_delay": ORDINARY.first, "retry_exponential_backoff": True, "max_retry_delay": timedelta(minutes=30)}
    if RETRY_BY_KIND is None:
        return {"retries": ORDINARY.retries, **delays}
    return {"retries": MOST_RETRIES, "retry_policy": RETRY_BY_KIND, **delays}
