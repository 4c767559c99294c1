"""What the three steps of expiry share: one partition, found again in the catalog and refused unless the policy expires it."""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

from include.partitioning.errors import BadArgumentError, DestructionRefusedError
from include.partitioning.expiry import Horizon
from include.partitioning.names import TableName
from include.partitioning.target import Target, find_target
from include.postgres.table_lock import advisory_lock
from partition_operators.guardrails import refuse_clock_difference, refuse_destruction
from partition_operators.lifecycle_operator import LifecycleOperator, Step, read_again


class ExpiryOperator(LifecycleOperator):
    """Base of the steps that work on one expired partition; not used by itself.

    :param partition: `schema.name`, each part quoted where needed. (templated, mappable)
    """

    template_fields: Sequence[str] = ("partition", *LifecycleOperator.template_fields)
    ui_color = "#fff3e0"
    destroys: ClassVar[bool] = False
    """Whether rows are out of the table, or gone, afterwards."""

    def __init__(self, *, partition: str, **kwargs: Any) -> None:  # noqa: ANN401 - LifecycleOperator's arguments
        super().__init__(**kwargs)
        self.partition = partition

    def perform(self, step: Step) -> str:
        """Do what is missing, and return in one sentence what was done."""
        refuse_clock_difference(step)
        with self._taking_turns(step) as (current, target):
            if self.destroys and not step.dry_run:
                refuse_destruction(current)
            said = self.expire(current, target) if target is not None else f'"{self.partition}" is gone already; nothing to do'
        self.log.info("%s", said)
        return said

    @abstractmethod
    def expire(self, step: Step, target: Target) -> str:
        """The step itself."""

    @contextmanager
    def _taking_turns(self, step: Step) -> Iterator[tuple[Step, Target | None]]:
        """Hold the partition's lock for the block; whoever had it before may have done anything, so all is read again under it.

        :raises DestructionRefusedError: the name belongs to another table by then.
        """
        target = self._target(step)
        if target is None or step.dry_run:
            yield step, target
            return
        with advisory_lock(step.executor, target.oid, f'{self.action} "{target.name}"'):
            current = read_again(step)
            again = self._target(current)
            if again is not None and again.oid != target.oid:
                raise DestructionRefusedError(f'"{target.name}" was replaced by another table while this step waited; run the plan again')
            yield current, again

    def _target(self, step: Step) -> Target | None:
        name = self.partition_name()
        horizon = Horizon.of(step.policy, step.table.key_type, step.reference, step.database_now)
        try:
            return find_target(step.policy, step.table, step.ledger.detached(step.table), horizon, name)
        except DestructionRefusedError:
            if step.table.partition(name) is None and step.ledger.dropped_at(step.table, name) is not None:
                return None
            raise

    def about(self) -> TableName | None:
        """The partition, if its name can be read."""
        try:
            return self.partition_name()
        except BadArgumentError:
            return None

    def partition_name(self) -> TableName:
        """The argument, read.

        :raises BadArgumentError: it is no qualified name, or a template that was not rendered.
        """
        if not isinstance(self.partition, str):
            raise BadArgumentError(f'partition "{self.partition}" is not text; give schema.name')
        return TableName.parse(self.partition)
