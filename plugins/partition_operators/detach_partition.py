"""The detach step."""

from typing import ClassVar

from include.partitioning.errors import DestructionRefusedError
from include.partitioning.target import Target
from include.postgres.catalog import shape_digest
from include.postgres.detaching import detach_partition, detach_statements, is_pending
from include.postgres.table_lock import table_lock
from partition_operators.approval_gate import require_approval
from partition_operators.expiry_operator import ExpiryOperator
from partition_operators.lifecycle_operator import Step, read_again
from partition_operators.lineage import table as named


class DetachPartitionOperator(ExpiryOperator):
    """Take an expired partition off its parent, CONCURRENTLY where PostgreSQL can, and drop its outgoing foreign keys.

    Needs an archive that was read back and compared, if the policy archives, and a person's approval, if it asks for one. A detach
    that was interrupted is finished. When it returns, nothing is pending, and the ledger knows the table and when it may be dropped.

    **When it fails** the message says who holds the lock, or for which transaction it waited (pid, query, age). Run it again: it
    goes on where it stopped.

    Arguments: `partition` (templated, mappable), and those of `LifecycleOperator`.
    """

    action: ClassVar[str] = "detach"
    destroys: ClassVar[bool] = True

    def expire(self, step: Step, target: Target) -> str:
        """Detach, unless it has been done."""
        if target.detached is not None and target.detached.detached_at is not None:
            return f'"{target.name}" is detached already, since {target.detached.detached_at:%Y-%m-%d %H:%M} UTC'
        if step.dry_run:
            pending = bool(is_pending(step.connection, step.table, target.oid))
            for statement in detach_statements(step.table, target.name, pending=pending):
                self.log.info("    %s;", statement)
            return f'would detach "{target.name}" from "{step.table.name}"'
        require_approval(step, target)
        self._require_archive(step, target)
        with table_lock(step.executor, step.table):
            table = read_again(step).table  # a DEFAULT partition may have come or gone
            detach_partition(step.executor, step.ledger, step.policy, table, target)
        self.lineage.note(outputs=[named(step.connection, each, change="ALTER") for each in (step.table.name, target.name)])
        return f'detached "{target.name}" from "{step.table.name}"'

    def _require_archive(self, step: Step, target: Target) -> None:
        if step.policy.archive is None:
            return
        archive = step.ledger.latest_archive(step.table, target.name, target.oid, target.bounds)
        if archive is None:
            raise DestructionRefusedError(f'"{target.name}" has no archive that was read back and compared; run the archive step first')
        if archive.shape_digest != shape_digest(step.connection, target.oid):
            raise DestructionRefusedError(f'"{target.name}" has other columns than its archive; run the archive step again')
