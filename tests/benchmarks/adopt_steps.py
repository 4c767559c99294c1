"""The steps of `partition_adopt` without Airflow's scheduler, and when each of their phases began and ended."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from include.partitioning.policy import PartitionPolicy
from include.postgres.executor import Executor
from include.postgres.following import Follower
from include.postgres.reshaping import reshaper
from include.postgres.reshaping.copy import Copier
from include.postgres.reshaping.swap import Swap
from tests.benchmarks.adopt_tables import AS_OF
from tests.benchmarks.server_work import Work
from tests.benchmarks.stalls import Window

PHASES: dict[str, tuple[Any, str]] = {
    "build": (reshaper, "build"),
    "follow": (reshaper, "follow"),
    "copy": (Copier, "run"),
    "index": (reshaper, "complete_partitions"),
    "statistics": (reshaper, "analyze_new"),
    "catch up": (Follower, "catch_up"),
    "foreign keys": (reshaper, "add_foreign_keys"),
    "wait": (Executor, "wait_until"),
    "compare": (reshaper, "differences"),
    "exchange": (Swap, "run"),
    "clear away": (reshaper, "clear_away"),
}
"""In the order in which they are run, each with the function that does it."""

NOTHING = Work()
LOADING = ("build", "follow", "copy", "index", "foreign keys")
"""What makes a table with the same rows, indexes and foreign keys. The obvious way takes no statistics either, and compares nothing."""


@dataclass(frozen=True, slots=True)
class Phase:
    """One phase of one run, in monotonic time.

    :param work: what the server did in it.
    """

    name: str
    begin: float
    end: float
    work: Work = NOTHING

    @property
    def window(self) -> Window:
        return Window(self.begin, self.end)


@contextmanager
def phases(look: Callable[[], Work] = Work) -> Iterator[list[Phase]]:
    """Write down every phase that is run in the block.

    :param look: what the server has done so far.
    """
    found: list[Phase] = []
    with ExitStack() as stack:
        for name, (owner, function) in PHASES.items():
            stack.enter_context(patch.object(owner, function, _timed(name, getattr(owner, function), found, look)))
        yield found


def _timed(name: str, work: Callable[..., Any], found: list[Phase], look: Callable[[], Work]) -> Callable[..., Any]:
    def timed(*arguments: Any, **options: Any) -> Any:
        before, begin = look(), time.monotonic()
        try:
            return work(*arguments, **options)
        finally:
            end = time.monotonic()
            if name != "wait" or str(arguments[1]).startswith("exchange"):  # the table's own lock is waited for by the same function
                found.append(Phase(name, begin, end, look() - before))

    return timed


def seconds(found: list[Phase], *names: str) -> float:
    """How long all phases of these names took together."""
    return sum(each.end - each.begin for each in found if each.name in names)


def operators() -> dict[str, Any]:
    """The four steps by their names. Importing them takes seconds, which are Airflow's."""
    from partition_operators.complete_copy import CompleteCopyOperator
    from partition_operators.copy_table import CopyTableOperator
    from partition_operators.plan_reshape import PlanReshapeOperator
    from partition_operators.swap_table import SwapTableOperator

    return {"plan": PlanReshapeOperator, "copy": CopyTableOperator, "index": CompleteCopyOperator, "swap": SwapTableOperator}


def step(name: str, jobs: int) -> Any:
    """Run one of the four steps; AIRFLOW_CONN_BENCH says where."""
    policy = PartitionPolicy(
        table="core.sessions", partition_key="created_at", premake=2, postgres_conn_id="bench", reshape={"jobs": jobs}, wait_timeout="2 min"
    )
    return operators()[name](task_id=name, policy=policy, move="adopt", reference_date=AS_OF).execute({})
