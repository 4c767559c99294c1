"""The step that finds what to reindex."""

from typing import ClassVar

from include.partitioning.partition import Kind, Partition
from include.partitioning.plan_text import human_bytes
from include.postgres import bloat
from include.postgres.reindexing import leftovers
from partition_operators.lifecycle_operator import LifecycleOperator, Step


class MeasureBloatOperator(LifecycleOperator):
    """Estimate, from the planner's statistics and without reading the indexes, which partitions have bloated B-tree indexes.

    The return value, over which the reindex step is mapped, is the list of partitions with an index above `reindex.bloat_above`,
    or with an invalid index that an interrupted rebuild of ours left.

    **When it fails** nothing is reindexed in this run; nothing else depends on it.

    Arguments: see `LifecycleOperator`.
    """

    action: ClassVar[str] = "measure_bloat"
    ui_color = "#f3e5f5"

    def perform(self, step: Step) -> list[str]:
        """Return the names of the partitions to reindex, as `schema.name`."""
        partitions = [each for each in step.table.partitions if each.kind is Kind.TABLE and not each.detach_pending]
        found = [str(each.name) for each in partitions if self._is_worth_it(step, each)]
        self.log.info("%d of %d partitions are worth reindexing", len(found), len(partitions))
        return found

    def changes_database(self) -> bool:
        """It only reads."""
        return False

    def _is_worth_it(self, step: Step, partition: Partition) -> bool:
        with step.executor.role(step.table.owner):  # pg_stats shows only what one may read
            worthy = bloat.bloated(bloat.measure(step.connection, partition.oid), step.policy.reindex.bloat_above)
        for index in worthy:
            self.log.info("%s: %s, %.0f%% estimated to be unused", index.name, human_bytes(index.bytes), 100 * (index.share or 0))
        left = leftovers(step.connection, step.ledger, partition)
        for leftover in left:
            self.log.warning(
                "%s is invalid: %s", leftover.name, leftover.why_left or "an interrupted rebuild of ours left it; it is dropped"
            )
        return bool(worthy) or any(leftover.why_left is None for leftover in left)
