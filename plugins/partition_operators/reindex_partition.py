"""The reindex step."""

from collections.abc import Sequence
from typing import Any, ClassVar

from include.partitioning.errors import CatalogMismatchError
from include.partitioning.names import TableName
from include.partitioning.partition import Partition
from include.postgres import bloat, statements
from include.postgres.reindexing import reindex_partition
from include.postgres.table_lock import advisory_lock
from partition_operators.lifecycle_operator import LifecycleOperator, Step, read_again


class ReindexPartitionOperator(LifecycleOperator):
    """Rebuild the bloated indexes of one partition, CONCURRENTLY and one at a time.

    Invalid indexes that an interrupted rebuild of ours left are dropped first. Readers and writers go on; the rebuild waits for
    older transactions, for at most `wait_timeout`.

    **When it fails** the old index is still in use. Run it again: what was left behind is cleared away first.

    :param partition: `schema.name`. (templated, mappable)

    Other arguments: see `LifecycleOperator`.
    """

    template_fields: Sequence[str] = ("partition", *LifecycleOperator.template_fields)
    action: ClassVar[str] = "reindex"
    ui_color = "#f3e5f5"

    def __init__(self, *, partition: str, **kwargs: Any) -> None:  # noqa: ANN401 - LifecycleOperator's arguments
        super().__init__(**kwargs)
        self.partition = partition

    def about(self) -> TableName | None:
        """The partition."""
        return TableName.parse(self.partition)

    def perform(self, step: Step) -> list[str]:
        """Return a line for each index rebuilt."""
        name = TableName.parse(self.partition)
        partition = step.table.partition(name)
        if partition is None:
            raise CatalogMismatchError(f'"{self.partition}" is no partition of "{step.table.name}"')
        above = step.policy.reindex.bloat_above
        if step.dry_run:
            for index in bloat.worth_rebuilding(step.connection, [partition.oid], above).get(partition.oid, []):
                self.log.info("    %s;", statements.reindex(index.name).as_string(step.connection))
            return []
        with advisory_lock(step.executor, partition.oid, f'reindex "{name}"'):
            lines = self._reindex(read_again(step), partition, above)
        for line in lines or ["nothing to rebuild"]:
            self.log.info("%s", line)
        return lines

    def _reindex(self, step: Step, wanted: Partition, above: float) -> list[str]:
        """Unless whoever had the partition's lock before has taken it off its parent, or rebuilt everything."""
        partition = step.table.partition(wanted.name)
        if partition is None or partition.oid != wanted.oid:
            self.log.info('"%s" is no partition of "%s" any more', wanted.name, step.table.name)
            return []
        return reindex_partition(step.executor, step.ledger, step.table, partition, above)
