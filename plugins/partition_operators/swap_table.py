"""The last step of a reshaping."""

from dataclasses import replace
from typing import Any, ClassVar

from include.partitioning.errors import all_of
from include.postgres.reshaping.afterwards import unfinished
from include.postgres.reshaping.reshaper import Reshaper, finish
from include.postgres.table_lock import table_lock
from partition_operators.former_tables import drop_overdue
from partition_operators.lifecycle_operator import Step
from partition_operators.reshape_operator import ReshapeOperator


class SwapTableOperator(ReshapeOperator):
    """Bring the copy up to date, compare it with the table, and exchange the two.

    Once the changes that were noted are made, each further one is made in both tables, in the writer's own transaction. Then transactions
    that hold an older snapshot are waited for (at most `wait_timeout`), every row is compared, and the tables are exchanged under ACCESS
    EXCLUSIVE, which the log gives in milliseconds. Every statement sees each row exactly once before, during and after. Older transactions
    on standbys cannot be waited for: a query there that began before may be cancelled, as by any exclusive lock.

    The old table is kept in a schema of its own, refuses writes, and is dropped by the first `heal` behind its date, or by this step when it
    is run again then.

    **When it fails** the old table is in its place, or the new one is. Run it again: it goes on where it stopped.

    Arguments: see `ReshapeOperator`.
    """

    action: ClassVar[str] = "swap_table"

    def reshape(self, step: Step, reshaper: Reshaper) -> int:
        """Return how many rows were compared."""
        compared = reshaper.swap(step.database_now)
        self.done(replace(step, table=self.read_table(step.connection, step.policy, step.ledger)), "exchanged")
        return compared

    def done(self, step: Step, why: str) -> Any:  # noqa: ANN401 - what a step returns goes to XCom
        """What an exchange leaves to be cleared away, and old tables whose time is over: of a table without partitions no `heal` drops them."""
        scratch = unfinished(step.connection, step.table)
        if scratch is None or step.dry_run:
            super().done(step, why)
        else:
            with table_lock(step.executor, step.table):
                finish(step.executor, step.table, scratch)
        dropped, errors = drop_overdue(step, self.log)
        if dropped:
            self.log.info("%s %s", "would drop" if step.dry_run else "dropped", ", ".join(dropped))
        if errors:
            raise all_of(errors)
