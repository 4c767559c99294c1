"""Print the Airflow pools that the policies name, one a line: `python -m include.list_pools [FILE_OR_FOLDER]`.

Airflow has `default_pool` by itself and makes no other; a task whose pool does not exist waits for ever. So whoever starts Airflow makes
the pools that are listed here, as `deploy/init.sh` does.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from include.partitioning.config import read_policies
from include.partitioning.fields import DEFAULT_POOL
from include.partitioning.policy import PartitionPolicy


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command. A policy that is not good is named, and does not keep the pools of the others from being listed."""
    parser = argparse.ArgumentParser(prog="python -m include.list_pools", description="List the Airflow pools that policies name.")
    parser.add_argument("policies", nargs="?", type=Path, help="file or folder; default: $PARTITION_POLICIES, then include/policies")
    found = read_policies(parser.parse_args(arguments).policies)
    for problem in found.problems:
        print(problem, file=sys.stderr)
    for pool in pools_of(found.policies):
        print(pool)
    return 0


def pools_of(policies: Sequence[PartitionPolicy]) -> list[str]:
    """Their names, sorted, each once, without the one that Airflow has by itself."""
    return sorted({policy.pool for policy in policies} - {DEFAULT_POOL})


if __name__ == "__main__":
    sys.exit(main())
