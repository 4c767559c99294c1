"""Check policy files from the command line: `python -m include.check_policies [FILE_OR_FOLDER] [--database DSN]`.

Prints each problem as `file:line: key: what is wrong; for example: a good value`, and exits 1 if there is one.
With `--database` each policy is also compared with the catalog of that database, in which nothing stays changed: `indexes` are tried on an
empty table in a transaction that is rolled back.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import psycopg

from include.partitioning.config import PolicySet, policy_file_schema, read_policies
from include.partitioning.errors import CatalogMismatchError, PartitionLifecycleError, PolicyError, Problem
from include.partitioning.index_policy import IndexPolicy
from include.partitioning.partition import PartitionedTable
from include.partitioning.policy import PartitionPolicy
from include.postgres import catalog
from include.postgres.failures import translated
from include.postgres.index_intentions import intention
from include.postgres.ledger import Ledger
from include.postgres.ledger_records import RunIdentity
from include.postgres.recent_view import check_name
from include.postgres.session import prepare


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    options = _parser().parse_args(arguments)
    if options.schema:
        print(json.dumps(policy_file_schema(), indent=2))
        return 0
    try:
        found = read_policies(options.policies)
    except PolicyError as error:
        print(error, file=sys.stderr)
        return 1
    problems = [str(problem) for problem in found.problems]
    if options.database is not None:
        problems += _against_database(options.database, found)
    for problem in dict.fromkeys(problems):  # a faulty default is the same problem of every policy
        print(problem, file=sys.stderr)
    print(f"{len(found.policies)} policies are good, {len(problems)} problems")
    return 1 if problems else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m include.check_policies", description="Check partition policies.")
    parser.add_argument("policies", nargs="?", type=Path, help="file or folder; default: $PARTITION_POLICIES, then include/policies")
    parser.add_argument(
        "--database",
        metavar="DSN",
        help="also compare with this database, such as postgresql://user@host/name; '' for libpq's PG* variables",
    )
    parser.add_argument("--schema", action="store_true", help="print the JSON Schema of a policy file instead")
    return parser


def _against_database(dsn: str, found: PolicySet) -> list[str]:
    try:
        with translated("connect"), psycopg.connect(dsn) as connection:
            prepare(connection, "partition_lifecycle check_policies")
            return [str(problem) for policy in found.policies for problem in _compare(connection, found, policy)]
    except PartitionLifecycleError as error:
        return [str(error)]


def _compare(connection: psycopg.Connection[tuple[object, ...]], found: PolicySet, policy: PartitionPolicy) -> list[Problem]:
    try:
        table = catalog.read_table(connection, policy)
        if policy.recent_view is not None:
            check_name(connection, Ledger(connection, policy.table, RunIdentity()), policy.recent_view, table)
    except PartitionLifecycleError as error:
        return [_problem(found, policy, error)]
    return [problem for wanted in policy.indexes for problem in _compare_index(connection, found, policy, table, wanted)]


def _compare_index(
    connection: psycopg.Connection[tuple[object, ...]],
    found: PolicySet,
    policy: PartitionPolicy,
    table: PartitionedTable,
    wanted: IndexPolicy,
) -> list[Problem]:
    try:
        intention(connection, table, wanted)
    except PartitionLifecycleError as error:
        return [_problem(found, policy, error)]
    return []


def _problem(found: PolicySet, policy: PartitionPolicy, error: PartitionLifecycleError) -> Problem:
    if isinstance(error, CatalogMismatchError):
        return found.problem(policy, error.key or "table", str(error), error.good)
    return found.problem(policy, "table", str(error))


if __name__ == "__main__":
    sys.exit(main())
