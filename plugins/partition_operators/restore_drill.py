"""The restore drill."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar

from include.archive.proof import check_archive
from include.partitioning.errors import BadArgumentError, PartitionLifecycleError, ServerUnavailableError, all_of
from include.partitioning.names import TableName
from include.postgres.ledger_records import ArchivedPartition, Event
from include.postgres.table_lock import advisory_lock
from partition_operators.archive_storage import databases_of, manifest_of, opened
from partition_operators.lifecycle_operator import LifecycleOperator, Step
from partition_operators.restore_operator import RestoreOperator, StoredArchive

SCRATCH_SCHEMA = "partition_lifecycle_drill"
_NEVER = datetime.min.replace(tzinfo=UTC)


class RestoreDrillOperator(RestoreOperator):
    """Restore some archives into a scratch schema, compare every row, build indexes and constraints, and drop them again.

    Those go first that were never drilled, then those whose drill is longest ago. The result is written into the ledger; a policy with
    `first_drop: after_drill` drops nothing before the first success.

    **When it fails** an archive could not be restored: that is an alarm. The message says what differs. The others were drilled.

    :param archives: how many, at most; 1 or more. (templated)

    Other arguments: see `LifecycleOperator`. `policy` is templated too.
    """

    template_fields: Sequence[str] = ("policy", "archives", *LifecycleOperator.template_fields)
    action: ClassVar[str] = "drill"

    def __init__(self, *, archives: int | str = 1, **kwargs: Any) -> None:  # noqa: ANN401 - LifecycleOperator's arguments
        super().__init__(**kwargs)
        self.archives = archives

    def perform(self, step: Step) -> list[str]:
        """Return the names of the partitions whose archives were restored."""
        chosen = self._chosen(step)
        if not chosen:
            self.log.info('"%s" has no archive yet; nothing to drill', step.table.name)
        errors: list[PartitionLifecycleError] = []
        for each in chosen:
            try:
                self._drill(step, each)
            except ServerUnavailableError:
                raise
            except PartitionLifecycleError as error:
                self.log.error("%s", error)  # noqa: TRY400 - the message says it all, and it is raised again at the end
                errors.append(error)
                if not step.dry_run:  # so that the next drill begins with another one
                    step.ledger.record(Event("drill", "failed", each.name, None, each.bounds, detail=str(error)))
                    step.ledger.record_drill(each.archive.archive_id, passed=False)
        if errors:
            raise all_of(errors)
        return [str(each.name) for each in chosen]

    def _chosen(self, step: Step) -> list[ArchivedPartition]:
        number = str(self.archives).strip()
        if not number.isdecimal() or int(number) < 1:
            raise BadArgumentError(f'archives "{self.archives}" is not a number of 1 or more')
        return sorted(step.ledger.archives(databases_of(step)), key=lambda each: (each.drill_tried_at or _NEVER, each.bounds))[
            : int(number)
        ]

    def _drill(self, step: Step, each: ArchivedPartition) -> None:
        if step.dry_run:
            self.log.info(
                "would restore %s from %s into the schema %s, compare it and drop it", each.name, each.archive.path, SCRATCH_SCHEMA
            )
            return
        with advisory_lock(step.executor, f"drill {each.name}", f'drill the restore of "{each.name}"'):
            stored = StoredArchive(opened(step, each.archive.path), manifest_of(step, each.archive))
            check_archive(stored.folder, stored.manifest)
            name = TableName(SCRATCH_SCHEMA, f"archive_{stored.manifest.archive_id.replace('-', '_')}")
            said = self.restorer(step, stored.manifest.rows).drill(self.restoration(stored, name, "drill"))
        self.log.info("%s", said)
