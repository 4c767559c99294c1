"""What the role may not do and will have to, found before anything is touched, each with the statement that mends it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import Connection

from include.partitioning.errors import MissingPrivilegeError
from include.partitioning.partition import Kind, PartitionedTable
from include.partitioning.policy import PartitionPolicy
from include.postgres.ledger import Ledger
from include.postgres.ledger_schema import VERSION
from include.postgres.queries import rows

_EVERY = "every"


@dataclass(frozen=True, slots=True)
class Lack:
    """One privilege that is missing.

    :param steps: actions that need it, as the ledger calls them; `every`: all that write.
    :param partition: OID of the one partition that it is about; None: it is about all.
    """

    steps: frozenset[str]
    partition: int | None
    wrong: str
    mend: str

    def __str__(self) -> str:
        """What is wrong, and the statement."""
        return f"{self.wrong}: {self.mend}"

    def concerns(self, action: str, partition: int | None) -> bool:
        """Whether the step cannot do its work without it, on that partition if it is about one."""
        return bool(self.steps & {action, _EVERY}) and self.partition in (None, partition)


def lacking_privileges(
    connection: Connection[Any], ledger: Ledger, policy: PartitionPolicy, table: PartitionedTable, expiring: Sequence[int]
) -> list[Lack]:
    """Everything that is missing for the table's steps; a superuser lacks nothing.

    :param expiring: OIDs of the partitions that are to be read, detached and dropped.
    """
    siblings = [each for each in table.partitions if each.kind is Kind.TABLE and each.bounds is not None and not each.detach_pending]
    found = rows(
        connection,
        "lacking_privileges",
        oid=table.oid,
        server_version=table.server_version,
        expiring=expiring,
        read=expiring if policy.archive else [],
        sibling=siblings[-1].oid if siblings else None,
        view_schema=policy.recent_view.name.schema if policy.recent_view else None,
        ledger_is_current=ledger.version() == VERSION,
    )
    return [Lack(frozenset(each["steps"]), each["partition"], each["wrong"], each["mend"]) for each in found]


def refuse_lacking(lacks: Sequence[Lack], action: str, partition: int | None) -> None:
    """Stop a step before it does the first half of its work.

    :raises MissingPrivilegeError: with all that it lacks.
    """
    concerned = [str(each) for each in lacks if each.concerns(action, partition)]
    if concerned:
        raise MissingPrivilegeError("; ".join(concerned))


def findings(lacks: Sequence[Lack]) -> list[str]:
    """For the plan: which steps will fail, and why. One sentence for what is the same of many partitions."""
    return list(dict.fromkeys(f"{_steps(each)} will fail: {each}" for each in lacks if each.steps != {"restore"}))


def _steps(lack: Lack) -> str:
    return "every step" if _EVERY in lack.steps else ", ".join(sorted(lack.steps - {"restore"}))
