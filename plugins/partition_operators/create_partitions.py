"""The create step."""

from collections.abc import Collection, Sequence
from typing import ClassVar

from include.partitioning.errors import (
    CatalogMismatchError,
    LockNotAvailableError,
    PartitionLifecycleError,
    PermanentError,
    ServerUnavailableError,
    all_of,
)
from include.partitioning.names import TableName
from include.partitioning.partition import Partition
from include.partitioning.plan import Create
from include.postgres.creating import batches, create_partitions, creation_statements, locked_relations
from include.postgres.failures import translated
from include.postgres.ledger_records import Event
from include.postgres.parity import report
from include.postgres.table_lock import table_lock
from include.postgres.template import Template, read_template
from partition_operators.guardrails import why_not_published
from partition_operators.lifecycle_operator import LifecycleOperator, Step, read_again
from partition_operators.lineage import table
from partition_operators.plan_partitions import current_plan


class CreatePartitionsOperator(LifecycleOperator):
    """Create the partitions that are missing as of the reference date: gaps, the current one, and `premake` upcoming ones.

    Each is made in one transaction: `CREATE TABLE … (LIKE …)`, a CHECK on the bounds, what its siblings have (indexes, storage
    parameters, privileges, row-level security, replica identity, triggers), and ATTACH, which neither readers nor writers of the table
    notice. Where ATTACH makes others wait (a foreign key, a DEFAULT partition), the transaction is of one partition alone; elsewhere up
    to 20 share one, and are tried one by one when that fails. A range that an existing partition covers in part is clipped to what is
    free. Then the new partitions are compared with the newest older one: what differs nevertheless is a warning in the log and an event
    in the ledger.

    **When it fails** the other partitions have been created nevertheless. The message names the partition and what stands in the
    way: a name that is taken, rows in the DEFAULT partition, a lock that somebody holds, a missing privilege.

    Arguments: see `LifecycleOperator`.
    """

    action: ClassVar[str] = "create"
    ui_color = "#e8f5e9"

    def perform(self, step: Step) -> list[str]:
        """Return the names of the partitions created, as `schema.name`."""
        if step.dry_run:
            return self._show(step)
        with table_lock(step.executor, step.table):
            step = read_again(step)  # whoever had the lock before us may have created something
            plan = current_plan(step)
            if plan.too_many_creates:
                raise PermanentError(plan.too_many_creates)
            unpublishable = why_not_published(step) if plan.creates else None
            if unpublishable:
                raise CatalogMismatchError(unpublishable, "subscriber_partitions", "managed")
            errors = self._create_all(step, plan.creates) if plan.creates else []
            self.lineage.note(inputs=[table(step.connection, step.table.name)] if self.lineage.outputs else [])
        if errors:
            raise all_of(errors)
        self.log.info("created %d partitions", len(plan.creates)) if plan.creates else self.log.info(
            "nothing to create: every partition wanted exists"
        )
        return [str(create.name) for create in plan.creates]

    def _create_all(self, step: Step, creates: Sequence[Create]) -> list[PartitionLifecycleError]:
        template = read_template(step.connection, step.table)
        locked = locked_relations(step.connection, step.table)
        errors = [error for batch in batches(creates, locked) for error in self._create(step, template, batch, locked)]
        if template.sibling is not None:
            self._compare(step, template.sibling, {create.name for create in creates})
        return errors

    def _create(self, step: Step, template: Template, batch: Sequence[Create], locked: Sequence[int]) -> list[PartitionLifecycleError]:
        """One partition's failure does not stop the others, unless the server is gone."""
        try:
            create_partitions(step.executor, step.ledger, step.table, template, batch, locked=locked)
        except ServerUnavailableError:
            raise
        except PartitionLifecycleError as error:
            # All of a batch wait for the same lock; any other obstacle is one partition's, and trying them one by one tells whose.
            if len(batch) > 1 and not isinstance(error, LockNotAvailableError):
                return [each for create in batch for each in self._create(step, template, [create], locked)]
            self.log.error("%s", error)  # noqa: TRY400 - the message says it all, and it is raised again at the end
            return [error]
        for create in batch:
            self.log.info("created %s %s: %s", create.name, create.bounds, create.reason)
        self.lineage.note(outputs=[table(step.connection, create.name, change="CREATE") for create in batch])
        return []

    def _compare(self, step: Step, sibling: Partition, names: Collection[TableName]) -> None:
        """Say where the new partitions are not like the one they were made after; never a failure, for they are there and take rows."""
        try:
            with translated("compare the new partitions with their sibling"):
                created = [each for each in read_again(step).table.partitions if each.name in names]
                for line in report(step.connection, step.table, created, sibling):
                    self.log.warning("%s", line)
                    step.ledger.record(Event(self.action, "differs", detail=line))
        except PartitionLifecycleError as error:
            self.log.warning("not compared: %s", error)

    def _show(self, step: Step) -> list[str]:
        plan = current_plan(step)
        if plan.too_many_creates:
            raise PermanentError(plan.too_many_creates)
        template = read_template(step.connection, step.table)
        for create in plan.creates:
            self.log.info("would create %s %s: %s", create.name, create.bounds, create.reason)
            for statement in creation_statements(step.table, template, create):
                self.log.info("    %s;", statement.as_string(step.connection))
        return [str(create.name) for create in plan.creates]
