"""The heal step."""

from typing import ClassVar

from include.partitioning.confirmation import why_shortened
from include.partitioning.errors import PartitionLifecycleError, all_of, collected
from include.partitioning.partition import DetachedPartition
from include.postgres.healing import heal, unfinished
from include.postgres.incomplete_indexes import complete_indexes, incomplete_indexes, ours
from include.postgres.leftovers import drop_all_leftovers, leftovers
from include.postgres.strays import forgotten_tables
from include.postgres.table_lock import advisory_lock, table_lock
from partition_operators.former_tables import drop_overdue
from partition_operators.lifecycle_operator import LifecycleOperator, Step, read_again


class HealPartitionsOperator(LifecycleOperator):
    """Finish what an interrupted run of ours left half done.

    A detach that was announced in the ledger and is pending is finalized; one that succeeded but was not written down is written
    down, and its outgoing foreign keys are dropped. Invalid indexes that interrupted builds of ours left on partitions are dropped; an index
    of the table that we began and that partitions lack is completed (by `build_indexes` later, if the policy has `indexes`). What somebody
    else left half done is named by the plan and not touched; tables that look like forgotten partitions are warned of.

    **When it fails**, run it again: the message says for whom it waited. Expiring other partitions goes on.

    Arguments: see `LifecycleOperator`.
    """

    action: ClassVar[str] = "heal"
    ui_color = "#e8f5e9"

    def perform(self, step: Step) -> list[str]:
        """Return the names of the partitions that were healed, and of the indexes that were dropped or completed."""
        for finding in forgotten_tables(step.connection, step.ledger, step.table):
            self.log.warning("%s", finding)
        detached, errors = self._finish_detaches(step)
        dropped, more = self._drop_leftovers(step)
        completed, still_more = self._complete_indexes(step)
        overdue, yet_more = drop_overdue(step, self.log)
        if errors or more or still_more or yet_more:
            raise all_of([*errors, *more, *still_more, *yet_more])
        healed = [*detached, *dropped, *completed, *overdue]
        verb = "would heal" if step.dry_run else "healed"
        self.log.info("%s %s", verb, ", ".join(healed)) if healed else self.log.info("nothing was left half done")
        return healed

    def _finish_detaches(self, step: Step) -> tuple[list[str], list[PartitionLifecycleError]]:
        if not step.dry_run:
            for name in step.ledger.forget_reattached(step.table):
                self.log.info("%s was attached again: the ledger's entry of its detach is removed", name)
            self._note_retention(step)
        healed: list[str] = []
        errors: list[PartitionLifecycleError] = []
        for partition in unfinished(step.executor, step.ledger, step.table):
            self.log.info('the detach of "%s" was interrupted; finishing it', partition.name)
            with collected(errors):
                if step.dry_run or self._heal(step, partition):
                    healed.append(str(partition.name))
        return healed, errors

    def _drop_leftovers(self, step: Step) -> tuple[list[str], list[PartitionLifecycleError]]:
        if step.dry_run:
            found = leftovers(step.connection, step.ledger, [each.oid for each in step.table.partitions])
            return [str(each.name) for each in found if each.why_left is None], []
        dropped, errors = drop_all_leftovers(step.executor, step.ledger, step.table)
        return [str(each) for each in dropped], errors

    def _complete_indexes(self, step: Step) -> tuple[list[str], list[PartitionLifecycleError]]:
        if step.policy.indexes:  # a step of its own completes them, several partitions at a time, and keeps nobody waiting for partitions
            return [], []
        if step.dry_run:
            return [str(each.name) for each in ours(step.ledger, step.table, incomplete_indexes(step.connection, step.table))], []
        completed, errors = complete_indexes(step.executor, step.ledger, step.table)
        return [str(each) for each in completed], errors

    def _note_retention(self, step: Step) -> None:
        """In every run, so that a much shorter one is noticed in the first that has it, whatever expires in it."""
        retention = step.policy.retention
        if retention and not why_shortened(step.table.name, step.ledger.last_retention(), retention, step.database_now):
            step.ledger.record_retention(retention)

    def _heal(self, step: Step, partition: DetachedPartition) -> bool:
        """Finish one, unless it was no interruption, but another run that has gone on and finished it meanwhile."""
        with advisory_lock(step.executor, partition.oid, f'heal "{partition.name}"'), table_lock(step.executor, step.table):
            table = read_again(step).table
            still = [each for each in unfinished(step.executor, step.ledger, table) if each.oid == partition.oid]
            for each in still:
                heal(step.executor, step.ledger, step.policy, table, each)
        return bool(still)
