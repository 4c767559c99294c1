"""Airflow imports a module of this name when a process of it starts. `make up` puts this folder's one into AIRFLOW_HOME/config.

LocalExecutor's task processes are forks of the scheduler: what that has imported they need not import again, which is half of a small task's
time. Libraries only, for whoever changes the project's own code expects the next task to run it.
"""

import importlib
import sys

LIBRARIES = ("airflow.providers.postgres.hooks.postgres", "pyarrow.parquet", "pyarrow.compute")

if "scheduler" in sys.argv:
    for each in LIBRARIES:
        importlib.import_module(each)
