"""`make test-matrix`: the tests that depend on the server, against each version of PostgreSQL, and how each of them ended."""

import argparse
import os
import subprocess
import sys
import time
from dataclasses import dataclass

from demo.local_airflow import PROJECT
from tests.matrix.binaries import RELEASES, NoBinariesError, binaries

SAME_EVERYWHERE = (
    "--ignore=tests/integration/test_archive_s3.py",
    "--ignore=tests/integration/test_archive_storage_faults.py",
    "--ignore=tests/integration/test_partman.py",
    "--deselect=tests/integration/test_fidelity.py::test_a_row_of_a_hundred_megabytes_is_archived_and_proven_in_less_than_two_gibibytes",
)
"""What is about the storage, about our own memory, or about a server of its own."""

CORE = ("-m", "not slow or every_server")
"""Without the tests that kill and crowd our own code for minutes."""


@dataclass(frozen=True, slots=True)
class Result:
    """How one version fared."""

    version: str
    said: str
    passed: bool


def main() -> int:
    parser = argparse.ArgumentParser(prog="make test-matrix")
    parser.add_argument(
        "versions", nargs="*", default=list(RELEASES), metavar="VERSION", help=f"of {', '.join(RELEASES)}; all if none is given"
    )
    parser.add_argument("--core", nargs="*", default=[], metavar="VERSION", help="versions on which only the core of the tests is run")
    parser.add_argument("--jobs", default="logical", help="processes, each with a server of its own")
    arguments = parser.parse_args()
    results = [_try(version, arguments.jobs, CORE if version in arguments.core else ()) for version in arguments.versions]
    print("\nPostgreSQL, of the matrix:")
    for each in results:
        print(f"  {each.version}  {each.said}")
    return 0 if all(each.passed for each in results) else 1


def _try(version: str, jobs: str, which: tuple[str, ...]) -> Result:
    try:
        release = binaries(version).name
    except NoBinariesError as error:
        return Result(version, str(error), passed=False)
    print(f"\nPostgreSQL {release}", flush=True)
    begun = time.monotonic()
    command = [sys.executable, "-m", "pytest", "tests/integration", "-n", jobs, "--dist", "worksteal", *which, *SAME_EVERYWHERE]
    status = subprocess.run(command, cwd=PROJECT, env={**os.environ, "POSTGRES_VERSION": version}, check=False).returncode
    how = ("passed" if status == 0 else f"failed (pytest's status {status})") + (", the core," if which else "")
    return Result(version, f"{how} in {time.monotonic() - begun:.0f} s", passed=status == 0)


if __name__ == "__main__":
    sys.exit(main())
