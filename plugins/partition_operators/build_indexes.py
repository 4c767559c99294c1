"""The step that builds indexes."""

from typing import ClassVar

from include.partitioning.errors import PartitionLifecycleError, TransientError, all_of, collected
from include.partitioning.index_policy import IndexPolicy
from include.postgres.incomplete_indexes import complete_indexes
from include.postgres.index_beginning import Beginning, equal_index
from include.postgres.index_building import complete
from include.postgres.index_definitions import DefinedIndex, definition_of, indexes_of
from include.postgres.ledger_records import Event
from include.postgres.table_lock import table_lock
from partition_operators.index_jobs import IndexJobs
from partition_operators.index_plan import index_lines
from partition_operators.lifecycle_operator import LifecycleOperator, Step, read_again


class BuildIndexesOperator(LifecycleOperator):
    """Give the table, and every partition, the indexes that the policy says, while it is in use.

    `CREATE INDEX … ON ONLY` the table takes SHARE on it, waited for in short attempts; from then on new partitions have the index. Each
    partition that lacks it gets it `CONCURRENTLY`, so many at a time as `index_jobs` says; one that has an index like it keeps that. With the
    last part attached the index of the table is valid. An index is recognised by what it is, whatever it is called. No index is ever
    dropped but what an interrupted build of ours left: to take an entry out of the policy drops nothing.

    **When it fails** the other partitions, and the other indexes, are done; the message names the rest, and of a unique index the rows
    that are there more than once. Run it again: it goes on where it stopped.

    Arguments: see `LifecycleOperator`.
    """

    action: ClassVar[str] = "index"
    ui_color = "#f3e5f5"

    def perform(self, step: Step) -> list[str]:
        """Return the names of the indexes that were completed, as `schema.name`."""
        if step.dry_run:
            for line in index_lines(step):
                self.log.info("%s", line.text)
                for statement in line.statements:
                    self.log.info("    %s;", statement)
            return []
        built: list[str] = []
        errors: list[PartitionLifecycleError] = []
        for wanted in step.policy.indexes:
            with collected(errors):
                built += self._build(step, wanted)
        if not errors:  # what is left of ours then is of the policy as it was
            others, errors = complete_indexes(step.executor, step.ledger, step.table)
            built += map(str, others)
        if errors:
            raise all_of(errors)
        self.log.info("%s", f"built {', '.join(built)}" if built else "nothing to build: every index that the policy says is there")
        return built

    def _build(self, step: Step, wanted: IndexPolicy) -> list[str]:
        definition = definition_of(step.connection, step.table, wanted)
        found = equal_index(indexes_of(step.connection, step.table.oid), definition, wanted.name)
        if found is not None and found.valid:
            self.log.info('index "%s" is there: %s', found.name, definition)
            return []
        with table_lock(step.executor, step.table):
            step = read_again(step)
            index = Beginning(step.executor, step.ledger, step.table).begin(wanted, definition)
        self._build_parts(step, index)
        return [str(index.name)]

    def _build_parts(self, step: Step, index: DefinedIndex) -> None:
        failed = IndexJobs(step, index, self.log).run()
        if failed:
            raise all_of(failed)
        if not complete(step.executor, step.table, index):
            raise TransientError(f'index "{index.name}" is not complete yet: partitions came or went meanwhile; run it again')
        step.ledger.record(Event(self.action, "done", step.table.name, step.table.oid, detail=str(index.name)))
