"""The drop step."""

from collections.abc import Sequence
from typing import ClassVar

from airflow.sdk import BaseOperatorLink
from airflow.sdk.exceptions import AirflowSkipException

from include.archive.proof import check_objects
from include.archive.shelf import read_manifest
from include.partitioning.choices import FirstDrop, OnExpiry
from include.partitioning.errors import DestructionRefusedError
from include.partitioning.target import Target
from include.postgres import statements
from include.postgres.dropping import Doomed, drop_partition, why_not_yet
from include.postgres.ledger_records import ArchiveRecord
from partition_operators.announcements import leave_manifest
from partition_operators.approval_gate import require_approval
from partition_operators.archive_storage import opened
from partition_operators.expiry_operator import ExpiryOperator
from partition_operators.guardrails import read_clock, refuse_clock_difference
from partition_operators.lifecycle_operator import Step
from partition_operators.lineage import table
from partition_operators.links import ManifestLink


class DropPartitionOperator(ExpiryOperator):
    """Drop a detached partition, the only step that cannot be undone.

    It must be the very table that the ledger says we detached, its `detached_retention` must be over, the objects of its archive
    are read once more, and under a lock that keeps everybody out the table is shown to hold exactly the rows that were archived.
    Never CASCADE. While the grace period runs the task is skipped, with the date when it ends.

    **When it fails** nothing has been dropped. If rows were written after the archive, the next run archives again and then drops.

    Arguments: `partition` (templated, mappable), and those of `LifecycleOperator`.
    """

    action: ClassVar[str] = "drop"
    operator_extra_links: Sequence[BaseOperatorLink] = (*ExpiryOperator.operator_extra_links, ManifestLink())
    destroys: ClassVar[bool] = True
    ui_color = "#ffebee"

    def expire(self, step: Step, target: Target) -> str:
        """Drop, if every gate is open."""
        if step.policy.on_expiry is OnExpiry.DETACH:
            raise AirflowSkipException(f'"{target.name}" is kept: the policy says on_expiry: detach')
        if step.dry_run:
            for statement in (statements.lock_exclusively(target.name), statements.drop_table(target.name)):
                self.log.info("    %s;", statement.as_string(step.connection))
            return f'would drop "{target.name}" once it is detached, unchanged since its archive, and past its grace period'
        if target.detached is None:
            raise DestructionRefusedError(f'"{target.name}" is still attached; the detach step comes first')
        waits = why_not_yet(target.detached, step.database_now)
        if waits is not None:
            raise AirflowSkipException(waits)
        if step.policy.first_drop is FirstDrop.AFTER_DRILL and step.ledger.drilled_at(step.table.cluster) is None:
            raise AirflowSkipException(
                f'"{target.name}" is not dropped yet: first_drop is after_drill, and no archive of "{step.table.name}" has been restored and '
                "compared; run the DAG partition_restore_drill"
            )
        require_approval(step, target)
        archive = self._checked_archive(step, target)
        refuse_clock_difference(read_clock(step))
        rows = drop_partition(step.executor, step.ledger, step.table, Doomed(target.detached, archive))
        self.lineage.note(outputs=[table(step.connection, target.name, change="DROP")])
        kept = f"{rows:,} rows are in {archive.path}" if archive else "without an archive: destroy_without_archive is set"
        return f'dropped "{target.name}"; {kept}'

    def _checked_archive(self, step: Step, target: Target) -> ArchiveRecord | None:
        """The archive, with its objects read once more."""
        if step.policy.archive is None:
            if not step.policy.destroy_without_archive:
                raise DestructionRefusedError(
                    f'"{target.name}" has no archive; set destroy_without_archive: true if it is to go without one'
                )
            return None
        record = step.ledger.latest_archive(step.table, target.name, target.oid, target.bounds)
        if record is None:
            raise DestructionRefusedError(f'"{target.name}" has no archive that was read back and compared; run the archive step first')
        folder = opened(step, record.path)
        check_objects(folder, read_manifest(folder, record.manifest_sha256))
        self.log.info("the archive at %s is what was written", record.path)
        leave_manifest(step, record.path, step.ledger.manifest(record.archive_id))
        return record
