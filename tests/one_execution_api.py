"""A pytest plugin for Airflow 3.2, which builds its whole Execution API anew for every task of `dag.test`: two seconds each. 3.3 keeps it."""

import functools


def pytest_sessionstart() -> None:
    """Once conftest.py has made Airflow's settings, which are read when it is first imported."""
    from airflow.sdk.execution_time import supervisor

    supervisor.in_process_api_server = functools.cache(supervisor.in_process_api_server)
