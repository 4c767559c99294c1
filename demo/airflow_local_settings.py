"""Airflow imports a module of this name when a process of it starts. `make up` puts this folder's one into AIRFLOW_HOME/config.

LocalExecutor's task processes are forks of the scheduler, and those that read DAG files are forks of the DAG processor: what these have
imported they need not import again, which is half of a small task's time. Libraries only, for whoever changes the project's own code
expects the next task to run it; who does not, as the tests do not, names its packages in IMPORTED_BEFORE_TASKS.
"""

import importlib
import os
import pkgutil
import sys

LIBRARIES = ("airflow.providers.postgres.hooks.postgres", "pyarrow.parquet", "pyarrow.compute")


def import_with_all_below(package: str) -> None:
    found = importlib.import_module(package)
    for each in pkgutil.walk_packages(found.__path__, f"{package}."):
        importlib.import_module(each.name)


if {"scheduler", "dag-processor"} & set(sys.argv):
    for each in LIBRARIES:
        importlib.import_module(each)
    for each in os.environ.get("IMPORTED_BEFORE_TASKS", "").split():
        import_with_all_below(each)
