"""What the steps share that give a table another shape while it is used."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

from psycopg import Connection

from include.partitioning.errors import BadArgumentError, CatalogMismatchError
from include.partitioning.partition import PartitionedTable
from include.partitioning.policy import PartitionPolicy
from include.partitioning.reshape import Move, why_done
from include.postgres import catalog
from include.postgres.ledger import Ledger
from include.postgres.reshaping.reshaper import Reshaper
from include.postgres.table_lock import table_lock
from partition_operators.lifecycle_operator import LifecycleOperator, Step


class ReshapeOperator(LifecycleOperator):
    """Base of the steps of a reshaping; not used by itself.

    :param move: `adopt`: an ordinary table becomes a partitioned one; `regrain`: a partitioned one gets the interval of its policy; `undo`:
        a partitioned one becomes an ordinary one.

    `policy` is templated. Other arguments: see `LifecycleOperator`.
    """

    template_fields: Sequence[str] = ("policy", *LifecycleOperator.template_fields)
    ui_color = "#fff8e1"

    def __init__(self, *, move: Move | str, **kwargs: Any) -> None:  # noqa: ANN401 - LifecycleOperator's arguments
        super().__init__(**kwargs)
        if move not in list(Move):
            raise BadArgumentError(f'move must be one of {", ".join(Move)}, not "{move}"')
        self.move = Move(move)

    def read_table(self, connection: Connection[Any], policy: PartitionPolicy, ledger: Ledger) -> PartitionedTable:
        """Ordinary tables too."""
        return catalog.read_any_table(connection, policy, ledger)

    def perform(self, step: Step) -> Any:  # noqa: ANN401 - what a step returns goes to XCom
        """One step of it, unless the table has the shape that it is to have."""
        done = self._why_done(step)
        if done is not None:
            return self.done(step, done)
        if step.dry_run:
            return self.show(step)
        with table_lock(step.executor, step.table):
            if catalog.oid_of(step.connection, step.policy.table) != step.table.oid:
                raise CatalogMismatchError(f'"{step.policy.table}" was replaced while this step waited; run it again')
            return self.reshape(step, self.reshaper(step))

    @abstractmethod
    def reshape(self, step: Step, reshaper: Reshaper) -> Any:  # noqa: ANN401 - what a step returns goes to XCom
        """The step's work; the table's lock is held."""

    def show(self, step: Step) -> Any:  # noqa: ANN401 - what a step returns goes to XCom
        """What a dry run does: the plan has said all that can be said."""
        self.log.info('would %s "%s"; see the plan', self.action, step.table.name)

    def done(self, step: Step, why: str) -> Any:  # noqa: ANN401, ARG002 - what a step returns goes to XCom; some look at the step
        """What is done if the table has its shape already."""
        self.log.info("nothing to do: %s", why)

    def reshaper(self, step: Step) -> Reshaper:
        """For the step's table."""
        return Reshaper(step.executor, step.ledger, self.move, step.policy, step.table, step.connect)

    def _why_done(self, step: Step) -> str | None:
        kind = catalog.relation(step.connection, step.table.oid)
        return why_done(self.move, step.policy, step.table, is_partitioned=kind is not None and kind.kind == "p")
