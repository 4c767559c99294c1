"""Say from outside of Airflow what is wrong with the tables that have policies: `python -m include.alarm [FILE_OR_FOLDER] [--database DSN]`.

For cron, Nagios and their kind: one line for each problem, the worst first; the exit status is 0 if there is none, 1 if there are warnings,
2 if there is something critical. It only reads, and works on a hot standby too. Give passwords by ~/.pgpass or a service file, not in a DSN.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import psycopg

from include.partitioning.alarm import Alarm, Severity
from include.partitioning.config import read_policies
from include.postgres.alarm import APPLICATION, LONGEST_LOOK, look_at
from include.postgres.failures import translated
from include.postgres.session import prepare_to_read


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    options = _parser().parse_args(arguments)
    found = read_policies(options.policies)
    alarms = [Alarm(Severity.CRITICAL, "policies", str(problem)) for problem in dict.fromkeys(map(str, found.problems))]
    databases = dict(options.connection)
    for conn_id in sorted({policy.postgres_conn_id for policy in found.policies}):
        connect = partial(_connected, databases.get(conn_id, options.database))
        alarms += look_at(conn_id, connect, [policy for policy in found.policies if policy.postgres_conn_id == conn_id])
    for alarm in sorted(alarms, key=lambda alarm: -alarm.severity):
        print(alarm)
    if not alarms:
        print(f"OK: tables in order: {len(found.policies)}")
    return max((int(alarm.severity) for alarm in alarms), default=0)


@contextmanager
def _connected(dsn: str) -> Iterator[psycopg.Connection[Any]]:
    with translated("connect"):
        connection = psycopg.connect(dsn, connect_timeout=round(LONGEST_LOOK.total_seconds()))
    with connection:
        with translated("prepare the connection"):
            prepare_to_read(connection, APPLICATION, LONGEST_LOOK)
        yield connection


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m include.alarm", description="Say what is wrong with the tables that have policies.")
    parser.add_argument("policies", nargs="?", type=Path, help="file or folder; default: $PARTITION_POLICIES, then include/policies")
    parser.add_argument(
        "--database",
        metavar="DSN",
        default="",
        help="where the tables are, such as postgresql://user@host/name; default: libpq's PG* variables",
    )
    parser.add_argument(
        "--connection",
        nargs=2,
        action="append",
        default=[],
        metavar=("CONN_ID", "DSN"),
        help="where those are whose policies say postgres_conn_id: CONN_ID; may be given several times",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
