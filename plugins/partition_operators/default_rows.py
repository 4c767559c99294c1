"""What the plan and the drain have to know of the rows in DEFAULT."""

from collections.abc import Iterator
from datetime import timedelta

from include.partitioning.default_rows import SortedRows, creates_for, findings_of, possible_names_for, sort_out
from include.partitioning.errors import MissingPrivilegeError, WaitTooLongError
from include.partitioning.expiry import Horizon
from include.partitioning.partition import Kind, Partition
from include.partitioning.plan import Create
from include.postgres import catalog
from include.postgres.default_rows import read_contents
from partition_operators.lifecycle_operator import Step

LONGEST_LOOK = timedelta(minutes=1)
"""That the plan counts rows before it makes do with the planner's estimate."""


def default_findings(step: Step) -> list[str]:
    """What is in DEFAULT and what it costs, a sentence each; nothing where there is no such partition."""
    default = step.table.default
    if default is None:
        return []
    if default.kind is Kind.FOREIGN:
        return [f'"{default.name}", the DEFAULT partition, is a foreign table; its rows are not counted']
    try:
        found = sorted_rows(step, default, min(LONGEST_LOOK, step.policy.wait_timeout))
    except (MissingPrivilegeError, WaitTooLongError) as error:
        rows = "an unknown number of" if default.rows is None else f"about {default.rows:,}"
        return [f'"{default.name}", the DEFAULT partition, holds {rows} rows by the planner\'s estimate; {error}']
    return findings_of(step.policy, found)


def sorted_rows(step: Step, default: Partition, longest: timedelta) -> SortedRows:
    """The rows of DEFAULT as they are now, by what is to become of them."""
    contents = read_contents(step.connection, step.policy, step.table, default, longest)
    horizon = Horizon.of(step.policy, step.table.key_type, step.reference, step.database_now)
    return sort_out(step.policy, step.table, step.ledger.detached(step.table), horizon, contents)


def creates_from(step: Step, found: SortedRows) -> Iterator[Create]:
    """Partitions that rows of DEFAULT can be moved to."""
    names = catalog.names_taken(step.connection, step.table.name.schema, possible_names_for(step.table, found))
    return creates_for(step.table, found, names)
