"""What all operators share: arguments that mean the same everywhere, a prepared connection, and errors that Airflow understands."""

import inspect
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any, ClassVar

from airflow.sdk import BaseOperator, BaseOperatorLink, Context
from airflow.sdk.exceptions import AirflowFailException
from psycopg import Connection

from include.partitioning.config import find_policy
from include.partitioning.errors import DestructionRefusedError, PartitionLifecycleError, PermanentError
from include.partitioning.names import TableName
from include.partitioning.partition import PartitionedTable
from include.partitioning.policy import PartitionPolicy
from include.partitioning.reference import parse_flag, parse_reference_date
from include.postgres import catalog
from include.postgres.executor import Executor
from include.postgres.failures import translated
from include.postgres.ledger import Ledger
from include.postgres.ledger_records import Event, RunIdentity
from include.postgres.lock_budget import LockBudget
from include.postgres.lookout import Lookout
from include.postgres.privileges import lacking_privileges, refuse_lacking
from include.postgres.statement_log import StatementLog
from partition_operators.connecting import connected
from partition_operators.folded_log import folded
from partition_operators.lineage import Lineage, facets
from partition_operators.links import RunbookLink

REFERENCE_DATE = "{{ params.get('reference_date') or (dag_run.logical_date or dag_run.run_after).isoformat() }}"
"""The default of `reference_date`: a manual run may have no logical date, and then the name `logical_date` is not defined."""

DRY_RUN = "{{ params.dry_run }}"


@dataclass(frozen=True, slots=True)
class Step:
    """Everything a step works with, once its arguments are known to be good and the database answers."""

    policy: PartitionPolicy
    table: PartitionedTable
    reference: datetime
    database_now: datetime
    dry_run: bool
    connection: Connection[Any]
    executor: Executor
    ledger: Ledger
    context: Context
    connect: Callable[[], AbstractContextManager[Connection[Any]]]
    """Opens one more connection like the first."""
    beside: Callable[[], AbstractContextManager["Step"]]
    """The same step on a connection of its own, for another thread; its statements are logged among those of the others."""


