"""The drain step."""

from typing import ClassVar

from include.partitioning.choices import DefaultPartition
from include.partitioning.default_rows import findings_of
from include.partitioning.errors import CatalogMismatchError, DrainRefusedError
from include.partitioning.partition import Kind, Partition
from include.partitioning.plan import Create
from include.postgres.drain_remains import DrainRemains
from include.postgres.drain_scratch import look
from include.postgres.draining import MOST_TABLES, Drainer
from include.postgres.table_lock import table_lock
from partition_operators.default_rows import creates_from, sorted_rows
from partition_operators.lifecycle_operator import LifecycleOperator, Step, read_again


class DrainDefaultOperator(LifecycleOperator):
    """Move rows of the DEFAULT partition to partitions of their own, if the policy says `default_partition: drain`.

    DEFAULT is copied to new tables, which triggers keep like it, and exchanged for them in one short transaction. Every statement, and every
    REPEATABLE READ transaction that is open then, sees each row exactly once through the parent; transactions with older snapshots are
    waited for, at most `wait_timeout`. Rows past retention get partitions too, and expire by the next run. What has no partition to go to
    stays in DEFAULT.

    **When it fails** every row is where it was, or where it belongs. Run it again: it goes on where it stopped, or begins anew.

    Arguments: see `LifecycleOperator`.
    """

    action: ClassVar[str] = "drain"
    ui_color = "#e8f5e9"

    def perform(self, step: Step) -> list[str]:
        """Return the names of the partitions that rows were moved to, as `schema.name`."""
        default = step.table.default
        if default is None:
            self.log.info("there is no DEFAULT partition")
            return []
        if step.dry_run:
            return self._show(step, default)
        with table_lock(step.executor, step.table):
            step = read_again(step)
            self._finish(step, default)
            if step.policy.default_partition is DefaultPartition.REPORT:
                self.log.info("nothing is moved: the policy says default_partition: report")
                return []
            return self._drain(step)

    def _finish(self, step: Step, default: Partition) -> None:
        """What an interrupted drain left is brought to an end; what the triggers still follow is taken up, if draining is still wanted."""
        remains = DrainRemains(step.executor, step.table, default)
        if remains.finish():
            self.log.info('the drain of "%s" that was interrupted is finished', default.name)
        if step.policy.default_partition is DefaultPartition.REPORT:
            remains.remove()

    def _drain(self, step: Step) -> list[str]:
        moved: list[str] = []
        while True:
            default = step.table.default
            if default is None:
                return moved
            if default.kind is not Kind.TABLE:
                raise DrainRefusedError(f'"{default.name}" is not drained: it is {_KINDS[default.kind]}; move its rows by hand')
            left = step.policy.max_creates_per_run - len(moved)
            creates, rows = self._wanted(step, default, min(left, MOST_TABLES))
            if not creates and not look(step.connection, step.table).in_sync:
                DrainRemains(step.executor, step.table, default).remove()
                return moved
            Drainer(step.executor, step.ledger, step.table, default, step.connect).drain(creates, rows)
            before = {each.oid for each in step.table.partitions}
            step = read_again(step)
            moved += [str(each.name) for each in step.table.partitions if each.oid not in before and each.bounds is not None]

    def _wanted(self, step: Step, default: Partition, most: int) -> tuple[list[Create], int]:
        """Partitions to be filled, and how many rows DEFAULT holds."""
        found = sorted_rows(step, default, step.policy.wait_timeout)
        wanted = list(creates_from(step, found))
        for line in findings_of(step.policy, found) if found.rows else ():
            self.log.info("%s", line)
        blocked = next((each for each in wanted if each.blocked_by is not None), None)
        if blocked is not None:
            raise CatalogMismatchError(
                f'rows of "{default.name}" cannot be moved to "{blocked.name}" {blocked.bounds}: the name is taken by {blocked.blocked_by}; '
                "rename or remove that"
            )
        if len(wanted) > most:
            self.log.info("%d partitions are wanted; %d of them now", len(wanted), most)
        return wanted[: max(most, 0)], found.rows

    def _show(self, step: Step, default: Partition) -> list[str]:
        if step.policy.default_partition is DefaultPartition.REPORT:
            self.log.info("would move nothing: the policy says default_partition: report")
            return []
        creates, _ = self._wanted(step, default, step.policy.max_creates_per_run)
        for create in creates:
            self.log.info("would move rows to %s %s: %s", create.name, create.bounds, create.reason)
        return [str(create.name) for create in creates]


_KINDS = {Kind.FOREIGN: "a foreign table", Kind.PARTITIONED: "partitioned itself"}
