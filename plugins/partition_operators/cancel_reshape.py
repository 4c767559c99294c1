"""Giving up a reshaping before the exchange."""

from typing import Any, ClassVar

from psycopg import Connection

from include.partitioning.partition import PartitionedTable
from include.partitioning.policy import PartitionPolicy
from include.postgres import catalog
from include.postgres.ledger import Ledger
from include.postgres.ledger_records import Event
from include.postgres.reshaping.afterwards import cancel
from include.postgres.table_lock import table_lock
from partition_operators.lifecycle_operator import LifecycleOperator, Step


class CancelReshapeOperator(LifecycleOperator):
    """Take the triggers off the table, and drop what was built beside it. The table itself is as it was.

    After the exchange there is nothing to cancel: `partition_undo`, or `partition_regrain`, leads back.

    **When it fails** run it again.

    `policy` is templated. Other arguments: see `LifecycleOperator`.
    """

    template_fields = ("policy", *LifecycleOperator.template_fields)
    action: ClassVar[str] = "cancel_reshape"
    ui_color = "#fff8e1"

    def read_table(self, connection: Connection[Any], policy: PartitionPolicy, ledger: Ledger) -> PartitionedTable:
        """Ordinary tables too."""
        return catalog.read_any_table(connection, policy, ledger)

    def perform(self, step: Step) -> bool:
        """Return whether there was anything to cancel."""
        if step.dry_run:
            self.log.info('would remove what was built beside "%s"', step.table.name)
            return False
        with table_lock(step.executor, step.table):
            cancelled = cancel(step.executor, step.table)
        if cancelled:
            step.ledger.record(Event(self.action, "done", oid=step.table.oid))
        self.log.info("cancelled" if cancelled else "there was nothing to cancel")
        return cancelled
