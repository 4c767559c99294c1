"""The step that finds what to reindex."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import ClassVar

from include.partitioning.partition import Kind
from include.partitioning.plan_text import human_bytes
from include.partitioning.policy import MOST_MAPPED
from include.postgres import bloat
from include.postgres.leftovers import Leftover, leftovers
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
        """Return the names of the partitions to reindex, as `schema.name`: at most so many as Airflow can map over."""
        names = {each.oid: each.name for each in step.table.partitions if each.kind is Kind.TABLE and not each.detach_pending}
        with step.executor.role(step.table.owner):  # pg_stats shows only what one may read
            bloated = bloat.worth_rebuilding(step.connection, names, step.policy.reindex.bloat_above)
        left = leftovers(step.connection, step.ledger, names)
        self._say(bloated, left)
        ours = {each.table_oid for each in left if each.why_left is None}
        worthy = [str(name) for oid, name in names.items() if oid in bloated or oid in ours]
        self.log.info("%d of %d partitions are worth reindexing", len(worthy), len(names))
        if len(worthy) > MOST_MAPPED:
            self.log.warning("only the first %d of them are reindexed in this run", MOST_MAPPED)
        return worthy[:MOST_MAPPED]

    def changes_database(self) -> bool:
        """It only reads."""
        return False

    def _say(self, bloated: Mapping[int, Sequence[bloat.IndexBloat]], left: Iterable[Leftover]) -> None:
        for index in chain.from_iterable(bloated.values()):
            self.log.info("%s: %s, %.0f%% estimated to be unused", index.name, human_bytes(index.bytes), 100 * (index.share or 0))
        for leftover in left:
            self.log.warning("%s is invalid: %s", leftover.name, leftover.why_left or "an interrupted build of ours left it; it is dropped")
