"""The hostname of a service that a test runs on this machine without a container of its own."""

import os


def of_this_service() -> str:
    """What Docker would say; Airflow asks by `[core] hostname_callable`."""
    return os.environ["SERVICE_HOSTNAME"]