class LifecycleOperator(BaseOperator):
    """Base of the lifecycle operators; not used by itself.

    :param policy: a `PartitionPolicy`, or the table of one in the policy files, such as `"core.sessions"`.
    :param reference_date: ISO date or timestamp as of which the step acts. (templated)
    :param dry_run: print the very statements and change nothing. (templated; `'True'` and `'False'` are understood)
    :param postgres_conn_id: overrides the policy's connection.
    """

    template_fields: Sequence[str] = ("reference_date", "dry_run", "statements")
    template_fields_renderers: ClassVar[dict[str, str]] = {"statements": "sql"}
    operator_extra_links: Sequence[BaseOperatorLink] = (RunbookLink(),)
    overwrite_rtif_after_execution = True  # Airflow shows the fields as they are afterwards, with what ran
    ui_fgcolor = "#000000"
    action: ClassVar[str]
    """The verb, as the ledger has it."""

    def __init__(
        self,
        *,
        policy: PartitionPolicy | str,
        reference_date: str = REFERENCE_DATE,
        dry_run: bool | str = False,
        postgres_conn_id: str | None = None,
        **kwargs: Any,  # noqa: ANN401 - BaseOperator's own arguments
    ) -> None:
        kwargs.setdefault("doc_md", inspect.getdoc(type(self)))
        super().__init__(**kwargs)
        self.policy = policy
        self.reference_date = reference_date
        self.dry_run = dry_run  # type: ignore[assignment,method-assign]  # hides BaseOperator.dry_run(), which only prints templates
        self.postgres_conn_id = postgres_conn_id
        self.statements = ""
        """What ran, for "Rendered Templates"."""
        self.lineage = Lineage()

    def execute(self, context: Context) -> Any:  # noqa: ANN401 - BaseOperator says so
        """Run the step; a permanent error fails the task at once, any other lets Airflow retry."""
        return self.run_step(context, self.perform)

    def run_step(self, context: Context, work: Callable[[Step], Any]) -> Any:  # noqa: ANN401 - what a step returns goes to XCom
        """Do `work` with a step made of the arguments; errors become what Airflow understands."""
        try:
            with self._step(context) as step:
                return self._recorded(step, work)
        except PermanentError as error:
            raise AirflowFailException(str(error)) from error

    @abstractmethod
    def perform(self, step: Step) -> Any:  # noqa: ANN401 - what a step returns goes to XCom
        """Read, plan, do."""

    def read_table(self, connection: Connection[Any], policy: PartitionPolicy, ledger: Ledger) -> PartitionedTable:
        """The policy's table; a step that works on tables of another kind reads it in another way."""
        return catalog.read_table(connection, policy, ledger)

    def about(self) -> TableName | None:
        """The one partition that the step is about, if it is about one; for the ledger's record of a failure."""
        return None

    def changes_database(self) -> bool:
        """Whether the step writes, so that the ledger must be there."""
        return True

    def get_openlineage_facets_on_complete(self, _task_instance: Any) -> Any:  # noqa: ANN401 - classes of a provider
        """The tables and files that the step has read and written; asked for by the OpenLineage provider, where it is installed."""
        return facets(self.lineage)

    def _recorded(self, step: Step, work: Callable[[Step], Any]) -> Any:  # noqa: ANN401 - what a step returns goes to XCom
        try:
            with translated(f'{self.action} for "{step.table.name}"'):
                if self.changes_database() and not step.dry_run:
                    self._refuse_lacking_privileges(step)
                    step.ledger.install()
                return work(step)
        except PartitionLifecycleError as error:
            self._note_failure(step, error)
            raise

    def _refuse_lacking_privileges(self, step: Step) -> None:
        """Before the first half of the work is done, rather than behind it."""
        name = self.about()
        partition = step.table.partition(name) if name else None
        oid = partition.oid if partition else None
        lacks = lacking_privileges(step.connection, step.ledger, step.policy, step.table, [oid] if oid else [])
        refuse_lacking(lacks, self.action, oid)

    def _note_failure(self, step: Step, error: PartitionLifecycleError) -> None:
        """Put the failure into the ledger, so that the report has it; the database may be what failed, so this may not."""
        if step.dry_run or step.connection.closed or step.connection.broken or not step.ledger.version():
            return
        outcome = "refused" if isinstance(error, DestructionRefusedError) else "failed"
        try:
            with translated("note the failure in the ledger"):
                step.ledger.record(Event(self.action, outcome, self.about(), detail=str(error)))
        except PartitionLifecycleError as second:
            self.log.warning("%s", second)  # the first one says what is wrong

    @contextmanager
    def _step(self, context: Context) -> Iterator[Step]:
        policy = self.policy if isinstance(self.policy, PartitionPolicy) else find_policy(self.policy)
        reference = parse_reference_date(self.reference_date, policy.timezone)
        dry_run = parse_flag("dry_run", self.dry_run)
        shown = StatementLog(self.log, partial(folded, self.log))
        with self._hands(policy, context, shown) as (executor, ledger):
            connection = executor.connection
            with translated(f'read the catalog for "{policy.table}"'):
                table = self.read_table(connection, policy, ledger)
                now = catalog.database_now(connection)
            self.log.info('%s "%s" as of %s%s', self.action, policy.table, reference.isoformat(), " (dry run)" if dry_run else "")
            step = Step(
                policy,
                table,
                reference,
                now,
                dry_run,
                connection,
                executor,
                ledger,
                context,
                lambda: self._connected(policy),
                lambda: self._beside(step, shown),
            )
            try:
                yield step
            finally:
                self.statements = ";\n".join(shown.kept)

    @contextmanager
    def _hands(self, policy: PartitionPolicy, context: Context, shown: StatementLog) -> Iterator[tuple[Executor, Ledger]]:
        """What a step works with on one connection."""
        what = f'{self.action} for "{policy.table}"'
        with self._connected(policy) as connection, Lookout(connection, self.log, what, policy.wait_timeout) as lookout:
            budget = LockBudget(policy.lock_timeout, policy.lock_attempts, policy.wait_timeout)
            executor = Executor(connection, budget, self.log, lookout=lookout, shown=shown)
            yield executor, Ledger(connection, policy.table, _identity(context))

    @contextmanager
    def _beside(self, step: Step, shown: StatementLog) -> Iterator[Step]:
        # Lines of several threads cannot be folded: each would be below the title of whoever came last.
        with self._hands(step.policy, step.context, StatementLog(self.log, kept=shown.kept)) as (executor, ledger):
            yield replace(step, connection=executor.connection, executor=executor, ledger=ledger)

    def _connected(self, policy: PartitionPolicy) -> AbstractContextManager[Connection[Any]]:
        conn_id = self.postgres_conn_id or policy.postgres_conn_id
        return connected(conn_id, f"partition_lifecycle {self.action} {policy.table}", policy.wait_timeout)


def read_again(step: Step) -> Step:
    """The step with the table as it is now; to be called once a lock keeps others from changing it."""
    return replace(step, table=catalog.read_table(step.connection, step.policy, step.ledger))


def _identity(context: Context) -> RunIdentity:
    """Which task instance runs; nothing outside a DAG run, where the context is empty."""
    instance = context.get("ti")
    if instance is None:
        return RunIdentity()
    return RunIdentity(instance.dag_id, instance.run_id, instance.task_id, instance.map_index, instance.try_number)
