"""`make demo-psql`: the demo's server for as long as psql is open."""

import subprocess
import sys

from demo.__main__ import FOLDER
from demo.embedded_postgres import psql, running
from demo.local_airflow import socket_uri


def main() -> int:
    """Open psql on the demo's target database."""
    if not (FOLDER / "postgres" / "pgdata" / "PG_VERSION").exists():
        print("there is no demo yet; run make demo first")
        return 1
    with running(FOLDER / "postgres") as uri:
        arguments = [str(psql()), socket_uri(uri.partition("host=")[2], "app"), *sys.argv[1:]]
        return subprocess.run(arguments, check=False).returncode  # noqa: S603 - the wheel's own psql, with what its user typed


if __name__ == "__main__":
    sys.exit(main())
