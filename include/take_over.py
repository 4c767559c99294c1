"""Take over a table from pg_partman, or give it back: `python -m include.take_over core.sessions [--database DSN] [--out FILE | --back]`.

Prints what pg_partman does with the table, whether this package can go on with it and what will be otherwise, a policy that does as pg_partman
did, and the statements that stop pg_partman for this table; with `--back` those that let it go on. It only reads, in a session that cannot write.
The exit status is 1 if the table cannot be taken over, or given back.
"""

import argparse
import shlex
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg

from include.partitioning.config import load_policies
from include.partitioning.cut_table import CutTable
from include.partitioning.errors import BadArgumentError, CatalogMismatchError, PartitionLifecycleError
from include.partitioning.give_back import Rename, obstacles_to_giving_back, remarks_on_giving_back
from include.partitioning.names import TableName
from include.partitioning.policy import PartitionPolicy, dag_id_of
from include.partitioning.take_over_policy import policy_file, settings
from include.partitioning.take_over_remarks import remarks
from include.partitioning.take_over_text import described, first_run_lines, heading, steps
from include.postgres import catalog
from include.postgres.failures import translated
from include.postgres.partman import owner_statement, rename_statement, renames, run_statement, start_statement, stop_statement
from include.postgres.session import prepare_to_read
from include.postgres.taking_over import Managed, first_run, look_at_table

LONGEST_LOOK = timedelta(minutes=1)
"""For each statement."""

_GIVE_WAY, _RESET = "SET lock_timeout = '100ms';", "RESET lock_timeout;"
"""Around statements behind which others queue while they wait."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    options = _parser().parse_args(arguments)
    try:
        with translated("connect"), psycopg.connect(options.database) as connection:
            prepare_to_read(connection, "partition_lifecycle take_over", LONGEST_LOOK)
            found = look_at_table(connection, TableName.parse(options.table), options.timezone)
            print(described(found.installation, found.config, found.table))
            print(_given_back(connection, found) if options.back else _taken_over(connection, found, options.out))
    except PartitionLifecycleError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m include.take_over", description="Take over a table from pg_partman, or give it back.")
    parser.add_argument("table", help="schema.table; a part that is not plain lower case stands in double quotes")
    parser.add_argument(
        "--database",
        metavar="DSN",
        default="",
        help="where it is, such as postgresql://user@host/name; default: libpq's PG* variables",
    )
    parser.add_argument("--timezone", metavar="ZONE", help="whose midnights bound the partitions, if it is not UTC or the database's own")
    purpose = parser.add_mutually_exclusive_group()
    purpose.add_argument("--out", metavar="FILE", type=Path, help="write the policy there; a file that exists is left as it is")
    purpose.add_argument("--back", action="store_true", help="print what gives the table back to pg_partman")
    return parser


def _taken_over(connection: psycopg.Connection[Any], found: Managed, out: Path | None) -> str:
    """All that is said about taking it over.

    :raises CatalogMismatchError: it cannot be.
    """
    cut = _cut(found, "it cannot be taken over")
    text = policy_file(found.config, found.installation, settings(found.config, cut))
    policy = _checked(connection, text)
    parts = [
        heading("to know", remarks(found.config, cut, found.around)),
        heading("the first run, if it were now,", first_run_lines(first_run(connection, policy, cut.table), policy.on_expiry.value)),
        f"the policy\n\n{text}" if out is None else f'the policy is written to "{_written(text, out)}"\n',
        _steps_of_taking_over(connection, found, policy, out),
    ]
    return "\n".join(part for part in parts if part)


def _cut(found: Managed, cannot: str) -> CutTable:
    if found.obstacles or found.cut is None:
        raise CatalogMismatchError(heading(cannot, found.obstacles).rstrip())
    return found.cut


def _checked(connection: psycopg.Connection[Any], text: str) -> PartitionPolicy:
    """The policy as the package's own loader reads it, compared with the catalog."""
    with TemporaryDirectory() as folder:
        file = Path(folder, "policy.yaml")
        file.write_text(text, encoding="utf-8")
        (policy,) = load_policies(file)
    catalog.read_table(connection, policy)
    return policy


def _written(text: str, file: Path) -> Path:
    try:
        with file.open("x", encoding="utf-8") as opened:
            opened.write(text)
    except OSError as error:
        raise BadArgumentError(f'"{file}" is not written: {error.strerror}; give --out another name') from error
    return file


def _steps_of_taking_over(connection: psycopg.Connection[Any], found: Managed, policy: PartitionPolicy, out: Path | None) -> str:
    name, of_others = found.config.table, [partition for partition, _ in found.around.of_others]
    owner = found.table.owner if found.table else ""
    owning = [_GIVE_WAY, *(f"{owner_statement(each, owner).as_string(connection)};" for each in of_others), _RESET]
    stop = stop_statement(found.installation, name).as_string(connection)
    return steps(
        "to do",
        [
            (
                "complete the policy (archive, postgres_conn_id), and check it",
                [f"python -m include.check_policies {out or 'FILE'} --database DSN"],
            ),
            *([("give these partitions to the owner of the table", owning)] if of_others else []),
            ("stop pg_partman for this table; a job that calls run_maintenance with its name would go on all the same", [f"{stop};"]),
            (
                f"put the file where PARTITION_POLICIES points to, trigger the DAG {policy.dag_id} with dry_run, read its log, unpause it",
                [],
            ),
            ("the way back, at any time", [f"python -m include.take_over --back --database DSN {shlex.quote(str(name))}"]),
        ],
    )


def _given_back(connection: psycopg.Connection[Any], found: Managed) -> str:
    """All that is said about giving it back.

    :raises CatalogMismatchError: it cannot be.
    """
    cut = _cut(found, "it cannot be given back")
    changes = renames(connection, found.config, cut)
    against = obstacles_to_giving_back(found.config, cut, changes, template_missing=found.around.template_missing)
    if against:
        raise CatalogMismatchError(heading("it cannot be given back as it is", against).rstrip())
    known = heading("to know", remarks_on_giving_back(found.config, cut))
    return f"{known}\n{_steps_of_giving_back(connection, found, changes)}"


def _steps_of_giving_back(connection: psycopg.Connection[Any], found: Managed, changes: Sequence[Rename]) -> str:
    name = found.config.table
    start = [start_statement(found.installation, name), run_statement(found.installation, name)]
    renaming = [
        _GIVE_WAY,
        *(f"{rename_statement(each).as_string(connection)};" for each in changes),
        _RESET,
    ]
    naming = ("give these partitions the names that pg_partman gives; if one does not get its lock in time, run it again", renaming)
    return steps(
        "to do",
        [
            (f"pause the DAG {dag_id_of(name.schema, name.name)}, wait until no run of it is going on, and remove the table's policy", []),
            *([naming] if changes else []),
            ("let pg_partman go on", [f"{each.as_string(connection)};" for each in start]),
        ],
    )


if __name__ == "__main__":
    sys.exit(main())
